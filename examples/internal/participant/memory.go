package participant

import (
	"context"
	"errors"
	"net"
	"net/rpc"
	"sync"
)

// memory is a store in this process, for a machine without PostgreSQL. A replica's
// session is a connection to it; the lock belongs to one of them, and is free again
// when that one ends.
type memory struct {
	listener net.Listener
	wg       sync.WaitGroup // connections, and the accepting of them

	mu       sync.Mutex
	ledger   []Update
	commands map[string]int64 // offsets
	holder   *memorySession   // who has the lock; nil if it is free
	open     map[*memorySession]struct{}
}

func newMemory(ctx context.Context) (*memory, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m := &memory{listener: listener, commands: make(map[string]int64), open: make(map[*memorySession]struct{})}
	m.wg.Go(m.accept)
	return m, nil
}

func (m *memory) accept() {
	for {
		conn, err := m.listener.Accept()
		if err != nil {
			return // closed
		}
		s := &memorySession{store: m, conn: conn}
		m.mu.Lock()
		m.open[s] = struct{}{}
		m.mu.Unlock()
		m.wg.Go(s.serve)
	}
}

func (m *memory) Address() string { return Memory + ":" + m.listener.Addr().String() }
func (m *memory) Describe() string {
	return "an in-memory ledger with a lock that belongs to a connection"
}

func (m *memory) EndSession(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.holder == nil {
		return errors.New("the lock is free")
	}
	m.holder.endLocked()
	return nil
}

func (m *memory) All(context.Context) ([]Update, error) { return m.after(0), nil }

func (m *memory) after(offset int64) []Update {
	m.mu.Lock()
	defer m.mu.Unlock()
	offset = max(0, min(offset, int64(len(m.ledger))))
	return append([]Update(nil), m.ledger[offset:]...)
}

func (m *memory) Close() error {
	err := m.listener.Close()
	m.mu.Lock()
	for s := range m.open {
		s.endLocked()
	}
	m.mu.Unlock()
	m.wg.Wait()
	return err
}

// memorySession is one replica's Session, at the end of the store. Its exported
// methods are what the replica calls.
type memorySession struct {
	store *memory
	conn  net.Conn
}

func (s *memorySession) serve() {
	server := rpc.NewServer()
	if err := server.RegisterName("Session", s); err == nil {
		server.ServeConn(s.conn)
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	s.endLocked()
	delete(s.store.open, s)
}

// endLocked ends the session, and frees its lock at once.
func (s *memorySession) endLocked() {
	if s.store.holder == s {
		s.store.holder = nil
	}
	_ = s.conn.Close()
}

// Lock takes the lock, if it is free.
func (s *memorySession) Lock(_ int, got *bool) error {
	m := s.store
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.holder == nil {
		m.holder = s
	}
	*got = m.holder == s
	return nil
}

// Ping does nothing.
func (*memorySession) Ping(int, *int) error { return nil }

// Append writes an update; 0 is the offset of one that stands in the ledger
// already.
func (s *memorySession) Append(u Update, offset *int64) error {
	m := s.store
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.holder != s:
		return errors.New("the session does not hold the lock")
	case m.commands[u.CommandID] != 0:
		return nil
	}
	u.Offset = int64(len(m.ledger)) + 1
	m.ledger = append(m.ledger, u)
	m.commands[u.CommandID] = u.Offset
	*offset = u.Offset
	return nil
}

// After returns the updates after an offset.
func (s *memorySession) After(offset int64, list *[]Update) error {
	*list = s.store.after(offset)
	return nil
}

// End returns the last offset.
func (s *memorySession) End(_ int, end *int64) error {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	*end = int64(len(s.store.ledger))
	return nil
}

// Find returns the update of a command.
func (s *memorySession) Find(commandID string, u *Update) error {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	offset := s.store.commands[commandID]
	if offset == 0 {
		return errors.New("no such command")
	}
	*u = s.store.ledger[offset-1]
	return nil
}

// memoryClient is a session at the replica's end.
type memoryClient struct{ client *rpc.Client }

func dialMemory(ctx context.Context, address string) (Session, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return memoryClient{rpc.NewClient(conn)}, nil
}

func (c memoryClient) call(ctx context.Context, method string, args, reply any) error {
	call := c.client.Go("Session."+method, args, reply, make(chan *rpc.Call, 1))
	select {
	case <-call.Done:
		return call.Error
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c memoryClient) TryLock(ctx context.Context) (bool, error) {
	got := new(bool)
	err := c.call(ctx, "Lock", 0, got)
	return err == nil && *got, err
}

func (c memoryClient) Ping(ctx context.Context) error { return c.call(ctx, "Ping", 0, new(int)) }

func (c memoryClient) Append(ctx context.Context, u Update) (int64, error) {
	offset := new(int64)
	if err := c.call(ctx, "Append", u, offset); err != nil {
		return 0, err
	}
	if *offset == 0 {
		return 0, ErrDuplicate
	}
	return *offset, nil
}

func (c memoryClient) After(ctx context.Context, offset int64) ([]Update, error) {
	list := new([]Update)
	if err := c.call(ctx, "After", offset, list); err != nil {
		return nil, err
	}
	return *list, nil
}

func (c memoryClient) Close() { _ = c.client.Close() }

// End implements Session.
func (c memoryClient) End(ctx context.Context) (int64, error) {
	end := new(int64)
	err := c.call(ctx, "End", 0, end)
	return *end, err
}

// Find implements Session.
func (c memoryClient) Find(ctx context.Context, commandID string) (Update, error) {
	u := new(Update)
	err := c.call(ctx, "Find", commandID, u)
	return *u, err
}
