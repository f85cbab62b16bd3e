package resolver

import (
	"reflect"
)

// HasToken tells whether the endpoint has credentials of its own for each call.
func (e Endpoint) HasToken() bool {
	return !e.Token.IsZero() || e.TokenFile != "" || e.Credentials != nil
}

// checkSettings checks what an endpoint has beside its name and address, which must
// be valid.
func (e Endpoint) checkSettings(fail report) {
	e.TLS.check(fail.in("tls"))
	if a, err := parseAddress(e.Address); err == nil && a.security == SecurityPlaintext && !e.TLS.IsZero() {
		fail("tls", wrong("an https:// address, or no TLS settings", "the address is http://"))
	}
	e.checkTokens(fail)
	e.Health.check(e, fail.in("health"))
}

// tokenField is the field that holds the endpoint's credentials, "" if none does.
func (e Endpoint) tokenField() string {
	switch {
	case !e.Token.IsZero():
		return "token"
	case e.TokenFile != "":
		return "tokenFile"
	case e.Credentials != nil:
		return "credentials"
	default:
		return ""
	}
}

func (e Endpoint) checkTokens(fail report) {
	if field, other := conflict([]setting{
		{"token", !e.Token.IsZero()}, {"tokenFile", e.TokenFile != ""}, {"credentials", e.Credentials != nil},
	}); field != "" {
		fail(field, wrong("one of token, tokenFile and credentials", "%s is set, too", other))
		return
	}
	failed := false
	switch field := e.tokenField(); field {
	case "token":
		failed = fail(field, checkToken(e.Token.Reveal()))
	case "tokenFile":
		failed = fail(field, checkPath(e.TokenFile))
	case "credentials":
		if !reflect.ValueOf(e.Credentials).Comparable() {
			failed = fail(field, bad(reflect.TypeOf(e.Credentials).String(), "a pointer, or another type that can be compared", "cannot be compared"))
		}
	default:
		return
	}
	if !failed && e.Security() == SecurityPlaintext && !e.AllowInsecureTokens {
		fail(e.tokenField(), wrong("an https:// address, or allowInsecureTokens", "would be sent over plaintext"))
	}
}

// setting is a field that may not be set beside certain others.
type setting struct {
	field string
	isSet bool
}

// conflict gives a field that is set although another one is, and that other; ""
// if there is none.
func conflict(settings []setting) (field, other string) {
	for _, s := range settings {
		switch {
		case s.isSet && other != "":
			return s.field, other
		case s.isSet:
			other = s.field
		}
	}
	return "", ""
}

// equal compares two endpoints, also such as could not be in a list.
func (e Endpoint) equal(o Endpoint) bool {
	for _, c := range []any{e.Credentials, o.Credentials} {
		if c != nil && !reflect.ValueOf(c).Comparable() {
			return false
		}
	}
	return e == o
}
