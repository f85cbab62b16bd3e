package configfile

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/fault"
)

// converter converts the nodes of a document to JSON and records the position of each.
// Anything that JSON does not have is an error. The converter stops when the list of
// faults is full.
type converter struct {
	document *document
	out      []byte
	faults   fault.List
}

func (c *converter) failf(n *yaml.Node, path, format string, args ...any) {
	c.faults.Add(c.document.failf(markAt(n), path, format, args...))
}

func markAt(n *yaml.Node) mark { return mark{line: n.Line, column: n.Column} }

// value converts the node at path.
func (c *converter) value(n *yaml.Node, path string, depth int) {
	if c.faults.Full() {
		return
	}
	switch {
	case n.Anchor != "" || n.Kind == yaml.AliasNode:
		c.failf(n, path, "want the value itself: anchors (&) and aliases (*) are not used here")
	case n.Style&yaml.TaggedStyle != 0:
		c.failf(n, path, "want the value alone: tags (!) are not used here")
	case n.Kind == yaml.ScalarNode:
		c.scalar(n)
	case depth > maxDepth:
		c.failf(n, path, "want at most %d levels", maxDepth)
	case n.Kind == yaml.MappingNode:
		c.mapping(n, path, depth)
	case n.Kind == yaml.SequenceNode:
		c.sequence(n, path, depth)
	default:
		c.failf(n, path, wantDocument)
	}
}

func (c *converter) sequence(n *yaml.Node, path string, depth int) {
	c.out = append(c.out, '[')
	for i, element := range n.Content {
		if i > 0 {
			c.out = append(c.out, ',')
		}
		c.value(element, fmt.Sprintf("%s[%d]", path, i), depth+1)
	}
	c.out = append(c.out, ']')
}

func (c *converter) mapping(n *yaml.Node, path string, depth int) {
	c.out = append(c.out, '{')
	seen := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content) && !c.faults.Full(); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if !isPlainKey(key) {
			c.failf(key, path, "want a key of plain text")
			continue
		}
		at := fault.Join(path, fault.Key(key.Value))
		if line, twice := seen[key.Value]; twice {
			c.failf(key, at, "want each key only once; it is also in line %d", line)
			continue
		}
		seen[key.Value] = key.Line
		if key.Value == "token" && value.Kind == yaml.ScalarNode {
			cleantext.Hide(value.Value) // before anything of it can be in an error
		}
		if i > 0 {
			c.out = append(c.out, ',')
		}
		c.text(key.Value)
		c.out = append(c.out, ':')
		c.value(value, at, depth+1)
	}
	c.out = append(c.out, '}')
}

// isPlainKey reports whether a key is plain text, and not a number, a null, a mapping
// or the merge key <<.
func isPlainKey(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" && n.Anchor == "" && n.Style&yaml.TaggedStyle == 0
}

// decimal matches a whole number in plain decimal notation, which has only one meaning.
var decimal = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)

// scalar converts a single value. A number in a notation that JSON does not have
// becomes a string, which is an error where a number is expected.
func (c *converter) scalar(n *yaml.Node) {
	switch n.ShortTag() {
	case "!!null":
		c.out = append(c.out, "null"...)
	case "!!bool":
		c.out = append(c.out, strings.ToLower(n.Value)...)
	case "!!int":
		if decimal.MatchString(n.Value) {
			c.out = append(c.out, n.Value...)
			return
		}
		c.text(n.Value)
	case "!!float":
		f, err := strconv.ParseFloat(n.Value, 64)
		if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			c.text(n.Value)
			return
		}
		c.out = strconv.AppendFloat(c.out, f, 'g', -1, 64)
	default: // a date is a string too
		c.text(n.Value)
	}
}

func (c *converter) text(s string) {
	quoted, _ := json.Marshal(s) //nolint:errchkjson // a string can always be written
	c.out = append(c.out, quoted...)
}
