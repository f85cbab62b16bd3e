// Package transport makes connections as their endpoints ask, and keeps hold of
// them.
//
// # Why
//
// A grpc channel has one set of transport credentials and one of call credentials.
// The copies of a service that belong to different organisations have different
// authorities, client certificates and tokens. What differs is known to the
// endpoint, and the endpoint rides in the attributes of its address, which grpc
// hands to the transport credentials: so one [Credentials] makes each connection
// as its endpoint asks, and gives it an [AuthInfo] that names the endpoint. The
// AuthInfo is what grpc shows to the call credentials for each call on that
// connection: so one set of these ([Credentials.Tokens]) gives each call the token
// of the endpoint that it really goes to, whoever makes it: the application, a
// probe, a retry or a rescue.
//
// A server that hangs keeps its connection, and with it every call and stream
// that is under way there: grpc has no way to end them early, short of closing
// the whole channel. Closing the net.Conn does: everything on it fails with
// UNAVAILABLE at once. But a load-balancing policy never sees the net.Conn, and
// what sees it never sees the SubConn. So a [Holder] rides in the attributes, too.
//
// # Fails closed
//
// Verification of a server cannot be turned off. A token is sent if, and only if,
// the connection is known to be encrypted and verified, or its endpoint allows
// otherwise; if it cannot be, the call fails and nothing of it is sent.
//
// # The :scheme of calls
//
// grpc sets the pseudo header :scheme from the credentials' Info and knows nothing
// of single connections. Under a list with both kinds it is https for all of them.
// Servers of gRPC do not look at it.
package transport
