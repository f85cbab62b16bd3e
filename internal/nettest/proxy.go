package nettest

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
)

// Proxy is an HTTP proxy that makes tunnels to the destinations that Route has
// added. It is safe for concurrent use.
type Proxy struct {
	server *httptest.Server

	mu       sync.Mutex
	routes   map[string]string
	password *url.Userinfo
	asked    map[string]int
	tunnels  sync.WaitGroup
	open     map[net.Conn]struct{}
}

// NewProxy starts a proxy, with TLS if secure.
func NewProxy(t testing.TB, secure bool) *Proxy {
	t.Helper()
	p := &Proxy{routes: make(map[string]string), asked: make(map[string]int), open: make(map[net.Conn]struct{})}
	p.server = httptest.NewUnstartedServer(http.HandlerFunc(p.serve))
	p.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	if secure {
		p.server.StartTLS()
	} else {
		p.server.Start()
	}
	t.Cleanup(func() {
		p.server.Close()
		p.Cut()
		p.tunnels.Wait()
	})
	return p
}

// URL returns the proxy's URL, with the user name and password that it requires.
func (p *Proxy) URL() string {
	u, _ := url.Parse(p.server.URL) // from httptest, so it is valid
	p.mu.Lock()
	defer p.mu.Unlock()
	u.User = p.password
	return u.String()
}

// Roots returns a configuration that verifies the certificate of a proxy with TLS.
func (p *Proxy) Roots() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(p.server.Certificate())
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

// Demand makes the proxy require a user name and a password.
func (p *Proxy) Demand(user, password string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.password = url.UserPassword(user, password)
}

// Route makes tunnels to one host:port lead to another.
func (p *Proxy) Route(from, to string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.routes[from] = to
}

// Asked returns how many tunnels to host:port have been requested.
func (p *Proxy) Asked(address string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[address]
}

// Cut ends all tunnels.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.open {
		_ = conn.Close()
	}
}

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		http.Error(w, "only CONNECT", http.StatusMethodNotAllowed)
		return
	}
	p.tunnels.Add(1)
	defer p.tunnels.Done()
	to, allowed := p.route(r)
	switch {
	case !allowed:
		http.Error(w, "who are you?", http.StatusProxyAuthRequired)
		return
	case to == "":
		http.Error(w, "no such place", http.StatusBadGateway)
		return
	}
	far, err := new(net.Dialer).DialContext(r.Context(), "tcp", to)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	near, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = far.Close()
		return
	}
	_, _ = io.WriteString(near, "HTTP/1.1 200 Connection established\r\n\r\n")
	p.join(near, far)
}

// route records a request and returns its destination.
func (p *Proxy) route(r *http.Request) (to string, allowed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked[r.Host]++
	if p.password != nil {
		given := http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}
		user, password, _ := given.BasicAuth()
		if want, _ := p.password.Password(); user != p.password.Username() || password != want {
			return "", false
		}
	}
	return p.routes[r.Host], true
}

// join copies between two connections until one of them ends.
func (p *Proxy) join(near, far net.Conn) {
	p.mu.Lock()
	p.open[near], p.open[far] = struct{}{}, struct{}{}
	p.mu.Unlock()
	carry := func(to, from net.Conn) {
		_, _ = io.Copy(to, from) // either end may be gone
		_ = near.Close()
		_ = far.Close()
	}
	var there sync.WaitGroup
	there.Go(func() { carry(far, near) })
	carry(near, far)
	there.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, near)
	delete(p.open, far)
}
