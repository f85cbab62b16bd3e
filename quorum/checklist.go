package quorum

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"unicode"

	"github.com/cantonlb/cantonlb/internal/cleantext"
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
	}
	return nil
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
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("url: user, query or fragment in it; want a base URL without them")
	}
	return nil
}
