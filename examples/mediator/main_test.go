package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/examples/internal/demo"
	"github.com/cantonlb/cantonlb/examples/internal/exampletest"
)

func TestMain(m *testing.M) { exampletest.Main(m, main) }

func TestCallsFollowTheActiveReplica(t *testing.T) {
	exampletest.Long(t)
	p := exampletest.Start(t, "-duration", "1m", "-switch-after", "500ms", "-interval", "50ms")
	p.WaitLine("med1 answers")
	p.WaitLine("demo: med1 becomes passive")
	p.WaitLine("demo: med2 becomes active")
	p.WaitLine(`switch 2: "med1" -> "med2" (not_serving)`)
	p.WaitLine("demo: med1 claims to be active as well")
	p.WaitLine("one_active -> multiple_active (multiple_active: med1, med2)")
	p.WaitLine("multiple_active -> one_active")
	p.Interrupt()
	result := p.Wait()
	output := strings.Join(result.Lines, "\n") + "\n" + result.Stderr
	assert.Zero(t, result.Code, output)
	assert.Regexp(t, `^answered: med1 [1-9]\d*, med2 [1-9]\d*; failed: 0$`, result.Last(), output)
	assert.NotEmpty(t, result.Line("med2 answers"), output)
	assert.Regexp(t, `active +healthy`, result.Line("med2   "), output)
	assert.Empty(t, result.Line("switch 3"), output)
	assert.NotEmpty(t, result.Line("med1   "), output) // a second may pass until a Check shows it as passive
}

func TestHealthCanComeFromAnHTTPPage(t *testing.T) {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	defer page.Close()
	api, err := demo.Start(t.Context(), "127.0.0.1:0", healthService)
	require.NoError(t, err)
	defer api.Close()

	p := exampletest.Start(t, "-plaintext", "-endpoints", "med="+api.Addr(), "-health-url", page.URL+"/health")
	p.WaitLine("med answers")
	p.Interrupt()
	result := p.Wait()
	assert.Zero(t, result.Code, result.Stderr)
	assert.NotEmpty(t, result.Line("asked: HTTP GET "+page.URL+"/health"), "%s", strings.Join(result.Lines, "\n"))
}

func TestAWrongFlagIsNamed(t *testing.T) {
	for want, args := range map[string][]string{
		"-timeout 0s: want a duration above zero":        {"-timeout", "0s"},
		"-interval -1s: want a duration above zero":      {"-interval", "-1s"},
		"-duration -1s: want a duration above zero":      {"-duration", "-1s"},
		"-switch-after 0s: want a duration above zero":   {"-switch-after", "0s"},
		`failBack \"soon\": want \"never\" or`:           {"-fail-back", "soon"},
		`argument \"med1\": want flags only`:             {"med1"},
		"serves its health on a separate port":           {"-endpoints", "a:1", "-plaintext"},
		"grpcPort 99999: want":                           {"-endpoints", "a:1", "-plaintext", "-health-port", "99999"},
		"flag provided but not defined: -no-such-one":    {"-no-such-one"},
		"item 1 of the list: want name=address, such as": {"-endpoints", "=a:1"},
	} {
		result := exampletest.Run(t, args...)
		assert.NotZero(t, result.Code, args)
		assert.Contains(t, result.Stderr, want)
	}
	assert.Zero(t, exampletest.Run(t, "-h").Code)
}

func TestTheSumNamesEveryoneWhoAnswered(t *testing.T) {
	s, err := parse([]string{"-endpoints", "med1=a:1,med2=b:2"}, t.Output())
	require.NoError(t, err)
	c := newCounts(s.endpoints)
	c.answered("med2")
	c.answered("10.0.0.1:3")
	assert.Equal(t, "answered: med1 0, med2 1, 10.0.0.1:3 1; failed: 0", c.String())
}
