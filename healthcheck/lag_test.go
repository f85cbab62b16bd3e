package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/report"
)

func TestAMemberLagsWithHysteresis(t *testing.T) {
	c := LagConfig{Max: 10, Recover: 4}
	for _, step := range []struct {
		was    bool
		behind int64
		want   bool
	}{
		{false, 0, false}, {false, 10, false}, {false, 11, true}, {true, 11, true}, {true, 5, true}, {true, 4, false}, {true, 0, false},
	} {
		assert.Equal(t, step.want, c.next(step.was, step.behind), step)
	}
}

func TestLiarsDoNotMakeOthersLag(t *testing.T) {
	for _, c := range []struct {
		at     int64
		all    []int64
		faulty int
		want   int64
	}{
		{5, nil, 0, 0},
		{5, []int64{5}, 0, 0},
		{5, []int64{5, 9}, 0, 4},
		{9, []int64{5, 9}, 0, 0},
		{5, []int64{5, 1 << 60}, 1, 0},
		{5, []int64{5, 7, 1 << 60}, 1, 2},
		{5, []int64{5, 7}, 2, 0},
		{math.MinInt64, []int64{math.MaxInt64, math.MinInt64}, 0, math.MaxInt64},
	} {
		assert.Equal(t, c.want, lagOf(c.at, c.all, c.faulty), c)
	}
}

func TestAProbeOfTheLagTakesAMemberOutAndBringsItBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := NewLag(LagConfig{Max: 10})
		require.NoError(t, err)
		at := map[string]int64{"a": 100, "b": 100}
		probe := func(name string) report.Verdict {
			return l.Probe(name, func(context.Context) (int64, error) { return at[name], nil }).Probe(t.Context())
		}
		assert.Equal(t, report.Serving, probe("a").Outcome)
		assert.Equal(t, report.Serving, probe("b").Outcome)
		at["a"] = 111
		probe("a")
		got := probe("b")
		assert.Equal(t, report.Verdict{Outcome: report.NotServing, Reason: report.ReasonLagging, Detail: "at 100, 11 behind the others"}, got)
		at["b"] = 105
		assert.Equal(t, report.NotServing, probe("b").Outcome, "6 behind is not yet within half of what is allowed")
		at["b"] = 106
		assert.Equal(t, report.Serving, probe("b").Outcome)
		at["b"] = 0
		assert.Equal(t, report.NotServing, probe("b").Outcome)
		time.Sleep(defaultFresh + 1)
		assert.Equal(t, report.Serving, probe("b").Outcome, "what the others said long ago does not count")
		probe("a")
		assert.Equal(t, report.NotServing, probe("b").Outcome)
		l.Forget("a")
		assert.Equal(t, report.Serving, probe("b").Outcome)
		assert.Equal(t, report.KindFunc, l.Probe("a", nil).Kind())
	})
}

func TestAPositionThatCannotBeLearntIsAFailedProbe(t *testing.T) {
	l, err := NewLag(LagConfig{Max: 1})
	require.NoError(t, err)
	v := l.Probe("a", func(context.Context) (int64, error) { return 0, errors.New("broken") }).Probe(t.Context())
	assert.Equal(t, report.Verdict{Outcome: report.Failed, Reason: report.ReasonProbeError, Detail: "broken"}, v)
	assert.Equal(t, report.Failed, l.Probe("a", nil).Probe(t.Context()).Outcome)
	for i := range MaxLagMembers {
		_, _, err := l.report(fmt.Sprint(i), 0)
		require.NoError(t, err)
	}
	v = l.Probe("one more", func(context.Context) (int64, error) { return 0, nil }).Probe(t.Context())
	assert.Equal(t, report.Failed, v.Outcome)
	assert.Contains(t, v.Detail, "too many members")
}

func TestABadLagConfigIsRefused(t *testing.T) {
	for want, c := range map[string]LagConfig{
		"max 0: want":       {},
		"recover 2: want":   {Max: 1, Recover: 2},
		"recover -1: want":  {Max: 1, Recover: -1},
		"faulty -1: want":   {Max: 1, Faulty: -1},
		`fresh "-1s": want`: {Max: 1, Fresh: -time.Second},
		`fresh "60ns": want a duration of at least "1ms"`: {Max: 1, Fresh: 60},
	} {
		_, err := NewLag(c)
		assert.ErrorContains(t, err, want)
	}
}
