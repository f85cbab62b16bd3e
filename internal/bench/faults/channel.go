package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // or healthCheckConfig would do nothing
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	_ "google.golang.org/grpc/xds" // registers outlier_detection

	"github.com/cantonlb/cantonlb"
)

// channel is a client's connection to the servers.
type channel struct {
	conn    grpc.ClientConnInterface
	replace func(servers []string) error
	close   func() error
	// switches follows the client's active endpoint until ctx ends. It is nil if the
	// client has none.
	switches func(ctx context.Context) []switched
}

// opener connects a client, which names itself by id, to the servers.
type opener func(id string, servers []string) (*channel, error)

// openOurs connects with this library, through cantonlb.NewClient. methodRead is
// declared idempotent.
func openOurs(cfg cantonlb.Config) opener {
	return func(id string, servers []string) (*channel, error) {
		cfg := cfg
		cfg.Endpoints, cfg.TransportCredentials, cfg.Idempotent = endpoints(servers), insecure.NewCredentials(), []string{methodRead}
		client, err := cantonlb.NewClient(cfg, grpc.WithUserAgent(id))
		if err != nil {
			return nil, err
		}
		ch := &channel{
			conn:    client,
			replace: func(servers []string) error { return client.Update(endpoints(servers)) },
			close:   client.Close,
		}
		if client.Status().Failover != nil {
			ch.switches = func(ctx context.Context) []switched { return switchesOf(ctx, client) }
		}
		return ch, nil
	}
}

// switchesOf follows a client's switches until ctx ends.
func switchesOf(ctx context.Context, client *cantonlb.Client) (out []switched) {
	for news := range client.Subscribe(ctx) {
		for _, e := range news.Events {
			if e.Kind == cantonlb.EventSwitch {
				out = append(out, switched{At: e.At.UnixMicro(), From: e.Switch.From, To: e.Switch.To, Reason: string(e.Reason)})
			}
		}
	}
	return out
}

func endpoints(servers []string) []cantonlb.Endpoint {
	list := make([]cantonlb.Endpoint, len(servers))
	for i, address := range servers {
		list[i] = cantonlb.Endpoint{Name: address, Address: address}
	}
	return list
}

// openGRPC connects by grpc-go alone.
func openGRPC(serviceConfig string, opts ...grpc.DialOption) opener {
	return func(id string, servers []string) (*channel, error) {
		if !json.Valid([]byte(serviceConfig)) {
			return nil, fmt.Errorf("service config %q: want JSON", serviceConfig)
		}
		list := manual.NewBuilderWithScheme("bench")
		list.InitialState(addresses(servers))
		all := append([]grpc.DialOption{
			grpc.WithResolvers(list), grpc.WithDefaultServiceConfig(serviceConfig),
			grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithUserAgent(id), grpc.WithNoProxy(),
		}, opts...)
		conn, err := grpc.NewClient("bench:///servers", all...)
		if err != nil {
			return nil, err
		}
		return &channel{
			conn: conn,
			replace: func(servers []string) error {
				list.UpdateState(addresses(servers))
				return nil
			},
			close: conn.Close,
		}, nil
	}
}

func addresses(servers []string) resolver.State {
	list := make([]resolver.Endpoint, len(servers))
	for i, address := range servers {
		list[i] = resolver.Endpoint{Addresses: []resolver.Address{{Addr: address}}}
	}
	return resolver.State{Endpoints: list}
}

// openProxy connects to a proxy, which is always on this machine and running.
func openProxy(serviceConfig string) opener {
	open := openGRPC(serviceConfig, grpc.WithConnectParams(backoffUpTo(100*time.Millisecond)))
	return func(id string, servers []string) (*channel, error) {
		ch, err := open(id, servers)
		if ch != nil {
			ch.replace = func([]string) error { return errors.New("a proxy's list cannot be replaced by its client") }
		}
		return ch, err
	}
}

// backoffUpTo makes grpc retry a connection after 0.1 s at first and after at most
// limit. The defaults are 1 s and 120 s.
func backoffUpTo(limit time.Duration) grpc.ConnectParams {
	return grpc.ConnectParams{
		Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: limit},
		MinConnectTimeout: time.Second,
	}
}

// The parts of grpc-go's service configs.
const (
	plainRoundRobin = `"loadBalancingConfig": [{"round_robin": {}}]`
	outlierEjection = `"loadBalancingConfig": [{"outlier_detection_experimental": {
		"interval": "1s", "baseEjectionTime": "5s", "maxEjectionPercent": 50,
		"failurePercentageEjection": {"threshold": 50, "enforcementPercentage": 100, "minimumHosts": 2, "requestVolume": 5},
		"childPolicy": [{"round_robin": {}}]}}]`
	channelHealth = `"healthCheckConfig": {"serviceName": ""}`
	retries       = `"methodConfig": [{"name": [{}], "retryPolicy": {
		"maxAttempts": 3, "initialBackoff": "0.01s", "maxBackoff": "0.1s", "backoffMultiplier": 2,
		"retryableStatusCodes": ["UNAVAILABLE"]}}]`
)

// pings are as frequent as a grpc-go client can send them.
func pings() grpc.DialOption {
	return grpc.WithKeepaliveParams(keepalive.ClientParameters{
		Time: 10 * time.Second, Timeout: time.Second, PermitWithoutStream: true,
	})
}
