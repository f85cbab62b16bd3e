package cantonlb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/internal/endpointset"
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
	// needsTarget: each endpoint has to have a health target, as the role wants it.
	needsTarget bool
	role        Role

	closing  sync.Once
	closeErr error
}

var _ grpc.ClientConnInterface = (*Client)(nil)

// NewClient connects to the endpoints of cfg and starts to probe them. It does
// not wait for any of them: calls do, or use WaitHealthy. Close the client in
// the end.
//
// opts are options of the underlying grpc channel. Transport credentials may be
// left out if every endpoint says how it is secured: an http:// URL is plaintext,
// and an https:// URL or TLS settings are TLS; a list may have both kinds. Under a
// credentials bundle no endpoint may ask for anything of its own. A service config
// belongs into Config.ServiceConfig.
//
// An error says everything that is wrong with cfg: each fault is a *configerr.Error,
// which names the field, the value and what would be right, and all are joined.
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
	creds, bundle, err := credentialsOf(all)
	if err != nil {
		return nil, fmt.Errorf("cantonlb: %w", err)
	}
	e.creds = transport.New(creds)
	if !bundle {
		all = append(all, e.credentials()...)
	}
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
		conn: conn, list: e.list, set: e.set.Load(), creds: e.creds,
		needsTarget: cfg.Role.needsTarget(cfg.HealthCheck), role: cfg.Role,
	}
	if cfg.ReresolveInterval > 0 {
		c.set.Background(func(ctx context.Context) {
			reresolve.Run(ctx, c.set, cmp.Or(cfg.DNS, net.DefaultResolver), cfg.ReresolveInterval)
		})
	}
	if c.file = follow.Begin(followed{c}, opts); c.file != nil {
		c.set.CountReloads(0, 0) // so that the metric begins at zero
	}
	return c, nil
}

// check returns what has gone wrong while the channel was set up.
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

// Conn returns the underlying channel, for libraries that want one. Do not close
// it.
func (c *Client) Conn() *grpc.ClientConn { return c.conn }

// Status returns a snapshot of the client and its endpoints.
func (c *Client) Status() Status {
	var file *FileStatus
	if c.file != nil {
		f := c.file.Status() // first: the endpoints are at least as new
		file = &f
	}
	s := c.set.Status()
	s.State = c.conn.GetState()
	s.Notes = append(s.Notes, fileNotes(c.creds, c.list.Endpoints())...)
	addFile(&s, file)
	return s
}

// WaitHealthy waits until at least n endpoints are eligible: connected, healthy
// and not drained; with ActivePassive also until one of them is the active. n
// counts from 1: of Canton's active-passive nodes no more than one replica is
// healthy. If ctx ends first, the error says of each endpoint that is missing why,
// and wraps the context's. More than the list has, and a client that is closed, are
// errors at once.
func (c *Client) WaitHealthy(ctx context.Context, n int) error {
	if n < 1 {
		return fmt.Errorf("cantonlb: cannot wait for %d healthy endpoints; want at least 1", n)
	}
	if _, err := c.set.WaitEligible(ctx, n); err != nil {
		return fmt.Errorf("cantonlb: %w", err)
	}
	return nil
}

// Drain takes the endpoint with this name out of rotation, for maintenance:
// calls under way on it may finish, and it stays connected and probed. It stays
// drained until Undrain, or until it leaves the list. An unknown name is an
// error. With ActivePassive it is refused, with a *RefusedError, if it would leave
// no active; otherwise draining every endpoint is allowed, and leaves none
// eligible.
func (c *Client) Drain(name string) error { return c.setDrained(name, true) }

// Undrain puts the endpoint with this name back into rotation.
func (c *Client) Undrain(name string) error { return c.setDrained(name, false) }

func (c *Client) setDrained(name string, drained bool) error {
	return wrapped(c.set.SetDrained(name, drained))
}

// Update puts another list in force. Endpoints that stay, by their name and
// address, keep their connections, health and counts. New ones are connected
// and probed first; only then do the ones that left the list stop being picked,
// and calls under way on them may finish. A bad list is an error and an event,
// and changes nothing. After Close it is an error.
func (c *Client) Update(endpoints []Endpoint) error {
	if err := c.update(endpoints); err != nil {
		return fmt.Errorf("cantonlb: %w", err)
	}
	return nil
}

func (c *Client) update(endpoints []Endpoint) error {
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
	if len(configerr.All(err)) > 0 { // the policy has not seen it
		c.set.ListRefused(err)
	}
	return err
}

// Close ends all probes and connections. Calls under way fail; to let them
// finish, wait for them first. Close may be called more than once and gives the
// same answer each time.
func (c *Client) Close() error {
	c.closing.Do(func() {
		if c.file != nil {
			c.file.Close() // before the channel, which it may be giving a list
		}
		c.closeErr = c.conn.Close()
	})
	return c.closeErr
}
