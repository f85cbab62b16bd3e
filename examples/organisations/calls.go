package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"

	"github.com/cantonlb/cantonlb"
)

const (
	callEvery   = 5 * time.Millisecond
	callTimeout = 5 * time.Second
)

// calls makes calls continuously and counts their results.
type calls struct {
	stop func() // ends the calls and waits for the last one

	// Not to be read before stop has returned.
	answered map[string]int // by endpoint
	failed   int
	first    error
}

// startCalls makes one harmless call after the other. Replace the health service's
// stub by your generated stubs: they take the client as they take a
// *grpc.ClientConn.
func startCalls(ctx context.Context, client *cantonlb.Client) *calls {
	c := &calls{answered: make(map[string]int)}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	c.stop = func() { cancel(); wg.Wait() }
	wg.Go(func() {
		ticker := time.NewTicker(callEvery)
		defer ticker.Stop()
		for {
			c.one(context.WithoutCancel(ctx), healthpb.NewHealthClient(client))
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return c
}

func (c *calls) one(ctx context.Context, stub healthpb.HealthClient) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var server peer.Peer
	_, err := stub.Check(ctx, &healthpb.HealthCheckRequest{}, grpc.Peer(&server))
	if err != nil {
		c.failed++
		if c.first == nil {
			c.first = err
		}
		return
	}
	name, _ := cantonlb.EndpointOf(&server)
	c.answered[name]++
}

// String returns how many calls each endpoint answered.
func (c *calls) String() string {
	total := 0
	var by []string
	for _, name := range slices.Sorted(maps.Keys(c.answered)) {
		total += c.answered[name]
		by = append(by, fmt.Sprintf("%s %d", name, c.answered[name]))
	}
	return fmt.Sprintf("calls: %d answered (%s), %d failed", total, strings.Join(by, ", "), c.failed)
}
