package oauthtoken

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// nextAfter is how long one issuer may take before the next one is asked as well.
	nextAfter = 2 * time.Second
	// askTimeout is how long one issuer may take at all.
	askTimeout = 30 * time.Second
)

// Issuer is one token endpoint.
type Issuer struct {
	// Name is what errors call it. Empty means its place in the list, such as "issuer 1".
	Name string
	// Token fetches a token, as the method Token of a clientcredentials.Config does: a new one each
	// time, within the time of ctx, which is at most 30 s.
	Token func(ctx context.Context) (*oauth2.Token, error)
}

// answered is what one issuer has said.
type answered struct {
	from  int
	token *oauth2.Token
	err   error
}

// ask asks the issuers, from the one that is to be asked first, until one has given a token. It returns
// that issuer's place.
func ask(issuers []Issuer, first int) (*oauth2.Token, int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	answers := make(chan answered, len(issuers)) // those that come too late have room
	asked := 0
	next := func() {
		from := (first + asked) % len(issuers)
		asked++
		go func() {
			token, err := issuers[from].Token(ctx)
			if err == nil {
				err = check(token)
			}
			answers <- answered{from, token, err}
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
		}
	}
	return nil, 0, failure(issuers, failures)
}

// failure is the error of issuers that have all failed.
func failure(issuers []Issuer, failures []error) error {
	f := &failedError{code: codes.Unauthenticated}
	var texts []string
	for i, err := range failures {
		text := withoutSecrets(err).Error()
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

// Error says what each issuer has answered, without secrets.
func (e *failedError) Error() string { return e.text }

// GRPCStatus returns UNAUTHENTICATED if all issuers have refused, and UNAVAILABLE otherwise.
func (e *failedError) GRPCStatus() *status.Status { return status.New(e.code, e.text) }

// Is finds the end of an issuer's time.
func (e *failedError) Is(target error) bool {
	for _, cause := range e.causes {
		if errors.Is(cause, target) {
			return true
		}
	}
	return false
}

// mayPass tells whether an issuer may give a token later, without a change to the client.
func mayPass(err error) bool {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) {
		return refused.Response == nil || refused.Response.StatusCode >= http.StatusInternalServerError ||
			refused.Response.StatusCode == http.StatusTooManyRequests
	}
	return !errors.Is(err, errBadToken)
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
