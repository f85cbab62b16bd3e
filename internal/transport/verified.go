package transport

import (
	"errors"
	"fmt"

	"google.golang.org/grpc/credentials"
)

// CheckSecure returns an error unless a connection is known to be encrypted, and its
// server to be verified, so that a token may be sent. TLS with InsecureSkipVerify does
// not verify the server: the chains of its certificate are not built.
func CheckSecure(info credentials.AuthInfo) error {
	if own, ok := info.(*AuthInfo); ok {
		info = own.inner
	}
	if info == nil {
		return errors.New("nothing is known about its security")
	}
	known, ok := info.(interface {
		GetCommonAuthInfo() credentials.CommonAuthInfo
	})
	level := credentials.InvalidSecurityLevel
	if ok {
		level = known.GetCommonAuthInfo().SecurityLevel
	}
	if level != credentials.PrivacyAndIntegrity {
		return fmt.Errorf("security level: %v", level)
	}
	if tls, ok := info.(credentials.TLSInfo); ok && len(tls.State.VerifiedChains) == 0 {
		return errors.New("its TLS does not verify the server, as with InsecureSkipVerify")
	}
	return nil
}

// AllowsInsecureTokens reports whether the endpoint allows its token on a connection
// that is not known to be encrypted and verified.
func (a *AuthInfo) AllowsInsecureTokens() bool { return a.endpoint.AllowInsecureTokens }
