package pglease

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cantonlb/cantonlb/lease/store"
)

const (
	// listenCheck is how long a listening connection may be silent before it is asked
	// whether it still lives, and listenLimit how long it may take to say so.
	listenCheck = 10 * time.Second
	listenLimit = 5 * time.Second
)

// Watch is that of store.Watcher. Without Config.Listen the error is
// errors.ErrUnsupported. All watches of a Store share one connection.
func (s *Store) Watch(ctx context.Context, name string, changed func(now *store.Record)) error {
	if s.listen == nil {
		return errors.ErrUnsupported
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	table, err := s.origin(ctx)
	if err != nil {
		return wrap("listening", err)
	}
	l, hints := s.join(watched{name, table}) //nolint:contextcheck // the listener is for all who watch
	defer s.leave(l, hints)
	for {
		select {
		case now := <-hints:
			changed(now)
		case <-l.done:
			return wrap("listening", l.err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// origin returns the number of the table, which the notices about its leases have.
func (s *Store) origin(ctx context.Context) (table int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, listenLimit)
	defer cancel()
	err = s.row(ctx, originSQL, s.tables.lease).Scan(&table)
	return table, err
}

// watched is a lease that is watched: its name, and the number of its table.
type watched struct {
	name  string
	table int64
}

// listener is a connection that listens, while there are watchers.
type listener struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when it has ended, after err was set
	err    error

	// mu guards what follows. Nothing is called under it.
	mu       sync.Mutex
	watchers map[chan *store.Record]watched
	ready    bool // it listens
}

// join returns the listener, which is started if there is none, and where to hear of
// the lease.
func (s *Store) join(lease watched) (*listener, chan *store.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil || s.listener.over() {
		ctx, cancel := context.WithCancel(context.Background())
		l := &listener{cancel: cancel, done: make(chan struct{}), watchers: make(map[chan *store.Record]watched)}
		s.listener = l
		go func() {
			defer close(l.done)
			l.err = l.run(ctx, s.listen)
		}()
	}
	hints := make(chan *store.Record, 1)
	l := s.listener
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watchers[hints] = lease
	if l.ready {
		hints <- nil
	}
	return l, hints
}

// leave ends the listener with its last watcher.
func (s *Store) leave(l *listener, hints chan *store.Record) {
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

// notify hints at a change to the watchers of a lease, or to all if its name is "". The
// record of a lease in another table, that of another schema perhaps, says nothing; but
// it may be the same table, which was dropped and made again, so that it is to be read.
func (l *listener) notify(of watched, now *store.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ready = true
	for hints, lease := range l.watchers {
		if of.name != "" && of.name != lease.name {
			continue
		}
		select {
		case <-hints: // an older one that was not taken
		default:
		}
		if of.table == lease.table {
			hints <- now
		} else {
			hints <- nil
		}
	}
}

// notice is the payload of a notification. Its Version is "" if the lease is not free.
type notice struct {
	Name    string `json:"name"`
	Table   int64  `json:"table"`
	Version string `json:"version"`
	TTL     int64  `json:"ttl_ms"` //nolint:tagliatelle // the column's name
}

// parseNotice returns what a payload says. One that this package has not sent is a hint
// for all names.
func parseNotice(payload string) (of watched, now *store.Record) {
	var n notice
	if err := json.Unmarshal([]byte(payload), &n); err != nil || n.Table == 0 {
		return watched{}, nil
	}
	of = watched{n.Name, n.Table}
	v, err := parseVersion(n.Version)
	if err != nil || n.Version == "" {
		return of, nil
	}
	free := v.complete(store.Record{}, n.TTL)
	return of, &free
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
	for l.notify(watched{}, nil); ; {
		wait, cancel := context.WithTimeout(ctx, listenCheck)
		notification, err := conn.WaitForNotification(wait)
		silent := wait.Err() != nil && ctx.Err() == nil
		cancel()
		switch {
		case err == nil:
			l.notify(parseNotice(notification.Payload))
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
