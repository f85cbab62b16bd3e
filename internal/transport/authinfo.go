package transport

import (
	"errors"

	"google.golang.org/grpc/credentials"

	"github.com/cantonlb/cantonlb/resolver"
)

// AuthInfo describes a connection that was made for an endpoint: the endpoint, and
// the result of the handshake.
type AuthInfo struct {
	inner    credentials.AuthInfo
	endpoint resolver.Endpoint
}

var (
	_ credentials.AuthInfo           = (*AuthInfo)(nil)
	_ credentials.AuthorityValidator = (*AuthInfo)(nil)
)

// Endpoint returns the name of the endpoint.
func (a *AuthInfo) Endpoint() string { return a.endpoint.Name }

// Unwrap returns the AuthInfo of the handshake, such as a credentials.TLSInfo.
func (a *AuthInfo) Unwrap() credentials.AuthInfo { return a.inner }

// AuthType returns the AuthType of the handshake.
func (a *AuthInfo) AuthType() string {
	if a.inner == nil {
		return ""
	}
	return a.inner.AuthType()
}

// GetCommonAuthInfo returns the security level. It is unknown
// (credentials.InvalidSecurityLevel) if the handshake's AuthInfo does not report
// one.
func (a *AuthInfo) GetCommonAuthInfo() credentials.CommonAuthInfo {
	if c, ok := a.inner.(interface {
		GetCommonAuthInfo() credentials.CommonAuthInfo
	}); ok {
		return c.GetCommonAuthInfo()
	}
	return credentials.CommonAuthInfo{}
}

// ValidateAuthority lets the handshake's AuthInfo decide whether a call may carry
// another :authority.
func (a *AuthInfo) ValidateAuthority(authority string) error {
	if v, ok := a.inner.(credentials.AuthorityValidator); ok {
		return v.ValidateAuthority(authority)
	}
	return errors.New("the transport credentials do not allow another authority")
}
