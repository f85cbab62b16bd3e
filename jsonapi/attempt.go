package jsonapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"time"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/report"
)

// begin makes the flight of an attempt on an endpoint. hedge says that it is made beside
// another one.
func (t *call) begin(e *endpoint, trial, hedge bool) (context.Context, *flight) {
	ctx, cancel := context.WithCancelCause(t.req.Context())
	f := &flight{call: t, endpoint: e, began: time.Now(), cancel: cancel, trial: trial, hedge: hedge}
	if left := t.mayWait(); left != forever {
		f.late = time.AfterFunc(left, f.expire)
	}
	t.mu.Lock()
	if t.flights == nil {
		t.flights = t.few[:0]
	}
	t.flights = append(t.flights, f)
	f.number = len(t.flights)
	t.flying++
	t.mu.Unlock()
	if f.number == 1 {
		t.client.budget.Call(f.began)
	}
	e.picked.Add(1)
	e.flights.add(f)
	if t.client.pool.picks.Load().closed {
		f.kill(ErrClosed) // close may have looked at the flights before
	}
	t.observe(ctx, f, AttemptEvent{Kind: cantonlb.AttemptStarted})
	return ctx, f
}

// fly makes the attempt. With a response, the flight lasts until its body is closed.
func (t *call) fly(ctx context.Context, f *flight) (*http.Response, ending) {
	resp, err := t.exchange(ctx, f)
	end := t.endingOf(f, resp, err) //nolint:contextcheck // it asks for the caller's context, not for the attempt's
	f.judge(end)                    //nolint:contextcheck // what it starts belongs to the client
	t.landed(f, end, err)           //nolint:contextcheck // the observer gets the caller's context
	if resp == nil {
		f.over()
	}
	return resp, end
}

// exchange sends the request to the flight's endpoint, and receives the header of the
// response.
func (t *call) exchange(ctx context.Context, f *flight) (*http.Response, error) {
	e := f.endpoint
	out := t.req.WithContext(httptrace.WithClientTrace(ctx, f.hooks()))
	out.URL, out.Host = t.client.pool.cfg.logical.rewrite(t.req, &e.at)
	header, err := t.header(ctx, e)
	if err != nil {
		return nil, err
	}
	out.Header = header
	body, err := t.body.attempt()
	if err != nil {
		return nil, err
	}
	if body != nil {
		out.Body = body
	}
	if t.req.GetBody == nil && body != nil {
		// net/http sends a request again on another connection of the same server if
		// nothing was written.
		out.GetBody = func() (io.ReadCloser, error) {
			if !t.body.repeatable() {
				return nil, errNotReplayable
			}
			return t.body.attempt()
		}
	}
	resp, err := e.transport.RoundTrip(out)
	if err != nil {
		if why := f.why(); why != nil {
			err = why
		}
		return nil, err
	}
	if resp.StatusCode == http.StatusSwitchingProtocols && !isUpgrade(t.req) {
		_ = resp.Body.Close() // it is the connection, which no context ends
		return nil, errSwitched
	}
	if !f.phase.CompareAndSwap(waiting, arriving) { // the attempt was called off just before
		_ = resp.Body.Close()
		return nil, errRescued
	}
	f.arrived()
	t.receive(f, resp)
	return resp, nil
}

// header returns the header of a request at an endpoint: with the endpoint's token, unless
// the request has its own Authorization.
func (t *call) header(ctx context.Context, e *endpoint) (http.Header, error) {
	h := t.req.Header
	_, own := h["Authorization"]
	switch {
	case own && isWebsocket(h):
		h = h.Clone()
		offerToken(h)
		return h, nil
	case own || h == nil || !e.at.HasToken():
		return h, nil // a transport does not change it, and refuses one that is nil
	}
	u := t.req.URL
	at := *u
	at.Scheme, at.Host = e.at.scheme, e.at.hostPort
	fields, err := t.client.creds.RequestTokens(ctx, e.at.Endpoint, &at)
	if err != nil {
		return nil, &tokenError{err}
	}
	h = h.Clone()
	for key, value := range fields {
		h.Set(key, value)
	}
	offerToken(h)
	return h, nil
}

// tokenError is the error of an attempt that had no token to send.
type tokenError struct{ err error }

func (e *tokenError) Error() string { return e.err.Error() }
func (e *tokenError) Unwrap() error { return e.err }

// The subprotocols by which the JSON API takes the token of a websocket.
const (
	wsProtocol    = "daml.ws.auth"
	wsTokenPrefix = "jwt.token."
	wsProtocols   = "Sec-WebSocket-Protocol"
)

// offerToken adds the token to the subprotocols of a websocket that offers to take it
// there. Canton splits the field at commas and does not trim the parts, so the token is
// the first and no space follows.
func offerToken(h http.Header) {
	offered := strings.Join(h.Values(wsProtocols), ",")
	if !isWebsocket(h) || strings.Contains(offered, wsTokenPrefix) {
		return
	}
	scheme, token, _ := strings.Cut(h.Get("Authorization"), " ")
	if token = strings.TrimSpace(token); !strings.EqualFold(scheme, "Bearer") || token == "" {
		return
	}
	for p := range strings.SplitSeq(offered, ",") {
		if strings.TrimSpace(p) == wsProtocol {
			h.Set(wsProtocols, wsTokenPrefix+token+","+strings.ReplaceAll(offered, " ", ""))
			return
		}
	}
}

