package healthcheck

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/fault"
	"github.com/cantonlb/cantonlb/internal/strictjson"
	"github.com/cantonlb/cantonlb/report"
)

// LagConfig says when a member is too far behind. Positions may have any unit that
// all members share, such as a block height or the record time in microseconds.
type LagConfig struct {
	// Max is how far a member that serves may fall behind. It must be above 0.
	Max int64
	// Recover is how far behind a lagging member may be at most to serve again.
	// Default half of Max; at most Max.
	Recover int64
	// Faulty is how many members may report a position beyond their real one. A
	// member is compared with the position that the Faulty + 1 furthest members have
	// reached. Default 0: every member is believed.
	Faulty int
	// Fresh is how long a member's position counts in the comparison. Default 1 min.
	Fresh time.Duration
}

// MaxLagMembers bounds how many members a Lag compares.
const MaxLagMembers = 1024

const defaultFresh = time.Minute

// Lag makes probes that compare the positions of members. A member that is too far
// behind the others is NotServing, with the reason lagging, until it has caught up
// to within Recover. It is safe for concurrent use.
type Lag struct {
	cfg LagConfig
	now func() time.Time

	mu      sync.Mutex
	members map[string]*progress
}

// progress is the last position of a member.
type progress struct {
	at      int64
	when    time.Time // zero: no position yet
	lagging bool
}

// NewLag returns a Lag. The error is a *configerr.Error, or several joined; each
// names the field, the value and what would be valid.
func NewLag(cfg LagConfig) (*Lag, error) {
	var faults fault.List
	faults.Check(cfg.Max > 0, "max", strconv.FormatInt(cfg.Max, 10), "a number above 0")
	faults.Check(cfg.Recover >= 0 && cfg.Recover <= max(cfg.Max, 0), "recover", strconv.FormatInt(cfg.Recover, 10), "0 to max")
	faults.Check(cfg.Faulty >= 0, "faulty", strconv.Itoa(cfg.Faulty), "0 or more")
	faults.Check(cfg.Fresh >= 0, "fresh", fmt.Sprintf("%q", cfg.Fresh), "a duration above 0; 0 for the default")
	strictjson.CheckUnit(&faults, "fresh", cfg.Fresh)
	if err := faults.Err(); err != nil {
		return nil, fmt.Errorf("lag: %w", err)
	}
	cfg.Recover, cfg.Fresh = cmp.Or(cfg.Recover, cfg.Max/2), cmp.Or(cfg.Fresh, defaultFresh)
	return &Lag{cfg: cfg, now: time.Now, members: make(map[string]*progress)}, nil
}

// Probe returns a probe of one member. position asks the member for its position
// and is called as the function of [Func] is. If it returns an error, the probe has
// failed. Two probes of the same name belong to the same member.
func (l *Lag) Probe(name string, position func(ctx context.Context) (int64, error)) Probe {
	return Func("position of "+cleantext.Detail(name), func(ctx context.Context) report.Verdict {
		if position == nil {
			return checking.NewVerdict(report.Failed, report.ReasonProbeError, "no function to call; want one that is not nil")
		}
		at, err := position(ctx)
		if err != nil {
			return checking.NewVerdict(report.Failed, report.ReasonNone, err.Error())
		}
		behind, lagging, err := l.report(name, at)
		switch {
		case err != nil:
			return checking.NewVerdict(report.Failed, report.ReasonProbeError, err.Error())
		case lagging:
			return checking.NewVerdict(report.NotServing, report.ReasonLagging, fmt.Sprintf("at %d, %d behind the others", at, behind))
		}
		return checking.NewVerdict(report.Serving, report.ReasonServing, "")
	})
}

// Forget removes a member from the comparison.
func (l *Lag) Forget(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.members, name)
}

// report records the position of a member, and returns how far it is behind and
// whether that is too far.
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

// lagOf returns how far at is behind the position that faulty + 1 of all have
// reached. It returns 0 if there are fewer positions, or if at is ahead.
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

// next reports whether a member lags, given whether it did before.
func (c LagConfig) next(was bool, behind int64) bool {
	if was {
		return behind > c.Recover
	}
	return behind > c.Max
}
