package faults

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func ids(tasks []task) []string {
	out := make([]string, len(tasks))
	for i, t := range tasks {
		out[i] = t.scenario.id
	}
	return out
}

func count(list []string, id string) (n int) {
	for _, one := range list {
		if one == id {
			n++
		}
	}
	return n
}

func TestTheFullSuiteRunsWhatMattersMostFiveTimesAndAllInTime(t *testing.T) {
	tasks := Options{Seed: 1}.schedule()
	for _, id := range []string{idSIGSTOP, idSIGKILL, idNotServing, "slow", idRestart, idAcceptDefaults, idAccept10s, idAcceptFast} {
		assert.Equal(t, 5, count(ids(tasks), id), id)
	}
	for _, sc := range scenarios() {
		assert.Positive(t, count(ids(tasks), sc.id), "%s is run", sc.id)
		assert.NotNil(t, sc.script, sc.id)
		assert.NotEmpty(t, sc.peers, sc.id)
		for _, id := range sc.peers {
			_, ok := peerByID(id)
			assert.True(t, ok, "%s: peer %s", sc.id, id)
		}
	}
	// Starting and ending the processes takes some 3 s, and 2 s the last calls.
	assert.Less(t, expected(tasks)+time.Duration(len(tasks))*5*time.Second, 25*time.Minute)
}

func TestAShortSuiteIsASubsetOnceEachInThreeMinutes(t *testing.T) {
	tasks := Options{Seed: 1, Short: true}.schedule()
	list := ids(tasks)
	for _, id := range []string{idSIGSTOP, idSIGKILL, idNotServing, idFail, "drop", idRolling, idGoAway, idList, idAcceptDefaults} {
		assert.Equal(t, 1, count(list, id), id)
	}
	assert.Zero(t, count(list, idOutage180))
	assert.Less(t, expected(tasks)+time.Duration(len(tasks))*5*time.Second, 3*time.Minute)
}

func TestTheOrderOfRunsFollowsFromTheSeed(t *testing.T) {
	a, again, b := Options{Seed: 1}.schedule(), Options{Seed: 1}.schedule(), Options{Seed: 2}.schedule()
	assert.Equal(t, ids(a), ids(again))
	assert.NotEqual(t, ids(a), ids(b))
	victims := func(tasks []task) []uint64 {
		var out []uint64
		for _, one := range tasks {
			out = append(out, one.victims)
		}
		return out
	}
	assert.Equal(t, victims(a), victims(again))
	assert.False(t, slices.IsSorted(ids(a)), "and is random")
	sorted := func(tasks []task) []string { return slices.Sorted(slices.Values(ids(tasks))) }
	assert.Equal(t, sorted(a), sorted(b), "whatever the order, the same is run")
}

func TestScenariosCanBeNamedAndRepeated(t *testing.T) {
	tasks := Options{Scenarios: []string{"drop", idSIGSTOP}, Runs: 3}.schedule()
	assert.Equal(t, 3, count(ids(tasks), idSIGSTOP))
	assert.Equal(t, 1, count(ids(tasks), "drop"), "what is run once stays so")
	assert.Len(t, tasks, 4)

	short := Options{Scenarios: []string{idOutage20, idSIGKILL}, Short: true}.schedule()
	assert.ElementsMatch(t, []string{idOutage20, idSIGKILL}, ids(short), "what is named is run also in a short suite")
}

func TestANameThatThereIsNotIsAnErrorThatSaysWhichThereAre(t *testing.T) {
	for _, c := range []struct {
		options Options
		want    string
	}{
		{Options{Scenarios: []string{"sigstp"}}, `suite faults: fault "sigstp": want one of sigstop, sigkill, restart, `},
		{Options{Scenarios: []string{""}}, `fault "": want one of sigstop`},
		{Options{Peers: []string{"envoy"}}, `peer "envoy": want one of ours, ours-once, `},
		{Options{Peers: []string{"rr", "rr"}}, `peer "rr": given twice, want it once`},
	} {
		require.ErrorContains(t, c.options.Validate(), c.want)
		_, err := Run(t.Context(), c.options)
		assert.ErrorContains(t, err, c.want)
	}
	assert.NoError(t, Options{Scenarios: []string{idSIGSTOP}, Peers: []string{idOurs}}.Validate())
}

func TestPeersAndScenariosHaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, id := range slices.Concat(peerList(), Faults.scenarioIDs(), Failover.scenarioIDs()) {
		assert.False(t, seen[id], id)
		assert.NotContains(t, id, ",", "the flags take lists with commas")
		assert.NotContains(t, id, " ", "the user agent ends at a space")
		seen[id] = true
	}
	for _, id := range replaceable() {
		p, _ := peerByID(id)
		assert.Empty(t, p.proxy)
	}
}

func TestACallThatIsNotIdempotentMayHaveADeadlineOfItsOwn(t *testing.T) {
	once, _ := peerByID(idOursOnce)
	again, _ := peerByID(idOurs)
	sc := &scenario{deadline: 2 * time.Second, onceDeadline: time.Second}
	assert.Equal(t, time.Second, sc.deadlineOf(once))
	assert.Equal(t, 2*time.Second, sc.deadlineOf(again))
	sc.onceDeadline = 0
	assert.Equal(t, 2*time.Second, sc.deadlineOf(once))
}
