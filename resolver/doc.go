// Package resolver is the static list of endpoints, and brings it into a gRPC
// channel.
//
// # Why
//
// The copies of a Canton node are known by configuration, not by a name service.
// gRPC has a resolver for one DNS name and one for a single address, but none
// for a list that a program holds, changes while it runs, and wants checked
// before anything dials. So this package checks a list whole (a bad one changes
// nothing and says which entry is wrong, and what would be right), gives every
// endpoint an identity that survives the way through gRPC to the policy, and
// notices when no policy of this module has taken charge of a channel, so that
// health checking is never off in silence.
//
// It knows nothing of health, policies or connections: what an endpoint says about
// its security, its token and its health target is checked here, and heeded by the
// credentials and the policies of this module. A channel whose credentials cannot
// heed it ([EndpointCredentials]) is refused the list.
//
// # Two ways in
//
// A target holds the whole list, and importing this package registers its scheme:
//
//	grpc.NewClient("static:///seq1:5001,seq2:5001", ...)
//	grpc.NewClient("static:///[fe80::1%25eth0]:5001,[::1]:5001", ...)
//
// A [Static] is a list that can be changed, and may serve several channels:
//
//	list, err := resolver.New([]resolver.Endpoint{
//		{Name: "seq1", Address: "seq1.example.com:5001"},
//		{Name: "seq2", Address: "seq2.example.com:5001"},
//	})
//	conn, err := grpc.NewClient(list.Target(), grpc.WithResolvers(list), ...)
//	err = list.Update(changed)
//
// gRPC's handling of HTTPS_PROXY rebuilds endpoints and drops their identity.
// cantonlb.NewClient avoids that; a plain channel needs grpc.WithNoProxy or a
// dialer of its own.
//
// # Defaults
//
// An endpoint without a name is named by its host and port. There is no default
// port: an address without one is an error, also in a URL. An endpoint without a
// server name is verified against, and called by, the one in the channel's TLS
// credentials if there is one, and else its own host and port; grpc.WithAuthority
// takes precedence over all of these, since grpc lets no resolver override it. A
// list has 1 to [MaxEndpoints] endpoints. A service config is never supplied: it
// would replace the program's own.
package resolver
