//go:build unix

package jsonapi

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/bufbuild/httplb"
	"github.com/bufbuild/httplb/health"
	"github.com/bufbuild/httplb/resolver"
	"github.com/hashicorp/go-retryablehttp"

	"github.com/cantonlb/cantonlb/jsonapi"
)

// peer is one way to reach the servers.
type peer struct {
	name string
	// needs is a program that must be installed.
	needs string
	// open returns a client, the base URL of its requests, and what ends it.
	open func(ctx context.Context, servers []*server) (*http.Client, string, func(), error)
}

var peers = []peer{
	{name: "jsonapi, all servers (Canton 2)", open: ours(jsonapi.JSONAPI2)},
	{name: "jsonapi, one active server (Canton 3)", open: ours(jsonapi.JSONAPI)},
	{name: control, open: func(_ context.Context, s []*server) (*http.Client, string, func(), error) {
		t := &http.Transport{MaxIdleConnsPerHost: 100}
		return &http.Client{Transport: t}, s[0].url(), t.CloseIdleConnections, nil
	}},
	{name: "httplb", open: func(ctx context.Context, s []*server) (*http.Client, string, func(), error) {
		c := httplb.NewClient(httplb.WithResolver(list(s)), httplb.WithRootContext(ctx))
		return c.Client, logical, func() { _ = c.Close() }, nil
	}},
	{name: "httplb, checks every 1 s", open: func(ctx context.Context, s []*server) (*http.Client, string, func(), error) {
		c := tuned(ctx, s)
		return c.Client, logical, func() { _ = c.Close() }, nil
	}},
	{name: "httplb, checks every 1 s, go-retryablehttp", open: func(ctx context.Context, s []*server) (*http.Client, string, func(), error) {
		c := tuned(ctx, s)
		r := retryablehttp.NewClient()
		r.HTTPClient, r.Logger = c.Client, nil
		r.RetryMax, r.RetryWaitMin, r.RetryWaitMax = 3, 10*time.Millisecond, 100*time.Millisecond
		return r.StandardClient(), logical, func() { _ = c.Close() }, nil
	}},
	{name: "HAProxy, checks of /readyz every 0.5 s, redispatch", needs: "haproxy",
		open: proxied("haproxy", haproxyConfig, func(file string) *exec.Cmd {
			return exec.Command("haproxy", "-f", file, "-db", "-q") //nolint:gosec // a program of the system's
		})},
	{name: "nginx, next upstream on error, timeout and 503", needs: "nginx", open: proxied("nginx", nginxConfig, func(file string) *exec.Cmd {
		dir := filepath.Dir(file)
		return exec.Command("nginx", "-c", file, "-p", dir, "-e", filepath.Join(dir, "error.log")) //nolint:gosec // as above
	})},
}

// logical is the host of the clients that know the servers themselves.
const logical = "http://ledger"

func ours(role jsonapi.Role) func(context.Context, []*server) (*http.Client, string, func(), error) {
	return func(ctx context.Context, servers []*server) (*http.Client, string, func(), error) {
		cfg := jsonapi.Config{Role: role, Logger: slog.New(slog.DiscardHandler)}
		for i, s := range servers {
			cfg.Endpoints = append(cfg.Endpoints, jsonapi.Endpoint{Name: fmt.Sprintf("json%d", i+1), Address: s.url()})
		}
		c, err := jsonapi.New(cfg) //nolint:contextcheck // the client ends with Close
		if err != nil {
			return nil, "", nil, err
		}
		if err := c.WaitHealthy(ctx, len(servers)); err != nil {
			return nil, "", nil, err
		}
		return c.HTTP(), c.BaseURL(), func() { _ = c.Close() }, nil //nolint:contextcheck // it is closed whatever ctx says
	}
}

func tuned(ctx context.Context, s []*server) *httplb.Client {
	return httplb.NewClient(httplb.WithResolver(list(s)), httplb.WithRootContext(ctx), httplb.WithHealthChecks(
		health.NewPollingChecker(health.PollingCheckerConfig{
			PollingInterval: time.Second, Timeout: 500 * time.Millisecond, UnhealthyThreshold: 2,
		}, health.NewSimpleProber("/readyz"))))
}

// list is a resolver of httplb with a fixed list.
type list []*server

func (l list) New(_ context.Context, _, _ string, receiver resolver.Receiver, _ <-chan struct{}) io.Closer {
	addresses := make([]resolver.Address, len(l))
	for i, s := range l {
		addresses[i].HostPort = s.address()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		receiver.OnResolve(addresses)
	}()
	return closer(done)
}

type closer chan struct{}

func (c closer) Close() error {
	<-c
	return nil
}

// proxied returns the opener of a client behind a proxy.
func proxied(name, config string, command func(file string) *exec.Cmd) func(context.Context, []*server) (*http.Client, string, func(), error) {
	return func(ctx context.Context, s []*server) (*http.Client, string, func(), error) {
		dir, err := os.MkdirTemp("", "bench-"+name)
		if err != nil {
			return nil, "", nil, err
		}
		port, err := freePort()
		if err != nil {
			return nil, "", nil, err
		}
		file := filepath.Join(dir, "proxy.conf")
		if err := os.WriteFile(file, fmt.Appendf(nil, config, dir, port, s[0].address(), s[1].address()), 0o600); err != nil {
			return nil, "", nil, err
		}
		cmd := command(file)
		if err := cmd.Start(); err != nil {
			return nil, "", nil, err
		}
		t := &http.Transport{MaxIdleConnsPerHost: 100}
		end := func() {
			t.CloseIdleConnections()
			_ = cmd.Process.Signal(syscall.SIGTERM)
			_ = cmd.Wait()
			_ = os.RemoveAll(dir)
		}
		address := net.JoinHostPort("127.0.0.1", port)
		if err := listens(ctx, address); err != nil {
			end()
			return nil, "", nil, err
		}
		return &http.Client{Transport: t}, "http://" + address, end, nil
	}
}

const haproxyConfig = `# %[1]s
defaults
	mode http
	timeout connect 500ms
	timeout client 30s
	timeout server 30s
	option redispatch
	retries 3
	retry-on conn-failure empty-response 503
	option httpchk GET /readyz
	default-server inter 500ms fastinter 200ms fall 2 rise 2 observe layer4 on-error mark-down on-marked-down shutdown-sessions
frontend f
	bind 127.0.0.1:%[2]s
	default_backend b
backend b
	balance roundrobin
	server s1 %[3]s check
	server s2 %[4]s check
`

const nginxConfig = `daemon off;
worker_processes 1;
pid %[1]s/pid;
error_log %[1]s/error.log;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	upstream servers {
		server %[3]s max_fails=1 fail_timeout=2s;
		server %[4]s max_fails=1 fail_timeout=2s;
		keepalive 100;
	}
	server {
		listen 127.0.0.1:%[2]s;
		keepalive_requests 1000000;
		location / {
			proxy_pass http://servers;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_connect_timeout 500ms;
			proxy_read_timeout 1s;
			proxy_next_upstream error timeout http_503;
		}
	}
}
`
