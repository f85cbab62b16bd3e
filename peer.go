package cantonlb

import (
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"github.com/cantonlb/cantonlb/internal/transport"
)

// EndpointOf returns the name of the endpoint that a call went to, from the peer that
// grpc.Peer records. It returns false if p is nil or belongs to a connection that no
// Client made.
//
//	var p peer.Peer
//	reply, err := stub.Get(ctx, request, grpc.Peer(&p))
//	name, ok := cantonlb.EndpointOf(&p)
func EndpointOf(p *peer.Peer) (name string, ok bool) {
	if p == nil {
		return "", false
	}
	info, ok := p.AuthInfo.(*transport.AuthInfo)
	if !ok {
		return "", false
	}
	return info.Endpoint(), true
}

// AuthInfoOf returns the AuthInfo of the handshake of a call's connection, such as a
// credentials.TLSInfo with the server's certificates. Peer.AuthInfo itself has a type
// of this module, which also identifies the endpoint.
func AuthInfoOf(p *peer.Peer) credentials.AuthInfo {
	if p == nil {
		return nil
	}
	if info, ok := p.AuthInfo.(*transport.AuthInfo); ok {
		return info.Unwrap()
	}
	return p.AuthInfo
}
