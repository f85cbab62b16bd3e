package cantonlb_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/healthcheck"
)

// firstColumn gives the first cell of each row of the table under a heading of
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
	for _, r := range healthcheck.Reasons() {
		want = append(want, string(r))
	}
	assert.ElementsMatch(t, want, firstColumn(t, "Reasons"))
}

func TestTheDocsExplainEveryStateAndNoOther(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "internal/endpointset/state.go", nil, 0)
	require.NoError(t, err)
	var want []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if typ, ok := spec.Type.(*ast.Ident); ok && typ.Name == "State" {
			text := spec.Values[0].(*ast.BasicLit).Value
			want = append(want, text[1:len(text)-1])
		}
		return true
	})
	assert.Greater(t, len(want), 5)
	assert.ElementsMatch(t, want, firstColumn(t, "States"))
}
