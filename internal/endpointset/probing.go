package endpointset

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
	_ "google.golang.org/grpc/health" // without it a channel's healthCheckConfig is ignored

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/explain"
	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/link"
	"github.com/cantonlb/cantonlb/internal/probes"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/internal/wanted"
	"github.com/cantonlb/cantonlb/report"
)

// newEndpointLocked returns an endpoint. It does nothing until startLocked.
func (s *Set) newEndpointLocked(w wanted.Endpoint) *endpoint {
	e := &endpoint{
		set: s, name: w.Name, want: w, listed: listed{w.Weight, w.Zone, w.Priority, w.Identity},
		asked: asked{healthCheck: s.cfg.HealthCheck}, drained: s.drained[w.Name],
		healths: healths{health: judge.Health{State: report.HealthUnknown}},
	}
	e.link = link.New(&s.links, e, w.Addrs)
	e.target, e.service = probes.NewTarget(w, s.cfg.HealthCheck)
	e.was = judge.Judgement{Class: judge.Judge(e.facts()).Class, Standing: judge.Open} // no event has reported it
	if e.healthCheck.Disabled {
		return e
	}
	e.checker = checking.New(w.Name, e.healthCheck.Settings(), checking.Options{
		Budget: s.budget, OnTransition: e.transition,
		OnVerdict: func(k report.ProbeKind, v report.Verdict, took time.Duration) {
			s.teller.Verdict(w.Name, k, v.Outcome, took)
		},
	})
	return e
}

// maker makes the endpoint's probes on connections of their own.
func (e *endpoint) maker() probes.Maker {
	return probes.Maker{Build: e.set.build, Service: e.service, OnUnimplemented: e.healthCheck.OnUnimplemented}
}

// startLocked connects the endpoint, and starts its probes if they do not need a
// connection of the channel.
func (e *endpoint) startLocked() {
	if e.checker != nil && e.target != nil {
		s := e.set
		ctx, cancel := context.WithCancel(s.scope.Context())
		e.stop = cancel
		s.scope.Go(func() {
			elsewhere := e.maker().Elsewhere(e.target)
			e.checker.Run(ctx, elsewhere)
			if err := elsewhere.Close(); err != nil {
				logger.Infof("%s: endpoint %q: closing its probes: %v", s.policy, e.name, err)
			}
		})
	}
	e.link.Try()
}

// closeLocked takes the endpoint out of service permanently.
func (e *endpoint) closeLocked() {
	e.recordLocked()
	if e.stop != nil {
		e.stop()
	}
	e.link.Close()
}

// channelHealth handles a report of grpc's own health check. The check runs if the
// channel has a healthCheckConfig or a parent policy ejects endpoints; otherwise grpc
// reports READY once. The first report starts our own probes, since only then is it
// known whether grpc already has a Watch open.
func (c *conn) channelHealth(state balancer.SubConnState) {
	s := c.endpoint.set
	s.scope.Lock()
	defer s.scope.Unlock()
	e := c.endpoint
	if s.scope.Closed() || e.conn != c {
		return
	}
	first := e.channel == judge.Unheard
	if first {
		e.link.ForgetWhy()
	}
	switch state.ConnectivityState {
	case connectivity.Connecting, connectivity.Idle:
		e.channel = judge.Pending
	case connectivity.TransientFailure:
		e.channel = judge.Failing
	default:
		e.channel = judge.Passing
	}
	e.channelDetail = cleantext.Detail(explain.ErrorText(state.ConnectionError))
	if first {
		e.probeLocked(c, state.ConnectivityState == connectivity.Connecting)
	}
	e.applyLocked()
}

// probeLocked starts the probes on a connection. watched reports whether grpc watches
// the endpoint itself.
func (e *endpoint) probeLocked(c *conn, watched bool) {
	if e.checker == nil {
		e.health = judge.Health{State: report.Healthy, Why: judge.Why{Reason: report.ReasonConnected}}
		return
	}
	if e.target != nil {
		c.pulseLocked()
		return
	}
	c.cancel = c.Go(func(ctx context.Context, cc grpc.ClientConnInterface) {
		e.checker.Run(ctx, e.connProbes(c, cc, watched))
	})
}

// connProbes returns the probes that run on the calls' own connection. If grpc has a
// Watch on a service that is not configured here, ours only checks that the endpoint
// answers at all.
func (e *endpoint) connProbes(c *conn, cc grpc.ClientConnInterface, watched bool) checking.Probes {
	on := transport.ForProbes{ClientConnInterface: cc}
	service, opts := e.service, healthcheck.GRPCOptions{OnUnimplemented: e.healthCheck.OnUnimplemented}
	here := checking.Probes{
		Check:    c.Check(healthcheck.GRPCCheck(on, service, opts), cc),
		Watch:    healthcheck.GRPCWatch(on, service, opts),
		Fallback: &fallback{endpoint: e, conn: c},
		Line:     c.Line(c.stuck),
	}
	if watched && service == "" {
		here.Check, here.Fallback, here.Watch = probes.Alive{Check: here.Check}, probes.Alive{Check: here.Fallback}, nil
	}
	return here
}

// fallback probes on a short-lived connection of its own, for an endpoint on whose
// connection a probe was not answered although the connection is in use. If the name has
// several addresses, the connection leads to the one of the connection conn. The call
// credentials of the channel are not known here, so a server that denies the probe has
// answered it, and no more.
type fallback struct {
	endpoint *endpoint
	conn     *conn
}

func (f *fallback) Probe(ctx context.Context) report.Verdict {
	own := f.endpoint.maker().OwnChannel(f.endpoint.want.At(f.conn.Address), f.conn.RemoteIP(), nil)
	defer func() { _ = own.Close() }() // the probe's result is known by then
	return own.Check.Probe(ctx)
}

func (*fallback) Kind() report.ProbeKind { return report.KindGRPCCheck }
