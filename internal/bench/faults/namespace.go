package faults

import (
	"context"
	"fmt"
	"strconv"

	"github.com/cantonlb/cantonlb/internal/bench/netns"
)

// The clients and the proxies are in the hub of a network of package netns, and each
// replica has a namespace of its own.

const (
	privatePort       = 7000
	privateHealthPort = 7001
)

// startHub starts the process that holds the hub.
func startHub(ctx context.Context) (*child, error) {
	hub, err := startChild("hub", childConfig{}, nil, true, func(message) {})
	if err != nil {
		return nil, err
	}
	_, err = hub.ready(ctx)
	if err == nil {
		err = netns.Up(ctx, hub.pid())
	}
	if err != nil {
		hub.close()
		return nil, err
	}
	return hub, nil
}

// forget drops what arrives in a server's namespace on the connections to its call port
// that exist now, as a device on the path does that has forgotten them. New
// connections work; netns.Restore ends that.
func forget(ctx context.Context, in *process) error {
	port := strconv.Itoa(privatePort)
	rules := netns.Table + " {\n chain in {\n  type filter hook prerouting priority -100;\n" +
		"  tcp dport " + port + " tcp flags & (syn | ack) == syn ct mark set 1\n" +
		"  tcp dport " + port + " ct mark != 1 drop\n }\n}\n"
	return inside(ctx, in, rules, "nft", "-f", "-")
}

// slowRate is what a slow link passes, in bytes a second.
const slowRate = 256 << 10

// slowDown makes the link to replica i pass slowRate towards it.
func slowDown(ctx context.Context, hub *process, i int) error {
	return inside(ctx, hub, "", "tc", "qdisc", "add", "dev", netns.HubInterface(i), "root", "tbf",
		"rate", strconv.Itoa(slowRate)+"bps", "burst", "16kb", "latency", "2s")
}

// speedUp ends that.
func speedUp(ctx context.Context, hub *process, i int) error {
	return inside(ctx, hub, "", "tc", "qdisc", "delete", "dev", netns.HubInterface(i), "root")
}

// inside runs a command in a process's network namespace.
func inside(ctx context.Context, p *process, stdin string, args ...string) error {
	if err := netns.Inside(ctx, p.pid(), stdin, args...); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}
