package oauthtoken

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/resolver"
)

const (
	// failureHolds is the least time for which a failure is reused before the issuers are asked again.
	failureHolds = time.Second
	// longestHold is the greatest such time, while there is a token that has not expired.
	longestHold = 30 * time.Second
	// refreshFrom and refreshSpread set when a token is replaced: after 70 % to 80 % of its life.
	refreshFrom, refreshSpread = 0.7, 0.1
)

// New returns credentials that send the source's token with each call. It does not request a
// token yet. Two calls of New with the same source return different credentials: call New once,
// and keep the result when the list is updated.
//
// The source's Token should return, so its HTTP client needs a timeout: a request in progress is not
// canceled when the client is closed. One that does not return counts as failed after 31 seconds, and
// at most four of them are left. A source that keeps its token until shortly
// before it expires, such as that of an oauth2.Config, returns the same token when it is asked
// early, and is asked again.
func New(source oauth2.TokenSource) *Credentials {
	return &Credentials{issuers: []*asker{{Issuer: Issuer{Token: func(context.Context) (*oauth2.Token, error) { return source.Token() }}}}}
}

// NewOf returns credentials that send a token of any one of several issuers: the replicas of one
// issuer, or several issuers that the server trusts. They are asked in order, beginning with the
// one that answered last. The next one is asked as soon as one fails or has not answered for two
// seconds. The first token is used. A list that is empty, or has an issuer without a Token, is an
// error.
func NewOf(issuers ...Issuer) (*Credentials, error) {
	if len(issuers) == 0 {
		return nil, errors.New("issuers: is empty: want at least one")
	}
	c := &Credentials{issuers: make([]*asker, len(issuers))}
	for i, given := range issuers {
		if given.Token == nil {
			return nil, fmt.Errorf("issuers[%d].Token: is nil: want a function that fetches a token", i)
		}
		if given.Name == "" {
			given.Name = fmt.Sprint("issuer ", i+1)
		}
		c.issuers[i] = &asker{Issuer: given}
	}
	return c, nil
}

// Credentials send a token with each call. They are safe for concurrent use.
type Credentials struct {
	issuers []*asker

	// mu guards the following fields. No other lock is taken and nothing waits while it is held.
	mu        sync.Mutex
	token     *oauth2.Token
	refreshAt time.Time // when the token is to be replaced; the zero time if it does not expire
	question  *question // the one in progress, or the last one
	first     int       // the issuer to ask first
}

// question is one request to the issuers.
type question struct {
	done  chan struct{} // closed when the following fields are set
	token *oauth2.Token
	err   error
	until time.Time // when err no longer counts
}

// RequireTransportSecurity returns true.
func (*Credentials) RequireTransportSecurity() bool { return true }

// GetRequestMetadata returns the header of a call. If the issuer cannot be asked, the error is
// UNAVAILABLE, so that the call may be reissued; if the issuer refuses, it is UNAUTHENTICATED.
func (c *Credentials) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	if err := mayBeSent(ctx); err != nil {
		return nil, err
	}
	token, err := c.get(ctx)
	if err != nil {
		return nil, err
	}
	return map[string]string{"authorization": token.Type() + " " + token.AccessToken}, nil
}

// mayBeSent returns an error unless the connection of the call is known to be encrypted and verified.
// An endpoint that allows insecure tokens does not require the verification, since the program may
// verify the server by itself.
func mayBeSent(ctx context.Context) error {
	info, _ := credentials.RequestInfoFromContext(ctx)
	err := transport.CheckSecure(info.AuthInfo)
	if err == nil {
		return nil
	}
	own, ok := info.AuthInfo.(*transport.AuthInfo)
	if ok && own.AllowsInsecureTokens() && own.GetCommonAuthInfo().SecurityLevel == credentials.PrivacyAndIntegrity {
		return nil
	}
	return status.Errorf(codes.Unauthenticated, "the token is not sent over a connection that is not known to be encrypted and verified (%v)", err)
}

// Drop discards the present token, so that the next call waits for another one. It is for programs
// whose server refuses the present token.
func (c *Credentials) Drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.token = nil
}

