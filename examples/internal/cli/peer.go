package cli

import (
	"google.golang.org/grpc/peer"

	"github.com/cantonlb/cantonlb"
)

// NameOf gives the name of the endpoint that a call went to, as grpc.Peer tells
// it, or its IP address and port if the list has host names.
func NameOf(list []cantonlb.Endpoint, p peer.Peer) string {
	if p.Addr == nil {
		return "nobody"
	}
	addr := p.Addr.String()
	for _, e := range list {
		if e.Name != "" && e.HostPort() == addr {
			return e.Name
		}
	}
	return addr
}
