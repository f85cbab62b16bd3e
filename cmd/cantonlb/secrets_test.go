package main

import (
	"bytes"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The command quotes no password of its arguments, and no token of its file.
func TestTheCommandQuotesNoPasswordAndNoToken(t *testing.T) {
	const secret = "hunter2-4711"
	file := filepath.Join(t.TempDir(), "lb.yaml")
	require.NoError(t, os.WriteFile(file, []byte("endpoints:\n- {name: a, address: 'https://joe:"+secret+"@a:1', token: "+secret+", weight: "+secret+"}\n"), 0o600))
	for _, args := range [][]string{
		{"check", "static:///joe:" + secret + "@host:1"},
		{"check", "https://joe:" + secret + "@host:1"},
		{"check", "joe:" + secret + "@host:1"},
		{"check", "dns:///joe:" + secret + "@host"},
		{"check", "joe:" + url.QueryEscape(secret+"%") + "@host"},
		{"check", "static:///a:1", "extra", "https://joe:" + secret + "@host"},
		{"check", "static:///a:1", "--health-http", "http://joe:" + secret + "@host/"},
		{"check", "static:///a:1", "--role", "https://joe:" + secret + "@host"},
		{"check", "--config", file},
		{"check", "--config", "https://joe:" + secret + "@host/lb.yaml"},
		{"explain", "--config", file, "a"},
		{"watch", "--config", file},
		{"run", "--lease", "postgres://joe:" + secret + "@127.0.0.1:1/x?connect_timeout=bad", "--name", "n", "--", "true"},
		{"run", "--lease", "postgre://joe:" + secret + "@127.0.0.1:1/x", "--name", "n", "--", "true"},
		{"run", "--lease", "postgres://joe:" + secret + "@127.0.0.1:bad/x", "--name", "n", "--", "true"},
	} {
		var out, errs bytes.Buffer
		code := run(t.Context(), args, strings.NewReader(""), &out, &errs, nil)
		assert.Equal(t, codeUsage, code, "%v: %s", args, errs.String())
		assert.NotContains(t, out.String()+errs.String(), "4711", "%v", args)
		assert.NotContains(t, out.String()+errs.String(), "hunter2", "%v", args)
		assert.NotEmpty(t, errs.String(), "%v", args)
	}
}
