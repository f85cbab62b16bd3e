package cantonlb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/clientname"
	"github.com/cantonlb/cantonlb/internal/endpointset"
	"github.com/cantonlb/cantonlb/internal/filestate"
	"github.com/cantonlb/cantonlb/internal/follow"
	"github.com/cantonlb/cantonlb/internal/reresolve"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/resolver"
)

// Client is a connection to a service that runs in several copies. Generated
// stubs take it in place of a *grpc.ClientConn. Its methods are safe for
// concurrent use.
type Client struct {
	conn  *grpc.ClientConn
	list  *resolver.Static
	set   *endpointset.Set
	creds *transport.Credentials
	file  follow.Follower // nil unless the list comes from a file
	gate  *gate           // of calls
	notes []string        // what is unexpected about the config
	// freeName ends the use of the client's name.
	freeName func()
	// needsTarget is true if the role requires a health target for each endpoint.
	needsTarget bool
	role        Role
	rescuer     *rescuer

	updating sync.Mutex // serializes changes of the list
	closing  sync.Once
	closeErr error
}

var _ grpc.ClientConnInterface = (*Client)(nil)

// NewClient connects to the endpoints of cfg and starts to probe them. It does not
// wait for any of them: calls wait, or the program calls WaitHealthy. The caller must
// close the client.
//
// opts are options of the underlying grpc channel. Transport credentials may be
// omitted if every endpoint states how it is secured: an http:// URL means plaintext,
// and an https:// URL or TLS settings mean TLS. A list may have both kinds. With a
// credentials bundle, no endpoint may have security settings or a token of its own. A
// service config must be set in Config.ServiceConfig.
//
// The error reports every fault of cfg. Each fault is a *configerr.Error, which names
// the field, the value and what would be right. All faults are joined.
func NewClient(cfg Config, opts ...grpc.DialOption) (*Client, error) {
	e, err := newEquipment(cfg, true)
	if err != nil {
		return nil, fmt.Errorf("cantonlb: %w", err)
	}
	all := e.defaults
	if cfg.TransportCredentials != nil {
		all = append(all, grpc.WithTransportCredentials(cfg.TransportCredentials))
	}
	all = append(all, opts...)
	found, err := credentialsOf(all)
	if err != nil {
		return nil, fmt.Errorf("cantonlb: %w", err)
	}
	e.creds = transport.New(found.creds)
	if !found.bundle {
		all = append(all, e.credentials()...)
	}
	all = append(all, heedingDialer(found.dial, &e.dials))
	all = append(all, e.fixed...)
	conn, err := grpc.NewClient(e.target, all...)
	if err != nil {
		return nil, fmt.Errorf("cantonlb: %w", err)
	}
	conn.Connect() // builds the resolver and the policy before it returns
	if err := e.check(); err != nil {
		return nil, errors.Join(fmt.Errorf("cantonlb: %w", err), conn.Close())
	}
	c := &Client{
		conn: conn, list: e.list, set: e.set.Load(), creds: e.creds, gate: &e.gate,
		needsTarget: cfg.Role.needsTarget(cfg.HealthCheck), role: cfg.Role,
		rescuer: e.rescuer,
	}
	var names []string
	for _, endpoint := range e.list.Endpoints() {
		names = append(names, endpoint.Name)
	}
	c.freeName = clientname.Open(cfg.Logger, e.target, names)
	if methods := unknown(cfg.Idempotent); len(methods) > 0 {
		c.notes = append(c.notes, "idempotent: no registered service has "+cleantext.Detail(strings.Join(methods, ", "))+
			"; calls of a method with another name are not reissued")
	}
	if cfg.ReresolveInterval > 0 {
		c.set.Background(func(ctx context.Context) {
			reresolve.Run(ctx, c.set, cmp.Or(cfg.DNS, net.DefaultResolver), cfg.ReresolveInterval)
		})
	}
	if c.file = follow.Begin(followed{c}, opts); c.file != nil {
		c.set.Teller().Reloads(0, 0) // so that the metric begins at zero
	}
	c.set.Background(func(ctx context.Context) {
		filestate.Warn(ctx, c.fileNotes, func(message string, a slog.Attr) { c.set.Teller().Warn(message, a) })
	})
	return c, nil
}

// check returns the error of setting up the channel, if any.
func (e *equipment) check() error {
	if err := e.buildErr.Load(); err != nil && *err != nil {
		return *err
	}
	if e.set.Load() == nil {
		return errors.New("the channel does not use the policy: one of the dial options has replaced the service " +
			"config or the resolver; want the service config in Config.ServiceConfig")
	}
	return nil
}

// Invoke implements grpc.ClientConnInterface.
func (c *Client) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	return c.conn.Invoke(ctx, method, args, reply, opts...)
}

// NewStream implements grpc.ClientConnInterface.
func (c *Client) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return c.conn.NewStream(ctx, desc, method, opts...)
}

// Conn returns the underlying channel, for libraries that require one. If the caller or
// such a library closes it, the client is closed as well; Close is still to be called.
func (c *Client) Conn() *grpc.ClientConn { return c.conn }

