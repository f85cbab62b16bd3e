package pglease

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// listenCheck is how long a listening connection may be silent before it is asked
	// whether it still lives, and listenLimit how long it may take to say so.
	listenCheck = 10 * time.Second
	listenLimit = 5 * time.Second
)

// Watch is that of store.Watcher. Without Config.Listen the error is
// errors.ErrUnsupported. All watches of a Store share one connection.
func (s *Store) Watch(ctx context.Context, name string, changed func()) error {
	if s.listen == nil {
		return errors.ErrUnsupported
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	l, hints := s.join(name) //nolint:contextcheck // the listener is for all who watch
	defer s.leave(l, hints)
	for {
		select {
		case <-hints:
			changed()
		case <-l.done:
			return wrap("listening", l.err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// listener is a connection that listens, while anybody watches.
type listener struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when it has ended, after err was set
	err    error

	// mu guards what follows. Nothing is called under it.
	mu       sync.Mutex
	watchers map[chan struct{}]string // to the name of the lease
	ready    bool                     // it listens
}

// join returns the listener, which is started if there is none, and where to hear of
// the lease.
func (s *Store) join(name string) (*listener, chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil || s.listener.over() {
		ctx, cancel := context.WithCancel(context.Background())
		l := &listener{cancel: cancel, done: make(chan struct{}), watchers: make(map[chan struct{}]string)}
		s.listener = l
		go func() {
			defer close(l.done)
			l.err = l.run(ctx, s.listen)
		}()
	}
	hints := make(chan struct{}, 1)
	l := s.listener
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watchers[hints] = name
	if l.ready {
		hints <- struct{}{}
	}
	return l, hints
}

// leave ends the listener with its last watcher.
func (s *Store) leave(l *listener, hints chan struct{}) {
	s.mu.Lock()
	l.mu.Lock()
	delete(l.watchers, hints)
	last := len(l.watchers) == 0
	l.mu.Unlock()
	if last && s.listener == l {
		s.listener = nil
	}
	s.mu.Unlock()
	if last {
		l.cancel()
		<-l.done
	}
}

func (l *listener) over() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// tell tells those who watch the lease, or all.
func (l *listener) tell(all bool, name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ready = true
	for hints, watched := range l.watchers {
		if all || watched == name {
			select {
			case hints <- struct{}{}:
			default: // there is a hint to take already
			}
		}
	}
}

// run listens until ctx or the connection ends.
func (l *listener) run(ctx context.Context, config *pgx.ConnConfig) error {
	conn, err := connect(ctx, config)
	if err != nil {
		return err
	}
	defer func() { //nolint:contextcheck // it is closed whatever ctx says
		ctx, cancel := context.WithTimeout(context.Background(), listenLimit)
		defer cancel()
		_ = conn.Close(ctx) // it is gone, whatever it says
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	for l.tell(true, ""); ; {
		wait, cancel := context.WithTimeout(ctx, listenCheck)
		notification, err := conn.WaitForNotification(wait)
		silent := wait.Err() != nil && ctx.Err() == nil
		cancel()
		switch {
		case err == nil:
			l.tell(false, notification.Payload)
		case !silent:
			return err
		default:
			if err := ping(ctx, conn); err != nil {
				return err
			}
		}
	}
}

func connect(ctx context.Context, config *pgx.ConnConfig) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, listenLimit)
	defer cancel()
	return pgx.ConnectConfig(ctx, config)
}

func ping(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, listenLimit)
	defer cancel()
	return conn.Ping(ctx)
}
