package resolver

import (
	"reflect"
)

// HasToken reports whether the endpoint has credentials of its own for each call.
func (e Endpoint) HasToken() bool {
	return !e.Token.IsZero() || e.TokenFile != "" || e.Credentials != nil
}

// checkSettings checks the settings of an endpoint other than its name and address,
// which must be valid.
func (e Endpoint) checkSettings(fail report) {
	e.TLS.check(fail.in("tls"))
	if a, err := parseAddress(e.Address); err == nil && a.security == SecurityPlaintext && !e.TLS.IsZero() {
		fail("tls", wrong("an https:// address, or no TLS settings", "the address is http://"))
	}
	e.checkTokens(fail)
	e.Health.check(e, fail.in("health"))
}

// tokenField returns the name of the field that holds the endpoint's credentials, or ""
// if there is none.
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
		fail(field, wrong("one of token, tokenFile and credentials", "%s is set too", other))
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

// conflict returns a field that is set although another one is set, and that other one.
// It returns "" if there is no such field.
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

// equal reports whether two endpoints are equal. They need not be valid.
func (e Endpoint) equal(o Endpoint) bool {
	for _, c := range []any{e.Credentials, o.Credentials} {
		if c != nil && !reflect.ValueOf(c).Comparable() {
			return false
		}
	}
	return e == o
}
