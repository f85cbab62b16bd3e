package quorum

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cantonlb/cantonlb/internal/same"
	"github.com/cantonlb/cantonlb/internal/sleep"
)

// Entry is a member as listed by the network.
type Entry struct {
	// Name is the member's name, and Address its address, from which FollowConfig.Make
	// creates a Member. Both have 1 to 256 bytes.
	Name, Address string
}

// FollowConfig sets how the list of members is followed.
type FollowConfig struct {
	Options
	// Config is how the list is read: Agree is f + 1 of the members so far by default.
	Config Config
	// Make creates a Member from an entry. Its name is the entry's, whatever Make sets.
	// A Conn that implements io.Closer is closed when the member has left. Make should
	// not wait for the member: while it does, the list is not followed.
	Make func(Entry) (Member, error)
	// Interval is how often the list is read, with a jitter of a quarter either way.
	// Default 1 min, at least 1 s. While the members differ from the newest list, it is
	// read six times as often.
	Interval time.Duration
}

const defaultFollowInterval = time.Minute

// Follow returns Members that follow the network's own list of its members. The list
// is read from the members by quorum: read reads it from one of them. seeds are the
// members at first, and remain members, whatever a list contains. A seed should have the
// name that the list has for it. An entry is taken for another member under a second name
// if Make creates a Member with that one's URL and Transport, or with its Conn; otherwise
// that server counts twice. An entry that Make cannot create a Member from is left out, with
// one event, and tried again whenever the list is read.
//
// A list is only a goal. Each step requires f + 1 present members that agree on the
// goal, replaces at most f members, or one if f is 0, and is followed by a pause. So f
// liars cannot add more liars at once, and the change can be noticed. ctx ends the
// following; Members.Close does too, and closes what Make has created.
func Follow(ctx context.Context, seeds []Member, read func(context.Context, Member) ([]Entry, error), cfg FollowConfig) (*Members, error) {
	switch {
	case read == nil || cfg.Make == nil:
		return nil, errors.New("quorum: read or make: nil; want both")
	case cfg.Interval < 0 || cfg.Interval > 0 && cfg.Interval < time.Second:
		return nil, fmt.Errorf("quorum: interval %v: want 1s or more, or 0 for %v", cfg.Interval, defaultFollowInterval)
	}
	m, err := NewMembers(seeds, cfg.Options)
	if err != nil {
		return nil, err
	}
	if _, _, err := cfg.Config.thresholds(len(seeds)); err != nil {
		return nil, err
	}
	cfg.Config.fit = true
	cfg.Interval = cmp.Or(cfg.Interval, defaultFollowInterval)
	f := &follower{
		members: m, cfg: cfg, read: read, addresses: make(map[string]string), made: make(map[string]Member),
		aliases: make(map[Entry]string), refused: make(map[Entry]bool),
	}
	for _, s := range seeds {
		f.seeds = append(f.seeds, s.Name)
	}
	ctx, f.cancel = context.WithCancel(ctx)
	f.wg.Go(func() { f.run(ctx) })
	m.owned = append(m.owned, f)
	return m, nil
}

// follower follows the list of members. Its fields are for its goroutine.
type follower struct {
	members   *Members
	cfg       FollowConfig
	read      func(context.Context, Member) ([]Entry, error)
	seeds     []string
	addresses map[string]string // of the members that Make made
	made      map[string]Member
	aliases   map[Entry]string // entries of the list that are servers of these members
	refused   map[Entry]bool   // entries of the list that are no members, and are reported
	cancel    context.CancelFunc
	wg        sync.WaitGroup
}

func (f *follower) run(ctx context.Context) {
	for {
		arrived := f.once(ctx)
		pause := f.cfg.Interval
		if !arrived {
			pause /= 6
		}
		if !sleep.For(ctx, pause*3/4+rand.N(pause/2)) {
			return
		}
	}
}

// once reads the list and makes one step towards it. It returns false if there are more
// to make.
func (f *follower) once(ctx context.Context) bool {
	goal, _, err := Read(ctx, f.members, f.cfg.Config, func(ctx context.Context, m Member) ([]Entry, error) {
		list, err := f.read(ctx, m)
		if err != nil {
			return nil, err
		}
		return sorted(list)
	}, func(list []Entry) string { return fmt.Sprintf("%q", list) })
	if err != nil {
		return true // the members so far stay; the event agreement_lost reports it
	}
	now := f.entries()
	maps.DeleteFunc(f.aliases, func(e Entry, _ string) bool { return !slices.Contains(goal, e) })
	maps.DeleteFunc(f.refused, func(e Entry, _ bool) bool { return !slices.Contains(goal, e) })
	goal = slices.DeleteFunc(slices.Clone(goal), func(e Entry) bool { return find(now, f.aliases[e]) >= 0 })
	for {
		next, arrived := stepTo(now, f.seeds, goal)
		bad, err := f.take(next)
		if err == nil {
			return arrived
		}
		if !f.refused[bad] {
			f.refused[bad] = true
			f.members.announce(f.members.note(Event{Kind: EventMembers, Reason: ReasonList, Detail: "refused: " + err.Error()}))
		}
		if bad == (Entry{}) {
			return true
		}
		// What one member says of itself must not keep the others out.
		goal = slices.DeleteFunc(goal, func(e Entry) bool { return e == bad })
		if i := find(now, bad.Name); i >= 0 {
			goal = append(goal, now[i])
		}
	}
}

