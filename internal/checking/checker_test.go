package checking

import (
	"cmp"
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/sleep"
	"github.com/cantonlb/cantonlb/report"
)

// script is a Probe that returns scripted answers, after a delay, and notes when it
// was asked. Its own lock orders it with the test.
type script struct {
	mu      sync.Mutex
	verdict report.Verdict
	takes   time.Duration
	slow    time.Duration // how long an answer takes, which a deadline may cut
	hangs   bool
	asked   []time.Time
}

func (s *script) set(v report.Verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.verdict, s.hangs = v, false
}

func (s *script) hang() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hangs = true
}

func (s *script) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

func (s *script) Probe(ctx context.Context) report.Verdict {
	s.mu.Lock()
	s.asked = append(s.asked, time.Now())
	v, takes, slow, hangs := s.verdict, s.takes, s.slow, s.hangs
	s.mu.Unlock()
	hangs = hangs || slow > 0 && !sleep.For(ctx, slow)
	if hangs {
		<-ctx.Done()
		if ctx.Err() == context.DeadlineExceeded {
			return report.Verdict{Outcome: report.Failed, Reason: report.ReasonProbeTimeout}
		}
		return report.Verdict{Outcome: report.Inconclusive, Reason: report.ReasonCanceled}
	}
	sleep.For(ctx, takes)
	return v
}

func (*script) Kind() report.ProbeKind { return report.KindFunc }
func (*script) Target() string         { return "script" }

// stream is a Watcher driven by the test.
type stream struct {
	pushes chan report.Verdict
	ends   chan report.Verdict
}

func newStream() *stream {
	return &stream{pushes: make(chan report.Verdict), ends: make(chan report.Verdict)}
}

func (s *stream) Watch(ctx context.Context, push func(report.Verdict)) report.Verdict {
	for {
		select {
		case v := <-s.pushes:
			push(v)
		case v := <-s.ends:
			return v
		case <-ctx.Done():
			return report.Verdict{Outcome: report.Inconclusive, Reason: report.ReasonCanceled}
		}
	}
}

// rig is a Checker under test, in a bubble of fake time.
type rig struct {
	*Checker
	mu      sync.Mutex
	history []report.HealthTransition
	answers uint64
	stuck   int
	stop    func()
}

// rig is the Line of its Checker, on which only answers to calls show anything.
func (r *rig) Answers() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.answers
}

func (r *rig) Mark() func() bool {
	before := r.Answers()
	return func() bool { return r.Answers() != before }
}

func (r *rig) Stuck(report.Reason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stuck++
}

func (r *rig) states() []report.HealthState {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []report.HealthState
	for _, t := range r.history {
		out = append(out, t.To)
	}
	return out
}

func (r *rig) answer() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers++
}

// complete fills in what a test does not care about.
func complete(s Settings) Settings {
	s.Interval = cmp.Or(s.Interval, time.Second)
	s.SuspectInterval = cmp.Or(s.SuspectInterval, 100*time.Millisecond)
	s.Fall, s.Rise = cmp.Or(s.Fall, 2), cmp.Or(s.Rise, 2)
	return s
}

func start(t *testing.T, settings Settings, p Probes) *rig {
	t.Helper()
	return startOn(t, new(rig), settings, p)
}

func startOn(t *testing.T, r *rig, settings Settings, p Probes) *rig {
	t.Helper()
	r.Checker = New("seq1", complete(settings), Options{
		Rand: func() float64 { return 0.5 }, // no jitter
		OnTransition: func(tr Transition) {
			r.mu.Lock()
			defer r.mu.Unlock()
			if tr.From != tr.To {
				r.history = append(r.history, tr.HealthTransition)
			}
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if p.Line == nil && p.Fallback == nil {
			p.Line = r
		}
		r.Run(ctx, p)
	}()
	r.stop = func() { cancel(); <-done }
	t.Cleanup(r.stop)
	return r
}

var (
	yes = report.Verdict{Outcome: report.Serving, Reason: report.ReasonServing}
	no  = report.Verdict{Outcome: report.NotServing, Reason: report.ReasonNotServing}
)

func TestCheckerAsksAtOnceAndThenAtTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &script{verdict: yes, takes: 10 * time.Millisecond}
		r := start(t, Settings{Interval: time.Second}, Probes{Check: p})
		time.Sleep(3500 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, 4, p.count())
		for i := 1; i < len(p.asked); i++ {
			assert.Equal(t, time.Second+10*time.Millisecond, p.asked[i].Sub(p.asked[i-1]))
		}
		s := r.Status()
		assert.True(t, s.Probe.Answered.Equal(r.Answered()))
		assert.Equal(t, report.Healthy, s.Health)
		assert.Equal(t, 10*time.Millisecond, s.Probe.RoundTrip)
		assert.Equal(t, report.KindFunc, s.Probe.Kind)
		assert.EqualValues(t, 4, s.Probe.Checks)
		r.stop()
	})
}

