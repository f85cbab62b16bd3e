package cantonlb_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/report"
)

const passiveAnswer = "SYNC_SERVICE_PASSIVE_REPLICA(1,1a2b3c4d): Cannot process submitted command. This participant is the passive replica."

// rarelyProbed has endpoints probed once an hour, and never watched.
func rarelyProbed() cantonlb.Config {
	return cantonlb.Config{HealthCheck: healthcheck.Config{Interval: time.Hour, NoWatch: true}}
}

func TestOneAnswerOfAPassiveReplicaHasItProbedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		client := clientkit.Connect(t, cluster, rarelyProbed(), 2)
		cluster.FailCalls(0, codes.Unavailable, passiveAnswer)
		cluster.SetServing(0, "", false) // this is not pushed
		for range 2 {
			_, _ = lbtest.ServedBy(testkit.Context(t), client)
		}
		synctest.Wait()
		e := endpoint(client.Status(), "server0")
		assert.Equal(t, report.Unhealthy, e.Health)
		assert.Equal(t, report.ReasonNotServing, e.Reason)
		assert.Equal(t, map[string]int{"server1": 10}, testkit.Spread(t, client, 10))
	})
}

func TestAPassiveReplicaIsSuspectForThatReasonUntilItsProbeIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		client := clientkit.Connect(t, cluster, rarelyProbed(), 2)
		cluster.FailCalls(0, codes.Unavailable, "Node is passive")
		cluster.SetHealthLatency(0, 100*time.Millisecond)
		for range 2 {
			_, _ = lbtest.ServedBy(testkit.Context(t), client)
		}
		synctest.Wait()
		e := endpoint(client.Status(), "server0")
		assert.Equal(t, report.Suspect, e.Health)
		assert.Equal(t, report.ReasonPassiveReplica, e.Reason)
		assert.True(t, e.Eligible, "a suspicion is no verdict")
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		assert.Equal(t, report.Healthy, endpoint(client.Status(), "server0").Health)
	})
}

// A node may serve in general and answer as a passive replica for one service. Calls
// must then not multiply the probes or the events.
func TestAnswersOfAPassiveReplicaThatItsHealthDeniesCostLessAndLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
		client := clientkit.Connect(t, cluster, cantonlb.Config{HealthCheck: healthcheck.Config{NoWatch: true}}, 1)
		cluster.FailCalls(0, codes.Unavailable, passiveAnswer) // the last is never ejected
		before := cluster.HealthCalls(0)
		ends := load(t, client, 100, 10*time.Second)
		require.Equal(t, 1000, ends[codes.Unavailable])
		probes := cluster.HealthCalls(0) - before
		assert.GreaterOrEqual(t, probes, 13)
		assert.LessOrEqual(t, probes, 26, "twice those of an interval, and a few at first")
	})
}

func TestOtherErrorsRaiseNoSuspicion(t *testing.T) {
	for code, message := range map[codes.Code]string{
		codes.Unavailable:   "SERVICE_NOT_RUNNING(1,0): Ledger API is not running",
		codes.Unimplemented: "Method not found: Node is passive",
		codes.Aborted:       passiveAnswer,
	} {
		t.Run(code.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
				client := clientkit.Connect(t, cluster, rarelyProbed(), 1)
				cluster.FailCalls(0, code, message)
				before := cluster.HealthCalls(0)
				load(t, client, 100, time.Second)
				assert.Equal(t, before, cluster.HealthCalls(0))
			})
		})
	}
}
