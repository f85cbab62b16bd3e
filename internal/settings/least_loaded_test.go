package settings

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheConfigOfLeastLoadedHasASlowStart(t *testing.T) {
	byDefault := strings.TrimSuffix(defaultJSON, "}") + `,"slowStart":"10s"}`
	for _, given := range []string{`{}`, byDefault} {
		c, err := ParseLeastLoaded([]byte(given))
		require.NoError(t, err)
		assert.True(t, c.LeastLoaded)
		text, err := json.Marshal(c)
		require.NoError(t, err)
		assert.Equal(t, byDefault, string(text))
	}
	c, err := ParseLeastLoaded([]byte(`{"slowStart": "2m", "zone": "eu"}`))
	require.NoError(t, err)
	assert.Equal(t, 2*time.Minute, c.SlowStart)
	assert.Equal(t, "eu", c.Zone)

	_, err = ParseLeastLoaded([]byte(`{"slowStart": "0s"}`))
	require.EqualError(t, err, `slowStart "0s": want a duration above zero, such as "1s"`)
	_, err = ParseLeastLoaded([]byte(`{"slowStart": "25h"}`))
	require.ErrorContains(t, err, `slowStart "25h": want`)
	_, err = ParseConfig([]byte(`{"slowStart": "1s"}`))
	require.ErrorContains(t, err, `slowStart: want a known key`)
}
