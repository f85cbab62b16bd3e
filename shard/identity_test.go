package shard

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
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

func TestNotAllJSONServersAreAskedAtTheSameTime(t *testing.T) {
	const many = slotsOfShard + 8
	var asking, most, asked atomic.Int32
	release, once := make(chan struct{}), sync.Once{}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/parties/participant-id" {
			return
		}
		asked.Add(1)
		now := asking.Add(1)
		for was := most.Load(); now > was && !most.CompareAndSwap(was, now); was = most.Load() {
		}
		if now == slotsOfShard {
			once.Do(func() { close(release) })
		}
		select {
		case <-release:
		case <-r.Context().Done():
		}
		asking.Add(-1)
		_, _ = fmt.Fprint(w, `{"participantId":"p1::1220"}`)
	})
	var cfg jsonapi.Config
	for i := range many {
		server := httptest.NewServer(handler)
		t.Cleanup(server.Close)
		cfg.Endpoints = append(cfg.Endpoints, jsonapi.Endpoint{Name: fmt.Sprint("j", i), Address: server.URL})
	}
	c, err := jsonapi.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.WaitHealthy(testkit.Context(t), many))
	m := &member{Shard: Shard{JSON: c}}
	assert.Empty(t, m.otherJSON(testkit.Context(t), "p1::1220"))
	assert.EqualValues(t, many, asked.Load())
	assert.EqualValues(t, slotsOfShard, most.Load())
	assert.Len(t, m.said, many)
}
