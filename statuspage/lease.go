package statuspage

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"time"

	"github.com/cantonlb/cantonlb/internal/view"
	"github.com/cantonlb/cantonlb/report"
)

// LeaseSource supplies the leases that the page shows. A *lease.Candidate and a
// *lease.Group implement it.
type LeaseSource interface {
	// Leases returns a snapshot of each lease.
	Leases() []report.LeaseStatus
	// Events returns the newest events, oldest first.
	Events() []report.LeaseEvent
}

// noClient is the Source of a page that has leases alone.
type noClient struct{}

func (noClient) Status() report.Status { return report.Status{} }

func (noClient) SubscribeFrom(ctx context.Context, _ uint64) iter.Seq[report.EventBatch] {
	return func(func(report.EventBatch) bool) { <-ctx.Done() }
}

// leaseBoard holds the leases as the page shows them. Page.mu guards it.
type leaseBoard struct {
	leases []report.LeaseStatus
	events []report.LeaseEvent // the newest, oldest first
}

// look takes the leases of all sources.
func (b *leaseBoard) look(sources []LeaseSource) {
	b.leases, b.events = nil, nil
	for _, s := range sources {
		b.leases = append(b.leases, s.Leases()...)
		b.events = append(b.events, s.Events()...)
	}
	slices.SortStableFunc(b.events, func(x, y report.LeaseEvent) int { return x.At.Compare(y.At) })
	b.events = b.events[max(0, len(b.events)-keptEvents):]
}

// leaseView is one lease as the page shows it.
type leaseView struct {
	Name, Candidate, Holder, Trouble string
	State                            report.LeaseState
	Since                            time.Time
	Token                            uint64
	Held                             bool
	// Look is the state of an endpoint whose colour the row has.
	Look string
}

func (b *leaseBoard) view() []leaseView {
	list := make([]leaseView, 0, len(b.leases))
	for _, l := range b.leases {
		v := leaseView{
			Name: l.Name, Candidate: l.Candidate, Holder: cmp.Or(l.Holder, view.Unknown), Trouble: view.Trouble(l),
			State: l.State, Since: l.Since, Token: l.Token, Held: l.Held, Look: word(report.StateUnknown),
		}
		switch {
		case l.Stuck:
			v.Look = word(report.StateUnhealthy)
		case l.StoreFailing:
			v.Look = word(report.StateSuspect)
		case l.Held:
			v.Look = word(report.StateHealthy)
		}
		list = append(list, v)
	}
	return list
}

// leaseLook returns the symbol of an event of a lease.
func leaseLook(e report.LeaseEvent) string {
	switch e.Kind {
	case report.LeaseEventAcquired:
		return string(useActive)
	case report.LeaseEventStuck:
		return word(report.StateUnhealthy)
	case report.LeaseEventLost, report.LeaseEventNotReleased, report.LeaseEventRefused, report.LeaseEventStoreFailing, report.LeaseEventWatchEnded:
		return word(report.StateSuspect)
	case report.LeaseEventStoreAnswering:
		return word(report.StateHealthy)
	default:
		return word(report.StateRemoved)
	}
}

// merge adds the events of leases to those of the client, newest first.
func (b *leaseBoard) merge(events []eventView) []eventView {
	if len(b.events) == 0 {
		return events
	}
	for _, e := range b.events {
		events = append(events, eventView{At: e.At, To: string(e.Kind), Look: leaseLook(e), Text: e.String()})
	}
	slices.SortStableFunc(events, func(x, y eventView) int { return y.At.Compare(x.At) })
	return events[:min(len(events), keptEvents)]
}
