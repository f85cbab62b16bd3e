package jsonapi

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"github.com/cantonlb/cantonlb/internal/transport"
)

// The defaults of the transports.
const (
	connectTimeout    = 5 * time.Second
	idleConns         = 100
	idleTimeout       = 90 * time.Second
	continueTimeout   = time.Second
	maxProbeHeader    = 64 << 10
	probeIdleTimeout  = time.Minute
	maxResponseHeader = 1 << 20
)

// defaultModel returns the transport that is the model if the Config has none.
func defaultModel() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: connectTimeout}).DialContext,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           0, // each endpoint has its own
		MaxIdleConnsPerHost:    idleConns,
		IdleConnTimeout:        idleTimeout,
		TLSHandshakeTimeout:    connectTimeout,
		ExpectContinueTimeout:  continueTimeout,
		MaxResponseHeaderBytes: maxResponseHeader,
	}
}

// newTransport returns the transport of one endpoint.
func newTransport(model *http.Transport, creds *transport.Credentials, at Endpoint) (*http.Transport, error) {
	t := model.Clone()
	config, err := creds.TLSConfig(at, model.TLSClientConfig)
	if err != nil {
		return nil, err
	}
	if t.Protocols == nil && (model.ForceAttemptHTTP2 || model.TLSClientConfig == nil && model.DialContext == nil) {
		t.ForceAttemptHTTP2 = true // net/http would not try it with a TLS configuration of ours
	}
	t.TLSClientConfig = config
	counting(t)
	return t, nil
}

// newProbeTransport returns the transport of an endpoint's probes: with one connection of
// their own, by HTTP/1.1, on which a server that hangs cannot be hidden by others.
func newProbeTransport(model *http.Transport, creds *transport.Credentials, at Endpoint) (*http.Transport, error) {
	t := model.Clone()
	var base *tls.Config
	if model.TLSClientConfig != nil {
		base = model.TLSClientConfig.Clone()
		base.NextProtos = nil
	}
	config, err := creds.TLSConfig(at, base)
	if err != nil {
		return nil, err
	}
	t.TLSClientConfig = config
	t.ForceAttemptHTTP2, t.TLSNextProto = false, nil
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	t.MaxIdleConnsPerHost, t.MaxConnsPerHost, t.IdleConnTimeout = 1, 0, probeIdleTimeout
	t.MaxResponseHeaderBytes, t.DisableCompression, t.DisableKeepAlives = maxProbeHeader, true, false
	return t, nil
}
