// Package lbtest exists because a load balancer is only as good as its worst
// fault, and most faults are hard to cause in a test: a server that is killed,
// that hangs with its connections open, that is cut off, slow, or not serving.
// This kit runs real gRPC servers whose faults are method calls, for the tests
// of this module and for yours.
//
// By default the servers listen in memory (bufconn), say SERVING for "", answer
// at once, and serve what you register besides the health service. [OnTCP] puts
// them on 127.0.0.1. Everything stops by t.Cleanup, hung and partitioned servers
// too, and leaves no goroutine behind.
//
//	cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
//	conn, err := grpc.NewClient(cluster.Target(), append(cluster.DialOptions(), yours...)...)
//	...
//	cluster.Hang(1)
//	_, err = lbtest.Echo(ctx, conn, "hello") // goes to server0 or server2, you hope
//	cluster.Resume(1)
//
// The target has the scheme static, which package resolver of this module
// registers on import; with another resolver, use [Cluster.Addrs].
//
// # Faults
//
//	Kill, Restart         the process dies; its connections break, new ones are refused
//	Stop                  the process ends in good order: GOAWAY, then calls finish
//	Hang, Resume          the process is stopped: connections stay open, nothing moves
//	Partition, Heal       the network drops everything: like Hang, but dials hang too
//	Disconnect            all connections break; the process goes on
//	SetServing            the health service says SERVING or NOT_SERVING
//	SetLatency, FailCalls application calls are slow, or fail; health does not
//	SetHealthLatency, FailHealthCalls, FailHealthWatches  the other way round
//
// What the server saw is counted: connections, application calls, health Check
// and Watch calls. The Wait methods wait for such a count, so that a test need
// not sleep.
//
// # As servers are deployed
//
// [WithTLS] gives each server an authority of its own, [WithClientCerts] makes it
// want client certificates, [WithTokens] a token that only it takes; what tokens a
// server has been shown, it remembers ([Server.TokensSeen]). [WithHealthPort] and
// [WithHealthPage] tell health at another port, by gRPC and over HTTP. A [CA] makes
// certificates for your own servers, too.
//
//	cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho, lbtest.WithTLS(0, 1), lbtest.WithTokens())
//	roots := cluster.Server(0).CA().PEM()
//	cluster.Server(0).RotateCA() // new connections get a certificate of another authority
//
// # Fake time
//
// On bufconn everything works inside a bubble of testing/synctest, where
// latencies, deadlines, health intervals and reconnects cost no real time. Make
// the cluster and the client inside the bubble, with the t that the bubble gets,
// and close the client there, by defer or t.Cleanup. On TCP, time in a bubble
// does not advance. The test in example_test.go shows the whole of it:
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
// and its handlers go on; only what it reads, writes and starts is held back. On
// TCP the kernel still completes connections to a server that hangs, as it does
// for a stopped process. Memory for a bufconn connection is 128 KiB.
//
// With go test -race a bubble may very rarely die of a SIGSEGV with
// runtime.(*timer).modify in its trace: Go 1.26 lets timers that fire at once, as
// bufconn makes two for each connection, share one context of the race detector.
package lbtest
