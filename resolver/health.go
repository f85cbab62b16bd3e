package resolver

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/limits"
)

const (
	// WholeServer as HealthTarget.Service asks for the server as a whole, if the
	// client's settings name a service.
	WholeServer = "*"

	maxHealthURL = 2048

	hostPlaceholder = "{host}"
)

// HealthTarget is where and how one endpoint is asked about its health, if that differs
// from the client's settings (healthcheck.Config). Its zero value changes nothing. At
// most one of SameConnection, GRPCPort, GRPCAddress, HTTP and TCP may be set. "{host}"
// in an address or URL stands for the endpoint's host, which is "localhost" for a Unix
// domain socket.
type HealthTarget struct {
	// SameConnection asks on the connection of the calls, although the client's
	// settings name another port or a URL. Default false.
	SameConnection bool
	// GRPCPort is another port of the endpoint's host with the gRPC health service,
	// secured like the endpoint itself. 1 to 65535; 0 means unset.
	GRPCPort int
	// GRPCAddress is the address of the gRPC health service, in the form of
	// Endpoint.Address, for example "http://{host}:10003". Without a scheme it is
	// secured like the endpoint itself.
	GRPCAddress string
	// HTTP is an http or https URL to GET, such as "http://{host}:10004/health".
	// It has no user information, and at most 2048 bytes. For an endpoint at a Unix
	// domain socket, "http://{host}/health", without a port, is got over that socket.
	HTTP string
	// TCP is a "host:port", or the address of a Unix domain socket, to connect to. That
	// shows only that a server listens.
	TCP string

	// Service is the name to ask the gRPC health service for, at most 512 bytes, or
	// WholeServer for none. Default: that of the client's settings.
	Service string
	// ExpectedStatus is the HTTP status that means serving, from 200 to 599. Default
	// 200.
	ExpectedStatus int

	// TLS replaces the endpoint's TLS settings for a GRPCPort, a GRPCAddress and an
	// https URL. Default: those of the endpoint.
	TLS TLS
	// ServerName is the name that the target's certificate must have. Default: the
	// endpoint's ServerName on its own host, and the host elsewhere.
	ServerName string
	// SendToken sends the endpoint's token to the target too, in a gRPC probe or in an
	// HTTP request. Default false: the token is sent to the endpoint alone.
	SendToken bool
}

// IsSet reports whether the target differs from the client's settings.
func (h HealthTarget) IsSet() bool {
	return h.SameConnection || h.isElsewhere()
}

// isElsewhere reports whether health is not asked for on the connection of the calls.
func (h HealthTarget) isElsewhere() bool {
	return h.GRPCPort != 0 || h.GRPCAddress != "" || h.HTTP != "" || h.TCP != ""
}

// HealthEndpoint returns the endpoint's health target as an Endpoint of its own,
// with its address, security and credentials. For an HTTP target these are those of its
// URL. It returns false if health is asked for on the connection of the calls. The
// endpoint must be in normal form.
func (e Endpoint) HealthEndpoint() (Endpoint, bool) {
	if !e.Health.isElsewhere() {
		return Endpoint{}, false
	}
	target, _, err := e.healthEndpoint()
	return target, err == nil
}

// HealthURL returns Health.HTTP with the endpoint's host in it.
func (e Endpoint) HealthURL() string {
	a, err := parseAddress(e.Address)
	if err != nil {
		return ""
	}
	return a.fill(e.Health.HTTP, true)
}

// pageSocket returns the socket over which an HTTP page is got, empty if it is got over
// TCP: that of the endpoint if the template names its host without a port.
func (a address) pageSocket(template string) string {
	_, after, _ := strings.Cut(template, "://"+hostPlaceholder)
	_, named := strings.CutPrefix(template, schemeHTTP)
	if a.socket == "" || !named || !strings.Contains(template, "://"+hostPlaceholder) || after != "" && !strings.ContainsRune("/?#", rune(after[0])) {
		return ""
	}
	return a.socket
}

// fill replaces {host} in a template by the host.
func (a address) fill(template string, isURL bool) string {
	host := a.host
	if strings.Contains(host, ":") {
		zone := ""
		if a.zone != "" && isURL {
			zone = "%25" + a.zone
		} else if a.zone != "" {
			zone = "%" + a.zone
		}
		host = "[" + host + zone + "]"
	}
	return strings.ReplaceAll(template, hostPlaceholder, host)
}

