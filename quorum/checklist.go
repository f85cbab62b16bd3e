package quorum

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/same"
)

// checkList returns an error if a list of members cannot be used.
func checkList(list []Member) error {
	if len(list) == 0 || len(list) > MaxMembers {
		return fmt.Errorf("quorum: members: %d in the list; want 1 to %d", len(list), MaxMembers)
	}
	seen := make(map[string]int, len(list))
	for i, m := range list {
		if m.Name == "" || len(m.Name) > 256 || slices.ContainsFunc([]rune(m.Name), func(r rune) bool { return !unicode.IsPrint(r) }) {
			return fmt.Errorf("quorum: members[%d].name %q: want a printable name of 1 to 256 bytes", i, cleantext.Detail(m.Name))
		}
		if j, ok := seen[m.Name]; ok {
			return fmt.Errorf("quorum: members[%d].name %q: the name of members[%d] already; want a unique name", i, m.Name, j)
		}
		seen[m.Name] = i
		if err := checkURL(m.URL); err != nil {
			return fmt.Errorf("quorum: members[%d] %q: %w", i, m.Name, err)
		}
		for j, other := range list[:i] {
			if what := shared(other, m); what != "" {
				return fmt.Errorf("quorum: members[%d] %q: %s: that of members[%d] %q already; want one member for all that could lie together",
					i, m.Name, what, j, other.Name)
			}
		}
	}
	return nil
}

// shared returns what two members have in common by which they are one server, "" if
// nothing shows that. An answer of one server must not count twice. One URL may mean
// several servers if each member has a transport of its own.
func shared(a, b Member) string {
	switch {
	case a.Conn != nil && same.Value(a.Conn, b.Conn):
		return "conn"
	case a.URL != "" && base(a.URL) == base(b.URL) && same.Value(a.Transport, b.Transport):
		return "url"
	default:
		return ""
	}
}

// replaced reports whether two members of one name are two servers, as far as that shows:
// a new Transport alone may be new credentials.
func replaced(was, is Member) bool {
	known := same.Value(was.Conn, was.Conn) || same.Value(is.Conn, is.Conn)
	return was.URL != is.URL || known && !same.Value(was.Conn, is.Conn)
}

// base returns a valid base URL in the form in which equal ones are equal.
func base(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return s
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.TrimSuffix(host, "."), port) + strings.TrimRight(u.EscapedPath(), "/")
}

// checkURL reports whether a member's base URL can be used; an empty one can, as the
// member has no HTTP API then. The error shows none of it, as it may hold a secret.
func checkURL(s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return errors.New("url: not a URL; want a base URL such as https://scan.example.com/api")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return errors.New("url: no http:// or https:// with a host; want a base URL such as https://scan.example.com/api")
	case u.User != nil || strings.ContainsAny(s, "?#"): // an empty query or fragment, too: a path is appended
		return errors.New("url: user, query or fragment in it; want a base URL without them")
	}
	return nil
}
