// Package lbtest runs real gRPC servers whose faults are method calls, for the
// tests of this module and for yours. Most faults that a load balancer must handle
// are hard to cause in a test: a server that is killed, that hangs with its
// connections open, that is cut off, slow, or not serving.
//
// By default the servers listen in memory (bufconn), report SERVING for "", answer
// at once, and serve what you register in addition to the health service. [OnTCP]
// makes them listen on 127.0.0.1. Everything, including hung and partitioned
// servers, is stopped by t.Cleanup, and no goroutine is left behind.
//
//	cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
//	conn, err := grpc.NewClient(cluster.Target(), append(cluster.DialOptions(), yours...)...)
//	...
//	cluster.Hang(1)
//	_, err = lbtest.Echo(ctx, conn, "hello") // should go to server0 or server2
//	cluster.Resume(1)
//
// The target has the scheme static, which package resolver of this module
// registers on import; with another resolver, use [Cluster.Addrs].
//
// # Faults
//
//	Kill, Restart         the process dies; its connections break, new ones are refused
//	Stop                  the process ends gracefully: GOAWAY, then calls finish
//	Hang, Resume          the process is stopped: connections stay open, nothing moves
//	Partition, Heal       the network drops everything: like Hang, but dials hang too
//	Disconnect            all connections break; the process continues
//	SetServing            the health service reports SERVING or NOT_SERVING
//	SetLatency, FailCalls application calls are slow or fail; health checks do not
//	SetHealthLatency, FailHealthCalls, FailHealthWatches  the opposite
//
// The servers count connections, application calls, and health Check and Watch
// calls. The Wait methods wait for such a count, so that a test need not sleep.
//
// # As servers are deployed
//
// [WithTLS] sets up TLS with a separate certificate authority for each server.
// [WithClientCerts] makes the servers require client certificates. [WithTokens]
// makes each server require a token that no other server accepts;
// [Server.TokensSeen] returns the tokens that a server has received.
// [WithHealthPort] and [WithHealthPage] serve health on another port, by gRPC and
// over HTTP. A [CA] issues certificates for your own servers, too.
//
//	cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho, lbtest.WithTLS(0, 1), lbtest.WithTokens())
//	roots := cluster.Server(0).CA().PEM()
//	cluster.Server(0).RotateCA() // new connections get a certificate of another authority
//
// # Fake time
//
// On bufconn everything works inside a testing/synctest bubble, where latencies,
// deadlines, health intervals and reconnects take no real time. Make the cluster
// and the client inside the bubble, with the bubble's t, and close the client
// there, by defer or t.Cleanup. On TCP, time in a bubble does not advance. The test
// in example_test.go is a complete example:
//
//	synctest.Test(t, func(t *testing.T) {
//		cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
//		conn := ... // a client
//		defer conn.Close()
//		cluster.Hang(0)
//		time.Sleep(10 * time.Second) // fake: returns at once
//		...
//	})
//
// # Limits
//
// A server is emulated inside the test's own process. While it hangs, its timers
// and its handlers continue; only reads, writes and new calls are held back. On TCP
// the kernel still completes connections to a server that hangs, as it does for a
// stopped process. Memory for a bufconn connection is 128 KiB.
//
// With go test -race a bubble may very rarely die of a SIGSEGV with
// runtime.(*timer).modify in its trace. The cause is that in Go 1.26 timers that
// fire at the same time share one context of the race detector.
package lbtest
