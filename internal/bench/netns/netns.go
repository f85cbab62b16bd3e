package netns

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// commandLimit bounds a command that sets up a network, in time.
const commandLimit = 10 * time.Second

// FarInterface is the end of a cable that is not the hub's.
const FarInterface = "eth0"

// HubInterface is the hub's end of cable i.
func HubInterface(i int) string { return "cable" + strconv.Itoa(i) }

// HubHost is the address of the hub at cable i.
func HubHost(i int) string { return fmt.Sprintf("10.77.%d.1", i) }

// FarHost is the address of the other end of cable i.
func FarHost(i int) string { return fmt.Sprintf("10.77.%d.2", i) }

// Up brings the loopback interface of a process's namespace up.
func Up(ctx context.Context, pid int) error {
	return Inside(ctx, pid, "", "ip", "link", "set", "lo", "up")
}

// Connect lays cable i between the namespaces of the processes hub and far.
func Connect(ctx context.Context, hub, far, i int) error {
	for _, c := range []struct {
		in   int
		args []string
	}{
		{hub, []string{"link", "add", HubInterface(i), "type", "veth", "peer", "name", FarInterface, "netns", strconv.Itoa(far)}},
		{hub, []string{"address", "add", HubHost(i) + "/30", "dev", HubInterface(i)}},
		{hub, []string{"link", "set", HubInterface(i), "up"}},
		{far, []string{"address", "add", FarHost(i) + "/30", "dev", FarInterface}},
		{far, []string{"link", "set", FarInterface, "up"}},
		{far, []string{"link", "set", "lo", "up"}},
	} {
		if err := Inside(ctx, c.in, "", append([]string{"ip"}, c.args...)...); err != nil {
			return err
		}
	}
	return nil
}

// Table is the nftables table that holds the rules of a fault in a namespace.
const Table = "table inet cantonlb_bench"

// dropping are the rules that drop what arrives at an interface.
func dropping(iface string) string {
	return Table + " {\n chain in {\n  type filter hook prerouting priority -300;\n  iifname \"" + iface + "\" drop\n }\n}\n"
}

// Drop drops all packets that arrive in a process's namespace at an interface, as if
// they had been lost; Restore ends that.
func Drop(ctx context.Context, pid int, iface string) error {
	return Inside(ctx, pid, dropping(iface), "nft", "-f", "-")
}

// Restore deletes the rules of a fault.
func Restore(ctx context.Context, pid int) error {
	return Inside(ctx, pid, "delete "+Table+"\n", "nft", "-f", "-")
}

// Inside runs a command in a process's network namespace, with stdin as its input.
func Inside(ctx context.Context, pid int, stdin string, args ...string) error {
	all := append([]string{"nsenter", "--net=/proc/" + strconv.Itoa(pid) + "/ns/net", "--"}, args...)
	if err := run(ctx, stdin, all...); err != nil {
		return fmt.Errorf("%s, in a namespace: %w", strings.Join(args, " "), err)
	}
	return nil
}

func run(ctx context.Context, stdin string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	c := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // made by this program
	c.Stdin = strings.NewReader(stdin)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// Possible returns why networks of namespaces are impossible here, or nil. Other
// programs that are needed may be named, too.
func Possible(ctx context.Context, programs ...string) error {
	if runtime.GOOS != "linux" {
		return errors.New("they need Linux")
	}
	for _, program := range append([]string{"nsenter", "unshare", "ip", "nft"}, programs...) {
		if _, err := exec.LookPath(program); err != nil {
			return errors.New(program + " is not installed")
		}
	}
	if err := run(ctx, "", "unshare", "--net", "true"); err != nil {
		return fmt.Errorf("a network namespace is not permitted: %w", err)
	}
	if err := run(ctx, dropping(FarInterface), "unshare", "--net", "nft", "-f", "-"); err != nil {
		return fmt.Errorf("nftables does not work: %w", err)
	}
	return nil
}
