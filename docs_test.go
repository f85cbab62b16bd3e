package cantonlb_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/report"
)

// firstColumn returns the first cell of each row of the table under a heading of
// docs/reasons.md.
func firstColumn(t *testing.T, heading string) []string {
	t.Helper()
	text, err := os.ReadFile("docs/reasons.md")
	require.NoError(t, err)
	section := regexp.MustCompile(`(?s)\n## ` + heading + `\n(.*?)(\n## |$)`).FindSubmatch(text)
	require.NotNil(t, section, heading)
	var out []string
	for _, row := range regexp.MustCompile("(?m)^\\| (?:`([a-z_]+)`|\\(none\\)) \\|.*\\|$").FindAllSubmatch(section[1], -1) {
		out = append(out, string(row[1]))
	}
	return out
}

func TestTheDocsExplainEveryReasonAndNoOther(t *testing.T) {
	var want []string
	for _, r := range report.Reasons() {
		want = append(want, string(r))
	}
	var got []string
	for _, heading := range []string{"Reasons", "Reasons of a lease", "Reasons of shards"} {
		got = append(got, firstColumn(t, heading)...)
	}
	assert.ElementsMatch(t, want, got)
}

// constants returns the values of the constants of a type in a file of package report,
// whose names begin like that.
func constants(t *testing.T, file, typ, prefix string) (values []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), "report/"+file, nil, 0)
	require.NoError(t, err)
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if is, ok := spec.Type.(*ast.Ident); ok && is.Name == typ && strings.HasPrefix(spec.Names[0].Name, prefix) {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			values = append(values, text)
		}
		return true
	})
	require.Greater(t, len(values), 4)
	return values
}

func TestTheDocsExplainEveryStateAndNoOther(t *testing.T) {
	assert.ElementsMatch(t, constants(t, "state.go", "EndpointState", "State"), firstColumn(t, "States"))
	assert.ElementsMatch(t, constants(t, "lease.go", "LeaseState", "Lease"), firstColumn(t, "States of a lease"))
	assert.ElementsMatch(t, constants(t, "lease.go", "LeaseEventKind", "LeaseEvent"), firstColumn(t, "Events of a lease"))
	assert.ElementsMatch(t, constants(t, "shard.go", "ShardEventKind", "ShardEvent"), firstColumn(t, "Events of shards"))
}

// The table of docs/operations.md is computed as the text below it states.
func TestTheTuningTableIsRightByItsFormula(t *testing.T) {
	text, err := os.ReadFile("docs/operations.md")
	require.NoError(t, err)
	const suspectInterval, jitter = 0.1, 0.2
	rows, up := 0, func(seconds float64) float64 { return math.Ceil(10*seconds-1e-9) / 10 }
	for _, row := range regexp.MustCompile(`(?m)^\| [\d.]+s \|.*$`).FindAllString(string(text), -1) {
		var cells []float64
		for _, cell := range strings.Split(row, "|")[1:8] {
			v, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(cell), "s"), 64)
			require.NoError(t, err, row)
			cells = append(cells, v)
		}
		interval, limit, fall, silence := cells[0], cells[1], cells[2], cells[3]
		decide := fall*limit + (1+jitter)*(fall-1)*suspectInterval
		assert.InDelta(t, up(1.25*silence+decide), cells[4], 1e-9, row)
		assert.InDelta(t, up((1+jitter)*interval+decide), cells[5], 1e-9, row)
		assert.InDelta(t, 1/interval, cells[6], 1e-9, row)
		rows++
	}
	assert.Equal(t, 7, rows)
}

func TestTheOperatorsGuideTellsOfEveryAlert(t *testing.T) {
	guide, err := os.ReadFile("docs/operations.md")
	require.NoError(t, err)
	rules, err := os.ReadFile("docs/alerts.yml")
	require.NoError(t, err)
	var want []string
	for _, m := range regexp.MustCompile(`(?m)^ +- alert: (\w+)$`).FindAllSubmatch(rules, -1) {
		want = append(want, string(m[1]))
	}
	var got []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(Cantonlb\\w+)` \\|").FindAllSubmatch(guide, -1) {
		got = append(got, string(m[1]))
	}
	assert.NotEmpty(t, want)
	assert.Equal(t, want, got)
}

// New users copy the program in the README, so it must compile.
func TestTheReadmesProgramCompiles(t *testing.T) {
	if testing.Short() {
		t.Skip("runs go vet: left out with -short")
	}
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	program := regexp.MustCompile("(?s)```go\n(package main\n.*?)```").FindSubmatch(text)
	require.NotNil(t, program, "the README has a whole program")
	file := filepath.Join(t.TempDir(), "main.go")
	require.NoError(t, os.WriteFile(file, program[1], 0o600))
	out, err := exec.CommandContext(t.Context(), "go", "vet", file).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// The files and names that docs/architecture.md mentions exist.
func TestTheFilesAndNamesOfTheArchitectureExist(t *testing.T) {
	text, err := os.ReadFile("docs/architecture.md")
	require.NoError(t, err)
	paths := regexp.MustCompile("`((?:internal/|report|resolver)[a-z/_]*(?:\\.go)?|[a-z]+\\.go)`").FindAllSubmatch(text, -1)
	require.NotEmpty(t, paths)
	for _, p := range paths {
		path := string(p[1])
		found := false
		for _, dir := range []string{".", "internal/endpointset", "internal/judge", "internal/checking"} {
			_, err := os.Stat(filepath.Join(dir, path))
			found = found || err == nil
		}
		assert.True(t, found, "%s does not exist", path)
	}
	for _, name := range regexp.MustCompile("`(Test[A-Za-z]+)`").FindAllSubmatch(text, -1) {
		out, err := exec.CommandContext(t.Context(), "grep", "-rl", "func "+string(name[1])+"(", "--include=*_test.go", ".").Output()
		require.NoError(t, err, "no test %s", name[1])
		assert.NotEmpty(t, out)
	}
}
