package statuspage_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/internal/testkit"
)

// browser is a headless Chromium, driven by testdata/browser. Its script ends with
// the test.
type browser struct {
	t       *testing.T
	in      io.Writer
	answers *bufio.Scanner
}

// command is one line of what driver.js takes.
type command struct {
	Do      string `json:"do"`
	URL     string `json:"url,omitempty"`
	Scheme  string `json:"scheme,omitempty"`
	Width   int    `json:"width,omitempty"`
	Height  int    `json:"height,omitempty"`
	Plain   bool   `json:"plain,omitempty"`
	Script  string `json:"script,omitempty"`
	Timeout int    `json:"timeout,omitempty"`
	Key     string `json:"key,omitempty"`
	Path    string `json:"path,omitempty"`
}

// startBrowser starts a browser. It takes long, and neither the race detector nor
// coverage sees more of the page in a browser than without one.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	if testing.Short() || testkit.RaceDetector || testing.CoverMode() != "" {
		t.Skip("a browser: left out with -short, -race and -cover")
	}
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("no chromium in the path: install Debian's package chromium")
	}
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("no node in the path: install Node.js, then run `npm ci --prefix statuspage/testdata/browser`")
	}
	dir := filepath.Join("testdata", "browser")
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		t.Skip("the browser's driver is not installed: run `npm ci --prefix statuspage/testdata/browser`")
	}
	cmd := exec.CommandContext(t.Context(), node, "driver.js", chromium)
	cmd.Dir = dir
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		in.Close()
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait() // killed by the end of the test's context at the latest
	})
	b := &browser{t: t, in: in, answers: bufio.NewScanner(out)}
	b.answers.Buffer(nil, 16<<20)
	t.Log("Chromium", b.answer())
	return b
}

// answer returns the driver's next answer; an error ends the test.
func (b *browser) answer() any {
	b.t.Helper()
	require.True(b.t, b.answers.Scan(), "the driver has ended")
	var a struct {
		Value any    `json:"value"`
		Error string `json:"error"`
	}
	require.NoError(b.t, json.Unmarshal(b.answers.Bytes(), &a))
	require.Empty(b.t, a.Error)
	return a.Value
}

func (b *browser) do(c command) any {
	b.t.Helper()
	require.NoError(b.t, json.NewEncoder(b.in).Encode(c))
	return b.answer()
}

// open opens a page anew, 1280 pixels wide unless the command says otherwise.
func (b *browser) open(url string, c command) {
	b.t.Helper()
	c.Do, c.URL = "open", url
	if c.Width == 0 {
		c.Width, c.Height = 1280, 800
	}
	b.do(c)
}

// wait waits until an expression of JavaScript is true.
func (b *browser) wait(script string) {
	b.t.Helper()
	b.do(command{Do: "wait", Script: script, Timeout: int(testkit.Patience.Milliseconds())})
}

// text returns the value of a JavaScript expression, which must be a string.
func (b *browser) text(script string) string {
	b.t.Helper()
	text, ok := b.do(command{Do: "eval", Script: script}).(string)
	require.True(b.t, ok, script)
	return text
}

// shoot writes a picture of the page to the folder that CANTONLB_SCREENSHOTS
// names, if it does.
func (b *browser) shoot(name string) {
	b.t.Helper()
	if dir := os.Getenv("CANTONLB_SCREENSHOTS"); dir != "" {
		path, err := filepath.Abs(filepath.Join(dir, name+".png"))
		require.NoError(b.t, err)
		b.do(command{Do: "shot", Path: path})
	}
}

// accessible asserts that axe-core finds nothing wrong with the page, and that the
// browser had nothing to complain of.
func (b *browser) accessible() {
	b.t.Helper()
	found, ok := b.do(command{Do: "axe"}).(map[string]any)
	require.True(b.t, ok)
	require.Empty(b.t, found["violations"])
	require.Greater(b.t, found["passes"], 10.0)
	require.Empty(b.t, b.do(command{Do: "complaints"}))
}