// find returns the index of the entry of a name, -1 if there is none.
func find(list []Entry, name string) int {
	return slices.IndexFunc(list, func(e Entry) bool { return e.Name == name })
}

// sorted returns a member's list in order, or an error if no sound member has it. Of
// entries with one address only the first is kept: that server counts once.
func sorted(list []Entry) ([]Entry, error) {
	if len(list) == 0 || len(list) > MaxMembers {
		return nil, Invalid(fmt.Errorf("a list of %d members", len(list)))
	}
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	for i, e := range list {
		if e.Name == "" || len(e.Name) > 256 || e.Address == "" || len(e.Address) > 256 || i > 0 && e.Name == list[i-1].Name {
			return nil, Invalid(errors.New("a list with an entry that has no name, no address, or the name of another"))
		}
	}
	seen := make(map[string]bool, len(list))
	return slices.DeleteFunc(list, func(e Entry) bool {
		again := seen[e.Address]
		seen[e.Address] = true
		return again
	}), nil
}

// entries are the present members.
func (f *follower) entries() []Entry {
	var out []Entry
	for _, m := range f.members.List() {
		out = append(out, Entry{Name: m.Name, Address: f.addresses[m.Name]})
	}
	return out
}

// take replaces the list, and closes the connections of members that have left. With an error it
// returns the entry that cannot be a member, and nothing has changed.
func (f *follower) take(list []Entry) (bad Entry, err error) {
	now := f.members.List()
	var next []Member
	made := make(map[string]Member)
	stays := func(e Entry) bool { return f.addresses[e.Name] == e.Address }
	for _, m := range now {
		if i := find(list, m.Name); i >= 0 && stays(list[i]) {
			next = append(next, m)
		}
	}
	for _, e := range list {
		if slices.ContainsFunc(next, func(m Member) bool { return m.Name == e.Name }) {
			continue
		}
		m, err := f.cfg.Make(e)
		m.Name = e.Name
		if err == nil {
			made[e.Name] = m
			err = checkList([]Member{m})
		}
		if err != nil {
			closeAll(made)
			return e, fmt.Errorf("member %q: %w", e.Name, err)
		}
		if i := slices.IndexFunc(next, func(o Member) bool { return shared(o, m) != "" }); i >= 0 {
			f.aliases[e] = next[i].Name
			delete(made, e.Name)
			if !same.Value(next[i].Conn, m.Conn) {
				closeAll(map[string]Member{e.Name: m})
			}
			continue
		}
		next = append(next, m)
	}
	if err := f.members.Update(next); err != nil {
		closeAll(made)
		return Entry{}, err
	}
	gone := make(map[string]Member)
	for name, m := range f.made {
		_, again := made[name]
		if again || !slices.ContainsFunc(next, func(m Member) bool { return m.Name == name }) {
			gone[name] = m
			delete(f.made, name)
			delete(f.addresses, name)
		}
	}
	for _, e := range list {
		if m, ok := made[e.Name]; ok {
			f.made[e.Name], f.addresses[e.Name] = m, e.Address
		}
	}
	closeAll(gone)
	return Entry{}, nil
}

func closeAll(members map[string]Member) {
	for _, m := range members {
		if c, ok := m.Conn.(io.Closer); ok {
			_ = c.Close()
		}
	}
}

// closePatience bounds how long Close of a follower waits for code of the program.
const closePatience = time.Second

// Close ends the following, and closes what was made for it.
func (f *follower) Close() error {
	f.cancel()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		f.wg.Wait()
		closeAll(f.made)
	}()
	timer := time.NewTimer(closePatience)
	defer timer.Stop()
	select {
	case <-closed:
		return nil
	case <-timer.C:
		return errors.New("quorum: closed, although FollowConfig.Make, or the Close of a connection that it made, has not returned")
	}
}

// stepTo returns the list after one step from now to goal, in which seeds stay, and
// whether that is the goal. A step removes f members at most and adds f at most, of the
// members so far, or one each where f is 0. A member whose address changes is removed and
// added.
func stepTo(now []Entry, seeds []string, goal []Entry) (next []Entry, arrived bool) {
	most := max(1, Faulty(len(now)))
	removed, added := 0, 0
	arrived = true
	for _, e := range now {
		i := find(goal, e.Name)
		switch {
		case slices.Contains(seeds, e.Name) || i >= 0 && goal[i] == e:
			next = append(next, e)
		case i >= 0 && removed < most && added < most:
			removed, added = removed+1, added+1
			next = append(next, goal[i])
		case i < 0 && removed < most:
			removed++
		default:
			next, arrived = append(next, e), false
		}
	}
	for _, e := range goal {
		switch {
		case find(now, e.Name) >= 0:
		case added < most && len(next) < MaxMembers:
			added++
			next = append(next, e)
		default:
			arrived = false
		}
	}
	return next, arrived
}
