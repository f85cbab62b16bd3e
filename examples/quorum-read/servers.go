package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/cantonlb/cantonlb/quorum"
)

// The position of the network, and how far the lagging organisation is behind.
const (
	position = 1000
	behind   = 400
)

// server is the server of one organisation, with its answers about a contract and
// about a balance at a position.
type server struct {
	name   string
	hangs  bool
	owner  string
	amount int
	at     int64
}

var servers = []server{
	{name: "org1", owner: "Alice", amount: 70, at: position},
	{name: "org2-lies", owner: "Mallory", amount: 1_000_000, at: 9 * position},
	{name: "org3", owner: "Alice", amount: 70, at: position},
	{name: "org4-hangs", hangs: true},
	{name: "org5-lies", owner: "Mallory", amount: 1_000_000, at: 9 * position},
	{name: "org6-lags", owner: "Alice", amount: 30, at: position - behind},
	{name: "org7", owner: "Alice", amount: 70, at: position},
}

// ServeHTTP returns the organisation's answer, after 5 to 20 ms.
func (s server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	pause := 5*time.Millisecond + rand.N(15*time.Millisecond)
	if s.hangs {
		pause = time.Hour
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
		return
	}
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/v0/contract":
		_, _ = fmt.Fprintf(w, `{"owner": %q, "id": 9007199254740993}`, s.owner)
	case "/v0/balance":
		at := s.at
		if asked, err := strconv.ParseInt(r.URL.Query().Get("at"), 10, 64); err == nil {
			at = min(at, asked)
		}
		_, _ = fmt.Fprintf(w, `{"amount": %d, "at": %d}`, s.amount, at)
	default:
		http.NotFound(w, r)
	}
}

// startServers starts the servers in this process. stop ends them.
func startServers(ctx context.Context) (list []quorum.Member, stop func(), err error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	var all []*http.Server
	stop = func() {
		cancel() // ends handlers that hang
		for _, h := range all {
			_ = h.Close()
		}
		wg.Wait()
	}
	for _, s := range servers {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			stop()
			return nil, nil, err
		}
		h := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute, BaseContext: func(net.Listener) context.Context { return ctx }}
		all = append(all, h)
		wg.Go(func() {
			if err := h.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
				fmt.Println(s.name, err)
			}
		})
		list = append(list, quorum.Member{Name: s.name, URL: "http://" + l.Addr().String()})
	}
	return list, stop, nil
}
