package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/examples/internal/cli"
	"github.com/cantonlb/cantonlb/examples/internal/demo"
)

// healthService is the name under which sequencers report their health.
const healthService = "sequencer-health-check-service"

// demoCluster consists of three servers in this process.
type demoCluster struct {
	endpoints cli.Endpoints
	servers   []*demo.Server
	cancel    context.CancelFunc
	wg        sync.WaitGroup
}

// startDemo starts the servers. After each flip, the first of them reports that it
// does not serve, or that it does again.
func startDemo(ctx context.Context, flip time.Duration) (*demoCluster, error) {
	ctx, cancel := context.WithCancel(ctx)
	c := &demoCluster{cancel: cancel}
	for i := range 3 {
		s, err := demo.Start(ctx, "127.0.0.1:0", healthService)
		if err != nil {
			c.stop()
			return nil, err
		}
		s.SetServing(true)
		c.servers = append(c.servers, s)
		c.endpoints = append(c.endpoints, cantonlb.Endpoint{Name: fmt.Sprintf("seq%d", i+1), Address: "http://" + s.Addr()})
	}
	c.wg.Go(func() { c.flip(ctx, flip) })
	return c, nil
}

func (c *demoCluster) flip(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for serving := false; ; serving = !serving {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			c.servers[0].SetServing(serving)
		}
	}
}

func (c *demoCluster) stop() {
	c.cancel()
	c.wg.Wait()
	for _, s := range c.servers {
		s.Close()
	}
}
