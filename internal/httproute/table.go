package httproute

import "strings"

// Table is a set of routes, each with a value. Its zero value is empty.
type Table[V any] struct {
	exact    map[string]V
	patterns []pattern[V]
}

// pattern is a route with {names} in its path.
type pattern[V any] struct {
	method   string
	segments []string // "" for any one but . and .., which servers resolve
	value    V
}

// Add adds a route such as "POST /a/{b}/c", and reports whether it is valid.
func (t *Table[V]) Add(text string, value V) bool {
	method, path, ok := strings.Cut(text, " ")
	if !ok || method == "" || strings.ToUpper(method) != method || !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " ?#") {
		return false
	}
	if !strings.ContainsAny(path, "{}") {
		if t.exact == nil {
			t.exact = make(map[string]V)
		}
		t.exact[text] = value
		return true
	}
	segments := strings.Split(path, "/")
	for i, s := range segments {
		switch {
		case len(s) > 2 && s[0] == '{' && s[len(s)-1] == '}':
			segments[i] = ""
		case strings.ContainsAny(s, "{}"), i > 0 && s == "":
			return false
		}
	}
	t.patterns = append(t.patterns, pattern[V]{method: method, segments: segments, value: value})
	return true
}

// Find returns the value of the route of a request, whose path is as it was sent. An exact
// route has precedence over one with {names}.
func (t *Table[V]) Find(method, path string) (V, bool) {
	v, _, ok := t.Match(method, path)
	return v, ok
}

// Match is like Find, and also returns the segments that stand for {names}, as they were
// sent.
func (t *Table[V]) Match(method, path string) (value V, segments []string, ok bool) {
	if len(t.exact) > 0 {
		if v, found := t.exact[method+" "+path]; found {
			return v, nil, true
		}
	}
	for i := range t.patterns {
		if p := &t.patterns[i]; p.method == method && p.matches(path) {
			return p.value, p.names(path), true
		}
	}
	return value, nil, false
}

func (p *pattern[V]) matches(path string) bool {
	for i, want := range p.segments {
		segment, rest, more := strings.Cut(path, "/")
		last := i == len(p.segments)-1
		if more == last || want != segment && (want != "" || i == 0) || want == "" && i > 0 && !isName(segment) {
			return false
		}
		path = rest
	}
	return true
}

// isName reports whether a segment of a path can stand for a {name}.
func isName(segment string) bool {
	plain := segment
	if strings.Contains(segment, "%") {
		plain = strings.ReplaceAll(strings.ToLower(segment), "%2e", ".")
	}
	return plain != "" && plain != "." && plain != ".."
}

// names returns the segments of a path that matches.
func (p *pattern[V]) names(path string) []string {
	var all []string
	for i, s := range strings.Split(path, "/") {
		if i > 0 && p.segments[i] == "" {
			all = append(all, s)
		}
	}
	return all
}
