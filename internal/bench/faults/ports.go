package faults

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// The ports are below those that the kernel assigns to connections, so that the
// port of a server that is down stays free.
const firstPort, portCount, portTries = 10000, 20000, 100

// ports finds free ports, each only once, even before a process listens there. The
// zero value is ready to use. The ports do not depend on the seed, so that
// concurrent runs do not collide.
type ports map[int]bool

// free returns an unused loopback address.
func (p *ports) free() (string, error) {
	if *p == nil {
		*p = make(ports)
	}
	err := errors.New("none was free")
	for range portTries {
		port := firstPort + rand.IntN(portCount)
		if (*p)[port] {
			continue
		}
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		var l net.Listener
		if l, err = net.Listen("tcp", address); err == nil { //nolint:noctx // it does not wait
			(*p)[port] = true
			return address, l.Close()
		}
	}
	return "", fmt.Errorf("no port of %d to %d on loopback: %w", firstPort, firstPort+portCount-1, err)
}
