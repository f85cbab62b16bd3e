package statuspage

import (
	"net/url"
	"slices"
	"time"

	"github.com/cantonlb/cantonlb/internal/view"
	"github.com/cantonlb/cantonlb/report"
)

// ShardSource supplies the shards that the page shows. A *shard.Router implements it.
type ShardSource interface {
	// Status returns a snapshot.
	Status() report.RouterStatus
	// Events returns the newest events, oldest first.
	Events() []report.ShardEvent
	// Known returns where requests with a party go, by what is known, without a look-up.
	Known(party string) (report.PartyExplanation, error)
}

// shardBoard holds the shards as the page shows them. Page.mu guards it.
type shardBoard struct {
	routers []report.RouterStatus
	events  []report.ShardEvent // the newest, oldest first
}

// look takes the shards of all sources.
func (b *shardBoard) look(sources []ShardSource) {
	b.routers, b.events = nil, nil
	for _, s := range sources {
		b.routers = append(b.routers, s.Status())
		b.events = append(b.events, s.Events()...)
	}
	slices.SortStableFunc(b.events, func(x, y report.ShardEvent) int { return x.At.Compare(y.At) })
	b.events = b.events[max(0, len(b.events)-keptEvents):]
}

// routerView is one router as the page shows it.
type routerView struct {
	Name, Live, Routed, Default string
	Notes                       []string
	Shards                      []shardView
}

// shardView is one shard as the page shows it.
type shardView struct {
	Name, Participant, GRPC, JSON, Trouble string
	State                                  report.ShardState
	Parties, Users                         int
	Requests                               uint64
	Refreshed                              time.Time
	// Look is the state of an endpoint whose colour the row has.
	Look string
}

func (b *shardBoard) view() []routerView {
	list := make([]routerView, 0, len(b.routers))
	for _, r := range b.routers {
		v := routerView{Name: r.Name, Live: view.LiveShards(r), Routed: view.Routed(r), Default: r.Default, Notes: view.RouterNotes(r)}
		for _, x := range r.Shards {
			v.Shards = append(v.Shards, shardView{
				Name: x.Name, Participant: x.Participant, GRPC: view.ClientState(x.GRPC), JSON: view.ClientState(x.JSON),
				Trouble: view.ShardTrouble(x), State: x.State, Parties: x.Parties, Users: x.Users, Requests: x.Requests,
				Refreshed: x.Refreshed, Look: shardLook(x),
			})
		}
		list = append(list, v)
	}
	return list
}

// shardLook returns the state of an endpoint whose colour a shard has.
func shardLook(x report.ShardStatus) string {
	switch {
	case x.State == report.ShardDown, x.State == report.ShardDistrusted:
		return word(report.StateUnhealthy)
	case x.State == report.ShardDegraded, view.ShardTrouble(x) != "":
		return word(report.StateSuspect)
	default:
		return word(report.StateHealthy)
	}
}

// live returns how many shards are live, in words, of each router.
func (b *shardBoard) live() (texts []string) {
	for _, r := range b.routers {
		texts = append(texts, view.LiveShards(r))
	}
	return texts
}

// troubles returns what is wrong with shards, in words.
func (b *shardBoard) troubles() (texts []string) {
	for _, r := range b.routers {
		for _, x := range r.Shards {
			if x.State != report.ShardLive {
				texts = append(texts, "shard "+x.Name+" "+string(x.State))
			}
		}
	}
	return texts
}

// merge adds the events of shards to others, newest first.
func (b *shardBoard) merge(events []eventView) []eventView {
	if len(b.events) == 0 {
		return events
	}
	for _, e := range b.events {
		look := word(report.StateRemoved)
		if e.Bad() {
			look = word(report.StateSuspect)
		}
		events = append(events, eventView{At: e.At, To: string(e.Kind), Look: look, Text: e.String()})
	}
	slices.SortStableFunc(events, func(x, y eventView) int { return y.At.Compare(x.At) })
	return events[:min(len(events), keptEvents)]
}

// partyView is where requests with a party go, by one router.
type partyView struct {
	Router, Answer, Home, Error string
	Shards                      []shardAnswer
	Routes                      []partyRoute
}

type shardAnswer struct{ Shard, Text string }

type partyRoute struct {
	Requests, Text string
	Met            bool
}

// parties returns where requests with a party go, by each router.
func (p *Page) parties(party string) []partyView {
	list := make([]partyView, 0, len(p.shards))
	for i, s := range p.shards {
		x, err := s.Known(party)
		v := partyView{}
		if i < len(p.board.shards.routers) { // otherwise the page has not looked yet
			v.Router = p.board.shards.routers[i].Name
		}
		if err != nil {
			v.Error = err.Error()
			list = append(list, v)
			continue
		}
		v.Answer, v.Home = view.PartyAnswer(x), x.Home
		for _, a := range x.Answers {
			v.Shards = append(v.Shards, shardAnswer{Shard: a.Shard, Text: view.AnswerOf(a)})
		}
		for _, r := range x.Routes {
			v.Routes = append(v.Routes, partyRoute{Requests: view.PartyRequests(r.Request), Text: view.RouteOf(r), Met: len(r.Shards) > 0})
		}
		list = append(list, v)
	}
	return list
}

// explainParty returns the explanations of a party by all routers, or the error of one.
func (p *Page) explainParty(party string) ([]report.PartyExplanation, error) {
	var list []report.PartyExplanation
	for _, s := range p.shards {
		x, err := s.Known(party)
		if err != nil {
			return nil, err
		}
		list = append(list, x)
	}
	return list, nil
}

// asksParty reports whether a request asks for a party of which the page can tell.
func (p *Page) asksParty(values url.Values) bool {
	return len(p.shards) > 0 && values.Get("party") != ""
}
