package resolver

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/internal/socket"
)

// MaxAddressLength is the greatest length of an endpoint's address, in bytes.
const MaxAddressLength = 512

const (
	maxHostLength  = 253 // of a host name, as in DNS
	maxLabelLength = 63
	maxZoneLength  = 64

	schemeHTTP  = "http"
	schemeHTTPS = "https"
	schemeDNS   = "dns"

	schemeUnix     = "unix:"
	schemeAbstract = "unix-abstract:"

	// socketHost is the host of the endpoint at a Unix domain socket.
	socketHost = "localhost"
	// maxSocketPath is the length that Linux allows.
	maxSocketPath = 107

	wantAddress = "host:port"
	wantPort    = "a number from 1 to 65535"
)

// Security is the security of the connection that an endpoint's address asks for.
type Security uint8

// The kinds of security that an address can ask for.
const (
	// SecurityUnset means that the address has no scheme, so the channel's
	// credentials decide.
	SecurityUnset Security = iota
	// SecurityPlaintext means that the address is an http:// URL.
	SecurityPlaintext
	// SecurityTLS means that the address is an https:// URL.
	SecurityTLS
)

// String returns "unset", "plaintext" or "TLS".
func (s Security) String() string {
	switch s {
	case SecurityPlaintext:
		return "plaintext"
	case SecurityTLS:
		return "TLS"
	default:
		return "unset"
	}
}

// scheme returns the beginning of a URL with this security.
func (s Security) scheme() string {
	switch s {
	case SecurityPlaintext:
		return schemeHTTP + "://"
	case SecurityTLS:
		return schemeHTTPS + "://"
	default:
		return ""
	}
}

// address is a parsed address of an endpoint, in normal form.
type address struct {
	security Security
	host     string // lower case; an IP address without brackets and zone
	zone     string // of an IPv6 address
	port     string // without leading zeros

	// socket is the path of a Unix domain socket, "@name" in the abstract namespace. It
	// is empty for other addresses. The host of a socket is socketHost, and it has no
	// port.
	socket string
}

// hostPort returns the host and port to dial, or the socket.
func (a address) hostPort() string {
	if a.socket != "" {
		return socket.Address(a.socket)
	}
	if a.zone == "" {
		return a.authority()
	}
	return net.JoinHostPort(a.host+"%"+a.zone, a.port)
}

// defaultName returns the name of an endpoint without one.
func (a address) defaultName() string {
	if a.socket != "" {
		return a.String()
	}
	return a.hostPort()
}

// authority returns the host and port without the zone, which has a meaning only on
// this machine.
func (a address) authority() string {
	if a.socket != "" {
		return a.host
	}
	return net.JoinHostPort(a.host, a.port)
}

// String returns the normal form, which parses to the same address.
func (a address) String() string {
	if name, ok := strings.CutPrefix(a.socket, "@"); ok {
		return schemeAbstract + name
	}
	if a.socket != "" {
		return a.hostPort()
	}
	if a.security != SecurityUnset && a.zone != "" {
		return a.security.scheme() + net.JoinHostPort(a.host+"%25"+a.zone, a.port)
	}
	return a.security.scheme() + a.hostPort()
}

// parseAddress reads host:port, [IPv6]:port, http://host:port, https://host:port, or
// the address of a Unix domain socket. The error has no field.
func parseAddress(raw string) (address, *configerr.Error) {
	want := wantAddress
	if raw == "" {
		return address{}, wrong(want, "empty")
	}
	if isSocket(raw) {
		return parseSocket(raw)
	}
	if err := checkText(raw, MaxAddressLength, want); err != nil {
		return address{}, err
	}
	rest, security := raw, SecurityUnset
	if scheme, after, ok := strings.Cut(raw, "://"); ok {
		rest = after
		switch strings.ToLower(scheme) {
		case schemeHTTP:
			security = SecurityPlaintext
		case schemeHTTPS:
			security = SecurityTLS
		case schemeDNS: // a target of gRPC: a name or an address, without security
			if rest, ok = strings.CutPrefix(after, "/"); !ok {
				return address{}, bad(raw, "dns:///host:port", "names a name server")
			}
		default:
			const forms = "host:port, dns:///host:port, http://host:port, https://host:port, unix:///path or unix-abstract:name"
			return address{}, bad(raw, forms, "unknown scheme")
		}
		want = security.scheme() + wantAddress
		rest = strings.TrimSuffix(rest, "/")
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		part := map[byte]string{'/': "path", '?': "query", '#': "fragment"}[rest[i]]
		return address{}, bad(raw, want, "has a %s", part)
	}
	host, port, err := splitHostPort(raw, rest, want)
	if err != nil {
		return address{}, err
	}
	a := address{security: security}
	if a.host, a.zone, err = parseHost(raw, host, want, security != SecurityUnset); err != nil {
		return address{}, err
	}
	if a.port, err = parsePort(raw, port); err != nil {
		return address{}, err
	}
	return a, nil
}

func isSocket(raw string) bool {
	return strings.HasPrefix(raw, schemeUnix) || strings.HasPrefix(raw, schemeAbstract)
}

