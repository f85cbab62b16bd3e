package shard

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/jsonapi"
)

// twoJSONServers is a client of two servers that are ready. The second one is active, and of
// the participant p2; the first one answers as first says.
func twoJSONServers(t *testing.T, first http.HandlerFunc) *jsonapi.Client {
	t.Helper()
	serve := func(name string, priority int, h http.HandlerFunc) jsonapi.Endpoint {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v2/parties/participant-id" {
				h(w, r)
			}
		}))
		t.Cleanup(s.Close)
		return jsonapi.Endpoint{Name: name, Address: s.URL, Priority: priority}
	}
	c, err := jsonapi.New(jsonapi.Config{Endpoints: []jsonapi.Endpoint{
		serve("standby", 1, first),
		serve("active", 0, func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, `{"participantId":"p2::1220"}`) }),
	}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.WaitHealthy(testkit.Context(t), 2))
	return c
}

func TestEachJSONServerIsAskedForItsParticipant(t *testing.T) {
	for name, first := range map[string]http.HandlerFunc{
		"beside a standby that is ready":     func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, `{"participantId":"p1::1220"}`) },
		"beside one that does not answer it": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			p1, c := newParticipant(t, "p1", "alice"), twoJSONServers(t, first)
			r := routerOf(t, map[string]Shard{"p1": {Client: p1.conn, JSON: c}}, Config{LookUpTimeout: time.Second})
			ready(t, r)
			assert.Equal(t, `participant id "p2::1220" of JSON API server "active"; want "p1::1220", that of the gRPC endpoints`,
				r.Status().Shards[0].Detail)
		})
	}
}
