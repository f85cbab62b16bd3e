package hostnames

import (
	"log/slog"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/cantonlb/cantonlb"
)

// peer is a client that is measured. open starts one, with the name and the name server of
// the place.
type peer struct {
	name string
	open func(p *place, c situation) (grpc.ClientConnInterface, func() error, error)
}

var peers = []peer{
	{"cantonlb", openCantonlb},
	{"dns and pick_first", openGRPC(`{}`)},
	{"dns and round_robin", openGRPC(`{"loadBalancingConfig": [{"round_robin": {}}]}`)},
}

func openCantonlb(p *place, c situation) (grpc.ClientConnInterface, func() error, error) {
	client, err := cantonlb.NewClient(cantonlb.Config{
		Endpoints: []cantonlb.Endpoint{{Name: "server", Address: "http://" + p.address()}},
		DNS:       p.dns.Resolver(), ReresolveInterval: c.again, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, nil, err
	}
	return client, client.Close, nil
}

// openGRPC opens a channel of grpc that looks the name up at the place's name server.
// Service configs in DNS are off, since each look-up of one that does not exist would cost
// as much as that of the name.
func openGRPC(config string) func(*place, situation) (grpc.ClientConnInterface, func() error, error) {
	return func(p *place, _ situation) (grpc.ClientConnInterface, func() error, error) {
		cc, err := grpc.NewClient("dns://"+p.dns.Addr()+"/"+p.address(), grpc.WithDisableServiceConfig(),
			grpc.WithDefaultServiceConfig(config), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return nil, nil, err
		}
		cc.Connect()
		return cc, cc.Close, nil
	}
}
