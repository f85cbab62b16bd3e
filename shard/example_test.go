package shard_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/shard"
)

func Example() {
	client := func(name string, addresses ...string) *cantonlb.Client {
		cfg := cantonlb.Config{Name: name, Role: cantonlb.ParticipantLedger, Logger: slog.New(slog.DiscardHandler)}
		for _, a := range addresses {
			cfg.Endpoints = append(cfg.Endpoints, cantonlb.Endpoint{Address: "http://" + a})
		}
		c, err := cantonlb.NewClient(cfg)
		if err != nil {
			panic(err)
		}
		return c
	}
	p1, p2 := client("p1", "127.0.0.1:5011", "127.0.0.1:5012"), client("p2", "127.0.0.1:5021", "127.0.0.1:5022")
	defer func() { _ = errors.Join(p1.Close(), p2.Close()) }()

	router, err := shard.New(map[string]shard.Shard{
		"p1": {Client: p1, Parties: []string{"alice::1220"}, NoDiscovery: true},
		"p2": {Client: p2, Parties: []string{"bob::1220"}, NoDiscovery: true}, // without it, they are looked up
	}, shard.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = router.Close() }()

	var _ grpc.ClientConnInterface = router // stubs take it
	target, err := router.For(context.Background(), "bob::1220")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(target.Name)
	_, err = router.Route(context.Background(), shard.Request{
		Method: "Submit", Kind: shard.KindSubmission, ActAs: []string{"alice::1220", "bob::1220"},
	})
	fmt.Println(err)
	// Output:
	// p2
	// shard: no shard has all parties of the request: party "alice::1220" on "p1", party "bob::1220" on "p2"
}
