package faults

import (
	"bytes"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"
)

// The configs of the proxies, as templates over proxySettings.
//
//go:embed proxies
var proxyFiles embed.FS

// proxySettings fill in a proxy's config.
type proxySettings struct {
	ID      string // the user agent of its health checks
	Listen  string // address
	Folder  string // for what it has to write
	Servers []proxiedServer
	Check   string // a request of grpc.health.v1.Health/Check, in hex
	Options string // of each server, about its check
	Balance string // how it picks, if not in turn
}

type proxiedServer struct{ Name, Address, HealthPort string }

// program returns the proxy's command.
func (f family) program() string { return strings.ToLower(string(f)) }

// command returns the command line that runs a proxy on this config.
func (f family) command(config, folder string) []string {
	if f == haproxy {
		return []string{f.program(), "-db", "-f", config}
	}
	return []string{f.program(), "-p", folder, "-c", config, "-e", "stderr"}
}

// version returns the version that the proxy's program reports, or an error if it
// is not installed.
func (f family) version() (string, error) {
	out, err := exec.Command(f.program(), "-v").CombinedOutput() //nolint:gosec,noctx // one of two fixed programs, which end at once
	if err != nil {
		return "", fmt.Errorf("%s is not installed: %w", f.program(), err)
	}
	return string(f) + " " + versionNumber.FindString(string(out)), nil
}

var versionNumber = regexp.MustCompile(`\d+\.\d+\S*`)

// startProxy starts the proxy of a peer, listening at address. folder is the folder
// that it may write to.
func startProxy(p peer, address, folder string, servers []*replica, hub *process) (*process, error) {
	s := proxySettings{ID: p.id, Listen: address, Folder: folder, Check: healthCheckRequest(p.id), Options: p.check, Balance: p.balance}
	for _, r := range servers {
		_, port, err := net.SplitHostPort(r.health)
		if err != nil {
			return nil, err
		}
		s.Servers = append(s.Servers, proxiedServer{Name: r.name, Address: r.address, HealthPort: port})
	}
	text, err := renderProxy(p.proxy, s)
	if err != nil {
		return nil, err
	}
	config := filepath.Join(folder, p.proxy)
	if err := os.WriteFile(config, text, 0o600); err != nil {
		return nil, err
	}
	return start(p.id, p.family.command(config, folder), nil, hub, false, func(out io.Reader) {
		_, _ = io.Copy(io.Discard, out)
	})
}

func renderProxy(name string, s proxySettings) ([]byte, error) {
	t, err := template.ParseFS(proxyFiles, "proxies/"+name)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.Execute(&out, s)
	return out.Bytes(), err
}

// healthCheckRequest returns, in hex, what a client sends to ask for a server's
// overall health on a new connection: HTTP/2's preface, an empty SETTINGS frame,
// and the frames of one request. HAProxy cannot make it by itself. See RFC 9113 for
// the frames and RFC 7541 for the headers.
func healthCheckRequest(agent string) string {
	const (
		headers, settings, data = 1, 4, 0
		endStream, endHeaders   = 1, 4
		methodPost, schemeHTTP  = 0x83, 0x86 // whole entries of the static table
		authority, path         = 1, 4       // entries whose name counts
		contentType, userAgent  = 31, 58
		literal                 = 0x40
	)
	block := []byte{methodPost, schemeHTTP}
	text := func(s string) { block = append(append(block, byte(len(s))), s...) }
	field := func(name byte, value string) {
		block = append(block, literal|name)
		text(value)
	}
	field(path, "/grpc.health.v1.Health/Check")
	field(authority, "servers")
	field(contentType, "application/grpc")
	field(userAgent, agent)
	block = append(block, literal)
	text("te")
	text("trailers")

	out := []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	frame := func(kind, flags, stream byte, payload []byte) {
		n := len(payload)
		out = append(out, byte(n>>16), byte(n>>8), byte(n), kind, flags, 0, 0, 0, stream)
		out = append(out, payload...)
	}
	frame(settings, 0, 0, nil)
	frame(headers, endHeaders, 1, block)
	frame(data, endStream, 1, []byte{0, 0, 0, 0, 0}) // an empty message, not compressed
	return hex.EncodeToString(out)
}