// healthEndpoint is like HealthEndpoint. If a field is not valid, it returns the name of
// the field and an error without a field.
func (e Endpoint) healthEndpoint() (_ Endpoint, field string, _ *configerr.Error) {
	own, err := parseAddress(e.Address)
	if err != nil {
		return Endpoint{}, "address", err
	}
	h := e.Health
	var at address
	switch {
	case h.GRPCPort != 0:
		at, field = own, "grpcPort"
		at.port, at.socket = strconv.Itoa(h.GRPCPort), ""
	case h.GRPCAddress != "":
		field = "grpcAddress"
		at, err = parseAddress(own.fill(h.GRPCAddress, strings.Contains(h.GRPCAddress, "://")))
		if err == nil && at.security == SecurityUnset {
			at.security = own.security
		}
	case h.HTTP != "":
		field = "http"
		at, err = parseHealthURL(own.fill(h.HTTP, true))
		at.socket = own.pageSocket(h.HTTP)
	default:
		field = "tcp"
		if strings.Contains(h.TCP, "://") && !isSocket(h.TCP) {
			return Endpoint{}, field, bad(h.TCP, wantAddress, "has a scheme")
		}
		at, err = parseAddress(own.fill(h.TCP, false))
	}
	if err != nil {
		return Endpoint{}, field, err
	}
	if at.security == SecurityPlaintext && !h.TLS.IsZero() {
		if field != "grpcPort" {
			return Endpoint{}, "tls", wrong("an https:// target, or no TLS settings", "the target is http://")
		}
		at.security = SecurityTLS // the port has no scheme of its own to contradict
	}
	target := Endpoint{Name: e.Name, Address: at.String(), TLS: h.TLS, ServerName: h.ServerName}
	if at.security != SecurityPlaintext && target.TLS.IsZero() {
		target.TLS = e.TLS
	}
	if at.host == own.host {
		target.ServerName = cmp.Or(target.ServerName, e.ServerName)
	}
	if h.SendToken {
		target.Token, target.TokenFile, target.Credentials = e.Token, e.TokenFile, e.Credentials
		target.AllowInsecureTokens = e.AllowInsecureTokens
	}
	return target, field, nil
}

// parseHealthURL returns the address in a URL. The error shows neither user
// information nor a query.
func parseHealthURL(raw string) (address, *configerr.Error) {
	const want = "a URL such as \"http://{host}:10004/health\", without user name or password"
	shownURL := raw // hidden if it may hold a password
	if !mayHoldSecret(raw) {
		shownURL, _, _ = strings.Cut(raw, "?")
	}
	u, err := url.Parse(raw)
	switch {
	case len(raw) > maxHealthURL:
		return address{}, bad(shownURL, fmt.Sprintf("at most %d", maxHealthURL), "is %d bytes long", len(raw))
	case err != nil || u.Scheme != schemeHTTP && u.Scheme != schemeHTTPS || u.Hostname() == "":
		return address{}, bad(shownURL, want, "not an http or https URL")
	case u.User != nil:
		return address{}, bad(shownURL, want, "has user information")
	}
	port := cmp.Or(u.Port(), map[string]string{schemeHTTP: "80", schemeHTTPS: "443"}[u.Scheme])
	a, bad := parseAddress(net.JoinHostPort(u.Hostname(), port))
	if bad != nil {
		bad.Value = shown(shownURL)
		return address{}, bad
	}
	a.security = SecurityPlaintext
	if u.Scheme == schemeHTTPS {
		a.security = SecurityTLS
	}
	return a, nil
}

// check checks the target of an endpoint whose address is valid.
func (h HealthTarget) check(e Endpoint, fail report) {
	if field, other := conflict([]setting{
		{"sameConnection", h.SameConnection}, {"grpcPort", h.GRPCPort != 0}, {"grpcAddress", h.GRPCAddress != ""},
		{"http", h.HTTP != ""}, {"tcp", h.TCP != ""},
	}); field != "" {
		fail(field, wrong("one of sameConnection, grpcPort, grpcAddress, http and tcp", "%s is set too", other))
		return
	}
	h.checkDetails(fail)
	if h.GRPCPort < 0 || h.GRPCPort > 65535 {
		fail("grpcPort", bad(h.GRPCPort, wantPort, "out of range"))
		return
	}
	if !h.isElsewhere() {
		return
	}
	target, field, err := e.healthEndpoint()
	if err == nil && target.HasToken() && target.Security() == SecurityPlaintext && !e.AllowInsecureTokens {
		field, err = "sendToken", wrong("TLS there, or allowInsecureTokens", "the token would be sent over plaintext")
	}
	fail(field, err)
}

// checkDetails checks the fields that belong to a target.
func (h HealthTarget) checkDetails(fail report) {
	elsewhere := h.isElsewhere() && h.TCP == ""
	switch {
	case len(h.Service) > limits.MaxHealthService || !cleantext.Printable(h.Service):
		fail("service", bad(h.Service, fmt.Sprintf("at most %d bytes of printable characters", limits.MaxHealthService), "not the name of a service"))
	case h.Service != "" && (h.HTTP != "" || h.TCP != ""):
		fail("service", bad(h.Service, "a gRPC target", "the target is not gRPC"))
	}
	switch {
	case h.ExpectedStatus != 0 && (h.ExpectedStatus < http.StatusOK || h.ExpectedStatus > 599):
		fail("expectedStatus", bad(h.ExpectedStatus, "a number from 200 to 599", "not a final HTTP status"))
	case h.ExpectedStatus != 0 && h.HTTP == "":
		fail("expectedStatus", bad(h.ExpectedStatus, "http to be set too", "http is not set"))
	}
	if h.ServerName != "" {
		_, err := parseServerName(h.ServerName)
		if err == nil && !elsewhere {
			err = bad(h.ServerName, "grpcPort, grpcAddress or an https URL to be set too", "no target that it applies to is set")
		}
		fail("serverName", err)
	}
	h.TLS.check(fail.in("tls"))
	if !elsewhere && !h.TLS.IsZero() {
		fail("tls", wrong("grpcPort, grpcAddress or an https URL to be set too", "no target that it applies to is set"))
	}
	if !elsewhere && h.SendToken {
		fail("sendToken", wrong("grpcPort, grpcAddress or http to be set too", "no target that it applies to is set"))
	}
}
