package endpointset

import (
	"context"

	"google.golang.org/grpc"
)

// useLocked runs f, which makes calls on the connection, in a goroutine of its own
// once the set's lock is released. The context of f ends with the connection, with the set, or
// when the function that useLocked returns is called. Close waits for f to return.
func (c *conn) useLocked(f func(context.Context, grpc.ClientConnInterface)) context.CancelFunc {
	s := c.endpoint.set
	ctx, cancel := context.WithCancel(s.scope.Context())
	end := s.scope.Begin()
	s.scope.Do(func() {
		p, release := c.SubConn().GetOrBuildProducer(&producerBuilder{cancel: cancel})
		go func() {
			defer end()
			defer release()
			defer cancel()
			if cc, ok := p.(grpc.ClientConnInterface); ok { // as grpc documents
				f(ctx, cc)
			}
		}()
	})
	return cancel
}
