package resolver

import "reflect"

// HasToken tells whether the endpoint has credentials of its own for each call.
func (e Endpoint) HasToken() bool {
	return !e.Token.IsZero() || e.TokenFile != "" || e.Credentials != nil
}

// checkSettings checks what an endpoint has beside its name and address. It gives
// the field that is not valid and an error without a field.
func (e Endpoint) checkSettings() (field string, _ *ConfigError) {
	if field, err := e.TLS.check(); err != nil {
		return "tls." + field, err
	}
	if a, err := parseAddress(e.Address); err == nil && a.security == SecurityPlaintext && !e.TLS.IsZero() {
		return "tls", bad("", "an https:// address, or no TLS settings", "the address is http://")
	}
	if field, err := e.checkTokens(); err != nil {
		return field, err
	}
	if field, err := e.Health.check(e); err != nil {
		return "health." + field, err
	}
	return "", nil
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

func (e Endpoint) checkTokens() (field string, _ *ConfigError) {
	if field, other := conflict([]setting{
		{"token", !e.Token.IsZero()}, {"tokenFile", e.TokenFile != ""}, {"credentials", e.Credentials != nil},
	}); field != "" {
		return field, bad("", "one of token, tokenFile and credentials", "%s is set, too", other)
	}
	switch field := e.tokenField(); field {
	case "token":
		if err := checkToken(e.Token.Reveal()); err != nil {
			return field, err
		}
	case "tokenFile":
		if err := checkPath(e.TokenFile); err != nil {
			return field, err
		}
	case "credentials":
		if !reflect.ValueOf(e.Credentials).Comparable() {
			return field, bad(reflect.TypeOf(e.Credentials).String(), "a pointer, or another type that can be compared", "cannot be compared")
		}
	default:
		return "", nil
	}
	if e.Security() == SecurityPlaintext && !e.AllowInsecureTokens {
		return e.tokenField(), bad("", "an https:// address, or allowInsecureTokens", "would be sent over plaintext")
	}
	return "", nil
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
