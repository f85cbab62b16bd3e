package jsonapi

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/report"
	"github.com/cantonlb/cantonlb/resolver"
)

// readiness is the probe of an endpoint: a page that says whether it is ready and, if the
// endpoint does not say so, a page that says whether its process answers at all.
type readiness struct {
	ready, live healthcheck.Probe // live may be nil
	close       func()
	// payload returns how much the endpoint has sent on the connections of requests.
	payload func() uint64
	// alive is when the endpoint last answered either page; nil: never.
	alive atomic.Pointer[time.Time]

	busy int // probes in a row that timed out while the endpoint was sending
}

// mostBusy is how many probes in a row may time out while the endpoint sends responses. A
// link that is full delays probes; a server that only finishes old responses is not
// healthy.
const mostBusy = 3

func (p *readiness) Kind() report.ProbeKind { return p.ready.Kind() }

func (p *readiness) Target() string { return p.ready.Target() }

// Close closes the connections of the probes.
func (p *readiness) Close() error {
	p.close()
	return nil
}

// Probe asks whether the endpoint is ready. If there is no answer within half of the
// deadline, or one that says that it is not, Probe also asks whether it is alive. Being
// alive does not make an endpoint eligible: it is for people, and for the requests in
// flight, which are not given up while the process answers.
func (p *readiness) Probe(ctx context.Context) report.Verdict {
	before := p.payload()
	ready := make(chan report.Verdict, 1)
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { ready <- p.ready.Probe(asking) }()
	var v report.Verdict
	if p.live == nil {
		v = <-ready
		p.note(v)
	} else {
		v = p.both(ctx, ready)
	}
	if v.Outcome == report.Failed && v.Reason == report.ReasonProbeTimeout && p.payload() != before && p.busy < mostBusy {
		p.busy++
		return checking.NewVerdict(report.Inconclusive, report.ReasonBusy, "the probe timed out while responses were arriving")
	}
	p.busy = 0
	return v
}

// both awaits the answer of the first page, and asks for the second one if it is missing
// or negative.
func (p *readiness) both(ctx context.Context, ready <-chan report.Verdict) report.Verdict {
	half := time.NewTimer(halfOf(ctx))
	defer half.Stop()
	select {
	case v := <-ready:
		p.note(v)
		if v.Outcome == report.Serving || v.Outcome == report.Inconclusive {
			return v
		}
		return p.withLife(ctx, v)
	case <-half.C:
	}
	live := make(chan report.Verdict, 1)
	go func() { live <- p.live.Probe(ctx) }()
	v, l := <-ready, <-live
	p.note(v)
	p.note(l)
	if v.Outcome == report.Serving || v.Outcome == report.Inconclusive {
		return v
	}
	return describe(v, l)
}

func (p *readiness) withLife(ctx context.Context, v report.Verdict) report.Verdict {
	l := p.live.Probe(ctx)
	p.note(l)
	return describe(v, l)
}

// note remembers that the endpoint has answered.
func (p *readiness) note(v report.Verdict) {
	if v.Outcome == report.Serving || v.Outcome == report.NotServing || v.Reason == report.ReasonProbeDenied {
		now := time.Now()
		p.alive.Store(&now)
	}
}

// describe adds to a verdict what the page about life says.
func describe(v, live report.Verdict) report.Verdict {
	text := "its process does not answer"
	switch live.Outcome {
	case report.Serving:
		text = "its process is alive"
	case report.NotServing:
		text = "its process answers, and not that it is alive"
	case report.Inconclusive:
		return v
	case report.Failed:
		if v.Reason == report.ReasonConnectFailed {
			return v // which says it already
		}
	}
	if v.Detail != "" {
		text = v.Detail + "; " + text
	}
	return checking.NewVerdict(v.Outcome, v.Reason, text)
}

// halfOf returns half of the time until the deadline.
func halfOf(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return connectTimeout
	}
	return time.Until(deadline) / 2
}

// newReadiness returns the probe of an endpoint: by its own health target, by that of the
// client, or by the client's pages at the endpoint itself, which get no token.
func newReadiness(s server, cfg settled, creds *transport.Credentials, payload func() uint64) (*readiness, error) {
	e := s.Endpoint
	if !e.Health.IsSet() {
		e.Health.HTTP = cfg.health.HTTP
	}
	target, elsewhere := e.HealthEndpoint()
	if !elsewhere {
		target = e
		target.Token, target.TokenFile, target.Credentials = resolver.Secret{}, "", nil
	}
	base, err := newProbeTransport(cfg.model, creds, target)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: creds.WithToken(target, base)}
	page := func(url string) healthcheck.Probe {
		var o healthcheck.HTTPOptions
		if expect := e.Health.ExpectedStatus; elsewhere && expect != 0 {
			o.Expect = []int{expect}
		}
		return healthcheck.HTTPGet(client, url, o)
	}
	p := &readiness{payload: payload, close: base.CloseIdleConnections}
	switch {
	case elsewhere && e.Health.TCP != "":
		p.ready = healthcheck.TCPConnect(target.HostPort(), base.DialContext)
	case elsewhere:
		p.ready = page(e.HealthURL())
	default:
		p.ready = page(s.page(cfg.ready))
		if cfg.live != "" {
			p.live = page(s.page(cfg.live))
		}
	}
	return p, nil
}