func TestCheckerFindsAHangAfterTwoTimeoutsAndTheSuspectInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &script{verdict: yes}
		r := start(t, Settings{Interval: time.Second, Timeout: 300 * time.Millisecond}, Probes{Check: p})
		synctest.Wait()
		p.hang()
		hung := time.Now()
		time.Sleep(5 * time.Second)
		require.Equal(t, []report.HealthState{report.Healthy, report.Suspect, report.Unhealthy}, r.states()[:3])
		assert.Equal(t, report.ReasonProbeTimeout, r.history[2].Reason)
		assert.Equal(t, 1700*time.Millisecond, r.history[2].At.Sub(hung), "interval + timeout + suspect interval + timeout")

		p.set(yes)
		time.Sleep(2 * time.Second)
		assert.Equal(t, []report.HealthState{report.Healthy, report.Suspect, report.Unhealthy, report.Healthy}, r.states())
		r.stop()
	})
}

func TestCheckerWithAutomaticTimeoutFindsAHangJustAsFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &script{verdict: yes, takes: time.Millisecond}
		r := start(t, Settings{}, Probes{Check: p})
		time.Sleep(5500 * time.Millisecond)
		p.hang()
		hung := time.Now()
		time.Sleep(5 * time.Second)
		require.Equal(t, []report.HealthState{report.Healthy, report.Suspect, report.Unhealthy}, r.states())
		assert.LessOrEqual(t, r.history[2].At.Sub(hung), 1700*time.Millisecond)
		r.stop()
	})
}

func TestCheckerDoubtedProbesAtOnceWhateverTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &script{verdict: yes}
		r := start(t, Settings{Interval: time.Hour}, Probes{Check: p})
		synctest.Wait()
		time.Sleep(time.Minute)
		r.Doubt(report.ReasonSilence)
		synctest.Wait()
		assert.Equal(t, []report.HealthState{report.Healthy, report.Suspect, report.Healthy}, r.states())
		assert.Equal(t, 2, p.count())
		r.stop()
	})
}

func TestCheckerTakesAPushedChangeAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, w := &script{verdict: yes}, newStream()
		r := start(t, Settings{}, Probes{Check: p, Watch: w})
		w.pushes <- yes
		synctest.Wait()
		assert.Equal(t, []report.HealthState{report.Healthy}, r.states())
		assert.Equal(t, 0, p.count(), "the Watch's first word makes the first Check needless")
		assert.Equal(t, report.WatchAlive, r.Status().Probe.Watch)

		p.set(no)
		w.pushes <- no
		synctest.Wait()
		assert.Equal(t, []report.HealthState{report.Healthy, report.Unhealthy}, r.states())

		p.set(yes)
		w.pushes <- yes
		synctest.Wait()
		assert.Len(t, r.states(), 2, "one success of two")
		time.Sleep(100 * time.Millisecond) // the suspect interval
		synctest.Wait()
		assert.Equal(t, []report.HealthState{report.Healthy, report.Unhealthy, report.Healthy}, r.states())
		r.stop()
	})
}

func TestCheckerGoesOnByCheckWhereTheServerCannotBeWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, w := &script{verdict: yes}, newStream()
		r := start(t, Settings{}, Probes{Check: p, Watch: w})
		w.ends <- report.Verdict{Outcome: report.Inconclusive, Reason: report.ReasonUnimplemented}
		synctest.Wait()
		assert.Equal(t, 1, p.count(), "at once")
		assert.Equal(t, report.WatchUnimplemented, r.Status().Probe.Watch)
		assert.Equal(t, []report.HealthState{report.Healthy}, r.states())
		time.Sleep(10500 * time.Millisecond)
		synctest.Wait()
		assert.Equal(t, 11, p.count())
		r.stop()
	})
}

func TestCheckerAsksWhenTheWatchStaysMute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, w := &script{verdict: yes}, newStream()
		r := start(t, Settings{Timeout: 400 * time.Millisecond}, Probes{Check: p, Watch: w})
		time.Sleep(399 * time.Millisecond)
		synctest.Wait()
		assert.Equal(t, 0, p.count())
		time.Sleep(time.Millisecond)
		synctest.Wait()
		assert.Equal(t, 1, p.count())
		assert.Equal(t, report.WatchOpening, r.Status().Probe.Watch)
		r.stop()
	})
}

