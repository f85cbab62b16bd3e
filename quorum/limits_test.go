package quorum

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A program that only has streams hears of agreement as well.
func TestAStreamThatAgreesAgainRegainsAgreement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMembers(t, 4)
		_, _, err := Read(t.Context(), m, Config{}, func(context.Context, Member) (string, error) { return "", errBroken }, identity)
		require.Error(t, err)
		require.True(t, m.Status().Lost)
		s, err := NewStream(t.Context(), m, feed(allSound(m, 10)))
		require.NoError(t, err)
		defer s.Close()
		expect(t, s, 1, 5)
		assert.False(t, m.Status().Lost)
		var kinds []EventKind
		for _, e := range m.Events() {
			kinds = append(kinds, e.Kind)
		}
		assert.Equal(t, []EventKind{EventAgreementLost, EventAgreementRegained}, kinds)
	})
}

// A stream to whose members no subscription works waits, but not without a word.
func TestAStreamWithoutMembersReportsThat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMembers(t, 4)
		var open atomic.Int64 // how many members work
		idle := func(ctx context.Context, _ int) func() (item, error) {
			return func() (item, error) {
				<-ctx.Done()
				return item{}, ctx.Err()
			}
		}
		pruned := func(context.Context, int) func() (item, error) {
			return func() (item, error) { return item{}, status.Error(codes.FailedPrecondition, "pruned") }
		}
		cfg := feed(nil)
		cfg.Open = func(ctx context.Context, x Member, _ *int64) (Receiver[item], error) {
			if int64(slices.IndexFunc(m.List(), func(y Member) bool { return x.Name == y.Name })) < open.Load() {
				return receiver(idle(ctx, 1)), nil
			}
			return receiver(pruned(ctx, 1)), nil
		}
		s, err := NewStream(t.Context(), m, cfg)
		require.NoError(t, err)
		defer s.Close()
		expect := func(lost bool, kinds ...EventKind) {
			t.Helper()
			time.Sleep(time.Minute)
			var got []EventKind
			for _, e := range m.Events() {
				got = append(got, e.Kind)
			}
			assert.Equal(t, kinds, got)
			assert.Equal(t, lost, m.Status().Lost)
		}
		expect(true, EventAgreementLost)
		assert.Contains(t, m.Events()[0].Detail, "pruned")
		open.Store(1)
		expect(true, EventAgreementLost)
		open.Store(2) // an idle stream says nothing either, and is none
		expect(false, EventAgreementLost, EventAgreementRegained)
		expect(false, EventAgreementLost, EventAgreementRegained)
	})
}

func TestTheGreatestMarginIsAllMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMembers(t, 4)
		cfg := feed(allSound(m, 10))
		cfg.Margin = math.MaxInt
		s, err := NewStream(t.Context(), m, cfg)
		require.NoError(t, err)
		defer s.Close()
		time.Sleep(time.Minute)
		assert.Len(t, s.Subscribed(), 4)
	})
}

// The names of members that have left are forgotten, however many there were.
func TestAStreamForgetsMembersThatHaveLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMembers(t, 4)
		s, err := NewStream(t.Context(), m, StreamConfig[item, int64]{
			Open:     func(context.Context, Member, *int64) (Receiver[item], error) { return nil, errBroken },
			Position: func(e item) int64 { return e.at }, Key: func(e item) string { return e.key },
		})
		require.NoError(t, err)
		defer s.Close()
		for i := range 100 {
			list := names(4)
			list[3].Name = fmt.Sprint("guest", i)
			require.NoError(t, m.Update(list))
			time.Sleep(2 * time.Second)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		assert.LessOrEqual(t, len(s.pauses), 4)
	})
}

type trip func(*http.Request) (*http.Response, error)

func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A Transport that returns nothing, or a response without a body, is a fault of its member alone.
func TestATransportThatReturnsNothingIsAFailedMember(t *testing.T) {
	for name, odd := range map[string]*http.Response{"no response": nil, "no body": {StatusCode: 200}} {
		t.Run(name, func(t *testing.T) {
			list := names(1)
			list[0].URL = "http://org1.invalid"
			list[0].Transport = trip(func(*http.Request) (*http.Response, error) { return odd, nil })
			m, err := NewMembers(list, quiet())
			require.NoError(t, err)
			tr, err := NewTransport(m, TransportConfig{Config: Config{Agree: 1}})
			require.NoError(t, err)
			defer tr.CloseIdleConnections()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://network.invalid/x", http.NoBody)
			require.NoError(t, err)
			resp, err := tr.RoundTrip(req)
			var none *NoQuorumError
			if err == nil {
				resp.Body.Close()
			}
			require.ErrorAs(t, err, &none)
		})
	}
}

// The path of an opaque URL is no path that could be appended.
func TestAnOpaqueURLIsNotTakenForTheBase(t *testing.T) {
	asked := ""
	list := names(1)
	list[0].URL = "http://org1.invalid/api"
	list[0].Transport = trip(func(r *http.Request) (*http.Response, error) {
		asked = r.URL.String()
		return nil, errBroken
	})
	m, err := NewMembers(list, quiet())
	require.NoError(t, err)
	tr, err := NewTransport(m, TransportConfig{Config: Config{Agree: 1}})
	require.NoError(t, err)
	defer tr.CloseIdleConnections()
	req := (&http.Request{Method: http.MethodGet, URL: &url.URL{Scheme: "http", Opaque: "//network.invalid/x"}}).WithContext(t.Context())
	_, err = tr.RoundTrip(req) //nolint:bodyclose // there is none
	require.Error(t, err)
	assert.Empty(t, asked)
}

// What was right for the members at first stays in force as the list grows and shrinks.
func TestAskFollowsTheNumberOfMembers(t *testing.T) {
	list := names(10)
	for i := range list {
		list[i].URL = "http://" + list[i].Name
	}
	base := trip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody}, nil
	})
	for _, ask := range []int{2, 4} {
		m, err := NewMembers(list[:4], quiet())
		require.NoError(t, err)
		tr, err := NewTransport(m, TransportConfig{Config: Config{Ask: ask}, Base: base})
		require.NoError(t, err)
		for _, n := range []int{10, 4, 5, 7} {
			require.NoError(t, m.Update(list[:n]))
			got, err := (&http.Client{Transport: tr}).Get("http://network.invalid/x")
			require.NoError(t, err, "ask %d of %d", ask, n)
			require.NoError(t, got.Body.Close())
		}
	}
	m, err := NewMembers(list[:7], quiet())
	require.NoError(t, err)
	tr, err := NewTransport(m, TransportConfig{Config: Config{Ask: 7}, Base: base})
	require.NoError(t, err)
	require.NoError(t, m.Update(list[:4]))
	got, err := (&http.Client{Transport: tr}).Get("http://network.invalid/x")
	require.NoError(t, err)
	require.NoError(t, got.Body.Close())
}
