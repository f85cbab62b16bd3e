package cantonerr

import (
	"fmt"
	"strings"
	"testing"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Only the beginning of a message is read.
func FuzzMessage(f *testing.F) {
	f.Fuzz(func(t *testing.T, message string) {
		p, ok := parsePrefix(message)
		if !ok {
			if p != (prefix{}) {
				t.Errorf("%q: refused, and yet %+v", message, p)
			}
			return
		}
		begins := func(correlation string) bool {
			return strings.HasPrefix(message, fmt.Sprintf("%s(%d,%s): ", p.id, p.category, correlation))
		}
		if !begins(p.correlation) && (p.correlation != "" || !begins("0")) {
			t.Errorf("%q: read as %+v", message, p)
		}
	})
}

// Any status from the wire is read within bounds, whatever it holds.
func FuzzStatus(f *testing.F) {
	f.Fuzz(func(t *testing.T, wire []byte) {
		s := new(spb.Status)
		if proto.Unmarshal(wire, s) != nil {
			return
		}
		before := proto.Clone(s)
		err := status.FromProto(s).Err()
		e, ok := read(err)
		if ok != isID(e.ID) || e.Category < 0 || e.Category > mostCategory || len(e.CorrelationID) > maxCorrelation ||
			e.RetryDelay < 0 || e.RetryDelay > maxDelay || len(e.Metadata) > maxMetadata {
			t.Errorf("out of bounds: %v %+v", ok, e)
		}
		if PassiveReplica(err) && codes.Code(s.GetCode()) != codes.Unavailable {
			t.Errorf("code %d is no answer of a passive replica", s.GetCode())
		}
		if AlreadyDone(err) && !ok {
			t.Error("done already, and nothing was said")
		}
		if !proto.Equal(before, s) {
			t.Error("reading has changed the status")
		}
	})
}
