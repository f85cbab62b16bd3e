package oauthtoken

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/resolver"
)

// failureHolds is how long a failure is given to calls before the issuer is asked
// again.
const failureHolds = time.Second

// New makes the credentials that send the source's token with each call. It does
// not ask for one yet. Each New with the same source is another credential: make it
// once, and keep it through updates of the list.
//
// The source's Token must return in the end, so its HTTP client needs a timeout: a
// question that is under way is not given up when the client is closed.
func New(source oauth2.TokenSource) credentials.PerRPCCredentials {
	return &tokens{source: source}
}

// tokens are credentials that ask a source.
type tokens struct {
	source oauth2.TokenSource

	// mu guards what follows. No other lock is taken under it, and nothing waits.
	mu       sync.Mutex
	token    *oauth2.Token
	question *question // under way, or the last
}

// question is one call of the source.
type question struct {
	done  chan struct{} // closed when what follows is set
	token *oauth2.Token
	err   error
	until time.Time // when err no longer counts
}

// RequireTransportSecurity is true.
func (*tokens) RequireTransportSecurity() bool { return true }

// GetRequestMetadata gives the header of a call.
func (t *tokens) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	info, _ := credentials.RequestInfoFromContext(ctx)
	if err := credentials.CheckSecurityLevel(info.AuthInfo, credentials.PrivacyAndIntegrity); err != nil {
		return nil, fmt.Errorf("the token is not sent: %w", err)
	}
	token, err := t.get(ctx)
	if err != nil {
		return nil, err
	}
	return map[string]string{"authorization": token.Type() + " " + token.AccessToken}, nil
}

// get gives a token that is valid now.
func (t *tokens) get(ctx context.Context) (*oauth2.Token, error) {
	t.mu.Lock()
	if t.token.Valid() {
		defer t.mu.Unlock()
		return t.token, nil
	}
	q := t.question
	if q == nil || q.isOver(time.Now()) {
		q = &question{done: make(chan struct{})}
		t.question = q
		go t.ask(q)
	}
	t.mu.Unlock()
	select {
	case <-q.done:
		return q.token, q.err
	case <-ctx.Done():
		return nil, givenUpError{ctx.Err()}
	}
}

// givenUpError is the error of a call that could wait no longer. Without a code grpc would
// make it UNAUTHENTICATED.
type givenUpError struct{ error }

// Unwrap gives the context's error.
func (e givenUpError) Unwrap() error { return e.error }

// GRPCStatus gives the code DEADLINE_EXCEEDED or CANCELLED.
func (e givenUpError) GRPCStatus() *status.Status { return status.FromContextError(e.error) }

// isOver tells whether the question has been answered, and its answer no longer
// counts: a token that has expired, or a failure that was some time ago.
func (q *question) isOver(now time.Time) bool {
	select {
	case <-q.done:
		return q.err == nil || !now.Before(q.until)
	default:
		return false
	}
}

// ask asks the source.
func (t *tokens) ask(q *question) {
	defer close(q.done)
	token, err := t.source.Token()
	if err == nil {
		err = check(token)
	}
	if err != nil {
		q.err, q.until = withoutSecrets(err), time.Now().Add(failureHolds)
		return
	}
	q.token = token
	t.mu.Lock()
	defer t.mu.Unlock()
	t.token = token
}

func check(token *oauth2.Token) error {
	if !token.Valid() {
		return errors.New("the token source gave a token that is empty or has expired")
	}
	var bad *configerr.Error
	if errors.As(resolver.CheckToken(token.AccessToken), &bad) {
		return fmt.Errorf("the token source gave a token that cannot be sent: %s", bad.Problem)
	}
	if errors.As(resolver.CheckToken(token.Type()), &bad) {
		return fmt.Errorf("the token source gave a token of a type that cannot be sent: %s", bad.Problem)
	}
	return nil
}

// withoutSecrets leaves out of an error what the issuer said and where it is.
func withoutSecrets(err error) error {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) {
		status := "no status"
		if refused.Response != nil {
			status = fmt.Sprintf("HTTP status %d", refused.Response.StatusCode)
		}
		if refused.ErrorCode != "" {
			return fmt.Errorf("the issuer refuses: %s, %.50q", status, refused.ErrorCode)
		}
		return fmt.Errorf("the issuer refuses: %s", status)
	}
	var failed *url.Error
	if errors.As(err, &failed) {
		return fmt.Errorf("the issuer cannot be asked: %w", failed.Err)
	}
	return err
}
