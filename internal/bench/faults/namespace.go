package faults

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// A network of namespaces: the clients and the proxies are in the hub, and each
// replica has a namespace of its own, with a virtual cable to the hub. The
// namespaces end with the processes, and the machine's own network is not touched.
//
//	hub  10.77.i.1/30, cable i  <->  eth0, 10.77.i.2/30  replica i

// commandLimit bounds a command that sets up a network, in time.
const commandLimit = 10 * time.Second

const (
	privatePort       = 7000
	privateHealthPort = 7001
)

func privateHost(i int) string { return fmt.Sprintf("10.77.%d.2", i) }
func hubHost(i int) string     { return fmt.Sprintf("10.77.%d.1", i) }
func cable(i int) string       { return "cable" + strconv.Itoa(i) }

// startHub starts the process that holds the hub.
func startHub(ctx context.Context) (*child, error) {
	hub, err := startChild("hub", childConfig{}, nil, true, func(message) {})
	if err != nil {
		return nil, err
	}
	_, err = hub.ready(ctx)
	if err == nil {
		err = inside(ctx, hub.process, "", "ip", "link", "set", "lo", "up")
	}
	if err != nil {
		hub.close()
		return nil, err
	}
	return hub, nil
}

// connect connects the hub to replica i, which is running.
func connect(ctx context.Context, hub *process, r *replica, i int) error {
	far := strconv.Itoa(r.process.command.Process.Pid)
	for _, c := range []struct {
		in   *process
		args []string
	}{
		{hub, []string{"link", "add", cable(i), "type", "veth", "peer", "name", "eth0", "netns", far}},
		{hub, []string{"address", "add", hubHost(i) + "/30", "dev", cable(i)}},
		{hub, []string{"link", "set", cable(i), "up"}},
		{r.process.process, []string{"address", "add", privateHost(i) + "/30", "dev", "eth0"}},
		{r.process.process, []string{"link", "set", "eth0", "up"}},
		{r.process.process, []string{"link", "set", "lo", "up"}},
	} {
		if err := inside(ctx, c.in, "", append([]string{"ip"}, c.args...)...); err != nil {
			return err
		}
	}
	return nil
}

// dropTable is the nftables table that drops all that arrives by one interface.
const dropTable = "table inet cantonlb_bench"

// dropArriving drops all packets that arrive in a namespace at an interface, as if
// they had been lost; letArrive ends that.
func dropArriving(ctx context.Context, in *process, iface string) error {
	rules := dropTable + " {\n chain in {\n  type filter hook prerouting priority -300;\n  iifname \"" + iface + "\" drop\n }\n}\n"
	return inside(ctx, in, rules, "nft", "-f", "-")
}

// forget drops what arrives in a server's namespace on the connections to its call port
// that exist now, as a device on the path does that has forgotten them. New
// connections work; letArrive ends that.
func forget(ctx context.Context, in *process) error {
	port := strconv.Itoa(privatePort)
	rules := dropTable + " {\n chain in {\n  type filter hook prerouting priority -100;\n" +
		"  tcp dport " + port + " tcp flags & (syn | ack) == syn ct mark set 1\n" +
		"  tcp dport " + port + " ct mark != 1 drop\n }\n}\n"
	return inside(ctx, in, rules, "nft", "-f", "-")
}

// slowRate is what a slow link passes, in bytes a second.
const slowRate = 256 << 10

// slowDown makes the link to replica i pass slowRate towards it.
func slowDown(ctx context.Context, hub *process, i int) error {
	return inside(ctx, hub, "", "tc", "qdisc", "add", "dev", cable(i), "root", "tbf",
		"rate", strconv.Itoa(slowRate)+"bps", "burst", "16kb", "latency", "2s")
}

// speedUp ends that.
func speedUp(ctx context.Context, hub *process, i int) error {
	return inside(ctx, hub, "", "tc", "qdisc", "delete", "dev", cable(i), "root")
}

func letArrive(ctx context.Context, in *process) error {
	return inside(ctx, in, "delete "+dropTable+"\n", "nft", "-f", "-")
}

// inside runs a command in a process's network namespace.
func inside(ctx context.Context, p *process, stdin string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	all := append([]string{"--net=/proc/" + strconv.Itoa(p.command.Process.Pid) + "/ns/net", "--"}, args...)
	c := exec.CommandContext(ctx, "nsenter", all...) //nolint:gosec // made by this program
	c.Stdin = strings.NewReader(stdin)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s, in the namespace of %s: %w: %s", strings.Join(args, " "), p.name, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// namespaces returns why a network of namespaces is impossible here, nil if it is
// possible.
func namespaces(ctx context.Context) error {
	for _, program := range []string{"nsenter", "ip", "nft", "tc"} {
		if _, err := exec.LookPath(program); err != nil {
			return errors.New(program + " is not installed")
		}
	}
	hub, err := startHub(ctx)
	if err != nil {
		return fmt.Errorf("a network namespace is not permitted: %w", err)
	}
	defer hub.close()
	if err := dropArriving(ctx, hub.process, cable(1)); err != nil {
		return fmt.Errorf("nftables does not work: %w", err)
	}
	return nil
}
