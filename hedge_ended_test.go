package cantonlb_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

// The first attempt is answered with an error while hedges are under way, or while one of
// them waits for its credentials.
func TestTheErrorOfACallSaysThatItsHedgesWereCanceled(t *testing.T) {
	for name, opts := range map[string][]grpc.CallOption{
		"in flight": nil, "with credentials that hang": {grpc.PerRPCCredentials(&secondHangs{})},
	} {
		synctest.Test(t, func(t *testing.T) {
			cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho,
				attemptsEnd(ends{after: 50 * ms, code: codes.NotFound}, ends{after: never}, ends{after: never}))
			client := clientkit.Connect(t, cluster, hedging(), 3)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err := client.Invoke(ctx, lbtest.EchoMethod, new(wrapperspb.StringValue), new(wrapperspb.StringValue), opts...)
			var all *cantonlb.AttemptsError
			require.ErrorAs(t, err, &all, name)
			assert.Equal(t, codes.NotFound, status.Code(err), name)
			var ends []codes.Code
			for _, a := range all.Attempts {
				ends = append(ends, a.Code)
			}
			assert.Equal(t, []codes.Code{codes.NotFound, codes.Canceled, codes.Canceled}, ends, name)
			time.Sleep(2 * time.Minute)
		})
	}
}

// secondHangs are credentials that return at once the first time only.
type secondHangs struct{ asked atomic.Int64 }

func (s *secondHangs) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	if s.asked.Add(1) > 1 {
		time.Sleep(time.Minute)
		return nil, errors.New("too late")
	}
	return nil, nil
}

func (*secondHangs) RequireTransportSecurity() bool { return false }

// A server has asked for a pause that is longer than the call may take, so there will be
// no other attempt.
func TestAnAttemptThatCannotBeFollowedIsNotCalledOff(t *testing.T) {
	for name, serviceConfig := range map[string]string{
		"the caller's deadline": "", "that of the service config": `{"methodConfig": [{"name": [{}], "timeout": "10s"}]}`,
	} {
		synctest.Test(t, func(t *testing.T) {
			cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho,
				attemptsEnd(ends{after: 2 * time.Second}, ends{code: codes.Unavailable, pause: "60000"}))
			cfg := hedging()
			cfg.HealthCheck.Silence = time.Hour
			cfg.ServiceConfig = serviceConfig
			client := clientkit.Connect(t, cluster, cfg, 3)
			timeout := 10 * time.Second
			if serviceConfig != "" {
				timeout = time.Hour
			}
			first, result := startCall(t, cluster, client, timeout)
			time.Sleep(500 * ms)
			cluster.SetServing(first, "", false)
			a := <-result
			require.NoError(t, a.err, name)
			assert.Equal(t, 2*time.Second, a.took, name)
		})
	}
}
