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
// resolver.Builder: hand it to grpc.WithResolvers together with Target. One
// Static may serve several channels. Make one with New. All methods may be called
// from any goroutine; it holds no goroutine and needs no closing.
type Static struct {
	source     source
	authority  string
	onClaim    func(any)
	attributes *attributes.Attributes // of every state, besides our own; nil if there are none

	// Lock order: updating, channel.pushing, mu. grpc is called with the first
	// two held, and never with mu.

	// updating makes one Update wait for the other.
	updating sync.Mutex

	mu        sync.Mutex
	endpoints []Endpoint // in force; replaced whole, never changed in place
	channels  []*channel // that are open
}

var (
	_ grpcresolver.Builder            = (*Static)(nil)
	_ grpcresolver.AuthorityOverrider = (*Static)(nil)
)

// Option changes how a Static works.
type Option func(*Static)

// WithOnClaim sets a function that is told the handle of the policy in charge of
// a channel: once for each new handle, so again when grpc makes the policy anew
// after idle mode, and for each channel apart. It runs while the policy takes in
// a list: it must return soon, and must not call Update nor make a channel
// connect or close. By default nobody is told.
func WithOnClaim(f func(handle any)) Option {
	return func(s *Static) { s.onClaim = f }
}

// WithAttribute adds an attribute to every state that channels are given, by which
// a program reaches the policy of its channel. See package attributes for what
// keys and values have to be like. By default there are none.
func WithAttribute(key, value any) Option {
	return func(s *Static) { s.attributes = s.attributes.WithValue(key, value) }
}

// New makes a Static of a list, which it checks and copies as Normalize does. It
// returns Normalize's errors.
func New(endpoints []Endpoint, options ...Option) (*Static, error) {
	list, err := Normalize(endpoints)
	if err != nil {
		return nil, err
	}
	return newStatic(list, fromEndpoints, options...), nil
}

// newStatic makes a Static of a list in normal form, which it keeps.
func newStatic(list []Endpoint, from source, options ...Option) *Static {
	s := &Static{source: from, authority: list[0].Authority(), endpoints: list}
	for _, o := range options {
		if o != nil {
			o(s)
		}
	}
	return s
}

// Endpoints returns a copy of the list in force, in normal form.
func (s *Static) Endpoints() []Endpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.endpoints)
}

// Update replaces the list, and returns when the policy of every channel has
// taken in the new one. Endpoints that keep their name and fields keep their
// connections. A list equal to the one in force is pushed again, which changes
// nothing for a policy that did take it, and is another chance for one that did
// not.
//
// A list that is not valid (see Normalize), or that the credentials of an open
// channel do not fit (see Build), changes nothing at all: the error is a
// *configerr.Error, or several joined. Any other error is that of a channel's policy
// which refused the list: the list is in force nevertheless, other channels and
// later ones use it, and the policy decides what it does with its calls.
//
// Updates wait for each other. Update must not be called from within a policy or
// from the function of WithOnClaim.
func (s *Static) Update(endpoints []Endpoint) error {
	list, err := Normalize(endpoints)
	if err != nil {
		return err
	}
	s.updating.Lock()
	defer s.updating.Unlock()
	channels, err := s.replace(list)
	if err != nil {
		return err
	}
	var failed fault.List
	for i, c := range channels {
		if err := c.push(); err != nil {
			failed.Add(fmt.Errorf("channel %d of %d refused the new list: %w", i+1, len(channels), err))
		}
	}
	return failed.Err()
}

// replace puts a list in force if it suits every open channel, and returns these.
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
// It does not name the endpoints, since they may be many and may change. Any
// other target with the scheme static does as well: Static reads only the scheme.
// Without grpc.WithResolvers the target is an error, and not a wrong list.
func (s *Static) Target() string { return Scheme + ":///endpoints" }

// OverrideAuthority returns the Authority of the endpoint that was the first in
// the list when the Static was made. grpc uses it for a channel whose program
// chose no authority; each endpoint's own takes precedence over it.
func (s *Static) OverrideAuthority(grpcresolver.Target) string { return s.authority }

// Build attaches a channel, for grpc, and gives it the list in force; later
// updates follow until grpc closes the resolver. It is a *configerr.Error if an
// endpoint cannot have the security that it asks for: under EndpointCredentials
// these decide; under others, if its URL asks for TLS and they are plaintext or the
// other way round, or if it has TLS settings or a token of its own. What the policy
// says of the list is the policy's to report.
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
	_ = c.push() // the policy reports it; nothing here would be better on a second try
	return c, nil
}

// attach adds a channel, unless the list in force does not suit it. From then on
// every Update knows of it.
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

// current returns the list in force, not to be changed; false if the channel has
// been closed.
func (s *Static) current(c *channel) ([]Endpoint, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.endpoints, !c.closed
}
