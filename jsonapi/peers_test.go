package jsonapi

import (
	"context"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/resolver"
)

// process runs a server of another implementation on a free port until the test ends.
func process(t *testing.T, program string, command func(dir, port string) *exec.Cmd) string {
	t.Helper()
	if testing.Short() {
		t.Skip("needs another server; not with -short")
	}
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("needs %s", program)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	_, port, _ := net.SplitHostPort(address)
	cmd := command(t.TempDir(), port)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		time.AfterFunc(5*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			conn.Close()
			return "http://" + address
		}
		require.NoError(t, ctx.Err(), "%s does not listen", program)
	}
}

func TestEveryShapeWorksWithNode(t *testing.T) {
	conform(t, process(t, "node", func(_, port string) *exec.Cmd {
		return exec.Command("node", filepath.Join("testdata", "server.js"), port)
	}), resolver.TLS{}, defaultModel())
}

func TestEveryShapeWorksThroughNginx(t *testing.T) {
	behind := httptest.NewServer(behindProxy())
	defer behind.Close()
	conform(t, process(t, "nginx", func(dir, port string) *exec.Cmd {
		file := filepath.Join(dir, "nginx.conf")
		require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, nginxConfig, dir, port, behind.Listener.Addr()), 0o600))
		return exec.Command("nginx", "-c", file, "-p", dir, "-e", filepath.Join(dir, "error.log"))
	}), resolver.TLS{}, defaultModel(), "trailers of a request") // it passes them on only if the body comes slowly
}

const nginxConfig = `
daemon off;
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
	client_max_body_size 100m;
	server {
		listen 127.0.0.1:%[2]s;
		location / {
			proxy_pass http://%[3]s;
			proxy_http_version 1.1;
			proxy_request_buffering off;
			proxy_buffering off;
			proxy_set_header Host $http_host;
			proxy_set_header Upgrade $http_upgrade;
			proxy_set_header Connection $http_connection;
		}
	}
}
`
