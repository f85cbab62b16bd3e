// Package resolver holds the static list of endpoints and supplies it to a gRPC
// channel.
//
// # Why
//
// The copies of a Canton node are known by configuration, not by a name service.
// gRPC has a resolver for one DNS name and one for a single address, but none for
// a list that a program holds, changes at run time, and wants validated before
// anything dials. This package validates a list as a whole: an invalid list
// changes nothing, and its error names the entry and states what a valid value
// is. It attaches an identity to every endpoint that reaches the policy through
// gRPC, and reports when no policy of this module serves the channel, so that
// health checking is never off without notice.
//
// The package does not deal with health, policies or connections. It validates an
// endpoint's settings for security, token and health target; the credentials and the
// policies of this module apply them. A channel whose credentials cannot apply them
// ([EndpointCredentials]) does not receive the list.
//
// # Two ways to supply a list
//
// A target holds the whole list. Importing this package registers its scheme:
//
//	grpc.NewClient("static:///seq1:5001,seq2:5001", ...)
//	grpc.NewClient("static:///[fe80::1%25eth0]:5001,[::1]:5001", ...)
//	grpc.NewClient("static:///unix:///run/sidecar.sock,unix-abstract:other", ...)
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
// gRPC's support for HTTPS_PROXY rebuilds endpoints and drops their identity.
// cantonlb.NewClient avoids that; a plain channel needs grpc.WithNoProxy or its own
// dialer.
//
// # Defaults
//
// An endpoint without a name is named by its host and port. There is no default
// port: an address without one is an error, also in a URL. An endpoint without a
// server name uses the one in the channel's TLS credentials, if there is one, and
// otherwise its own host, both to verify the certificate and as the :authority of
// calls; the host of a Unix domain socket is localhost. grpc.WithAuthority takes
// precedence over all of these, since grpc does
// not let a resolver override it. A list has 1 to [MaxEndpoints] endpoints. The
// resolver never supplies a service config, which would replace the program's own.
package resolver
