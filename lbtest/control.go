package lbtest

import (
	"time"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// Up reports whether server i runs; see [Server.Up].
func (c *Cluster) Up(i int) bool { c.t.Helper(); return c.Server(i).Up() }

// Kill ends server i as SIGKILL does; see [Server.Kill].
func (c *Cluster) Kill(i int) { c.t.Helper(); c.Server(i).Kill() }

// Stop ends server i gracefully; see [Server.Stop].
func (c *Cluster) Stop(i int) { c.t.Helper(); c.Server(i).Stop() }

// Restart starts server i again at the same address; see [Server.Restart].
func (c *Cluster) Restart(i int) { c.t.Helper(); c.Server(i).Restart() }

// Disconnect closes all connections of server i; see [Server.Disconnect].
func (c *Cluster) Disconnect(i int) { c.t.Helper(); c.Server(i).Disconnect() }

// Hang stops server i as SIGSTOP does; see [Server.Hang].
func (c *Cluster) Hang(i int) { c.t.Helper(); c.Server(i).Hang() }

// Resume lets server i continue after Hang; see [Server.Resume].
func (c *Cluster) Resume(i int) { c.t.Helper(); c.Server(i).Resume() }

// Partition cuts server i off from the network; see [Server.Partition].
func (c *Cluster) Partition(i int) { c.t.Helper(); c.Server(i).Partition() }

// Heal ends a partition of server i; see [Server.Heal].
func (c *Cluster) Heal(i int) { c.t.Helper(); c.Server(i).Heal() }

// SetServing sets the health of a service of server i; see [Server.SetServing].
func (c *Cluster) SetServing(i int, service string, serving bool) {
	c.t.Helper()
	c.Server(i).SetServing(service, serving)
}

// SetHealthStatus sets any health status of a service of server i; see
// [Server.SetHealthStatus].
func (c *Cluster) SetHealthStatus(i int, service string, status healthpb.HealthCheckResponse_ServingStatus) {
	c.t.Helper()
	c.Server(i).SetHealthStatus(service, status)
}

// SetLatency slows the application calls of server i; see [Server.SetLatency].
func (c *Cluster) SetLatency(i int, d time.Duration) { c.t.Helper(); c.Server(i).SetLatency(d) }

// SetHealthLatency slows the health Check calls of server i; see
// [Server.SetHealthLatency].
func (c *Cluster) SetHealthLatency(i int, d time.Duration) {
	c.t.Helper()
	c.Server(i).SetHealthLatency(d)
}

// FailCalls makes the application calls of server i fail; see
// [Server.FailCalls].
func (c *Cluster) FailCalls(i int, code codes.Code, message string) {
	c.t.Helper()
	c.Server(i).FailCalls(code, message)
}

// FailHealthCalls makes the health Check calls of server i fail; see
// [Server.FailHealthCalls].
func (c *Cluster) FailHealthCalls(i int, code codes.Code, message string) {
	c.t.Helper()
	c.Server(i).FailHealthCalls(code, message)
}

// FailHealthWatches makes new health Watch calls of server i fail; see
// [Server.FailHealthWatches].
func (c *Cluster) FailHealthWatches(i int, code codes.Code, message string) {
	c.t.Helper()
	c.Server(i).FailHealthWatches(code, message)
}

// Conns returns the open connections of server i; see [Server.Conns].
func (c *Cluster) Conns(i int) int { c.t.Helper(); return c.Server(i).Conns() }

// TotalConns returns the connections that server i accepted; see
// [Server.TotalConns].
func (c *Cluster) TotalConns(i int) int { c.t.Helper(); return c.Server(i).TotalConns() }

// Calls returns the application calls of server i; see [Server.Calls].
func (c *Cluster) Calls(i int) int { c.t.Helper(); return c.Server(i).Calls() }

// HealthCalls returns the health Check calls of server i; see
// [Server.HealthCalls].
func (c *Cluster) HealthCalls(i int) int { c.t.Helper(); return c.Server(i).HealthCalls() }

// HealthWatches returns the health Watch calls of server i; see
// [Server.HealthWatches].
func (c *Cluster) HealthWatches(i int) int { c.t.Helper(); return c.Server(i).HealthWatches() }

// LastCallAt returns when the last application call of server i arrived; see
// [Server.LastCallAt].
func (c *Cluster) LastCallAt(i int) time.Time { c.t.Helper(); return c.Server(i).LastCallAt() }

// ResetCounts sets the counts of all servers to zero; see [Server.ResetCounts].
func (c *Cluster) ResetCounts() {
	for _, s := range c.servers {
		s.ResetCounts()
	}
}

// WaitConns waits for open connections of server i; see [Server.WaitConns].
func (c *Cluster) WaitConns(i, n int, timeout time.Duration) {
	c.t.Helper()
	c.Server(i).WaitConns(n, timeout)
}

// WaitCalls waits for application calls of server i; see [Server.WaitCalls].
func (c *Cluster) WaitCalls(i, n int, timeout time.Duration) {
	c.t.Helper()
	c.Server(i).WaitCalls(n, timeout)
}

// WaitHealthCalls waits for health Check calls of server i; see
// [Server.WaitHealthCalls].
func (c *Cluster) WaitHealthCalls(i, n int, timeout time.Duration) {
	c.t.Helper()
	c.Server(i).WaitHealthCalls(n, timeout)
}

// WaitHealthWatches waits for health Watch calls of server i; see
// [Server.WaitHealthWatches].
func (c *Cluster) WaitHealthWatches(i, n int, timeout time.Duration) {
	c.t.Helper()
	c.Server(i).WaitHealthWatches(n, timeout)
}
