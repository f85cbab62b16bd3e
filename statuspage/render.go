package statuspage

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"github.com/cantonlb/cantonlb/internal/view"
	"github.com/cantonlb/cantonlb/report"
)

//go:embed assets
var assets embed.FS

var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"word":  word,
	"ago":   view.Ago,
	"at":    func(then, now time.Time) moment { return moment{then, now} },
	"stamp": func(t time.Time) string { return t.UTC().Format(stampForm) },
	"clock": func(t time.Time) string { return t.UTC().Format(time.TimeOnly) },
	"met": func(met bool) string {
		if met {
			return word(report.StateHealthy)
		}
		return word(report.StateUnhealthy)
	},
}).ParseFS(assets, "assets/page.html"))

// stampForm is the time format that the page's script reads.
const stampForm = "2006-01-02T15:04:05.000Z"

// moment is a time whose age is shown.
type moment struct{ Then, Now time.Time }

// render executes one of the templates. An error is a programming error, since the
// data has every field that the templates use; it is shown in the page.
func render(b *bytes.Buffer, name string, data any) {
	if err := pages.ExecuteTemplate(b, name, data); err != nil {
		fmt.Fprintf(b, "<p>%s</p>", template.HTMLEscapeString(err.Error()))
	}
}

// query is what a viewer asks for.
type query struct {
	show    string // "", "all" or a state
	explain string // the name of an endpoint
	party   string // of which the page tells where its requests go
	buttons bool   // the page has buttons
}

// explaining reports whether the viewer asks for one endpoint or one party.
func (q query) explaining() bool { return q.explain != "" || q.party != "" }

// mostRows is how many rows are shown, unless the viewer asks for all.
const mostRows = 250

// choose returns the rows of a query.
func (b *board) choose(q query) []*row {
	if q.explaining() {
		return nil
	}
	if q.show == "" && len(b.rows) > mostRows {
		rows := slices.Clone(b.rows)
		slices.SortStableFunc(rows, func(x, y *row) int { return severity(x.facts.State) - severity(y.facts.State) })
		return rows[:mostRows]
	}
	if q.show == "" || q.show == showAll {
		return b.rows
	}
	var rows []*row
	for _, r := range b.rows {
		if string(r.facts.State) == q.show {
			rows = append(rows, r)
		}
	}
	return rows
}

// severity orders the states, worst first.
func severity(s report.EndpointState) int { return slices.Index(states, s) }

// pageView is the data of the other templates.
type pageView struct {
	Title, Eligible, Policy, Channel, Show, Since string
	// Bare is set if there is no client. HasLeases is set if there are leases to show.
	Bare, HasLeases bool
	Leases          []leaseView
	Held            string
	// HasShards is set if there are shards to show, and LiveShards says how many are live.
	HasShards  bool
	LiveShards []string
	Routers    []routerView
	// Party is the party that the page explains, and Parties what each router knows of it.
	Party   string
	Parties []partyView
	// Clients are the clients of the page, if there are several. Handover says why
	// endpoints that have left the list still serve.
	Clients  []clientLine
	Handover string
	page     *Page
	// Active says which endpoint is active. It is empty unless the policy is
	// active_passive.
	Active string

	Now, NoneSince time.Time
	Ended, Actions bool
	Counts         []count
	Notes          []string
	Shown, Hidden  int
	Events         []eventView
	Explaining     bool
	Explain        *view.Explanation // nil: no such endpoint
}

// Link returns the URL of a view of this client.
func (v pageView) Link(key, value string) string { return v.page.link(key, value) }

type count struct {
	State report.EndpointState
	N     int
}

type eventView struct {
	At   time.Time
	To   string // the word for it
	Look string // the state whose colour and symbol it has
	Text string
}

// look returns the symbol of an event that leads to no state of an endpoint.
func look(e report.Event) string {
	switch e.To {
	case "", "pinned", "unpinned": // a switch
		return string(useActive)
	case "none_eligible":
		return word(report.StateUnhealthy)
	case "refused", "multiple_active", "held":
		return word(report.StateSuspect)
	case "eligible", "accepted", "one_active", "ended":
		return word(report.StateHealthy)
	default:
		return word(e.To)
	}
}

// viewLocked returns everything that a page shows, except the rows.
func (p *Page) viewLocked(q query, shown int) pageView {
	b := &p.board
	v := pageView{
		Title: p.title, Eligible: view.Eligible(b.status), Policy: b.status.Policy, Channel: b.status.State.String(),
		Active: view.Active(b.status, b.looked), Clients: p.lines(), Handover: view.Handover(b.status, b.looked), page: p,
		Show: q.show, Now: b.looked, NoneSince: b.status.NoneEligibleSince, Ended: p.ended(), Actions: q.buttons,
		Counts: b.count(), Notes: b.status.Notes, Shown: shown, Explaining: q.explaining(), Party: q.party,
		Since: p.since(b.version),
		Bare:  p.bare, HasLeases: p.hasLeases(), Leases: b.leases.view(), Held: view.Held(b.leases.leases),
		HasShards: len(p.shards) > 0, LiveShards: b.shards.live(), Routers: b.shards.view(),
	}
	if q.show == "" {
		v.Hidden = len(b.rows) - shown
	}
	if q.party != "" {
		v.Parties = p.parties(q.party)
	} else if v.Explaining {
		if e, ok := view.Explain(b.status, q.explain, b.looked); ok {
			v.Explain = &e
		}
	}
	for _, e := range slices.Backward(b.events.Events()) {
		if about := []string{"", e.Endpoint, e.Switch.From, e.Switch.To}; slices.Contains(about, q.explain) {
			v.Events = append(v.Events, eventView{At: e.At, To: cmp.Or(string(e.To), string(e.Kind)), Look: look(e), Text: e.String()})
		}
	}
	if !v.Explaining {
		v.Events = b.shards.merge(b.leases.merge(v.Events))
	}
	return v
}

func (b *board) count() []count {
	n := map[report.EndpointState]int{}
	for _, r := range b.rows {
		n[r.facts.State]++
	}
	var counts []count
	for _, s := range states {
		if n[s] > 0 {
			counts = append(counts, count{s, n[s]})
		}
	}
	return counts
}

// summary returns the text for screen readers, which is sent when it changes: how
// many endpoints are eligible, and which are not, or how many leases are held, and what
// is wrong with them.
func (b *board) summary(bare bool) string {
	const most = 6
	out := []string{view.Eligible(b.status)}
	if bare {
		out = b.shards.live()
		if len(b.leases.leases) > 0 || len(out) == 0 {
			out = append(out, view.Held(b.leases.leases))
		}
	}
	if f := b.status.Failover; f != nil {
		out = append(out, cmp.Or(f.Active, "no endpoint")+" is active")
	}
	for _, r := range b.rows {
		if f := &r.facts; !f.Eligible && len(out) < most {
			out = append(out, fmt.Sprintf("%s %s", f.Name, f.State))
		}
	}
	for _, l := range b.leases.leases {
		if trouble := view.Trouble(l); (l.Held || trouble != "") && len(out) < most {
			out = append(out, strings.TrimSuffix(fmt.Sprintf("lease %s %s: %s", l.Name, l.State, trouble), ": "))
		}
	}
	for _, trouble := range b.shards.troubles() {
		if len(out) < most {
			out = append(out, trouble)
		}
	}
	return strings.Join(out, "; ")
}
