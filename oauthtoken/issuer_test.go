package oauthtoken

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

var errAway = errors.New("away")

// of returns an issuer of a test.
func of(name string, i *issuer) Issuer {
	return Issuer{Name: name, Token: func(ctx context.Context) (*oauth2.Token, error) {
		i.asked.Add(1)
		if i.gate != nil {
			select {
			case <-i.gate:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		return i.say()
	}}
}

func away() (*oauth2.Token, error) { return nil, errAway }

func mustNewOf(t *testing.T, issuers ...Issuer) *Credentials {
	t.Helper()
	c, err := NewOf(issuers...)
	require.NoError(t, err)
	return c
}

func TestTheNextIssuerIsAskedWhenOneFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &issuer{say: away}, &issuer{say: lasting("hunter2", time.Minute)}
		c := mustNewOf(t, of("a", a), of("b", b))
		start := time.Now()
		header, err := get(t.Context(), c)
		require.NoError(t, err)
		assert.Equal(t, "Bearer hunter2", header)
		assert.Zero(t, time.Since(start))

		time.Sleep(time.Minute)
		_, err = get(t.Context(), c)
		require.NoError(t, err)
		assert.EqualValues(t, 1, a.asked.Load(), "the one that has answered is asked first")
		assert.EqualValues(t, 2, b.asked.Load())
	})
}

func TestAnIssuerThatHangsHoldsNoneUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung, b := &issuer{gate: make(chan struct{})}, &issuer{say: lasting("hunter2", time.Hour)}
		c := mustNewOf(t, of("a", hung), of("b", b))
		start := time.Now()
		_, err := get(t.Context(), c)
		require.NoError(t, err)
		assert.Equal(t, nextAfter, time.Since(start))
		for range 10 {
			_, err = get(t.Context(), c)
			require.NoError(t, err)
		}
		assert.EqualValues(t, 1, hung.asked.Load())
		assert.EqualValues(t, 1, b.asked.Load())
	})
}

// All issuers hang: there is one request at a time, calls wait until their deadlines, and their errors name the issuers.
func TestIssuersThatHangAreNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &issuer{gate: make(chan struct{})}, &issuer{gate: make(chan struct{})}
		c := mustNewOf(t, of("idp1", a), of("", b))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := get(ctx, c)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.EqualError(t, err, "waiting for a token of idp1, issuer 2: context deadline exceeded")
		assert.Equal(t, codes.DeadlineExceeded, status.Code(err))
		_, err = get(t.Context(), c)
		require.EqualError(t, err, "idp1: context deadline exceeded; issuer 2: context deadline exceeded")
		assert.Equal(t, codes.Unavailable, status.Code(err))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, context.Canceled)
		assert.EqualValues(t, 1, a.asked.Load())
	})
}

func TestTheOldTokenIsUsedUntilItExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{say: lasting("old", time.Minute)}
		c := mustNewOf(t, of("idp", i))
		_, err := get(t.Context(), c)
		require.NoError(t, err)
		i.say = away
		for range 58 {
			time.Sleep(time.Second)
			header, err := get(t.Context(), c)
			require.NoError(t, err)
			assert.Equal(t, "Bearer old", header)
			synctest.Wait()
		}
		assert.Greater(t, i.asked.Load(), int64(3))
		assert.Less(t, i.asked.Load(), int64(20), "and not by each call")
		time.Sleep(2 * time.Second)
		_, err = get(t.Context(), c)
		require.EqualError(t, err, "idp: away")
		i.say = lasting("new", time.Minute)
		time.Sleep(failureHolds)
		header, err := get(t.Context(), c)
		require.NoError(t, err)
		assert.Equal(t, "Bearer new", header)
	})
}

// While a new token is fetched, calls use the old one and do not wait.
func TestATokenIsReplacedBehindTheCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{say: lasting("old", 6*time.Second)}
		c := mustNewOf(t, of("idp", i))
		_, err := get(t.Context(), c)
		require.NoError(t, err)
		i.gate, i.say = make(chan struct{}), lasting("new", time.Minute)
		time.Sleep(5 * time.Second)
		start := time.Now()
		header, err := get(t.Context(), c)
		require.NoError(t, err)
		assert.Equal(t, "Bearer old", header)
		assert.Zero(t, time.Since(start))
		close(i.gate)
		synctest.Wait()
		header, err = get(t.Context(), c)
		require.NoError(t, err)
		assert.Equal(t, "Bearer new", header)
		assert.EqualValues(t, 2, i.asked.Load())
	})
}

