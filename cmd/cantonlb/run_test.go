//go:build unix

package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/lease/pglease/pgtest"
)

func TestRunRunsTheProgramUnderTheLease(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: left out with -short")
	}
	server := pgtest.Start(t)
	got := command(t, "run", "--lease", server.DSN(), "--name", "pink", "--ttl", "2s", "--",
		"sh", "-c", "echo $CANTONLB_LEASE_NAME $CANTONLB_LEASE_TOKEN")
	assert.Equal(t, codeAll, got.code, got.errs)
	assert.Equal(t, "pink 1099511627777\n", got.out)
	assert.Contains(t, got.errs, "lease acquired")
}

func TestRunRunsProgramsBesideIt(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: left out with -short")
	}
	server := pgtest.Start(t)
	began := filepath.Join(t.TempDir(), "began")
	got := command(t, "run", "--lease", server.DSN(), "--name", "pink", "--grace", "100ms",
		"--with", "sh -c 'echo $CANTONLB_LEASE_NAME > "+began+"; while :; do sleep 1; done'", "--",
		"sh", "-c", "until [ -s "+began+" ]; do sleep 0.01; done; cat "+began)
	assert.Equal(t, codeAll, got.code, got.errs)
	assert.Equal(t, "pink\n", got.out)
}

func TestRunEndsWith1IfRestartingDoesNotHelp(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: left out with -short")
	}
	server := pgtest.Start(t)
	got := command(t, "run", "--lease", server.DSN(), "--name", "pink", "--restart", "-1", "--", "sh", "-c", "exit 7")
	assert.Equal(t, codeSome, got.code, got.errs)
	assert.Contains(t, got.errs, "restarting does not help: code 7")
}

func TestRunThatIsToldToEndEndsWith0AndTheProgramIsGone(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: left out with -short")
	}
	server := pgtest.Start(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	began := filepath.Join(t.TempDir(), "began")
	var out, errs strings.Builder
	result := make(chan int, 1)
	go func() {
		result <- run(ctx, []string{
			"run", "--lease", server.DSN(), "--name", "pink", "--grace", "100ms", "--",
			"sh", "-c", "trap '' TERM; touch " + began + "; while :; do sleep 1; done",
		}, strings.NewReader(""), &out, &errs, nil)
	}()
	require.Eventually(t, func() bool { _, err := os.Stat(began); return err == nil }, testkit.Patience, 10*time.Millisecond)
	cancel()
	assert.Equal(t, codeAll, <-result)
}

func TestRunRefusesWhatIsWrongWithoutShowingAPassword(t *testing.T) {
	const nowhere = "postgres://a:geheim@127.0.0.1:1/" // it is not asked
	for want, args := range map[string][]string{
		"--lease, or CANTONLB_LEASE: want": {"run", "--name", "pink", "--", "true"},
		"want a connection string":         {"run", "--lease", "postgres://a:geheim@:x/", "--name", "pink", "--", "true"},
		"requires at least 1 arg":          {"run", "--name", "pink"},
		"Health: want an http or https":    {"run", "--lease", nowhere, "--name", "pink", "--health", "ftp://a", "--", "true"},
		`lease: Name ""`:                   {"run", "--lease", nowhere, "--", "true"},
		"Grace -1s: want":                  {"run", "--lease", nowhere, "--name", "pink", "--grace", "-1s", "--", "true"},
		"lease: TTL 1ms: want":             {"run", "--lease", nowhere, "--name", "pink", "--ttl", "1ms", "--", "true"},
		"--with-health: given 1 times":     {"run", "--name", "pink", "--with-health", "http://a", "--", "true"},
		`--with " ": want a command`:       {"run", "--name", "pink", "--with", " ", "--", "true"},
	} {
		got := command(t, args...)
		assert.Equal(t, codeUsage, got.code)
		assert.Contains(t, got.errs, want)
		assert.NotContains(t, got.errs, "geheim")
	}
}
