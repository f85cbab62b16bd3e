package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/cantonlb/cantonlb/examples/internal/cli"
	"github.com/cantonlb/cantonlb/examples/internal/exampletest"
)

// TestMain is a replica, too: in a test the program is the test's own binary.
func TestMain(m *testing.M) {
	if name := os.Getenv(replicaEnv); name != "" {
		if err := runReplica(name, os.Getenv(addrEnv), os.Getenv(storeEnv)); err != nil {
			exit(err)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func TestNoCommandIsLostWhileReplicasTakeOver(t *testing.T) {
	binary := exampletest.Build(t)
	for _, kind := range []string{storePostgres, storeMemory} {
		t.Run(kind, func(t *testing.T) {
			if kind == storePostgres {
				needPostgres(t)
			}
			result := exampletest.Run(t, binary, "-store", kind, "-pause", "500ms")
			output := strings.Join(result.Lines, "\n") + "\n" + result.Stderr
			require.Zero(t, result.Code, output)
			assert.Regexp(t, `^commands: [1-9]\d+ ok, 0 failed; updates: [1-9]\d+, each once and in order; switches: [23]$`, result.Last(), output)
			for _, text := range []string{
				`"p1" -> "p2" (connect_failed)`, "p2 steps down", "p1 is stopped (SIGSTOP)", "nobody has taken over after 3s",
				"p1 has found its session gone and is passive",
			} {
				if canStop || !strings.Contains(text, "p1 ") {
					assert.NotEmpty(t, result.Line(text), "%q\n%s", text, output)
				}
			}
		})
	}
}

// needPostgres skips a test where PostgreSQL is not installed; .ci/run installs it.
func needPostgres(t *testing.T) {
	t.Helper()
	s, err := startPostgresServer(t.Context())
	if errors.Is(err, errNotInstalled) {
		t.Skip(err)
	}
	require.NoError(t, err)
	require.NoError(t, s.close())
}

func TestCtrlCEndsTheRunInOrder(t *testing.T) {
	p := exampletest.Start(t, exampletest.Build(t), "-store", "memory", "-pause", "1m")
	p.WaitLine("p1 is active, p2 stands by")
	p.Interrupt()
	result := p.Wait()
	assert.Zero(t, result.Code, result.Stderr)
}

// Both stores free the lock when a session ends, refuse the late writes of a session
// that was ended, and give offsets without gaps.
func TestAStoreKeepsItsPromises(t *testing.T) {
	for _, kind := range []string{storePostgres, storeMemory} {
		t.Run(kind, func(t *testing.T) {
			if kind == storePostgres {
				needPostgres(t)
			}
			ctx, cancel := context.WithTimeout(t.Context(), stepLimit)
			defer cancel()
			s, err := openStore(ctx, kind)
			require.NoError(t, err)
			defer func() { assert.NoError(t, s.close()) }()
			assert.Error(t, s.endSession(ctx), "nobody holds the lock")
			first, second := open(ctx, t, s), open(ctx, t, s)

			lock(ctx, t, first)
			got, err := second.tryLock(ctx)
			require.NoError(t, err)
			assert.False(t, got)
			for i := range 3 {
				offset, err := first.append(ctx, Update{CommandID: fmt.Sprint(i), Text: "x", Writer: "first"})
				require.NoError(t, err)
				assert.EqualValues(t, i+1, offset)
			}
			_, err = first.append(ctx, Update{CommandID: "1", Text: "x", Writer: "first"})
			require.ErrorIs(t, err, errDuplicate)

			require.NoError(t, s.endSession(ctx))
			lock(ctx, t, second)
			_, err = first.append(ctx, Update{CommandID: "late", Text: "x", Writer: "first"})
			require.Error(t, err)
			assert.NotErrorIs(t, err, errDuplicate)
			require.Error(t, first.ping(ctx))
			require.NoError(t, second.ping(ctx))
			offset, err := second.append(ctx, Update{CommandID: "next", Text: "y", Writer: "second"})
			require.NoError(t, err)
			assert.EqualValues(t, 4, offset)

			list, err := second.after(ctx, 2)
			require.NoError(t, err)
			assert.Equal(t, []Update{{3, "2", "x", "first"}, {4, "next", "y", "second"}}, list)
			all, err := s.all(ctx)
			require.NoError(t, err)
			assert.Len(t, all, 4)
		})
	}
}

func open(ctx context.Context, t *testing.T, s store) session {
	t.Helper()
	x, err := openSession(ctx, s.address())
	require.NoError(t, err)
	t.Cleanup(x.close)
	return x
}

// lock gets the lock, which may take a moment after the end of a session.
func lock(ctx context.Context, t *testing.T, s session) {
	t.Helper()
	for {
		got, err := s.tryLock(ctx)
		require.NoError(t, err)
		if got {
			return
		}
		require.True(t, cli.Wait(ctx, 5*time.Millisecond), "the lock is not free")
	}
}

func TestAWrongFlagIsNamed(t *testing.T) {
	binary := exampletest.Build(t)
	for want, args := range map[string][]string{
		`-store "disk": want postgres, memory or auto`: {"-store", "disk"},
		"-rate 0: want 1 to 1000":                      {"-rate", "0"},
		"-pause 0s: want a duration above zero":        {"-pause", "0s"},
		`argument "p1": want flags only`:               {"p1"},
	} {
		result := exampletest.Run(t, binary, args...)
		assert.NotZero(t, result.Code, args)
		assert.Contains(t, result.Stderr, want)
	}
}