// Clients that got their tokens at the same time do not replace them at the same time.
func TestTokensAreReplacedAtDifferentTimes(t *testing.T) {
	now := time.Now()
	token := &oauth2.Token{AccessToken: "x", Expiry: now.Add(1000 * time.Second)}
	seen := map[time.Duration]bool{}
	for range 100 {
		at := refreshTime(nil, token, now).Sub(now)
		assert.GreaterOrEqual(t, at, 700*time.Second)
		assert.LessOrEqual(t, at, 800*time.Second)
		seen[at] = true
	}
	assert.Greater(t, len(seen), 90)
	assert.True(t, refreshTime(nil, &oauth2.Token{AccessToken: "x"}, now).IsZero(), "one that does not expire")
	assert.Equal(t, 500*time.Second, refreshTime(token, token, now).Sub(now), "one that the source has kept")
}

func TestATokenThatIsDroppedIsNotUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{say: lasting("old", time.Hour)}
		c := mustNewOf(t, of("idp", i))
		_, err := get(t.Context(), c)
		require.NoError(t, err)
		i.say = lasting("new", time.Hour)
		c.Drop()
		header, err := get(t.Context(), c)
		require.NoError(t, err)
		assert.Equal(t, "Bearer new", header)
	})
}

func TestTheCodeSaysWhetherToTryAgain(t *testing.T) {
	refusal := func(code int) func() (*oauth2.Token, error) {
		return func() (*oauth2.Token, error) {
			return nil, &oauth2.RetrieveError{Response: &http.Response{StatusCode: code}}
		}
	}
	for name, c := range map[string]struct {
		says []func() (*oauth2.Token, error)
		want codes.Code
	}{
		"away":             {[]func() (*oauth2.Token, error){away}, codes.Unavailable},
		"refused":          {[]func() (*oauth2.Token, error){refusal(401)}, codes.Unauthenticated},
		"overloaded":       {[]func() (*oauth2.Token, error){refusal(429)}, codes.Unavailable},
		"broken":           {[]func() (*oauth2.Token, error){refusal(503)}, codes.Unavailable},
		"a bad token":      {[]func() (*oauth2.Token, error){lasting("a b", time.Hour)}, codes.Unauthenticated},
		"refused and away": {[]func() (*oauth2.Token, error){refusal(401), away}, codes.Unavailable},
		"both refused":     {[]func() (*oauth2.Token, error){refusal(401), refusal(403)}, codes.Unauthenticated},
	} {
		var issuers []Issuer
		for _, say := range c.says {
			issuers = append(issuers, of("", &issuer{say: say}))
		}
		_, err := get(t.Context(), mustNewOf(t, issuers...))
		assert.Equal(t, c.want, status.Code(err), name)
		assert.ErrorContains(t, err, "issuer 1: ", name)
	}
}

func TestAListOfIssuersIsChecked(t *testing.T) {
	_, err := NewOf()
	require.ErrorContains(t, err, "issuers: is empty")
	_, err = NewOf(of("a", &issuer{}), Issuer{Name: "b"})
	require.ErrorContains(t, err, "issuers[1].Token: is nil")
}

func TestAnIssuerThatPanicsHasFailed(t *testing.T) {
	for name, how := range map[string]func(){"panic": func() { panic("an issuer's") }, "end of its goroutine": runtime.Goexit} {
		synctest.Test(t, func(t *testing.T) {
			broken := Issuer{Token: func(context.Context) (*oauth2.Token, error) { how(); return nil, nil }}
			c := mustNewOf(t, broken, Issuer{Token: func(context.Context) (*oauth2.Token, error) { return &oauth2.Token{AccessToken: "good"}, nil }})
			start := time.Now()
			got, err := get(t.Context(), c)
			require.NoError(t, err, name)
			assert.Equal(t, "Bearer good", got)
			assert.Zero(t, time.Since(start), "the next one is asked at once")
			_, err = get(t.Context(), mustNewOf(t, broken))
			assert.Equal(t, codes.Unavailable, status.Code(err), "%v", err)
		})
	}
}

func TestWhatAnIssuerSaysIsOneLineOfBoundedLength(t *testing.T) {
	i := &issuer{say: func() (*oauth2.Token, error) {
		return nil, errors.New("a\nb\x1b[2J " + strings.Repeat("long ", 10_000))
	}}
	_, err := get(t.Context(), mustNewOf(t, of("idp", i)))
	require.ErrorContains(t, err, "idp: a b?[2J long ")
	assert.Less(t, len(err.Error()), 2*mostText)
}
