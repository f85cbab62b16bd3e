package resolver

import (
	"sync"

	"google.golang.org/grpc/attributes"
	grpcresolver "google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/internal/same"
)

// Claim is in the attributes of each resolver state of one channel. A policy of this
// module takes it, to show that it is in charge of the channel and to pass its handle
// to the owner of the list. All methods may be called from any goroutine, and on a nil
// Claim.
type Claim struct {
	onClaim func(any) // may be nil

	mu     sync.Mutex // not held during calls
	taken  bool
	handle any
}

// claimKey is the key of the Claim in gRPC's attributes.
type claimKey struct{}

// ClaimFrom returns the claim of a resolver state, or nil if another resolver made the
// state. It is the same claim for every state of one channel, until grpc builds the
// channel's resolver again, as it does after idle mode.
func ClaimFrom(state grpcresolver.State) *Claim {
	c, _ := state.Attributes.Value(claimKey{}).(*Claim)
	return c
}

// Take states that a policy of this module is in charge. A policy calls it on each
// update, within UpdateClientConnState. The handle gives access to the policy: Take
// passes it to the function set by WithOnClaim if it differs from the last one. A nil
// handle means that there is none. A handle that cannot be compared always differs.
func (c *Claim) Take(handle any) {
	if c == nil {
		return
	}
	c.mu.Lock()
	c.taken = true
	news := handle != nil && !same.Value(c.handle, handle)
	if news {
		c.handle = handle
	}
	c.mu.Unlock()
	if news && c.onClaim != nil {
		c.onClaim(handle)
	}
}

func (c *Claim) isTaken() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.taken
}

func (c *Claim) addTo(a *attributes.Attributes) *attributes.Attributes {
	return a.WithValue(claimKey{}, c)
}