// parseSocket reads unix:///path, unix:path or unix-abstract:name. The characters that a
// path may not have are those that would mean something else in a target of gRPC.
func parseSocket(raw string) (address, *configerr.Error) {
	const wantPath, wantName = "unix:///path", "unix-abstract:name"
	a := address{host: socketHost}
	var rest string
	want := wantPath
	if name, abstract := strings.CutPrefix(raw, schemeAbstract); abstract {
		rest, want = name, wantName
		a.socket = "@" + name
		if strings.HasPrefix(name, "//") {
			return address{}, bad(raw, want, "has slashes after the scheme")
		}
	} else {
		rest = strings.TrimPrefix(raw, schemeUnix)
		if path, slashes := strings.CutPrefix(rest, "//"); slashes {
			if rest = path; rest != "" && rest[0] != '/' {
				return address{}, bad(raw, want, "has a host, or too few slashes")
			}
		}
		a.socket = rest
	}
	if rest == "" || rest == "@" {
		return address{}, bad(raw, want, "empty path")
	}
	if len(a.socket) > maxSocketPath {
		return address{}, bad(raw, fmt.Sprintf("at most %d", maxSocketPath), "the path is %d bytes long", len(a.socket))
	}
	for i := range len(rest) {
		switch c := rest[i]; {
		case c <= ' ' || c >= 0x7f:
			return address{}, bad(raw, want+" in printable ASCII without spaces", "has the character %q", c)
		case strings.IndexByte("?#%,", c) >= 0:
			return address{}, bad(raw, want+" without any of ? # % ,", "has a %c", c)
		}
	}
	if want == wantPath && strings.HasSuffix(rest, "/") {
		return address{}, bad(raw, want, "is the path of a folder")
	}
	return a, nil
}

// checkText returns an error if text has a character that no address and no server name
// can have, or is too long.
func checkText(raw string, limit int, want string) *configerr.Error {
	if len(raw) > limit {
		return bad(raw, fmt.Sprintf("at most %d", limit), "is %d bytes long", len(raw))
	}
	for i := range len(raw) {
		switch c := raw[i]; {
		case c < ' ' || c == 0x7f:
			return bad(raw, want, "has a control character")
		case c == ' ':
			return bad(raw, want, "has a space")
		case c > 0x7f:
			return bad(raw, want+" in ASCII (an international name in its xn-- form)", "has a character outside ASCII")
		}
	}
	if mayHoldSecret(raw) {
		return bad(raw, want, "has user information (the part before an @)")
	}
	return nil
}

// splitHostPort splits text into host and port. An IPv6 address keeps its brackets. raw
// is the value to show in errors.
func splitHostPort(raw, text, want string) (host, port string, err *configerr.Error) {
	missing := bad(raw, want, "missing port")
	after := text
	if strings.HasPrefix(text, "[") {
		end := strings.IndexByte(text, ']')
		if end < 0 {
			return "", "", bad(raw, "[address]:port", "has [ without ]")
		}
		host, after = text[:end+1], text[end+1:]
		if after != "" && after[0] != ':' {
			return "", "", bad(raw, "[address]:port", "has %q after the ]", after)
		}
	} else if strings.Count(text, ":") > 1 {
		return "", "", bad(raw, "an IPv6 address in brackets, [address]:port", "has more than one colon")
	}
	before, port, found := strings.Cut(after, ":")
	if !found || port == "" {
		return "", "", missing
	}
	return host + before, port, nil
}

func parsePort(raw, port string) (string, *configerr.Error) {
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", bad(raw, wantPort, "bad port %q", port)
	}
	return strconv.FormatUint(n, 10), nil
}

// parseHost reads a host name, an IPv4 address or an IPv6 address in brackets.
func parseHost(raw, host, want string, isURL bool) (name, zone string, err *configerr.Error) {
	if inside, ok := strings.CutPrefix(host, "["); ok {
		return parseIPv6(raw, strings.TrimSuffix(inside, "]"), isURL)
	}
	if host == "" {
		return "", "", bad(raw, want, "empty host")
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.String(), "", nil // IPv4, since an IPv6 address has brackets
	}
	if strings.Trim(host, "0123456789.") == "" && strings.Contains(host, ".") {
		return "", "", bad(raw, "four numbers from 0 to 255 with dots between, or a name", "bad IPv4 address %q", host)
	}
	host = strings.ToLower(host)
	bare := strings.TrimSuffix(host, ".")
	if len(bare) > maxHostLength {
		return "", "", bad(raw, fmt.Sprintf("at most %d", maxHostLength), "the host is %d bytes long", len(bare))
	}
	for label := range strings.SplitSeq(bare, ".") {
		if label == "" || len(label) > maxLabelLength {
			return "", "", bad(raw, fmt.Sprintf("1 to %d characters between the dots", maxLabelLength), "bad host")
		}
		if strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return "", "", bad(raw, "letters, digits, dots, - and _", "bad character in the host")
		}
	}
	return host, "", nil
}

// parseIPv6 reads the text between the brackets.
func parseIPv6(raw, text string, isURL bool) (name, zone string, err *configerr.Error) {
	text, zone, zoned := strings.Cut(text, "%")
	ip, parseErr := netip.ParseAddr(text)
	if parseErr != nil || !ip.Is6() {
		return "", "", bad(raw, "an IPv6 address between the brackets", "bad IPv6 address %q", text)
	}
	if !zoned {
		return ip.String(), "", nil
	}
	if encodedZone(zone, isURL) {
		zone = zone[2:]
	}
	if zone == "" || len(zone) > maxZoneLength || encodedZone(zone, false) ||
		strings.Trim(strings.ToLower(zone), "abcdefghijklmnopqrstuvwxyz0123456789-_.~") != "" {
		return "", "", bad(raw, "the name or the number of a network interface, as in [fe80::1%eth0]:port", "bad zone %q", zone)
	}
	return ip.String(), zone, nil
}

// encodedZone reports whether a zone begins with the rest of %25, which is the form of
// % in a URL. Outside of a URL, digits after it are the interface's number.
func encodedZone(zone string, isURL bool) bool {
	rest, ok := strings.CutPrefix(zone, "25")
	return ok && rest != "" && (isURL || rest[0] < '0' || rest[0] > '9')
}
