package transport

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/attempt"
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/resolver"
)

// Tokens returns the call credentials for a channel with these transport
// credentials. Each call carries the token of the endpoint whose connection it
// uses. A call on a connection that was not made by these transport credentials
// carries none.
func (c *Credentials) Tokens() credentials.PerRPCCredentials { return tokens{c.shared} }

type tokens struct{ shared *shared }

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
	if level := info.GetCommonAuthInfo().SecurityLevel; level != credentials.PrivacyAndIntegrity && !e.AllowInsecureTokens {
		return nil, status.Errorf(codes.Unauthenticated, "endpoint %q: its token is not sent over a connection that is not known to be "+
			"encrypted and verified (security level: %v)", e.Name, level)
	}
	md, err := t.of(ctx, e, uri)
	if err != nil {
		return nil, status.Errorf(codeOf(err), "endpoint %q: no token: %s", e.Name, cleantext.Detail(status.Convert(err).Message()))
	}
	return md, nil
}

// of returns the metadata of an endpoint's calls.
func (t tokens) of(ctx context.Context, e *resolver.Endpoint, uri []string) (map[string]string, error) {
	if e.Credentials != nil {
		if attempt.From(ctx).MayBeBeaten() {
			return untilDone(ctx, func() (map[string]string, error) { return e.Credentials.GetRequestMetadata(ctx, uri...) })
		}
		return e.Credentials.GetRequestMetadata(ctx, uri...)
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

// untilDone returns the result of credentials, which are code of the program, or an
// error as soon as ctx ends: a call waits for its attempts that were canceled, and must
// not hang with the credentials of one of them. They are then abandoned; nothing of the
// attempt has been sent, and nothing will be.
func untilDone(ctx context.Context, ask func() (map[string]string, error)) (map[string]string, error) {
	type answer struct {
		md  map[string]string
		err error
	}
	got := make(chan answer, 1)
	go func() {
		md, err := ask()
		got <- answer{md, err}
	}()
	select {
	case a := <-got:
		return a.md, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
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
