package attempt

import (
	"strconv"
	"time"

	"google.golang.org/grpc/metadata"
)

// pushback is what a server has said about retries of a call, in the trailer
// grpc-retry-pushback-ms (gRFC A6).
type pushback struct {
	never bool          // the call must not be retried
	delay time.Duration // it may be, after this long
}

// pushbackTrailer is the name of the trailer.
const pushbackTrailer = "grpc-retry-pushback-ms"

// maxPushback bounds the delay. A longer one means that the call is not retried.
const maxPushback = time.Hour

// pushbackOf reads the trailer. As in grpc, a value that is negative or no number, and
// several values, mean that the call must not be retried.
func pushbackOf(trailer metadata.MD) pushback {
	values := trailer.Get(pushbackTrailer)
	if len(values) == 0 {
		return pushback{}
	}
	ms, err := strconv.ParseInt(values[0], 10, 64)
	if len(values) > 1 || err != nil || ms < 0 || ms > maxPushback.Milliseconds() {
		return pushback{never: true}
	}
	return pushback{delay: time.Duration(ms) * time.Millisecond}
}
