package configfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"

	"github.com/cantonlb/cantonlb/internal/fault"
)

const (
	// maxSize bounds a file, in bytes. It is the bound of a ConfigMap in Kubernetes.
	maxSize = 1 << 20
	// maxDepth bounds the nesting of mappings and sequences.
	maxDepth = 16
)

// document is a file that has been read. It does not change.
type document struct {
	// json is the content: an object without repeated keys.
	json []byte

	file string
	root *yaml.Node
}

// mark is a position in the file: a line and a column, both counted from 1.
type mark struct{ line, column int }

// parseDocument reads a document. file is its name in errors, and may be empty. The
// error is an *Error, or several joined.
func parseDocument(file string, data []byte) (*document, error) {
	d := &document{file: file}
	if len(data) > maxSize {
		return nil, d.failf(mark{}, "", "%d bytes: want at most %d", len(data), maxSize)
	}
	if at, ok := firstBadByte(data); ok {
		return nil, d.failf(markOf(data, at), "", "a character that is not text: want UTF-8 without control characters")
	}
	var node yaml.Node
	err := yaml.Load(data, &node, yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(4*maxDepth))))
	if err != nil {
		return nil, d.syntax(err)
	}
	if node.Kind != yaml.DocumentNode || len(node.Content) != 1 {
		return nil, d.failf(mark{}, "", wantDocument)
	}
	d.root = node.Content[0]
	c := &converter{document: d}
	c.value(d.root, "", 1)
	if err := c.faults.Err(); err != nil {
		return nil, err
	}
	d.json = c.out
	return d, nil
}

const wantDocument = "want one YAML document: a mapping of keys to values"

// syntax returns the error of a document that is not YAML.
func (d *document) syntax(err error) error {
	var broken *yaml.LoadError
	if !errors.As(err, &broken) || broken.Mark.Line == 0 { // there are no documents or several
		return d.failf(mark{}, "", wantDocument)
	}
	at := mark{line: broken.Mark.Line, column: broken.Mark.Column}
	text := fault.Show(broken.Message)
	if broken.Stage == yaml.ComposerStage { // its message holds the value, which may be a secret
		text = "an alias (*) of an anchor (&) that does not exist"
	}
	if broken.ContextMsg != "" {
		text = fault.Show(broken.ContextMsg) + ", " + text
	}
	return d.failf(at, "", "not YAML: %s", text)
}

// failf returns an error about a position.
func (d *document) failf(at mark, path, format string, args ...any) *Error {
	text := fmt.Sprintf(format, args...)
	if path != "" {
		text = path + ": " + text
	}
	return &Error{File: d.file, Line: at.line, Column: at.column, Err: errors.New(text)}
}

// firstBadByte returns the index of the first byte that is not valid UTF-8, or that
// begins a control character that YAML does not allow.
func firstBadByte(data []byte) (int, bool) {
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		control := r < ' ' && r != '\t' && r != '\n' && r != '\r' || r >= 0x7f && r < 0xa0 && r != 0x85
		if r == utf8.RuneError && n == 1 || control {
			return i, true
		}
		i += n
	}
	return 0, false
}

// markOf returns the position of a byte.
func markOf(data []byte, at int) mark {
	before := string(data[:at])
	start := strings.LastIndexByte(before, '\n') + 1
	return mark{line: 1 + strings.Count(before, "\n"), column: 1 + utf8.RuneCountInString(before[start:])}
}

// role returns the role in a document, which says what kind of client it is for. It is ""
// if there is none, or one that is no text.
func (d *document) role() string {
	var keys map[string]json.RawMessage
	var role string
	if json.Unmarshal(d.json, &keys) != nil || json.Unmarshal(keys["role"], &role) != nil {
		return ""
	}
	return role
}

// has reports whether a document has a key.
func (d *document) has(key string) bool {
	var keys map[string]json.RawMessage
	return json.Unmarshal(d.json, &keys) == nil && keys[key] != nil
}

// find returns the position of the key at a path, and its value. If the path does not
// exist, it uses the longest part of the path that exists, or else the beginning of the
// document.
func (d *document) find(path string) (key, value mark) {
	n := d.root
	key, value = markAt(n), markAt(n)
	for path != "" {
		k, v, rest := step(n, path)
		if v == nil {
			break
		}
		key, value = markAt(k), markAt(v)
		n, path = v, strings.TrimPrefix(rest, ".")
	}
	return key, value
}

// step follows one step of a path, to a key and its value or to an element of a
// sequence, which is both. It returns nil if there is no such key or element.
func step(n *yaml.Node, path string) (key, value *yaml.Node, rest string) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			rest, ok := strings.CutPrefix(path, fault.Key(n.Content[i].Value))
			if ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
				return n.Content[i], n.Content[i+1], rest
			}
		}
	case yaml.SequenceNode:
		index, rest, _ := strings.Cut(strings.TrimPrefix(path, "["), "]")
		if i, err := strconv.Atoi(index); err == nil && i >= 0 && i < len(n.Content) {
			return n.Content[i], n.Content[i], rest
		}
	default:
	}
	return nil, nil, ""
}
