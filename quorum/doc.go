// Package quorum reads from several members that do not trust each other, and returns
// only what enough of them say.
//
// # Why
//
// The sequencers of a synchronizer, or the servers of a network's public API, belong to
// several organisations. Some of them may be down, slow, out of date, or lying. A client
// that asks one of them believes whichever it is connected to. A client that asks several
// by hand meets the same faults each time: failures of members that are down are counted
// as an agreement, the fastest answer wins, one member that hangs holds all up. [Read]
// asks as many members as it takes for f + 1 of them to give the same answer, where at
// most f = floor((n-1)/3) of n are faulty, so that one of those that agree is honest.
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
// [NewConn] is the same as a gRPC connection, so that stubs stay as they are, and
// [NewTransport] as an http.RoundTripper. [NewStream] delivers the events that members
// agree on, each once and in order. [Dial] makes members of a cantonlb.Config, and
// [Follow] follows the network's own list of its members.
//
// # What an agreement proves
//
// That f + 1 members say the same proves that an honest one does. It does not prove that
// nothing newer exists: see [Freshness]. [ReadPosition] finds a position, such as a
// record time, at which an honest member stands, and [ReadAt] reads there. If more than f
// members lie together, they can make a lie the answer: docs/quorum.md says what is
// promised against which adversary, and what is not.
//
// # How members are asked
//
// In the beginning 2f + 1 are asked; once enough are known to be well, f + 1. More are
// asked the moment those asked cannot reach an agreement alone, and when one is slow by
// its own measure. Members that fail or are slow are asked last for a growing time, 1 s
// to a minute, and members that contradicted an agreement for 10 minutes. Errors never
// agree unless the caller says that a certain error is an answer. Keys are kept as
// hashes, and one value for each different answer.
//
// # Defaults
//
// Agree f + 1; a margin of f subscriptions for streams, 64 events held of each; replies of
// 4 MiB and bodies of 1 MiB at most; Ask 2f + 1; fewer than four members need Agree to be named; a read without
// a deadline has 10 s.
package quorum
