package cantonlb

import (
	"github.com/cantonlb/cantonlb/resolver"
)

// Endpoint is one server of the list. Its identity is its name: an endpoint that
// keeps its name through an update is the same endpoint. Its fields:
//
//	Name                 in status, logs, errors and metrics; default host:port of Address
//	Address              "host:port", "[IPv6]:port", or a URL "http://host:port" or
//	                     "https://host:port", which states how it is secured; required
//	ServerName           the name that its certificate is verified against, and the
//	                     :authority of calls; default the host and port of Address
//	Weight               its share of the calls relative to the others, 1 to 100; default 1
//	Zone                 its zone, see Config.Zone; default none
//	Priority             its rank under ActivePassive, 0 to 1000: lower numbers are
//	                     preferred, then the order of the list; default 0
//	TLS                  how its TLS differs from the default
//	Token                a bearer token for each call to it; at most one of these three
//	TokenFile            the path of a file with a token, which is read again when it changes
//	Credentials          other credentials for each call, see package oauthtoken
//	AllowInsecureTokens  allows these to be sent over plaintext; default false
//	Health               where it is asked about its health; default as HealthCheck says
//
// Package resolver documents the bounds of each field. Equal compares two endpoints.
type Endpoint = resolver.Endpoint

// TLS is how the TLS of one endpoint differs from the default: certificates verified
// against the system's roots, and no client certificate. TLS 1.2 or later is used,
// and verification cannot be turned off. Files are read again for each new
// connection if they have changed. A changed client certificate leads to a new
// connection within a few seconds, made before the old one is given up. Its fields:
//
//	RootCAFile         the path of the authorities' certificates, in PEM
//	RootCAPEM          the certificates themselves, as text; set at most one of the two
//	CertFile, KeyFile  the paths of the client's certificate and its key; both or neither
type TLS = resolver.TLS

// HealthTarget is where and how one endpoint is asked about its health, where that
// differs from HealthCheck. "{host}" in an address or a URL stands for the
// endpoint's host. At most one of the first five fields may be set:
//
//	SameConnection  on the connection of the calls
//	GRPCPort        another port of its host with the gRPC health service
//	GRPCAddress     an address with it, as Endpoint.Address: "http://{host}:10003"
//	HTTP            a URL to GET: "http://{host}:10004/health"
//	TCP             a host:port to connect to, which shows only that a server listens
//	Service         the name to ask the gRPC health service for; default HealthCheck.Service
//	ExpectedStatus  the HTTP status that means serving, 200 to 599; default 200
//	TLS             TLS settings of the target; default those of the endpoint
//	ServerName      the name that the target's certificate must have; default the
//	                endpoint's on its own host, and the host elsewhere
//	SendToken       sends the endpoint's token to the target too; default false
type HealthTarget = resolver.HealthTarget

// WholeServer is a value of HealthTarget.Service: it asks for the server as a whole
// although HealthCheck.Service or the role names a service.
const WholeServer = resolver.WholeServer

// Secret is a text that is never printed, logged or encoded, such as Endpoint.Token.
// NewSecret makes one.
type Secret = resolver.Secret

// NewSecret makes a Secret of a text.
func NewSecret(text string) Secret { return resolver.NewSecret(text) }
