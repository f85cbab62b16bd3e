package main

import (
	"context"
	"fmt"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/examples/internal/cli"
	"github.com/cantonlb/cantonlb/examples/internal/demo"
)

// healthService is the name under which sequencers report their health. A client
// need not set it: the role does.
const healthService = "sequencer-health-check-service"

// startDemo starts three servers in this process. stop ends them.
func startDemo(ctx context.Context) (list cli.Endpoints, stop func(), err error) {
	var servers []*demo.Server
	stop = func() {
		for _, s := range servers {
			s.Close()
		}
	}
	for i := range 3 {
		s, err := demo.Start(ctx, "127.0.0.1:0", healthService)
		if err != nil {
			stop()
			return nil, nil, err
		}
		s.SetServing(true)
		servers = append(servers, s)
		list = append(list, cantonlb.Endpoint{Name: fmt.Sprintf("seq%d", i+1), Address: "http://" + s.Addr()})
	}
	return list, stop, nil
}
