// Package quorum reads from several members that do not trust each other, and returns
// only answers that enough of them agree on.
//
// # Why
//
// The sequencers of a synchronizer, or the servers of a network's public API, belong to
// several organisations. Some of them may be down, slow, out of date, or lying. A client
// that asks one of them trusts whichever it is connected to. Hand-written clients that ask
// several often share the same faults: they count equal errors of members that are down as
// an agreement, accept the fastest answer, or wait for a member that hangs. [Read] asks
// members until f + 1 of them return the same answer, where at most f = floor((n-1)/3) of
// n are faulty. At least one of those that agree is therefore honest.
//
//	members, err := quorum.NewMembers([]quorum.Member{
//		{Name: "org1", Conn: client1}, // one Member for each that could lie as one
//		{Name: "org2", Conn: client2},
//		{Name: "org3", Conn: client3},
//		{Name: "org4", Conn: client4},
//	}, quorum.Options{})
//	if err != nil {
//		return err
//	}
//	reply, verdict, err := quorum.Read(ctx, members, quorum.Config{},
//		func(ctx context.Context, m quorum.Member) (*pb.Reply, error) {
//			return pb.NewServiceClient(m.Conn).Get(ctx, request)
//		},
//		func(r *pb.Reply) string { return r.GetHash() })
//
// [NewConn] returns a gRPC connection that does the same, so that stubs need no change.
// [NewTransport] returns an http.RoundTripper. [NewStream] delivers the events that members
// agree on, each once and in order. [Dial] creates members from a cantonlb.Config, and
// [Follow] follows the network's own list of its members.
//
// # What an agreement proves
//
// Equal answers of f + 1 members prove that an honest member returned the answer. They do
// not prove that nothing newer exists: see [Freshness]. [ReadPosition] returns a position,
// such as a record time, that an honest member has reached, and [ReadAt] reads as of that
// position. If more than f members lie together, they can make a lie the answer.
// docs/quorum.md lists what is promised against which faults, and what is not.
//
// # How members are asked
//
// At first 2f + 1 members are asked; once enough are known to be healthy, f + 1. More are
// asked as soon as those asked cannot reach an agreement, and when one exceeds its usual
// latency. Members that fail or are slow are asked last for a growing time, 1 s to a
// minute; members that contradicted an agreement are asked last for 10 minutes. Errors
// never agree unless the caller declares a certain error to be an answer. Keys are kept
// as hashes, with one value for each different answer.
//
// # Defaults
//
// Agree is f + 1 and Ask is 2f + 1; with fewer than four members Agree must be set. A
// stream has a margin of f subscriptions and holds 64 events of each. Replies are limited
// to 4 MiB, HTTP bodies to 1 MiB. A read without a deadline has 10 s.
package quorum
