package quorum

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/event"
	"github.com/cantonlb/cantonlb/internal/guard"
)

// Member is one of the members whose answers are compared. Everything that could lie
// together is one Member: several endpoints of the same organisation are one Client
// and one Member. Two members with the same Conn, or with the same URL and Transport,
// are refused, as the answers of one server would count twice.
type Member struct {
	// Name is unique among the members: printable, of 1 to 256 bytes.
	Name string
	// Conn is the member's gRPC connection, such as a *cantonlb.Client. nil if it has
	// none.
	Conn grpc.ClientConnInterface
	// URL is the base URL of the member's HTTP API, such as
	// "https://scan.example.com/api". Transport makes the requests; nil means the Base
	// of the quorum Transport. Both are empty if the member has no HTTP API.
	URL       string
	Transport http.RoundTripper
	// Healthy, if not nil, reports whether the member is believed to be healthy. A
	// member that is not is asked after the others. It must return at once, since each
	// read waits for it, and be safe for concurrent use.
	Healthy func() bool
}

// Options are the options of Members. The zero value means the defaults.
type Options struct {
	// DissentFor is how long a member that contradicted others is remembered as
	// dissenting. Default 10 minutes; negative: until ClearDissent.
	DissentFor time.Duration
	// Logger gets a line for each event. Default slog.Default().
	Logger *slog.Logger
	// OnRead, if not nil, is called when a read has ended, with its verdict and its
	// error or nil, for metrics. It is called with no lock held, before the read
	// returns, and must be safe for concurrent use. A read waits for it for 150 ms at
	// most; while 16 calls have not returned, it is not called.
	OnRead func(Verdict, error)
}

// Members holds the members and what is known of them: how fast and how reliable they
// are, and which of them contradicted others. Share one Members between the reads and
// streams of a program. Its methods are safe for concurrent use.
type Members struct {
	opts   Options
	source func() []Member // nil if the list is fixed or set by Update
	events *event.Log[Event]
	now    func() time.Time
	left   guard.Left // calls of the logger and of OnRead that have not returned in time

	// mu guards what follows. Only the lock of events is taken under it.
	mu      sync.Mutex
	list    []*record
	refused string // why the newest list is not in force
	asked   uint64 // how often source was called
	heard   uint64 // the last of these calls whose list is known
	lost    bool   // no agreement since the last one
	totals  Totals
	number  uint64
	owned   []io.Closer
	changed chan struct{} // closed when the list or a dissent has changed
}

// record is a member with its standing. Members.mu guards it.
type record struct {
	Member
	standing
	counts Counts
}

// NewMembers returns Members with this list. Every error names the member, the value
// and what would be right.
func NewMembers(list []Member, opts Options) (*Members, error) {
	m := &Members{opts: opts, events: newEvents(), now: time.Now, changed: make(chan struct{})}
	if d := opts.DissentFor; d > 0 && d < time.Millisecond {
		return nil, fmt.Errorf("quorum: dissent for %v: want a duration of at least 1ms, 0 for the default, or a negative one", d)
	}
	if err := checkList(list); err != nil {
		return nil, err
	}
	m.setLocked(list)
	return m, nil
}

// MembersFunc returns Members with the list that a function returns; each read calls
// it, and waits for it. The function must return at once and be safe for concurrent
// use. A member whose server is the same has the same Conn each time. An invalid list is
// refused with an event, and the list before it stays in effect. The first list must be
// valid.
func MembersFunc(list func() []Member, opts Options) (*Members, error) {
	if list == nil {
		return nil, errors.New("quorum: list: nil; want a function that returns the members")
	}
	m, err := NewMembers(list(), opts)
	if err != nil {
		return nil, err
	}
	m.source = list
	return m, nil
}

// Update replaces the list. What is known of a member is kept by its name. Streams
// subscribe anew to a member with another Conn or URL than before. An invalid list
// returns an error and changes nothing.
func (m *Members) Update(list []Member) error {
	if m.source != nil {
		return errors.New("quorum: update: the list comes from a function; want Members made by NewMembers")
	}
	if err := checkList(list); err != nil {
		return err
	}
	m.mu.Lock()
	changed := m.setLocked(list)
	m.wakeLocked() // a member may be another server now
	m.mu.Unlock()
	m.announce(changed)
	return nil
}

