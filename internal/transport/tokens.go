package transport

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/guard"
	"github.com/cantonlb/cantonlb/resolver"
)

// Tokens returns the call credentials for a channel with these transport
// credentials. Each call carries the token of the endpoint whose connection it
// uses. A call on a connection that was not made by these transport credentials
// carries none.
func (c *Credentials) Tokens() credentials.PerRPCCredentials { return tokens{c.shared} }

type tokens struct{ shared *shared }

// TokenError is the error of a call that was not sent, since there is no token of its
// endpoint, or the token may not be sent.
type TokenError struct{ status *status.Status }

// Error returns the text that grpc's statuses have.
func (e *TokenError) Error() string { return e.status.Err().Error() }

// GRPCStatus returns the error as a gRPC status.
func (e *TokenError) GRPCStatus() *status.Status { return e.status }

// CredentialsFailed returns true: the credentials are the endpoint's own.
func (*TokenError) CredentialsFailed() (own bool) { return true }

// RequireTransportSecurity returns false, since that is decided for each
// connection.
func (tokens) RequireTransportSecurity() bool { return false }

// GetRequestMetadata implements credentials.PerRPCCredentials. Its errors are
// statuses, and end the call before anything of it is sent: UNAUTHENTICATED if the
// token may not be sent, UNAVAILABLE if there is none now, or the code that the
// endpoint's own credentials return.
func (t tokens) GetRequestMetadata(ctx context.Context, uri ...string) (map[string]string, error) {
	request, _ := credentials.RequestInfoFromContext(ctx)
	info, ok := request.AuthInfo.(*AuthInfo)
	if !ok || !info.endpoint.HasToken() {
		return nil, nil
	}
	e := &info.endpoint
	if err := CheckSecure(info); err != nil && !e.AllowInsecureTokens {
		return nil, &TokenError{status.Newf(codes.Unauthenticated, "endpoint %q: its token is not sent over a connection that is not known to be "+
			"encrypted and verified (%v)", e.Name, err)}
	}
	md, err := t.of(ctx, e, uri)
	if err != nil {
		return nil, &TokenError{status.Newf(codeOf(err), "endpoint %q: no token: %s", e.Name, cleantext.Detail(status.Convert(err).Message()))}
	}
	return md, nil
}

// of returns the metadata of an endpoint's calls.
func (t tokens) of(ctx context.Context, e *resolver.Endpoint, uri []string) (map[string]string, error) {
	if e.Credentials != nil {
		return t.ask(ctx, e, uri)
	}
	token := e.Token.Reveal()
	if e.TokenFile != "" {
		var err error
		if token, err = t.shared.files.token(e.TokenFile).get(); err != nil {
			return nil, err
		}
	}
	return map[string]string{"authorization": "Bearer " + token}, nil
}

// mostLeft bounds the calls of one endpoint's credentials that have not returned in
// time.
const mostLeft = 16

// ask asks the endpoint's own credentials, which may ignore the context, as grpc's
// oauth.TokenSource does.
func (t tokens) ask(ctx context.Context, e *resolver.Endpoint, uri []string) (map[string]string, error) {
	type answer struct {
		md  map[string]string
		err error
	}
	a, err := guard.AwaitUncanceled(ctx, &t.shared.left, fmt.Sprintf("the credentials of %q", e.Name), mostLeft, func() (a answer) {
		a.md, a.err = e.Credentials.GetRequestMetadata(ctx, uri...)
		return a
	}, nil)
	if err != nil {
		return nil, err
	}
	for key, value := range a.md {
		hide(key, value)
		if a.err == nil && !CanSend(key, value) {
			a.err = status.Errorf(codes.Internal, "header %q: want a name of letters, digits, -, _ and ., and a value in printable ASCII", key)
		}
	}
	return a.md, a.err
}

// CanSend reports whether gRPC can send a header that call credentials return. The error of
// a call with another one does not say whose the credentials are.
func CanSend(key, value string) bool {
	inName := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r)
	}
	key = strings.ToLower(key)
	return key != "" && strings.IndexFunc(key, func(r rune) bool { return !inName(r) }) < 0 &&
		(strings.HasSuffix(key, "-bin") || strings.IndexFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) < 0)
}

// secretHeaders are parts of the names of headers that hold a secret.
var secretHeaders = []string{"auth", "cookie", "token", "key", "secret", "session", "password"}

// hide makes the value of a header that holds a secret appear in no text.
func hide(key, value string) {
	if holdsSecret(key) && !cleantext.IsHidden(value) {
		hideValue(value, cleantext.Hide)
	}
}

// HideOfCall is hide for a header of a single call.
func HideOfCall(key, value string) {
	if holdsSecret(key) {
		hideValue(value, cleantext.HidePassing)
	}
}

func holdsSecret(key string) bool {
	key = strings.ToLower(key)
	return slices.ContainsFunc(secretHeaders, func(part string) bool { return strings.Contains(key, part) })
}

func hideValue(value string, hide func(string)) {
	if _, token, ok := strings.Cut(value, " "); ok { // after "Bearer"
		hide(strings.TrimSpace(token))
	}
	hide(value)
}

// OfCall returns call credentials of a single call, whose tokens appear in no text from
// the time when they are sent.
func OfCall(c credentials.PerRPCCredentials) credentials.PerRPCCredentials { return ofCall{c} }

type ofCall struct{ credentials.PerRPCCredentials }

func (c ofCall) GetRequestMetadata(ctx context.Context, uri ...string) (map[string]string, error) {
	md, err := c.PerRPCCredentials.GetRequestMetadata(ctx, uri...)
	for key, value := range md {
		HideOfCall(key, value)
	}
	return md, err
}

// codeOf returns the code with which a call without a token ends.
func codeOf(err error) codes.Code {
	switch s, isStatus := status.FromError(err); {
	case isStatus:
		return s.Code()
	case errors.Is(err, context.DeadlineExceeded):
		return codes.DeadlineExceeded
	case errors.Is(err, context.Canceled):
		return codes.Canceled
	default:
		return codes.Unavailable
	}
}
