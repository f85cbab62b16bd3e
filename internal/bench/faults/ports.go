package faults

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// The ports lie below those that the kernel gives to connections: a server that
// is down for a while must find its port free.
const firstPort, portCount, portTries = 10000, 20000, 100

// ports finds free ports, each only once, also before anybody listens there. The
// zero value is ready. They do not follow from the seed, so that two runs at the
// same time keep out of each other's way.
type ports map[int]bool

// free gives a loopback address at which nobody listens.
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