// setLocked replaces the list, and returns the event that reports it.
func (m *Members) setLocked(list []Member) []Event {
	was := make(map[string]*record, len(m.list))
	for _, r := range m.list {
		was[r.Name] = r
	}
	next := make([]*record, 0, len(list))
	added := 0
	for _, x := range list {
		r := was[x.Name]
		if r == nil {
			r, added = new(record), added+1
		}
		delete(was, x.Name)
		r.Member = x
		next = append(next, r)
	}
	first := m.list == nil
	m.list, m.refused = next, ""
	if first || added == 0 && len(was) == 0 {
		return nil
	}
	m.wakeLocked()
	return m.eventLocked(Event{
		Kind: EventMembers, Reason: ReasonList, Detail: fmt.Sprintf("%d members: %d joined, %d left", len(next), added, len(was)),
	})
}

func (m *Members) wakeLocked() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// refresh reads the list from the source.
func (m *Members) refresh() {
	if m.source == nil {
		return
	}
	m.mu.Lock()
	m.asked++
	turn := m.asked
	m.mu.Unlock()
	list := m.source()
	err := checkList(list)
	m.mu.Lock()
	var told []Event
	late := turn < m.heard // a list that was asked for later is there already
	m.heard = max(m.heard, turn)
	switch {
	case late:
	case err == nil:
		told = m.setLocked(list)
	case m.refused != err.Error():
		m.refused = err.Error()
		told = m.eventLocked(Event{Kind: EventMembers, Reason: ReasonList, Detail: "refused: " + m.refused})
	}
	m.mu.Unlock()
	m.announce(told)
}

// List returns the current members.
func (m *Members) List() []Member {
	m.refresh()
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]Member, 0, len(m.list))
	for _, r := range m.list {
		out = append(out, r.Member)
	}
	return out
}

// candidate is a member as a read sees it.
type candidate struct {
	record *record
	member Member
	hedge  time.Duration
}

// candidates returns the members in the order in which to ask them, and how many of
// the first are known to be healthy.
func (m *Members) candidates() (list []candidate, well int) {
	ill := make(map[string]bool)
	for _, x := range m.List() {
		if x.Healthy != nil && !x.Healthy() {
			ill[x.Name] = true
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.list {
		r.ill = ill[r.Name]
	}
	return m.candidatesLocked(m.now())
}

func (m *Members) candidatesLocked(now time.Time) (list []candidate, well int) {
	type place struct {
		rank   rank
		bucket int
	}
	places := make(map[*record]place, len(m.list))
	order := slices.Clone(m.list)
	rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	for _, r := range order {
		places[r] = place{r.rank(now), r.bucket()}
	}
	slices.SortStableFunc(order, func(a, b *record) int {
		x, y := places[a], places[b]
		return cmp.Or(cmp.Compare(x.rank, y.rank), cmp.Compare(x.bucket, y.bucket))
	})
	counting := true
	for _, r := range order {
		counting = counting && r.known(now)
		if counting {
			well++
		}
		list = append(list, candidate{record: r, member: r.Member, hedge: r.hedge()})
	}
	return list, well
}

func (m *Members) findLocked(name string) *record {
	i := slices.IndexFunc(m.list, func(r *record) bool { return r.Name == name })
	if i < 0 {
		return nil
	}
	return m.list[i]
}

// eventLocked numbers an event and stores it for announce.
func (m *Members) eventLocked(e Event) []Event {
	m.number++
	e.Number, e.At, e.Detail = m.number, m.now(), cleantext.Detail(e.Detail)
	m.events.Append(e)
	return []Event{e}
}

// announce logs events, with no lock held.
func (m *Members) announce(events []Event) {
	logger := cmp.Or(m.opts.Logger, slog.Default())
	for _, e := range events {
		say := logger.Info
		if e.Kind == EventDissent || e.Kind == EventAgreementLost {
			say = logger.Warn
		}
		guard.Tell(&m.left, "the log handler", func() {
			say("quorum", slog.String("event", string(e.Kind)), slog.String("member", e.Member),
				slog.String("reason", string(e.Reason)), slog.String("detail", e.Detail))
		})
	}
}

// Close ends subscriptions, and closes the connections that Dial or Follow made. It
// waits for FollowConfig.Make for a second at most, and returns an error if that has not
// returned. It may be called more than once.
func (m *Members) Close() error {
	m.mu.Lock()
	owned := m.owned
	m.owned = nil
	m.mu.Unlock()
	m.events.Close()
	var errs []error
	for _, c := range owned {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}
