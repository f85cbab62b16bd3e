package resolver

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	grpcresolver "google.golang.org/grpc/resolver"
)

func TestAClaimOfNoStateIsNilAndHarmless(t *testing.T) {
	c := ClaimFrom(grpcresolver.State{})
	assert.Nil(t, c)
	assert.NotPanics(t, func() { c.Take("handle") })
}

func TestTheOwnerIsToldEachNewHandleOnce(t *testing.T) {
	type handle struct{ n int }
	var told []any
	s := newStaticOf(t, named("a"), WithOnClaim(func(h any) { told = append(told, h) }))
	first, second := &handle{1}, &handle{2}
	use := first
	cc := &fakeChannel{take: func(state grpcresolver.State) error {
		claim := ClaimFrom(state)
		claim.Take(use)
		claim.Take(use)
		return nil
	}}
	build(t, s, cc, grpcresolver.BuildOptions{})
	require.NoError(t, s.Update(named("b")))
	assert.Equal(t, []any{first}, told)

	use = second
	require.NoError(t, s.Update(named("b")))
	assert.Equal(t, []any{first, second}, told)

	build(t, s, &fakeChannel{take: cc.take}, grpcresolver.BuildOptions{})
	assert.Equal(t, []any{first, second, second}, told, "each channel has a claim of its own")
}

func TestAnyHandleMayBeTaken(t *testing.T) {
	var told []any
	c := &Claim{onClaim: func(h any) { told = append(told, h) }}
	c.Take(nil)
	assert.Empty(t, told)
	assert.True(t, c.isTaken(), "a policy without a handle is in charge all the same")
	for range 2 {
		c.Take([]int{1})                // cannot be compared
		c.Take(struct{ x any }{c.Take}) // nor can what is in it
	}
	assert.Len(t, told, 4)
	assert.NotPanics(t, func() { (&Claim{}).Take("nobody listens") })
}

func TestAChannelWithoutAPolicyOfOursIsWarnedAboutOnce(t *testing.T) {
	const about = `endpoint=warned-about others=1`
	before := warnings.about(about)
	s := newStaticOf(t, named("warned-about", "x"))
	build(t, s, &fakeChannel{}, grpcresolver.BuildOptions{})
	require.NoError(t, s.Update(named("warned-about", "x")))
	assert.Equal(t, before+1, warnings.about(about))
	assert.Positive(t, warnings.about("healthy_round_robin"), "the warning says how to select a policy")

	build(t, s, &fakeChannel{}, grpcresolver.BuildOptions{})
	assert.Equal(t, before+2, warnings.about(about), "once for each channel")
}

func TestAChannelInChargeOfAPolicyOfOursIsNotWarnedAbout(t *testing.T) {
	s := newStaticOf(t, named("not-warned-about"))
	build(t, s, &fakeChannel{take: func(state grpcresolver.State) error {
		ClaimFrom(state).Take(nil)
		return nil
	}}, grpcresolver.BuildOptions{})
	assert.Zero(t, warnings.about("not-warned-about"))
}

func TestAPolicyThatRefusesTheListIsNotWarnedAbout(t *testing.T) {
	s := newStaticOf(t, named("refused"))
	build(t, s, &fakeChannel{take: func(grpcresolver.State) error { return assert.AnError }}, grpcresolver.BuildOptions{})
	assert.Zero(t, warnings.about("refused"), "its own error says what is wrong")
}
