package healthcheck

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// The reasons of a Lag.
const (
	// ReasonLagging: the server answers, and is behind the others by more than allowed.
	ReasonLagging Reason = "lagging"
)

// LagConfig says when a member is behind too far. Positions are of any unit that all
// members share, such as a block height, or the record time in microseconds.
type LagConfig struct {
	// Max is by how much a member may be behind while it serves. Above 0.
	Max int64
	// Recover is by how much it may be behind at most to serve again. Default half of
	// Max; not more than Max.
	Recover int64
	// Faulty is how many members may say that they are further than they are: a member
	// is compared with the position that the Faulty + 1 furthest have reached. Default
	// 0: each is believed.
	Faulty int
	// Fresh is for how long a member's position counts in the comparison. Default 1 min.
	Fresh time.Duration
}

// MaxLagMembers bounds how many members a Lag compares.
const MaxLagMembers = 1024

const defaultFresh = time.Minute

// Lag compares how far members are, and makes probes of it: a member that is too far
// behind the others does not serve, for the reason lagging, until it has caught up to
// within Recover. It is safe for concurrent use.
type Lag struct {
	cfg LagConfig
	now func() time.Time

	mu      sync.Mutex
	members map[string]*progress
}

// progress is how far a member is.
type progress struct {
	at      int64
	when    time.Time // zero: it has not said yet
	lagging bool
}

// NewLag makes a Lag. An error names the field, the value and what would be right.
func NewLag(cfg LagConfig) (*Lag, error) {
	switch {
	case cfg.Max <= 0:
		return nil, fmt.Errorf("lag: max %d: want a number above 0", cfg.Max)
	case cfg.Recover < 0 || cfg.Recover > cfg.Max:
		return nil, fmt.Errorf("lag: recover %d: want 0 to max, which is %d", cfg.Recover, cfg.Max)
	case cfg.Faulty < 0:
		return nil, fmt.Errorf("lag: faulty %d: want 0 or more", cfg.Faulty)
	case cfg.Fresh < 0:
		return nil, fmt.Errorf("lag: fresh %v: want a duration above 0, or 0 for %v", cfg.Fresh, defaultFresh)
	}
	cfg.Recover, cfg.Fresh = cmp.Or(cfg.Recover, cfg.Max/2), cmp.Or(cfg.Fresh, defaultFresh)
	return &Lag{cfg: cfg, now: time.Now, members: make(map[string]*progress)}, nil
}

// Probe makes a probe of one member. position asks it how far it is; it must return when
// its context ends. An error of it is a failed probe. Two probes of the same name are
// about the same member.
func (l *Lag) Probe(name string, position func(ctx context.Context) (int64, error)) Probe {
	return Func("position of "+CleanDetail(name), func(ctx context.Context) Verdict {
		if position == nil {
			return NewVerdict(Failed, ReasonProbeError, "no function to call; want one that is not nil")
		}
		at, err := position(ctx)
		if err != nil {
			return NewVerdict(Failed, ReasonNone, err.Error())
		}
		behind, lagging, err := l.report(name, at)
		switch {
		case err != nil:
			return NewVerdict(Failed, ReasonProbeError, err.Error())
		case lagging:
			return NewVerdict(NotServing, ReasonLagging, fmt.Sprintf("at %d, %d behind the others", at, behind))
		}
		return NewVerdict(Serving, ReasonServing, "")
	})
}

// Forget leaves a member out of the comparison from now on.
func (l *Lag) Forget(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.members, name)
}

// report notes where a member is, and returns by how much it is behind and whether that
// is too much.
func (l *Lag) report(name string, at int64) (behind int64, lagging bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.members[name]
	if p == nil {
		if len(l.members) >= MaxLagMembers {
			return 0, false, errors.New("too many members to compare; Forget those that have left")
		}
		p = new(progress)
		l.members[name] = p
	}
	now := l.now()
	p.at, p.when = at, now
	var all []int64
	for _, q := range l.members {
		if now.Sub(q.when) <= l.cfg.Fresh {
			all = append(all, q.at)
		}
	}
	behind = lagOf(at, all, l.cfg.Faulty)
	p.lagging = l.cfg.next(p.lagging, behind)
	return behind, p.lagging, nil
}

// lagOf returns by how much at is behind the position that faulty + 1 of all have
// reached; 0 if there are not so many, or if it is ahead.
func lagOf(at int64, all []int64, faulty int) int64 {
	if len(all) <= faulty {
		return 0
	}
	slices.SortFunc(all, func(a, b int64) int { return cmp.Compare(b, a) })
	reached := all[faulty]
	if reached <= at {
		return 0
	}
	if d := reached - at; d > 0 {
		return d
	}
	return 1<<63 - 1 // the difference is beyond int64
}

// next says whether a member lags, if it did or did not before.
func (c LagConfig) next(was bool, behind int64) bool {
	if was {
		return behind > c.Recover
	}
	return behind > c.Max
}
