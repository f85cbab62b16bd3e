// Package transport secures connections as their endpoints specify, and keeps track
// of them.
//
// # Why
//
// A grpc channel has one set of transport credentials and one of call credentials.
// Copies of a service that belong to different organisations have different
// authorities, client certificates and tokens. These settings are part of the
// endpoint. The endpoint is carried in the attributes of its address, which grpc
// passes to the transport credentials. One [Credentials] therefore secures each
// connection as its endpoint specifies, and attaches an [AuthInfo] that names the
// endpoint. grpc passes the AuthInfo to the call credentials for each call on that
// connection. One set of call credentials ([Credentials.Tokens]) therefore adds to
// each call the token of the endpoint that the call actually goes to, for calls of
// the application, probes, retries and rescues.
//
// A server that hangs keeps its connection, and with it every call and stream in
// flight there. grpc has no way to end them early, except by closing the whole
// channel. Closing the net.Conn does: everything on it fails with UNAVAILABLE at
// once. But a load-balancing policy never sees the net.Conn, and the transport
// credentials never see the SubConn. A [Holder] in the attributes connects the two.
//
// # Frames
//
// A server whose handlers hang still answers pings and returns flow-control credit. A
// Holder therefore reads the headers of the HTTP/2 frames on its connection, above
// TLS. It reports when HEADERS or DATA was last read, whether a request had to wait
// behind others in our own queue, how many streams the server allows, and whether it
// has sent GOAWAY.
//
// # Fails closed
//
// Verification of a server cannot be turned off. A token is sent if, and only if,
// the connection is known to be encrypted and verified, or its endpoint allows
// otherwise. If the token may not be sent, the call fails and nothing of it is
// sent.
//
// # The :scheme of calls
//
// grpc sets the pseudo header :scheme from the credentials' Info, not for each
// connection. For a list with both kinds it is https for all connections. gRPC
// servers ignore it.
package transport
