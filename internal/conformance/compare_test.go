package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestOnlyWhatFailsWithUsAloneCounts(t *testing.T) {
	good, bad := result{}, result{failed: true}
	always, sometimes := difference{heading: "h"}, difference{heading: "h", sometimes: true}
	for _, tt := range []struct {
		name     string
		ours     result
		control  result // of a test that fails with us
		again    []result
		expected *difference
		want     standing
		doubtful bool
		broken   bool
	}{
		{name: "passes", ours: good, want: passes},
		{name: "is skipped", ours: result{skipped: true}, want: passes},
		{name: "fails with both", ours: bad, control: bad, want: notOurs},
		{name: "fails with both, and is known", ours: bad, control: bad, expected: &always, want: notOurs},
		{name: "fails as known", ours: bad, expected: &always, want: known},
		{name: "fails as known at times", ours: bad, expected: &sometimes, want: known},
		{name: "passes, and is known to fail at times", ours: good, expected: &sometimes, want: passes},
		{name: "fails three times", ours: bad, again: []result{bad, bad}, want: failsNew, doubtful: true, broken: true},
		{name: "fails twice", ours: bad, again: []result{good, bad}, want: failsNew, doubtful: true, broken: true},
		{name: "fails once", ours: bad, again: []result{good, good}, want: unsteady, doubtful: true},
		{name: "passes always though known", ours: good, again: []result{good, good}, expected: &always, want: passesNow, doubtful: true, broken: true},
		{name: "passes at times though known", ours: good, again: []result{good, bad}, expected: &always, want: unsteady, doubtful: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ours, control, expected := results{"Test/X": tt.ours}, results{}, map[string]difference{}
			if tt.ours.failed {
				control["Test/X"] = tt.control
			}
			if tt.expected != nil {
				expected["Test/X"] = *tt.expected
			}
			var again []results
			for _, r := range tt.again {
				again = append(again, results{"Test/X": r})
			}
			assert.Equal(t, tt.doubtful, len(doubtful(ours, control, expected)) == 1)
			v := compare(ours, control, again, expected, true)
			assert.Equal(t, tt.broken, v.broken())
			if tt.want == passes {
				assert.Equal(t, 1, v.passed)
				assert.Empty(t, v.of)
				return
			}
			assert.Equal(t, map[standing][]string{tt.want: {"Test/X"}}, v.of)
		})
	}
}

func TestAKnownTestThatIsGoneBreaksTheWholeSuiteOnly(t *testing.T) {
	expected := map[string]difference{"Test/Gone": {heading: "h"}}
	v := compare(results{"Test/X": {}}, nil, nil, expected, true)
	assert.Equal(t, []string{"Test/Gone"}, v.of[isGone])
	assert.True(t, v.broken())
	assert.False(t, compare(results{"Test/X": {}}, nil, nil, expected, false).broken(), "it was not to run")
}
