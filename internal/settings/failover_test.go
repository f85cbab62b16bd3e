package settings

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/internal/selector"
)

func TestTheDefaultsOfActivePassiveAreThoseThatAreDocumented(t *testing.T) {
	text, err := json.Marshal(DefaultActivePassive())
	require.NoError(t, err)
	assert.JSONEq(t, `{"healthCheck":{"service":"","interval":"1s","timeout":"auto","suspectInterval":"0.1s","silence":"0.3s","fall":2,"rise":2,
		"jitter":0.2,"watch":true,"onUnimplemented":"connectivity","http":"","grpcPort":0,"disabled":false},
		"ejection":{"consecutiveFailures":5,"baseTime":"1s","maxTime":"60s"},"noneEligible":"failFast","handover":"keep","deadAfter":"3s",
		"failBack":"never","holdDown":"10s","drain":"5s"}`, string(text))
	for _, given := range []string{`{}`, string(text)} {
		c, err := ParseActivePassive([]byte(given))
		require.NoError(t, err, given)
		assert.Equal(t, DefaultActivePassive(), *c, given)
	}
}

func TestParseActivePassiveReadsItsKeysAndNamesWhatIsWrong(t *testing.T) {
	c, err := ParseActivePassive([]byte(`{"failBack": "afterHold", "holdDown": "1m", "drain": "0.5s", "deadAfter": "2s"}`))
	require.NoError(t, err)
	assert.Equal(t, Failover{FailBack: selector.FailBackAfterHold, HoldDown: time.Minute, Drain: 500 * time.Millisecond}, *c.Failover)
	assert.Equal(t, 2*time.Second, c.DeadAfter)
	for text, want := range map[string]string{
		`{"failback": "never"}`:     `failback: want a known key: deadAfter, drain, ejection, failBack, handover, healthCheck, holdDown, noneEligible`,
		`{"zone": "eu"}`:            `zone: want a known key: deadAfter, drain, ejection, failBack, handover, healthCheck, holdDown, noneEligible`,
		`{"failBack": "afterhold"}`: `failBack "afterhold": want "never" or "afterHold"`,
		`{"holdDown": "0s"}`:        `holdDown "0s": want a duration above zero, such as "1s"`,
		`{"drain": 5}`:              `drain 5: want a duration above zero, such as "1s"`,
		`{"drain": null}`:           `drain null: want a value; leave the key out for its default`,
	} {
		_, err := ParseActivePassive([]byte(text))
		require.EqualError(t, err, want)
	}
	_, err = ParseConfig([]byte(`{"failBack": "never"}`))
	require.EqualError(t, err, `failBack: want a known key: deadAfter, ejection, handover, healthCheck, noneEligible, spillBelow, streamDrain, zone`)
}
