package quorum

import (
	"errors"
	"net/url"
)

// checkURL tells whether a member's base URL can be used; an empty one can, as the
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
