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
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/resolver"
)

const (
	// failureHolds is for how long at least a failure counts before the issuers are asked again.
	failureHolds = time.Second
	// longestHold is for how long at most, while there is a token that has not expired.
	longestHold = 30 * time.Second
	// refreshFrom and refreshSpread say when a token is replaced: after 70 % to 80 % of its life.
	refreshFrom, refreshSpread = 0.7, 0.1
)

// New makes the credentials that send the source's token with each call. It does not ask for one
// yet. Each New with the same source is another credential: make it once, and keep it through
// updates of the list.
//
// The source's Token must return in the end, so its HTTP client needs a timeout: a question that
// is under way is not given up when the client is closed. A source that keeps its token until
// shortly before it expires, as that of an oauth2.Config does, is asked early in vain, and again.
func New(source oauth2.TokenSource) *Credentials {
	return &Credentials{issuers: []Issuer{{Token: func(context.Context) (*oauth2.Token, error) { return source.Token() }}}}
}

// NewOf makes the credentials that send a token of one of several issuers, of which any will do: the
// replicas of one, or several that the server trusts. They are asked in order, beginning with the
// one that has answered last; the next one as soon as one fails, or has not answered for two
// seconds. The first token counts. A list that is empty, or has an issuer without a Token, is an
// error.
func NewOf(issuers ...Issuer) (*Credentials, error) {
	if len(issuers) == 0 {
		return nil, errors.New("issuers: is empty: want at least one")
	}
	c := &Credentials{issuers: make([]Issuer, len(issuers))}
	for i, issuer := range issuers {
		if issuer.Token == nil {
			return nil, fmt.Errorf("issuers[%d].Token: is nil: want a function that fetches a token", i)
		}
		if issuer.Name == "" {
			issuer.Name = fmt.Sprint("issuer ", i+1)
		}
		c.issuers[i] = issuer
	}
	return c, nil
}

// Credentials send a token with each call. They are safe for concurrent use.
type Credentials struct {
	issuers []Issuer

	// mu guards what follows. No other lock is taken under it, and nothing waits.
	mu        sync.Mutex
	token     *oauth2.Token
	refreshAt time.Time // when the token is to be replaced; the zero time if it does not expire
	question  *question // under way, or the last
	first     int       // the issuer to ask first
}

// question is one time that the issuers are asked.
type question struct {
	done  chan struct{} // closed when what follows is set
	token *oauth2.Token
	err   error
	until time.Time // when err no longer counts
}

// RequireTransportSecurity is true.
func (*Credentials) RequireTransportSecurity() bool { return true }

// GetRequestMetadata returns the header of a call. An issuer that cannot be asked is UNAVAILABLE, so
// that the call may be made again; one that refuses is UNAUTHENTICATED.
func (c *Credentials) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	info, _ := credentials.RequestInfoFromContext(ctx)
	if err := credentials.CheckSecurityLevel(info.AuthInfo, credentials.PrivacyAndIntegrity); err != nil {
		return nil, fmt.Errorf("the token is not sent: %w", err)
	}
	token, err := c.get(ctx)
	if err != nil {
		return nil, err
	}
	return map[string]string{"authorization": token.Type() + " " + token.AccessToken}, nil
}

// Drop has the next call wait for another token, as when a server refuses the one that there is.
func (c *Credentials) Drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.token = nil
}

// get returns a token that has not expired. One that is to be replaced is used while that is under way.
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
		go c.answer(q, c.first) //nolint:contextcheck // the answer is for other calls, too
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

// names returns the names of the issuers, for errors; empty if there is one without a name.
func (c *Credentials) names() string {
	names := make([]string, 0, len(c.issuers))
	for _, issuer := range c.issuers {
		names = append(names, issuer.Name)
	}
	return strings.Join(names, ", ")
}

// givenUpError is the error of a call that could wait no longer. Without a code grpc would
// make it UNAUTHENTICATED.
type givenUpError struct {
	cause error
	names string
}

// Error names the issuers.
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

// isOver tells whether the question has been answered, and its answer no longer
// counts: a token that is to be replaced, or a failure that was some time ago.
func (q *question) isOver(now time.Time) bool {
	select {
	case <-q.done:
		return q.err == nil || !now.Before(q.until)
	default:
		return false
	}
}

// answer asks the issuers, from the one that is to be asked first.
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

// hold returns for how long a failure counts: a tenth of what the token that there is has left to live,
// within bounds.
func hold(token *oauth2.Token, now time.Time) time.Duration {
	if token == nil {
		return failureHolds
	}
	return min(max(token.Expiry.Sub(now)/10, failureHolds), longestHold)
}

// refreshTime returns when a token is to be replaced: at a random time near the end of its life, so that
// the clients of an issuer do not come at once. A source that has given the same token again is asked
// after half of what is left of it.
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

// errBadToken is the kind of a token that is of no use.
var errBadToken = errors.New("the token source gave a token")

// check tells what is wrong with a token.
func check(token *oauth2.Token) error {
	if token == nil || token.AccessToken == "" || !token.Expiry.IsZero() && !time.Now().Before(token.Expiry) {
		return fmt.Errorf("%w that is empty or has expired", errBadToken)
	}
	var fault *configerr.Error
	if errors.As(resolver.CheckToken(token.AccessToken), &fault) {
		return fmt.Errorf("%w that cannot be sent: %s", errBadToken, fault.Problem)
	}
	if errors.As(resolver.CheckToken(token.Type()), &fault) {
		return fmt.Errorf("%w of a type that cannot be sent: %s", errBadToken, fault.Problem)
	}
	return nil
}
