package jsonapi

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAnObserverThatHangsHoldsUpNoRequests(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	var log bytes.Buffer
	p := newPeer(t, "a")
	c := newClient(t, Config{
		OnAttempt: func(context.Context, AttemptEvent) { <-release },
		Logger:    slog.New(slog.NewTextHandler(&log, nil)),
	}, p)
	start := time.Now()
	for range 50 {
		res, err := c.HTTP().Get(c.BaseURL() + "/v2/version")
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, res.StatusCode)
		require.NoError(t, res.Body.Close())
	}
	assert.Less(t, time.Since(start), 20*time.Second)
	require.NoError(t, c.Close())
	assert.Contains(t, log.String(), `msg="closed, although code of the program has not returned"`)
	assert.Contains(t, log.String(), `left="the observer of attempts (16 times)"`)
}
