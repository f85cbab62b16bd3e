package oauthtoken

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/guard"
)

const (
	// nextAfter is how long one issuer may take before the next one is asked too.
	nextAfter = 2 * time.Second
	// askTimeout is how long one issuer may take in total.
	askTimeout = 30 * time.Second
	// lateAnswer is how long the answer of an issuer may be late after that.
	lateAnswer = time.Second
	// mostLeft bounds the requests to one issuer that have not returned in time. The issuer is not
	// asked while there are as many.
	mostLeft = 4
	// mostText bounds the text of one issuer's failure, in bytes.
	mostText = 1 << 10
)

// Issuer is one token endpoint.
type Issuer struct {
	// Name is the name of the issuer in errors. Empty means its place in the list, such as
	// "issuer 1".
	Name string
	// Token fetches a token, as the method Token of a clientcredentials.Config does: a new one
	// each time, before ctx ends, which is after at most 30 s.
	Token func(ctx context.Context) (*oauth2.Token, error)
}

// asker is an Issuer with the number of requests that have not returned.
type asker struct {
	Issuer

	asking atomic.Int32
}

// answered is the answer of one issuer.
type answered struct {
	from  int
	token *oauth2.Token
	err   error
}

// ask asks the issuers, beginning with the one at index first, until one returns a token. It also
// returns the index of that issuer.
func ask(issuers []*asker, first int) (*oauth2.Token, int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	over := time.NewTimer(askTimeout + lateAnswer) // an issuer may ignore ctx
	defer over.Stop()
	answers := make(chan answered, len(issuers)) // late answers do not block
	asked := 0
	next := func() {
		from := (first + asked) % len(issuers)
		asked++
		go func() {
			a := answered{from: from, err: guard.ErrPanicked}
			defer func() { answers <- a }() // the issuer may end its goroutine
			if a.token, a.err = issuers[from].fetch(ctx); a.err == nil {
				a.err = check(a.token)
			}
		}()
	}
	next()
	more := time.NewTicker(nextAfter)
	defer more.Stop()
	failures := make([]error, len(issuers))
	for failed := 0; failed < len(issuers); {
		select {
		case a := <-answers:
			if a.err == nil {
				return a.token, a.from, nil
			}
			failures[a.from] = a.err
			failed++
			if asked < len(issuers) && asked == failed {
				next()
			}
		case <-more.C:
			if asked < len(issuers) {
				next()
			}
		case <-over.C:
			for i := range failures {
				failures[i] = cmp.Or(failures[i], errNoAnswer)
			}
			return nil, 0, failure(issuers, failures)
		}
	}
	return nil, 0, failure(issuers, failures)
}

// errNoAnswer is the error of an issuer that has not answered in time.
var errNoAnswer = fmt.Errorf("no answer within %v", askTimeout)

// fetch asks an issuer, unless too many requests to it have not returned.
func (i *asker) fetch(ctx context.Context) (token *oauth2.Token, err error) {
	defer i.asking.Add(-1)
	if i.asking.Add(1) > mostLeft {
		return nil, fmt.Errorf("%d earlier requests have not returned", mostLeft)
	}
	if !guard.Call("the token source", func() { token, err = i.Token(ctx) }) {
		return nil, guard.ErrPanicked
	}
	return token, err
}

// failure returns the error of issuers that have all failed.
func failure(issuers []*asker, failures []error) error {
	f := &failedError{code: codes.Unauthenticated}
	var texts []string
	for i, err := range failures {
		text := cleantext.Line(withoutSecrets(err).Error(), mostText)
		if issuers[i].Name != "" {
			text = issuers[i].Name + ": " + text
		}
		texts = append(texts, text)
		if mayPass(err) {
			f.code = codes.Unavailable
		}
	}
	f.text, f.causes = strings.Join(texts, "; "), failures
	return f
}

// failedError is the error of issuers that have all failed.
type failedError struct {
	text   string
	code   codes.Code
	causes []error
}

// Error returns the answer of each issuer, without secrets.
func (e *failedError) Error() string { return e.text }

// GRPCStatus returns UNAUTHENTICATED if all issuers have refused, and UNAVAILABLE otherwise.
func (e *failedError) GRPCStatus() *status.Status { return status.New(e.code, e.text) }

// Is reports whether the error of an issuer is target, such as the end of its context.
func (e *failedError) Is(target error) bool {
	for _, cause := range e.causes {
		if errors.Is(cause, target) {
			return true
		}
	}
	return false
}

// mayPass reports whether an issuer may issue a token later, without a change to the client.
func mayPass(err error) bool {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) {
		return refused.Response == nil || refused.Response.StatusCode >= http.StatusInternalServerError ||
			refused.Response.StatusCode == http.StatusTooManyRequests
	}
	return !errors.Is(err, errBadToken)
}

// withoutSecrets removes the issuer's answer and address from an error.
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