// Status returns a snapshot of the client and its endpoints.
func (c *Client) Status() Status {
	var file *FileStatus
	if c.file != nil {
		f := c.file.Status() // read first, so that the endpoints are at least as new
		file = &f
	}
	s := c.set.Status()
	s.State = c.conn.GetState()
	s.Notes = append(s.Notes, c.rescuer.notes()...)
	s.Notes = append(s.Notes, c.notes...)
	s.Notes = append(s.Notes, filestate.EndpointNotes(c.creds.Problem, c.list.Endpoints())...)
	if s.File = file; file != nil {
		s.Notes = append(s.Notes, filestate.Notes(*file)...)
	}
	return s
}

// WaitHealthy waits until at least n endpoints are eligible: connected, healthy or
// suspect, and neither ejected nor drained. With ActivePassive it also waits until one of them is the active
// endpoint. n must be at least 1; for Canton's active-passive nodes it should be 1,
// since no more than one replica is healthy. If ctx ends first, the error states for
// each endpoint that is not eligible why, and wraps the context's error. WaitHealthy
// returns an error at once if n is greater than the length of the list or if the
// client is closed.
func (c *Client) WaitHealthy(ctx context.Context, n int) error {
	if n < 1 {
		return fmt.Errorf("cantonlb: cannot wait for %d healthy endpoints; want at least 1", n)
	}
	if _, err := c.set.WaitEligible(ctx, n); err != nil {
		return fmt.Errorf("cantonlb: %w", err)
	}
	return nil
}

// Drain takes the endpoint with this name out of rotation, for maintenance. Calls in
// flight on it may finish, and it stays connected and probed. It stays drained until
// Undrain is called or until it leaves the list. An unknown name is an error. With
// ActivePassive, Drain returns a *RefusedError if it would leave no active endpoint.
// With other policies every endpoint may be drained; then no endpoint is eligible.
func (c *Client) Drain(name string) error { return c.setDrained(name, true) }

// Undrain puts the endpoint with this name back into rotation.
func (c *Client) Undrain(name string) error { return c.setDrained(name, false) }

func (c *Client) setDrained(name string, drained bool) error {
	return wrapped(c.set.SetDrained(name, drained))
}

// Update replaces the list of endpoints. Endpoints whose name and address stay the
// same keep their connections, health and counts. New endpoints are connected and
// probed first. The endpoints that left the list are picked until each new one has its
// first verdict or has failed to connect, or 5 s have passed, and at least one endpoint
// of the list is eligible. With ActivePassive the switch is immediate once an endpoint
// of the list is eligible; it waits 250 ms for one that is preferred to it, and up to
// 5 s for the active endpoint if that has got another address. Calls in flight may
// finish.
//
// So a list of servers that do not work changes nothing for calls. A healthy endpoint
// that was taken off the list keeps its traffic while no endpoint of the list works.
// Status.Leaving and Status.Handover report that, WaitHandover waits for its end, and
// UpdateNow and Config.Handover prevent it. If all endpoints of the list are drained,
// it ends too.
//
// Update returns when the list is in effect, and does not wait for the new endpoints.
// An invalid list is an error and an event, and changes nothing. Update returns an
// error after Close.
func (c *Client) Update(endpoints []Endpoint) error { return wrapped(c.update(endpoints, false)) }

// UpdateNow is like Update, except that the endpoints that are not in the list are no
// longer picked when it returns, whether the new ones work or not: use it to get away
// from an endpoint. Until the new endpoints have connected, calls wait. With the list
// that is in effect it ends the handover from the list before.
func (c *Client) UpdateNow(endpoints []Endpoint) error { return wrapped(c.update(endpoints, true)) }

// WaitHandover waits until no endpoint that has left the list is picked any more: the
// change of the list is complete. It returns nil at once if there is none. If ctx ends
// first, the error names the endpoints that still serve and why the new ones cannot,
// and wraps the context's error. WaitHandover returns an error if the client is closed.
func (c *Client) WaitHandover(ctx context.Context) error { return wrapped(c.set.WaitHandover(ctx)) }

// update replaces the list. If insist is true, those that left do not serve any more.
func (c *Client) update(endpoints []Endpoint, insist bool) error {
	c.updating.Lock()
	defer c.updating.Unlock()
	if c.conn.GetState() == connectivity.Shutdown {
		return endpointset.ErrClosed
	}
	if c.needsTarget {
		if err := c.role.checkTargets(endpoints); err != nil {
			c.set.ListRefused(err)
			return err
		}
	}
	err := c.list.Update(endpoints)
	if len(configerr.All(err)) > 0 { // the list did not reach the policy
		c.set.ListRefused(err)
	}
	if err == nil && insist {
		c.set.HandOver()
	}
	return err
}

// Close ends all probes and connections. Calls in flight fail; to let them finish, call
// Shutdown instead. Close may be called more than once and returns the same error each
// time. It may be called after Conn was closed.
func (c *Client) Close() error {
	c.closing.Do(func() {
		c.freeName()
		if c.file != nil {
			left := c.file.Close() // before the channel, since it may be updating the channel's list
			defer c.set.Teller().Left([]string{left})
		}
		//lint:ignore SA1019 grpc has no other way to detect it
		if err := c.conn.Close(); !errors.Is(err, grpc.ErrClientConnClosing) { //nolint:staticcheck // as above
			c.closeErr = err // otherwise the program has closed Conn already
		}
	})
	return c.closeErr
}
