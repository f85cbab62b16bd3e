package resolver

import (
	"fmt"
	"slices"
	"sync"

	"google.golang.org/grpc/attributes"
	grpcresolver "google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/internal/fault"
)

// Scheme is the scheme of targets that hold a list of endpoints.
const Scheme = "static"

// Static is a list of endpoints that can be changed at run time. It is a gRPC
// resolver.Builder: pass it to grpc.WithResolvers and use Target as the target. One
// Static may serve several channels. New makes one. All methods may be called from any
// goroutine. A Static holds no goroutine and need not be closed.
type Static struct {
	source     source
	authority  string
	onClaim    func(any)
	attributes *attributes.Attributes // of every state, besides those of this package; nil if there are none

	// Lock order: updating, channel.pushing, mu. grpc is called with the first
	// two held, and never with mu.

	// updating serializes calls of Update.
	updating sync.Mutex

	mu        sync.Mutex
	endpoints []Endpoint // the current list; replaced as a whole, never changed in place
	channels  []*channel // that are open
}

var (
	_ grpcresolver.Builder            = (*Static)(nil)
	_ grpcresolver.AuthorityOverrider = (*Static)(nil)
)

// Option changes how a Static works.
type Option func(*Static)

// WithOnClaim sets a function that is called with the handle of the policy in charge of
// a channel: once for each new handle, so also when grpc creates the policy again after
// idle mode, and separately for each channel. It runs while the policy receives a list:
// it must return soon, and must not call Update or make a channel connect or close. By
// default no function is called.
func WithOnClaim(f func(handle any)) Option {
	return func(s *Static) { s.onClaim = f }
}

// WithAttribute adds an attribute to every state that channels receive, by which a
// program reaches the policy of its channel. Package attributes documents the
// requirements for keys and values. By default there are none.
func WithAttribute(key, value any) Option {
	return func(s *Static) { s.attributes = s.attributes.WithValue(key, value) }
}

// New returns a Static with a list, which it checks and copies as Normalize does. Errors
// are those of Normalize.
func New(endpoints []Endpoint, options ...Option) (*Static, error) {
	list, err := Normalize(endpoints)
	if err != nil {
		return nil, err
	}
	return newStatic(list, fromEndpoints, options...), nil
}

// newStatic returns a Static with a list in normal form, which it keeps.
func newStatic(list []Endpoint, from source, options ...Option) *Static {
	s := &Static{source: from, authority: list[0].Authority(), endpoints: list}
	for _, o := range options {
		if o != nil {
			o(s)
		}
	}
	return s
}

// Endpoints returns a copy of the current list, in normal form.
func (s *Static) Endpoints() []Endpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.endpoints)
}

// Update replaces the list, and returns when the policy of every channel has received
// the new one. Endpoints that keep their name and fields keep their connections. A list
// equal to the current one is pushed again. That changes nothing for a policy that
// accepted the list, and is a second attempt for one that did not.
//
// A list that is not valid (see Normalize), or that the credentials of an open channel
// cannot apply (see Build), changes nothing: the error is a *configerr.Error, or several
// joined. Any other error is that of a channel's policy which refused the list. Then the
// list takes effect nevertheless, other channels and later ones use it, and the policy
// decides what happens to its calls.
//
// Concurrent calls of Update wait for each other. Update must not be called from within
// a policy or from the function of WithOnClaim.
func (s *Static) Update(endpoints []Endpoint) error {
	list, err := Normalize(endpoints)
	if err != nil {
		return err
	}
	unclaimed, err := s.update(list)
	for range unclaimed {
		warnUnclaimed(list)
	}
	return err
}

// update replaces the list by one in normal form, and returns for how many channels it
// has found that no policy of this module is in charge.
func (s *Static) update(list []Endpoint) (unclaimed int, err error) {
	s.updating.Lock()
	defer s.updating.Unlock()
	channels, err := s.replace(list)
	if err != nil {
		return 0, err
	}
	var failed fault.List
	for i, c := range channels {
		open, err := c.push()
		if open {
			unclaimed++
		}
		if err != nil {
			failed.Add(fmt.Errorf("channel %d of %d refused the new list: %w", i+1, len(channels), err))
		}
	}
	return unclaimed, failed.Err()
}

// replace makes a list the current one if every open channel can apply it, and returns
// these channels.
func (s *Static) replace(list []Endpoint) ([]*channel, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.channels {
		if err := checkSecurity(list, s.source, c.creds); err != nil {
			return nil, err
		}
	}
	s.endpoints = list
	return slices.Clone(s.channels), nil
}

// Scheme returns Scheme, for grpc.
func (s *Static) Scheme() string { return Scheme }

// Target returns a target for grpc.NewClient, to be used with grpc.WithResolvers.
// It does not name the endpoints, since they may be many and may change. Any other
// target with the scheme static works too, since Static reads only the scheme. Without
// grpc.WithResolvers the target is an error, and not a wrong list.
func (s *Static) Target() string { return Scheme + ":///endpoints" }

// OverrideAuthority returns the Authority of the endpoint that was the first in the list
// when the Static was made. grpc uses it for a channel whose program set no authority.
// Each endpoint's own authority takes precedence over it.
func (s *Static) OverrideAuthority(grpcresolver.Target) string { return s.authority }

// Build attaches a channel, for grpc, and pushes the current list to it. Later updates
// follow until grpc closes the resolver. Build returns a *configerr.Error if an endpoint
// cannot have the security that its settings ask for. EndpointCredentials decide that
// themselves. With other credentials it is an error if an endpoint's URL asks for TLS
// and they are plaintext, or the other way round, or if the endpoint has its own TLS
// settings or token. The policy reports its own errors about the list.
func (s *Static) Build(_ grpcresolver.Target, cc grpcresolver.ClientConn, opts grpcresolver.BuildOptions) (grpcresolver.Resolver, error) {
	c := &channel{
		list:  s,
		cc:    cc,
		creds: channelCredentials(opts),
		claim: &Claim{onClaim: s.onClaim},
	}
	if opts.Authority != s.authority {
		c.authority = opts.Authority
	}
	if err := s.attach(c); err != nil {
		return nil, err
	}
	if unclaimed, _ := c.push(); unclaimed { // the policy reports the error; an error here would not help
		warnUnclaimed(s.Endpoints())
	}
	return c, nil
}

// attach adds a channel, unless it cannot apply the current list. From then on every
// Update includes the channel.
func (s *Static) attach(c *channel) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := checkSecurity(s.endpoints, s.source, c.creds); err != nil {
		return err
	}
	s.channels = append(s.channels, c)
	return nil
}

func (s *Static) detach(c *channel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.closed = true
	s.channels = slices.DeleteFunc(s.channels, func(x *channel) bool { return x == c })
}

// current returns the current list, which the caller must not change, or false if the
// channel is closed.
func (s *Static) current(c *channel) ([]Endpoint, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.endpoints, !c.closed
}
