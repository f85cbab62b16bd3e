package main

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/balancer/base"
	"google.golang.org/grpc/connectivity"
)

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func subConns(n int) []balancer.SubConn {
	out := make([]balancer.SubConn, n)
	for i := range out {
		out[i] = &fakeSubConn{}
	}
	return out
}

func readyWith(p balancer.Picker) balancer.State {
	return balancer.State{ConnectivityState: connectivity.Ready, Picker: p}
}

func TestSettledMeansAllReadyAndAPickerPublishedThatGivesThemAll(t *testing.T) {
	scs := subConns(4)
	for name, c := range map[string]struct {
		ready int64
		state balancer.State
		want  bool
	}{
		"all":                              {4, readyWith(newBasePicker(scs)), true},
		"one has not become READY":         {3, readyWith(newBasePicker(scs)), false},
		"the picker lacks one":             {4, readyWith(newBasePicker(scs[:3])), false},
		"the policy is not READY":          {4, balancer.State{Picker: newBasePicker(scs)}, false},
		"one became READY again meanwhile": {5, readyWith(newBasePicker(scs)), true},
	} {
		p := newProgress()
		p.ready.Store(c.ready)
		p.publish(readyWith(newBasePicker(scs[:3])))
		p.publish(c.state)
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		if c.want { // no matter how slow the machine is
			cancel()
			ctx, cancel = context.WithTimeout(context.Background(), 10*time.Second)
		}
		got, err := p.await(ctx, 4, 4)
		cancel()
		if !c.want {
			assert.ErrorIs(t, err, context.DeadlineExceeded, name)
			continue
		}
		assert.NoError(t, err, name)
		assert.Equal(t, 2, got.seq, name)
	}
}

func TestAWaitGoesOnUntilALaterPublicationHasThemAll(t *testing.T) {
	p := newProgress()
	p.ready.Store(4)
	scs := subConns(4)
	p.publish(readyWith(newBasePicker(scs[:3])))
	settled := make(chan int, 1)
	go func() {
		got, err := p.await(deadline(t), 4, 4)
		assert.NoError(t, err)
		settled <- got.seq
	}()
	p.publish(readyWith(newBasePicker(scs[1:]))) // with the one before all four, but alone not
	assert.Never(t, func() bool { return len(settled) > 0 }, 30*time.Millisecond, 5*time.Millisecond)
	p.publish(readyWith(newBasePicker(scs)))
	assert.Equal(t, 3, <-settled)
}

func TestAPickerThatPicksAtRandomSettlesToo(t *testing.T) {
	p := newProgress()
	p.ready.Store(200)
	p.publish(readyWith(randomPicker(subConns(200))))
	_, err := p.await(deadline(t), 200, 200)
	require.NoError(t, err)
}

func TestAWaitThatEndsEarlySaysHowFarThingsAre(t *testing.T) {
	p := newProgress()
	p.ready.Store(3)
	p.publish(readyWith(newBasePicker(subConns(2))))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := p.await(ctx, 3, 3)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.ErrorContains(t, err, "of 3 endpoints 3 became READY and 2 are picked, want 3")
	_, err = p.after(ctx, 1)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	got, err := p.after(ctx, 0)
	require.NoError(t, err)
	assert.Equal(t, 1, got.seq)
}

func TestALookGivesBackWhatItPicksAndStopsAtAnError(t *testing.T) {
	seen := map[balancer.SubConn]struct{}{}
	look(base.NewErrPicker(balancer.ErrNoSubConnAvailable), 3, seen)
	assert.Empty(t, seen)
	picker, ok := newAccountsPicker(subConns(3), 1).(*accountsPicker)
	require.True(t, ok)
	look(picker, 3, seen)
	assert.Len(t, seen, 3)
}

func TestTheStripedPickersPickAllInTurnOnOneProcessor(t *testing.T) {
	for name, p := range map[string]balancer.Picker{
		"turn": newStripedPicker(subConns(7)), "accounts": newAccountsPicker(subConns(7), stripeCount),
	} {
		seen := map[balancer.SubConn]struct{}{}
		for range 100 { // the goroutine may move between processors
			look(p, 7, seen)
		}
		assert.Len(t, seen, 7, name)
	}
}

func TestABadObserverConfigIsRefused(t *testing.T) {
	for config, want := range map[string]string{
		`{"child": []}`: "want a list of one object",
		`{"child": [{"round_robin": {}, "base": {}}]}`:                  "want a list of one object",
		`{"child": [{"bench_nobody": {}}]}`:                             `policy "bench_nobody": not registered`,
		`{"child": 1}`:                                                  "cannot unmarshal",
		fmt.Sprintf(`{"child": [{%q: {"helthCheck": {}}}]}`, ours.name): "helthCheck",
	} {
		_, err := observerBuilder{}.ParseConfig([]byte(config))
		assert.ErrorContains(t, err, want, config)
	}
}

func TestEveryPolicyIsRegisteredAndTakesItsConfig(t *testing.T) {
	list := append([]policy{
		ours, oursUnprobed, oursRise1, oursFlip, roundRobin, roundRobinHealth, outlier, outlierHealth,
		weighted, weightedHealth, baseStyle,
	}, references...)
	for _, p := range list {
		_, _, err := lookUp(p.name, []byte(p.config))
		assert.NoError(t, err, p.label)
	}
}