// hideToken removes the token from the subprotocols that a server has chosen, unless the
// caller has offered it: callers put what they did not offer into errors.
func hideToken(asked, h http.Header) {
	chosen := strings.Join(h.Values(wsProtocols), ",")
	if !strings.Contains(chosen, wsTokenPrefix) || strings.Contains(strings.Join(asked.Values(wsProtocols), ","), wsTokenPrefix) {
		return
	}
	h.Del(wsProtocols)
	for p := range strings.SplitSeq(chosen, ",") {
		if p = strings.TrimSpace(p); !strings.HasPrefix(p, wsTokenPrefix) {
			h.Add(wsProtocols, p)
		}
	}
}

func isWebsocket(h http.Header) bool { return strings.EqualFold(h.Get("Upgrade"), "websocket") }

// hooks returns what the transport calls, by which a flight learns what has left and what
// has arrived.
func (f *flight) hooks() *httptrace.ClientTrace {
	arrived := f.arrived
	f.trace = httptrace.ClientTrace{
		GetConn: f.asks, GotConn: f.got, Got100Continue: arrived, GotFirstResponseByte: arrived,
		WroteHeaders: func() { f.wrote.Store(true) },
	}
	return &f.trace
}

// endingOf determines how an attempt ended.
func (t *call) endingOf(f *flight, resp *http.Response, err error) ending {
	if err == nil {
		end := ending{outcome: answered, status: resp.StatusCode}
		if end.status == http.StatusUnauthorized {
			_, own := t.req.Header["Authorization"]
			end.denied = !own && f.endpoint.at.HasToken()
		}
		if !end.stands() {
			end.retryAfter = retryAfter(resp.Header, time.Now())
		}
		return end
	}
	why := f.why()
	var token *tokenError
	switch {
	case t.ended() != nil:
		return ending{outcome: ended}
	case errors.Is(why, errRescued), errors.Is(err, errRescued):
		return ending{outcome: calledOff}
	case errors.Is(why, errBeaten):
		return ending{outcome: beaten}
	case errors.Is(why, ErrClosed), t.body.failed() != nil, errors.Is(err, errNotReplayable), isWrongLength(err):
		return ending{outcome: atFault}
	case errors.As(err, &token), errors.Is(why, errLate) && !f.sent():
		return ending{outcome: unsent, local: true}
	case !f.wasAsked(), f.connected() && isUnwritable(err, f.sent()):
		return ending{outcome: atFault}
	case !f.sent():
		return ending{outcome: unsent}
	default:
		return ending{outcome: lost}
	}
}

// judge makes the ending evidence about the endpoint, as far as the endpoint could have
// done anything about it.
func (f *flight) judge(end ending) {
	e := f.endpoint
	switch end.outcome {
	case answered:
		switch {
		case isUnavailable(end.status):
			e.failedBadly(f.trial)
			e.doubt(report.ReasonCallsFailing)
		case end.denied:
			e.failedBadly(f.trial)
			e.doubt(report.ReasonCallsDenied)
		default:
			e.answeredWell(f.trial)
		}
	case unsent:
		if !end.local {
			e.failedBadly(f.trial)
			e.doubt(report.ReasonConnectFailed)
		}
	case lost:
		e.failedBadly(f.trial)
		e.doubt(report.ReasonConnectionLost)
	case calledOff:
		e.failedBadly(f.trial)
	case ended:
		if f.sent() && time.Since(f.began) >= leastEvidence {
			e.failedBadly(f.trial)
		}
	case beaten, atFault:
	}
}

// leastEvidence is how long a request must have waited in vain to be evidence against the
// endpoint when its caller cancels it.
const leastEvidence = time.Second

// landed notes how the attempt ended.
func (t *call) landed(f *flight, end ending, err error) {
	a := Attempt{Endpoint: f.endpoint.at.Name, Status: end.status, Sent: err == nil || f.sent()}
	if err != nil {
		why := f.why()
		a.CalledOff = errors.Is(why, errRescued) || errors.Is(why, errBeaten)
		a.Err = fmt.Errorf("endpoint %q: %w", a.Endpoint, cleaned(err))
		if failed := t.body.failed(); failed != nil {
			a.Err = failed
		}
	}
	t.mu.Lock()
	f.attempt, f.landed = a, true
	t.flying--
	if a.Sent {
		t.sent++
	} else {
		t.unsent++
		if f.connected() {
			t.stuck++
		}
	}
	t.mu.Unlock()
	t.observe(t.req.Context(), f, AttemptEvent{Kind: cantonlb.AttemptEnded, Status: end.status, Err: a.Err})
}

// over ends the flight.
func (f *flight) over() {
	e := f.endpoint
	e.flights.remove(f)
	if e.gone.Load() {
		e.transport.CloseIdleConnections() // also one that is being made
	}
	if f.late != nil {
		f.late.Stop()
	}
	f.cancel(errOver)
}
