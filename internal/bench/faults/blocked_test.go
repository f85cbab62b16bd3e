package faults

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/report"
)

// splitting is a config of each proxy that sends the method Ticks to the second server
// and everything else to the first.
var splitting = map[family]string{
	nginx: `daemon off; master_process off; pid %[1]s/nginx.pid; error_log stderr crit;
events { worker_connections 256; }
http {
	access_log off;
	client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
	server {
		listen %[2]s http2;
		location / { grpc_pass grpc://%[3]s; }
		location ` + lbtest.TicksMethod + ` { grpc_pass grpc://%[4]s; }
	}
}
`,
	haproxy: `global
	maxconn 256
defaults
	mode http
	timeout connect 5s
	timeout client 1m
	timeout server 1m
frontend in
	bind %[2]s proto h2
	use_backend ticks if { path ` + lbtest.TicksMethod + ` }
	default_backend rest
backend rest
	server a %[3]s proto h2
backend ticks
	server b %[4]s proto h2
# %[1]s
`,
}

// One server behind a proxy hangs, and what another one behind it sends flows on the
// same connection.
func TestABlockedBackendBehindAProxyOnWhichStreamsFlowIsFound(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds of real time")
	}
	for _, f := range []family{nginx, haproxy} {
		t.Run(string(f), func(t *testing.T) {
			if _, err := f.version(); err != nil {
				t.Skip(err)
			}
			cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho, lbtest.OnTCP())
			free := make(ports)
			address, err := free.free()
			require.NoError(t, err)
			folder := t.TempDir()
			config := filepath.Join(folder, "config")
			text := fmt.Sprintf(splitting[f], folder, address, cluster.Addrs()[0], cluster.Addrs()[1])
			require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
			proxy, err := start(string(f), f.command(config, folder), nil, nil, false, func(out io.Reader) { _, _ = io.Copy(io.Discard, out) })
			require.NoError(t, err)
			defer proxy.kill()
			require.Eventually(t, func() bool {
				c, err := net.Dial("tcp", address)
				if err == nil {
					_ = c.Close()
				}
				return err == nil
			}, 20*time.Second, 10*time.Millisecond, "%s", proxy.errors)

			client, err := cantonlb.NewClient(cantonlb.Config{
				Endpoints:            []cantonlb.Endpoint{{Name: "proxy", Address: address}},
				TransportCredentials: insecure.NewCredentials(),
			})
			require.NoError(t, err)
			defer client.Close()
			ctx := testkit.Context(t)
			require.NoError(t, client.WaitHealthy(ctx, 1))
			stream, err := lbtest.Ticks(ctx, client, 10*time.Millisecond)
			require.NoError(t, err)
			for range 100 { // a second
				_, err = stream.Recv()
				require.NoError(t, err)
			}
			cluster.Hang(0)
			hung := time.Now()
			flowed := 0
			for client.Status().Eligible() > 0 && time.Since(hung) < 20*time.Second {
				_, err = stream.Recv()
				require.NoError(t, err, "the stream is not cut")
				flowed++
			}
			s := client.Status().Endpoints[0]
			assert.Equal(t, report.ReasonProbeTimeout, s.Reason)
			t.Logf("%s: out after %v, while %d messages came", f, time.Since(hung), flowed)
		})
	}
}
