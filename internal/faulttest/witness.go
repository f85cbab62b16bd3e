package faulttest

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/lbtest"
)

// idKey is the metadata that carries a call's id. It is the same for all attempts
// of a call.
const idKey = "faulttest-call-id"

// Witness records which calls have arrived at the servers of a cluster, before they
// are failed or delayed there. It is safe for concurrent use.
type Witness struct {
	last  atomic.Uint64 // the newest id
	again atomic.Uint64 // idempotent calls that have arrived again

	// mu guards the fields below. No other lock is acquired while it is held.
	mu    sync.Mutex
	pages map[uint64]*page
	wrong []string
	most  int // how many are kept in wrong
	count int // of all violations
}

// page records which ids of a range have arrived, with one bit for each, so that
// millions of calls need little memory.
type page [pageSize / 64]uint64

const pageSize = 1 << 16

// NewWitness returns a Witness without calls.
func NewWitness() *Witness { return &Witness{pages: make(map[uint64]*page), most: 20} }

// Options returns the options of a cluster whose servers the witness watches.
// Register adds the service to call.
func (w *Witness) Options() lbtest.Option {
	return lbtest.WithServerOptions(grpc.UnaryInterceptor(w.unary), grpc.StreamInterceptor(w.stream))
}

// Call assigns an id to a call.
func (w *Witness) Call(ctx context.Context) (context.Context, uint64) {
	id := w.last.Add(1)
	return metadata.AppendToOutgoingContext(ctx, idKey, strconv.FormatUint(id, 10)), id
}

func (w *Witness) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	if err := w.arrive(ctx, info.FullMethod); err != nil {
		return nil, err
	}
	return handle(ctx, req)
}

func (w *Witness) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	if err := w.arrive(stream.Context(), info.FullMethod); err != nil {
		return err
	}
	return handle(srv, stream)
}

// arrive records a call. It ignores calls without an id.
func (w *Witness) arrive(ctx context.Context, method string) error {
	values := metadata.ValueFromIncomingContext(ctx, idKey)
	if len(values) == 0 {
		return nil
	}
	id, err := strconv.ParseUint(values[0], 10, 64)
	if err != nil || len(values) != 1 {
		w.Wrongf("%s: arrived with the ids %q", method, values)
		return status.Error(codes.InvalidArgument, "want one id")
	}
	switch first := w.mark(id); {
	case first:
	case method == readMethod:
		w.again.Add(1)
	default:
		w.Wrongf("%s: call %d has arrived twice", method, id)
	}
	return nil
}

// mark records an id, and reports whether it is new.
func (w *Witness) mark(id uint64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.pages[id/pageSize]
	if p == nil {
		p = new(page)
		w.pages[id/pageSize] = p
	}
	word, bit := &p[id%pageSize/64], uint64(1)<<(id%64)
	first := *word&bit == 0
	*word |= bit
	return first
}

// Arrived reports whether the call has arrived.
func (w *Witness) Arrived(id uint64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.pages[id/pageSize]
	return p != nil && p[id%pageSize/64]&(1<<(id%64)) != 0
}

// Wrongf records a violation.
func (w *Witness) Wrongf(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count++
	if len(w.wrong) < w.most {
		w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
	}
}

// Violations returns the first few violations, and the number of all.
func (w *Witness) Violations() ([]string, int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.wrong...), w.count
}
