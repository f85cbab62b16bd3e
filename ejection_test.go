package cantonlb_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

// load makes calls at a steady rate for a while, and counts how they end.
func load(t *testing.T, client *cantonlb.Client, perSecond int, d time.Duration) map[codes.Code]int {
	t.Helper()
	var mu sync.Mutex
	ends := map[codes.Code]int{}
	var wg sync.WaitGroup
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Second / time.Duration(perSecond)) {
		wg.Go(func() {
			_, err := lbtest.ServedBy(testkit.Context(t), client)
			mu.Lock()
			defer mu.Unlock()
			ends[status.Code(err)]++
		})
	}
	wg.Wait()
	return ends
}

func TestAnEndpointWhoseCallsFailAtOnceIsEjectedAndAttractsNoMoreCalls(t *testing.T) {
	for name, servers := range map[string]int{"of two": 2, "of three": 3} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := lbtest.NewCluster(t, servers, lbtest.RegisterEcho)
				client := clientkit.Connect(t, cluster, cantonlb.Config{}, servers)
				cluster.FailCalls(0, codes.Unavailable, "half dead")
				ends := load(t, client, 100, 2*time.Second)
				assert.LessOrEqual(t, ends[codes.Unavailable], 7, "five in a row, and a trial or two")
				assert.True(t, endpoint(client.Status(), "server0").Ejected)

				cluster.ResetCounts()
				load(t, client, 100, 10*time.Second)
				assert.Less(t, cluster.Calls(0), 10, "less than one in a hundred")

				cluster.FailCalls(0, codes.OK, "")
				load(t, client, 100, 20*time.Second)
				assert.False(t, endpoint(client.Status(), "server0").Ejected, "a trial has passed")
				assert.Equal(t, servers, client.Status().Eligible())
			})
		})
	}
}

func TestAnEndpointWhoseCallsTimeOutIsEjected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
		client := clientkit.Connect(t, cluster, cantonlb.Config{}, 3)
		cluster.FailCalls(1, codes.DeadlineExceeded, "too slow")
		load(t, client, 100, 2*time.Second)
		assert.True(t, endpoint(client.Status(), "server1").Ejected)
	})
}

func TestAnswersOfAWorkingServerDoNotEjectIt(t *testing.T) {
	for _, code := range []codes.Code{codes.NotFound, codes.InvalidArgument, codes.Internal, codes.ResourceExhausted, codes.Aborted, codes.PermissionDenied} {
		t.Run(code.String(), func(t *testing.T) {
			cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
			client := clientkit.Connect(t, cluster, cantonlb.Config{}, 2)
			cluster.FailCalls(0, code, "no")
			for range 40 {
				_, _ = lbtest.ServedBy(testkit.Context(t), client)
			}
			assert.Equal(t, 20, cluster.Calls(0))
			assert.Equal(t, 2, client.Status().Eligible())
		})
	}
}

func TestTheLastEligibleEndpointIsNeverEjectedAndNoMoreThanHalfAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 4, lbtest.RegisterEcho)
		client := clientkit.Connect(t, cluster, cantonlb.Config{}, 4)
		for i := range 4 {
			cluster.FailCalls(i, codes.Unavailable, "all are half dead")
		}
		load(t, client, 100, 5*time.Second)
		assert.Equal(t, 2, client.Status().Eligible())
	})
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
		client := clientkit.Connect(t, cluster, cantonlb.Config{}, 1)
		cluster.FailCalls(0, codes.Unavailable, "half dead")
		load(t, client, 100, time.Second)
		assert.True(t, endpoint(client.Status(), "server0").Eligible)
	})
}

func TestAnEjectedEndpointIsLetInWhenTheOthersAreGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		client := clientkit.Connect(t, cluster, cantonlb.Config{}, 2)
		cluster.FailCalls(0, codes.Unavailable, "half dead")
		load(t, client, 100, 500*time.Millisecond)
		assert.True(t, endpoint(client.Status(), "server0").Ejected)
		cluster.FailCalls(0, codes.OK, "")
		cluster.SetServing(1, "", false)
		time.Sleep(10 * time.Millisecond)
		who, err := lbtest.ServedBy(testkit.Context(t), client)
		assert.NoError(t, err)
		assert.Equal(t, "server0", who)
	})
}

func TestAnEndpointThatWasUnhealthyWhenItsEjectionEndedIsTriedOnceItServes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
		client := clientkit.Connect(t, cluster, cantonlb.Config{}, 3)
		cluster.FailCalls(0, codes.Unavailable, "half dead")
		load(t, client, 100, 500*time.Millisecond)
		cluster.SetServing(0, "", false)
		time.Sleep(3 * time.Second)
		cluster.FailCalls(0, codes.OK, "")
		cluster.SetServing(0, "", true)
		time.Sleep(3 * time.Second)
		load(t, client, 100, 5*time.Second)
		assert.True(t, endpoint(client.Status(), "server0").Eligible)
	})
}

func TestAnEndpointOnTrialThatDoesNotServeGetsNoCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
		client := clientkit.Connect(t, cluster, cantonlb.Config{}, 3)
		cluster.FailCalls(0, codes.Unavailable, "half dead")
		load(t, client, 100, 500*time.Millisecond)
		time.Sleep(3 * time.Second) // on trial, and no calls
		cluster.SetServing(0, "", false)
		time.Sleep(2 * time.Second)
		cluster.ResetCounts()
		load(t, client, 100, 2*time.Second)
		assert.Zero(t, cluster.Calls(0))
	})
}
