package transport

import (
	"errors"

	"google.golang.org/grpc/credentials"

	"github.com/cantonlb/cantonlb/resolver"
)

// AuthInfo is what is known of a connection that was made for an endpoint: whose
// it is, and what its handshake gave.
type AuthInfo struct {
	inner    credentials.AuthInfo
	endpoint resolver.Endpoint
}

var (
	_ credentials.AuthInfo           = (*AuthInfo)(nil)
	_ credentials.AuthorityValidator = (*AuthInfo)(nil)
)

// Endpoint gives the name of the endpoint.
func (a *AuthInfo) Endpoint() string { return a.endpoint.Name }

// Unwrap gives what the handshake gave, such as a credentials.TLSInfo.
func (a *AuthInfo) Unwrap() credentials.AuthInfo { return a.inner }

// AuthType is that of the handshake.
func (a *AuthInfo) AuthType() string {
	if a.inner == nil {
		return ""
	}
	return a.inner.AuthType()
}

// GetCommonAuthInfo gives the level of security. It is unknown
// (credentials.InvalidSecurityLevel) if the handshake's own does not say.
func (a *AuthInfo) GetCommonAuthInfo() credentials.CommonAuthInfo {
	if c, ok := a.inner.(interface {
		GetCommonAuthInfo() credentials.CommonAuthInfo
	}); ok {
		return c.GetCommonAuthInfo()
	}
	return credentials.CommonAuthInfo{}
}

// ValidateAuthority leaves it to the handshake's own whether a call may carry
// another :authority.
func (a *AuthInfo) ValidateAuthority(authority string) error {
	if v, ok := a.inner.(credentials.AuthorityValidator); ok {
		return v.ValidateAuthority(authority)
	}
	return errors.New("the transport credentials do not allow another authority")
}
