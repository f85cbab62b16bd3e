package ledger

import (
	"context"
	"sync"
	"time"
)

const (
	// defaultDelay is how late a checkpoint may be where the node does not say: Canton refreshes
	// it every 15 s, and sends it after at most 60 s on an idle stream.
	defaultDelay = 75 * time.Second
	// leastDelay bounds how often the ledger end is asked for, whatever the node advertises.
	leastDelay = time.Second
	// askTimeout is how long the node may take for an answer.
	askTimeout = 10 * time.Second
)

// facts are what the node has answered, once for all streams of a sequence. They are safe for concurrent
// use.
type facts struct {
	mu            sync.Mutex
	delay         time.Duration // 0 while it is not known
	participantID string
}

func (f *facts) participant() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.participantID
}

func (f *facts) checkpointDelay() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.delay <= 0 {
		return defaultDelay
	}
	return f.delay
}

// learn asks the node for what is not known yet.
func (f *facts) learn(ctx context.Context, node Node) {
	f.mu.Lock()
	wantDelay, wantID := f.delay == 0, f.participantID == ""
	f.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if wantDelay && node.CheckpointDelay != nil {
		if delay, err := node.CheckpointDelay(ctx); err == nil && delay > 0 {
			f.mu.Lock()
			f.delay = max(delay, leastDelay)
			f.mu.Unlock()
		}
	}
	if wantID && node.ParticipantID != nil {
		if id, err := node.ParticipantID(ctx); err == nil {
			f.mu.Lock()
			f.participantID = id
			f.mu.Unlock()
		}
	}
}

// watch notices that a stream is silent while the ledger goes on.
//
// An idle node sends nothing, so that silence alone is no fault. The ledger end is asked for after
// half the delay of checkpoints, and again after each further delay. A stream that has not shown an
// end within the delay since it was asked for has failed, after one and a half delays at first. So an
// update that comes just before the stream is asked about is no fault either.
type watch struct {
	node    Node
	facts   *facts
	ctx     context.Context //nolint:containedctx // that of the stream, which it ends
	cancel  context.CancelCauseFunc
	monitor *Monitor
	wg      sync.WaitGroup

	// mu guards what follows. Nothing is called under it.
	mu    sync.Mutex
	isOff bool
	turn  int // of listening: what is of an earlier turn no longer counts
	timer *time.Timer
	at    Offset // the position of the stream
	end   Offset // the ledger end, when it was last asked for in this turn
}

// watch starts to watch a stream.
func (s *stream[M]) watch(ctx context.Context, cancel context.CancelCauseFunc) *watch {
	w := &watch{
		node: s.o.Node, facts: s.reopener.facts, ctx: ctx, cancel: cancel, monitor: s.o.Monitor, isOff: !s.silence,
	}
	if s.o.Node.CheckpointDelay != nil || s.o.Node.ParticipantID != nil {
		w.wg.Go(func() { w.facts.learn(ctx, w.node) })
	}
	return w
}

// listen begins a time in which the stream should say something.
func (w *watch) listen(at Offset) {
	delay := w.facts.checkpointDelay()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.isOff {
		return
	}
	w.turn++
	w.at, w.end = at, Offset{}
	w.arm(delay / 2)
}

// arm sets the timer. The caller holds mu.
func (w *watch) arm(d time.Duration) {
	turn := w.turn
	w.wg.Add(1)
	w.timer = time.AfterFunc(d, func() {
		defer w.wg.Done()
		w.ask(turn)
	})
}

// pause ends the time: the stream has said something.
func (w *watch) pause() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turn++
	if w.timer != nil && w.timer.Stop() {
		w.wg.Done()
	}
	w.timer = nil
}

// off ends watching, for a stream that turns out to have no checkpoints.
func (w *watch) off() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.isOff = true
}

// ask is called when the stream has been silent.
func (w *watch) ask(turn int) {
	w.mu.Lock()
	current, behind := w.turn == turn, w.end.Compare(w.at) > 0
	w.mu.Unlock()
	if !current {
		return
	}
	if behind {
		w.cancel(errSilent)
		return
	}
	ctx, cancel := context.WithTimeout(w.ctx, askTimeout)
	defer cancel()
	end, err := w.node.LedgerEnd(ctx)
	if err == nil {
		w.monitor.ledgerEnd(end)
	}
	delay := w.facts.checkpointDelay()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.turn != turn || w.ctx.Err() != nil {
		return
	}
	if err == nil {
		w.end = end
	}
	w.arm(delay)
}

// stop ends watching and waits for what is under way. The stream's context has to be cancelled.
func (w *watch) stop() {
	w.pause()
	w.wg.Wait()
}
