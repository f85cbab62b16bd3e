package endpointset

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/report"
)

// ErrClosed is the error of what is asked of a client that is closed.
var ErrClosed = errors.New("the client is closed")

// maxExplained is how many endpoints an explanation names; of a longer list it
// gives the number of the rest.
const maxExplained = 8

// NoEligibleError explains why no endpoint may be picked. It is the plain error that
// a picker gives.
type NoEligibleError struct {
	// Of is the length of the list; Endpoints explains the first few of it.
	Of        int
	Endpoints []report.IneligibleEndpoint
	// more is how many others are not eligible either.
	more int
	// Pinned is the only endpoint that may be picked, "" if there is no such rule.
	Pinned string
	// Resolver is what the resolver last complained of, empty if nothing.
	Resolver string
}

// Error gives one line, of bounded length.
func (n *NoEligibleError) Error() string {
	return fmt.Sprintf("no eligible endpoint of %d: %s", n.Of, n.reasons())
}

func (n *NoEligibleError) reasons() string {
	var b strings.Builder
	for i, e := range n.Endpoints {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(ineligibleText(e))
	}
	if n.more > 0 {
		fmt.Fprintf(&b, " and %d more", n.more)
	}
	if n.Of == 0 {
		b.WriteString("the list is empty")
	}
	if n.Pinned != "" {
		fmt.Fprintf(&b, "; the active is pinned to %s", cleantext.Detail(n.Pinned))
	}
	if n.Resolver != "" {
		b.WriteString("; the resolver: " + n.Resolver)
	}
	return b.String()
}

// ineligibleText returns, for example, `seq1 unhealthy (not_serving, 12s)`.
func ineligibleText(e report.IneligibleEndpoint) string {
	var facts []string
	if e.Reason != report.ReasonNone {
		facts = append(facts, string(e.Reason))
	}
	if e.For > 0 {
		facts = append(facts, roughly(e.For))
	}
	text := strings.Join(facts, ", ")
	if e.Detail != "" {
		if text != "" {
			text += ": "
		}
		text += e.Detail
	}
	if e.NextTry > 0 {
		text += "; next try in " + roughly(e.NextTry)
	}
	name := cleantext.Detail(e.Name) // a foreign resolver may call it anything
	if text == "" {
		return name + " " + string(e.State)
	}
	return fmt.Sprintf("%s %s (%s)", name, e.State, text)
}

// roughly gives a duration as a person would say it.
func roughly(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(100 * time.Millisecond).String()
	default:
		return d.Round(time.Millisecond).String()
	}
}

// Explain tells of each endpoint that is not eligible why.
func (s *Set) Explain() error { return s.explain() }

func (s *Set) explain() *NoEligibleError {
	s.mu.Lock()
	defer s.unlock()
	return s.explainLocked()
}

func (s *Set) explainLocked() *NoEligibleError {
	now := time.Now()
	n := &NoEligibleError{Of: len(s.list), Resolver: cleantext.Detail(errorText(s.problem))}
	if s.choice != nil {
		n.Pinned = s.choice.state.Pinned()
	}
	for _, e := range s.list {
		if e.was.Class == judge.Eligible {
			continue
		}
		if len(n.Endpoints) == maxExplained {
			break
		}
		n.Endpoints = append(n.Endpoints, e.explainLocked(now))
	}
	n.more = len(s.list) - s.counts[judge.Eligible] - len(n.Endpoints)
	return n
}

func (e *endpoint) explainLocked(now time.Time) report.IneligibleEndpoint {
	is := e.was
	why := report.IneligibleEndpoint{Name: e.name, State: is.State, Reason: is.Reason, Detail: is.Detail}
	switch {
	case is.State == report.StateDrained:
		why.Reason = report.ReasonNone // the state says it all
	case is.State == report.StateConnecting:
		why.Reason = report.ReasonNone // and here the detail does
		if e.link.Phase == machine.Waiting {
			why.NextTry = max(0, e.nextTry.Sub(now))
		}
	case is.State != report.StateEjected && is.Reason != report.ReasonChannelHealth:
		why.For = now.Sub(e.since)
	}
	return why
}

// plainly gives an error of the resolver's to the calls, as a text alone: it may
// be a status error, which would end those that are willing to wait.
func plainly(err error) error { return errors.New(cleantext.Detail(errorText(err))) }

// errorText gives the part of a connection error that says what happened.
// grpc wraps it in words of its own.
func errorText(err error) string {
	if err == nil {
		return ""
	}
	var handshake *transport.HandshakeError
	if errors.As(err, &handshake) {
		return handshake.Cause()
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Error()
	}
	return err.Error()
}

// connectReason is why an attempt to connect has failed.
func connectReason(err error) report.Reason {
	if errors.As(err, new(*transport.HandshakeError)) || transport.IsAlert(err) {
		return report.ReasonHandshakeFailed
	}
	return report.ReasonConnectFailed
}
