package report

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// declaredReasons reads the constants of type Reason out of the source.
func declaredReasons(t *testing.T) []Reason {
	t.Helper()
	var out []Reason
	for _, file := range []string{"reason.go", "reasons.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		require.NoError(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if typ, ok := spec.Type.(*ast.Ident); ok && typ.Name == "Reason" {
				value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
				require.NoError(t, err)
				out = append(out, Reason(value))
			}
			return true
		})
	}
	return out
}

func TestReasonsAreAllTheConstants(t *testing.T) {
	declared := declaredReasons(t)
	assert.Greater(t, len(declared), 15)
	assert.ElementsMatch(t, declared, Reasons(), "each constant stands in the list of reasons.go")
}

func TestAReasonThatIsNoneOfOursIsBounded(t *testing.T) {
	for _, r := range Reasons() {
		assert.Equal(t, r, r.Bounded())
		assert.Regexp(t, `^[a-z_]*$`, string(r))
	}
	assert.Equal(t, ReasonOther, Reason("what the peer said").Bounded())
}