func TestCheckerAsksWhenTheWatchBreaksAndOpensItAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, w := &script{verdict: yes}, newStream()
		r := start(t, Settings{Interval: time.Hour}, Probes{Check: p, Watch: w})
		w.pushes <- yes
		synctest.Wait()
		w.ends <- report.Verdict{Outcome: report.Inconclusive, Reason: report.ReasonProbeError}
		synctest.Wait()
		assert.Equal(t, 1, p.count())
		assert.Equal(t, report.WatchBroken, r.Status().Probe.Watch)
		assert.Equal(t, []report.HealthState{report.Healthy}, r.states(), "a broken stream says nothing of the endpoint")
		w.pushes <- no // blocks until the stream is open again
		synctest.Wait()
		assert.Equal(t, report.WatchAlive, r.Status().Probe.Watch)
		assert.Equal(t, []report.HealthState{report.Healthy, report.Unhealthy}, r.states())
		r.stop()
	})
}

func TestCheckerTakesTheWatchsLastWordForAVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, w := &script{verdict: no}, newStream()
		r := start(t, Settings{}, Probes{Check: p, Watch: w})
		w.ends <- report.Verdict{Outcome: report.NotServing, Reason: report.ReasonUnknownService}
		synctest.Wait()
		require.Equal(t, []report.HealthState{report.Unhealthy}, r.states())
		assert.Equal(t, report.ReasonUnknownService, r.history[0].Reason)
		r.stop()
	})
}

func TestCheckerNeedsNoCheckWhileCallsAreAnsweredAndTheWatchIsAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, w := &script{verdict: yes}, newStream()
		r := start(t, Settings{}, Probes{Check: p, Watch: w})
		w.pushes <- yes
		for range 10 {
			time.Sleep(500 * time.Millisecond)
			r.answer()
		}
		assert.Equal(t, 0, p.count())
		time.Sleep(3 * time.Second) // calls have stopped
		synctest.Wait()
		assert.GreaterOrEqual(t, p.count(), 2)
		r.stop()
	})
}

func TestCheckerDoesNotCallABusyServerDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &script{verdict: yes}
		r := start(t, Settings{Timeout: 300 * time.Millisecond}, Probes{Check: p})
		synctest.Wait()
		p.hang()
		for range 100 { // calls are answered all the while
			time.Sleep(100 * time.Millisecond)
			r.answer()
		}
		assert.Equal(t, []report.HealthState{report.Healthy}, r.states())
		assert.Equal(t, report.ReasonBusy, r.Status().Probe.Reason)
		time.Sleep(3 * time.Second) // and now they are not
		assert.Equal(t, []report.HealthState{report.Healthy, report.Suspect, report.Unhealthy}, r.states())
		r.stop()
	})
}

func TestCheckerDecidesOnAConnectionOfItsOwnWhereNoStreamIsToBeHad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := &script{verdict: report.Verdict{Outcome: report.Inconclusive, Reason: report.ReasonNoStream}}
		own := &script{verdict: yes}
		r := start(t, Settings{}, Probes{Check: full, Fallback: own})
		synctest.Wait()
		assert.Equal(t, []report.HealthState{report.Healthy}, r.states())
		own.hang()
		time.Sleep(4 * time.Second)
		assert.Equal(t, []report.HealthState{report.Healthy, report.Suspect, report.Unhealthy}, r.states(), "the hang is still detected")
		r.stop()
	})
}

func TestCheckerGivesUpItsWatchWhereCallsWantTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, w := &script{verdict: yes}, newStream()
		own := &script{verdict: yes}
		r := start(t, Settings{}, Probes{Check: p, Watch: w, Fallback: own})
		w.pushes <- yes
		synctest.Wait()
		p.set(report.Verdict{Outcome: report.Inconclusive, Reason: report.ReasonNoStream})
		time.Sleep(1500 * time.Millisecond)
		assert.Equal(t, report.WatchYielded, r.Status().Probe.Watch)
		select {
		case w.pushes <- no:
			t.Error("the Watch is still open")
		default:
		}
		assert.Equal(t, []report.HealthState{report.Healthy}, r.states())
		r.stop()
	})
}

func TestCheckerResetForgetsAndALateVerdictOfTheOldConnectionIsNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &script{verdict: yes}
		r := start(t, Settings{}, Probes{Check: p})
		synctest.Wait()
		p.mu.Lock()
		p.takes = 50 * time.Millisecond
		p.mu.Unlock()
		time.Sleep(1010 * time.Millisecond) // a Check is under way
		r.stop()
		r.Reset(report.ReasonConnectionLost)
		time.Sleep(time.Second)
		assert.Equal(t, []report.HealthState{report.Healthy, report.HealthUnknown}, r.states())
	})
}

func TestCheckerRunsOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &script{verdict: yes}
		slow.hang()
		r := start(t, Settings{Timeout: 500 * time.Millisecond}, Probes{Check: slow})
		synctest.Wait()
		quick := &script{verdict: yes}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); r.Run(ctx, Probes{Check: quick}) }()
		synctest.Wait()
		assert.Equal(t, 0, quick.count())
		r.stop()
		synctest.Wait()
		assert.Equal(t, 1, quick.count())
		cancel()
		<-done
	})
}

func TestCheckerReportsWhatWasLearntElsewhere(t *testing.T) {
	var got []report.HealthTransition
	c := New("seq1", complete(Settings{}), Options{OnTransition: func(tr Transition) { got = append(got, tr.HealthTransition) }})
	assert.Zero(t, c.Answered())
	c.Report(report.KindConnectivity, report.Verdict{Outcome: report.Serving, Reason: report.ReasonConnected})
	assert.Contains(t, c.Answered().String(), " m=", "the system's clock may be set")
	require.Len(t, got, 1)
	assert.Equal(t, report.KindConnectivity, got[0].Kind)
	assert.Equal(t, "seq1", got[0].Target)
	assert.Equal(t, report.ReasonConnected, got[0].Reason)
}

// loud is a Prober of the program's own that returns anything.
type loud struct{ v report.Verdict }

func (l loud) Probe(context.Context) report.Verdict { return l.v }
func (loud) Kind() report.ProbeKind                 { return report.KindFunc }

func TestWhatAnyProbeReturnsIsCleanedAndBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Settings{}, Probes{Check: loud{report.Verdict{Outcome: "?", Reason: "x", Detail: "\x1b[31m" + strings.Repeat("a", 1000)}}})
		defer r.stop()
		synctest.Wait()
		s := r.Status()
		assert.Equal(t, report.HealthUnknown, s.Health)
		assert.Equal(t, report.Inconclusive, s.Probe.Outcome)
		assert.Len(t, s.Probe.Detail, cleantext.MaxDetail)
		assert.NotContains(t, s.Probe.Detail, "\x1b")
	})
}

func report1(c *Checker, o report.Outcome) {
	c.Report(report.KindGRPCCheck, report.Verdict{Outcome: o, Reason: report.ReasonServing})
}

func TestATransitionThatIsTakenIsNotDelivered(t *testing.T) {
	var got []uint64
	c := New("seq1", complete(Settings{}), Options{OnTransition: func(tr Transition) { got = append(got, tr.Number) }})
	_, changed := c.Take(Event{Kind: EventDoubt, Reason: report.ReasonSilence})
	assert.False(t, changed, "only a healthy endpoint can be doubted")
	report1(c, report.Serving)
	tr, changed := c.Take(Event{Kind: EventDoubt, Reason: report.ReasonSilence})
	assert.True(t, changed)
	assert.Equal(t, uint64(2), tr.Number)
	assert.Equal(t, report.Suspect, tr.To)
	tr, changed = c.Take(Event{Kind: EventReset, Reason: report.ReasonConnectionLost})
	assert.True(t, changed)
	assert.Equal(t, report.HealthUnknown, tr.To)
	tr, changed = c.Take(Event{Kind: EventReset, Reason: report.ReasonConnectionLost})
	assert.False(t, changed)
	assert.Equal(t, uint64(3), tr.Number, "all up to here is history")
	report1(c, report.Serving)
	assert.Equal(t, []uint64{1, 4}, got)
}

// OnTransition may call the Checker, and even cause the next transition, which is
// delivered afterwards.
func TestOnTransitionMayCallTheChecker(t *testing.T) {
	var c *Checker
	var got []report.HealthState
	c = New("seq1", complete(Settings{}), Options{OnTransition: func(tr Transition) {
		got = append(got, tr.To)
		assert.Equal(t, tr.To, c.Status().Health)
		if tr.To == report.Healthy {
			c.Doubt(report.ReasonSilence)
			assert.Len(t, got, 1, "one at a time")
		}
	}})
	report1(c, report.Serving)
	assert.Equal(t, []report.HealthState{report.Healthy, report.Suspect}, got)
}

// However many goroutines step the Checker, each transition is delivered once, in
// order, and by one goroutine at a time.
func TestTransitionsAreDeliveredInOrder(t *testing.T) {
	var got []Transition // no lock: one at a time
	c := New("seq1", complete(Settings{}), Options{OnTransition: func(tr Transition) { got = append(got, tr) }})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 500 {
				report1(c, []report.Outcome{report.Serving, report.NotServing}[(i+n)%2])
			}
		})
	}
	wg.Wait()
	c.deliver() // what another one delivers may not be there yet
	for i, tr := range got {
		require.Equal(t, uint64(i+1), tr.Number)
		if i > 0 {
			require.Equal(t, got[i-1].To, tr.From)
		}
	}
}
