package quorum

import (
	"context"
	"math/rand/v2"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	method = "/quorum.Bench/Get"
	right  = "right"
	wrong  = "wrong"
)

// network is a set of members, the faulty ones first: of these the first hangs, and the
// others lie.
type network struct {
	servers []*grpc.Server
	conns   []*grpc.ClientConn
}

func newNetwork(ctx context.Context, n, faults int) (*network, error) {
	w := new(network)
	for i := range n {
		answer := right
		switch {
		case i == 0 && faults > 0:
			answer = "" // hangs
		case i < faults:
			answer = wrong
		}
		if err := w.add(ctx, answer); err != nil {
			w.close()
			return nil, err
		}
	}
	return w, nil
}

// add starts a server that answers so after 5 to 20 ms; an empty answer never comes.
func (n *network) add(ctx context.Context, answer string) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		if err := stream.RecvMsg(new(wrapperspb.StringValue)); err != nil {
			return err
		}
		pause := 5*time.Millisecond + rand.N(15*time.Millisecond)
		if answer == "" {
			pause = time.Hour
		}
		timer := time.NewTimer(pause)
		defer timer.Stop()
		select {
		case <-timer.C:
			return stream.SendMsg(wrapperspb.String(answer))
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}))
	n.servers = append(n.servers, s)
	go func() { _ = s.Serve(l) }()
	cc, err := grpc.NewClient("passthrough:///"+l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	n.conns = append(n.conns, cc)
	return nil
}

func (n *network) close() {
	for _, cc := range n.conns {
		_ = cc.Close()
	}
	for _, s := range n.servers {
		s.Stop()
	}
}