// get returns a token that has not expired. A token that is due for replacement is used until the
// new one has arrived.
func (c *Credentials) get(ctx context.Context) (*oauth2.Token, error) {
	now := time.Now()
	c.mu.Lock()
	token := c.token
	usable := token != nil && (token.Expiry.IsZero() || now.Before(token.Expiry))
	if usable && (c.refreshAt.IsZero() || now.Before(c.refreshAt)) {
		c.mu.Unlock()
		return token, nil
	}
	q := c.question
	if q == nil || q.isOver(now) {
		q = &question{done: make(chan struct{})}
		c.question = q
		go c.answer(q, c.first) //nolint:contextcheck // the answer is for other calls too
	}
	c.mu.Unlock()
	if usable {
		return token, nil
	}
	select {
	case <-q.done:
		return q.token, q.err
	case <-ctx.Done():
		return nil, givenUpError{cause: ctx.Err(), names: c.names()}
	}
}

// names returns the names of the issuers, for errors. It is empty if there is one issuer without a name.
func (c *Credentials) names() string {
	names := make([]string, 0, len(c.issuers))
	for _, issuer := range c.issuers {
		names = append(names, issuer.Name)
	}
	return strings.Join(names, ", ")
}

// givenUpError is the error of a call whose context ended while it waited for a token. Without a
// code, grpc would return UNAUTHENTICATED.
type givenUpError struct {
	cause error
	names string
}

// Error returns a text that names the issuers.
func (e givenUpError) Error() string {
	if e.names == "" {
		return e.cause.Error()
	}
	return fmt.Sprintf("waiting for a token of %s: %v", e.names, e.cause)
}

// Unwrap returns the context's error.
func (e givenUpError) Unwrap() error { return e.cause }

// GRPCStatus returns the code DEADLINE_EXCEEDED or CANCELLED.
func (e givenUpError) GRPCStatus() *status.Status {
	return status.New(status.FromContextError(e.cause).Code(), e.Error())
}

// isOver reports whether the question has been answered and its answer is no longer
// used: a token that is due for replacement, or a failure that is no longer reused.
func (q *question) isOver(now time.Time) bool {
	select {
	case <-q.done:
		return q.err == nil || !now.Before(q.until)
	default:
		return false
	}
}

// answer asks the issuers, beginning with the one at index first.
func (c *Credentials) answer(q *question, first int) {
	defer close(q.done)
	token, from, err := ask(c.issuers, first)
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		q.err, q.until = err, now.Add(hold(c.token, now))
		return
	}
	c.refreshAt = refreshTime(c.token, token, now)
	q.token, c.token, c.first = token, token, from
}

// hold returns for how long a failure is reused: a tenth of the remaining life of the present token,
// within bounds.
func hold(token *oauth2.Token, now time.Time) time.Duration {
	if token == nil {
		return failureHolds
	}
	return min(max(token.Expiry.Sub(now)/10, failureHolds), longestHold)
}

// refreshTime returns when a token is due for replacement: at a random time near the end of its life, so
// that the clients of an issuer do not all ask at the same time. A source that has returned the same token
// again is asked after half of the token's remaining life.
func refreshTime(before, token *oauth2.Token, now time.Time) time.Time {
	if token.Expiry.IsZero() {
		return time.Time{}
	}
	left := token.Expiry.Sub(now)
	if before != nil && before.AccessToken == token.AccessToken {
		return now.Add(max(left/2, failureHolds))
	}
	return now.Add(time.Duration(float64(left) * (refreshFrom + refreshSpread*rand.Float64())))
}

// errBadToken is the error of a token that cannot be used.
var errBadToken = errors.New("the token source returned a token")

// check returns an error if a token cannot be used.
func check(token *oauth2.Token) error {
	if token == nil || token.AccessToken == "" || !token.Expiry.IsZero() && !time.Now().Before(token.Expiry) {
		return fmt.Errorf("%w that is empty or has expired", errBadToken)
	}
	cleantext.Hide(token.AccessToken)
	cleantext.Hide(token.RefreshToken)
	var fault *configerr.Error
	if errors.As(resolver.CheckToken(token.AccessToken), &fault) {
		return fmt.Errorf("%w that cannot be sent: %s", errBadToken, fault.Problem)
	}
	if errors.As(resolver.CheckToken(token.Type()), &fault) {
		return fmt.Errorf("%w of a type that cannot be sent: %s", errBadToken, fault.Problem)
	}
	return nil
}
