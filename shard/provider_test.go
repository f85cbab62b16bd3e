package shard

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/jsonapi"
)

func TestAProvidersShardMustBeTheRightParticipant(t *testing.T) {
	p1 := newParticipant(t, "p1")
	r := routerOf(t, map[string]Shard{"p1": {Client: p1.conn, Participant: "p1::1220", Providers: []string{"okta"}}}, Config{})
	ready(t, r)
	ctx := testkit.Context(t)
	target, err := r.ForProvider(ctx, "okta")
	require.NoError(t, err)
	assert.Equal(t, "p1", target.Name)
	require.NoError(t, r.Update(map[string]Shard{"p1": {Client: p1.conn, Participant: "p2::1220", Providers: []string{"okta"}}}))
	var identity *IdentityError
	eventually(t, func() bool {
		_, err := r.Route(WithProvider(ctx, "okta"), Request{})
		return errors.As(err, &identity)
	})
	_, err = r.ForProvider(ctx, "okta")
	require.ErrorAs(t, err, &identity)
	assert.Equal(t, codes.Unavailable, status.Code(err))
	require.NoError(t, r.Close())
	_, err = r.ForProvider(ctx, "okta")
	require.ErrorIs(t, err, ErrClosed)
}

// Each trigger service, and each OAuth2 middleware, serves one provider. The same router
// has providers as its keys, and reads nothing of what the requests say.
func TestMiddlewaresAndTriggerServicesAreFoundByTheirProvider(t *testing.T) {
	providers := map[string]string{"a": "https://a.example.com", "b": "https://b.example.com"}
	for _, role := range []jsonapi.Role{jsonapi.OAuth2Middleware, jsonapi.TriggerService} {
		list := make(map[string]Shard)
		for name, provider := range providers {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(name)) }))
			t.Cleanup(server.Close)
			c, err := jsonapi.New(jsonapi.Config{
				Name: name, Role: role, Endpoints: []jsonapi.Endpoint{{Address: server.URL}}, Logger: slog.New(slog.DiscardHandler),
			})
			require.NoError(t, err)
			t.Cleanup(func() { _ = c.Close() })
			require.NoError(t, c.WaitHealthy(testkit.Context(t), 1))
			list[name] = Shard{JSON: c, Providers: []string{provider}}
		}
		r := routerOf(t, list, Config{Name: string(role)})
		ctx := testkit.Context(t)
		for name, provider := range providers {
			for _, x := range []struct{ method, path, body string }{
				{"GET", "/auth?claims=actAs:alice", ""}, {"GET", "/login?redirect_uri=http://x/", ""}, {"POST", "/refresh", `{"refresh_token":"x"}`},
				{"POST", "/v1/triggers", `{"party":"alice"}`}, {"GET", "/v1/triggers?party=alice", ""}, {"DELETE", "/v1/triggers/1", ""},
			} {
				by, err := ask(WithProvider(ctx, provider), r, x.method, x.path, x.body)
				require.NoError(t, err, "%s %s", x.method, x.path)
				assert.Equal(t, name, by, "%s %s %s", role, x.method, x.path)
			}
		}
		var nowhere *NowhereError
		_, err := ask(WithProvider(ctx, "https://c.example.com"), r, "GET", "/auth", "")
		require.ErrorAs(t, err, &nowhere)
		assert.Equal(t, "https://c.example.com", nowhere.Provider)
		var unrouted *UnroutedError
		_, err = ask(ctx, r, "GET", "/auth", "")
		require.ErrorAs(t, err, &unrouted)

		require.NoError(t, r.Update(map[string]Shard{"a": list["a"]}))
		_, err = ask(WithProvider(ctx, providers["b"]), r, "GET", "/auth", "")
		require.ErrorAs(t, err, &nowhere)
		_, err = ask(WithProvider(ctx, providers["a"]), r, "GET", "/auth", "")
		require.NoError(t, err)
	}
}
