package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/examples/internal/cli"
	"github.com/cantonlb/cantonlb/examples/internal/demo"
)

const (
	// healthService is the name under which mediators report their health. A client
	// need not set it: the role does.
	healthService = "mediator"
	demoDuration  = 6 * time.Second
	// takeover is how long no replica is active during a takeover, and overlap is
	// how long both then report that they are active.
	takeover = 300 * time.Millisecond
	overlap  = time.Second
)

// replica is one replica of the demo's mediator: an API, and the node's health on a
// separate port.
type replica struct {
	api, health *demo.Server
}

func (r replica) setActive(active bool) {
	r.api.SetServing(active)
	r.health.SetServing(active)
}

func (r replica) close() {
	r.api.Close()
	r.health.Close()
}

// startDemo starts two replicas in this process, lets the second take over
// after switchAfter, and points the settings at them. stop ends them.
func startDemo(ctx context.Context, s *settings) (stop func(), err error) {
	first, second, err := startReplicas(ctx)
	if err != nil {
		return nil, err
	}
	s.endpoints = append(s.endpoints,
		cantonlb.Endpoint{Name: "med1", Address: "http://" + first.api.Addr()},
		cantonlb.Endpoint{Name: "med2", Address: "http://" + second.api.Addr()})
	s.healthPort, s.healthURL = port(first.health), ""
	s.duration = cmp.Or(s.duration, demoDuration)

	first.setActive(true)
	ctx, cancel := context.WithCancel(ctx)
	var switching sync.WaitGroup
	switching.Go(func() {
		if !cli.Wait(ctx, s.switchAfter) {
			return
		}
		fmt.Printf("%s demo: med1 becomes passive\n", clock())
		first.setActive(false)
		if cli.Wait(ctx, takeover) {
			fmt.Printf("%s demo: med2 becomes active\n", clock())
			second.setActive(true)
		}
		if cli.Wait(ctx, overlap) {
			fmt.Printf("%s demo: med1 claims to be active as well\n", clock())
			first.setActive(true)
		}
		if cli.Wait(ctx, overlap) {
			first.setActive(false)
		}
	})
	return func() {
		cancel()
		switching.Wait()
		first.close()
		second.close()
	}, nil
}

// startReplicas starts two replicas, both passive, on two loopback addresses: the
// port of the health service is the same for the whole list.
func startReplicas(ctx context.Context) (first, second replica, err error) {
	var started []*demo.Server
	start := func(host string, port int) *demo.Server {
		if err != nil {
			return nil
		}
		var s *demo.Server
		if s, err = demo.Start(ctx, net.JoinHostPort(host, strconv.Itoa(port)), healthService); err == nil {
			started = append(started, s)
		}
		return s
	}
	first = replica{api: start("127.0.0.2", 0), health: start("127.0.0.2", 0)}
	second = replica{api: start("127.0.0.3", 0)}
	if err == nil {
		second.health = start("127.0.0.3", port(first.health))
	}
	if err != nil {
		for _, s := range started {
			s.Close()
		}
		return replica{}, replica{}, errors.Join(errors.New("the demo needs the loopback addresses 127.0.0.2 and 127.0.0.3"), err)
	}
	return first, second, nil
}

func port(s *demo.Server) int {
	_, text, _ := net.SplitHostPort(s.Addr())
	n, _ := strconv.Atoi(text) // a listener's address has a port
	return n
}
