package jsonapi

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/cantonlb/cantonlb/internal/fault"
)

// Safety is how often a request may be executed, which decides whether it may be sent
// again after it may have reached a server.
type Safety string

// The kinds of safety.
const (
	// SafetyOnce means that the request is sent at most once.
	SafetyOnce Safety = "once"
	// SafetyResubmit means that the request submits a command with a command ID, which
	// the participant service executes at most once within its deduplication period. It
	// may be sent again, to the servers of the same participant service alone, within
	// that period. Its user and parties must not depend on which server is asked.
	SafetyResubmit Safety = "resubmit"
	// SafetyIdempotent means that the request may be executed any number of times.
	SafetyIdempotent Safety = "idempotent"
)

// classifier determines the safety of requests.
type classifier struct {
	own, known routes[struct{}]
	commands   routes[command]
	ask        func(*http.Request) bool
}

// newClassifier reads the routes of a Config.
func newClassifier(cfg Config, p preset) (*classifier, error) {
	c := &classifier{ask: cfg.IdempotentFunc}
	var faults fault.List
	for i, text := range cfg.Idempotent {
		if !c.own.add(text, struct{}{}) {
			faults.Check(false, fmt.Sprintf("idempotent[%d]", i), fault.Quote(text), `a method and a path, such as "POST /reports/{id}"`)
		}
	}
	for _, text := range p.reads {
		c.known.add(text, struct{}{})
	}
	if !cfg.NoResubmission {
		for _, x := range p.commands {
			c.commands.add(x.route, x)
		}
	}
	return c, faults.Err()
}

// of returns the safety of a request as far as its head shows it. path is its path below
// the logical host. A command is SafetyResubmit only if its body shows the rest; the
// caller reads that.
func (c *classifier) of(r *http.Request, path string) (Safety, command) {
	switch r.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return SafetyIdempotent, command{} // RFC 9110, section 9.2.2
	}
	for _, field := range [...]string{"Idempotency-Key", "X-Idempotency-Key"} { // as net/http does
		if _, found := r.Header[field]; found {
			return SafetyIdempotent, command{}
		}
	}
	if _, found := c.known.find(r.Method, path); found {
		return SafetyIdempotent, command{}
	}
	if _, found := c.own.find(r.Method, path); found {
		return SafetyIdempotent, command{}
	}
	if c.ask != nil && c.ask(r) {
		return SafetyIdempotent, command{}
	}
	if x, found := c.commands.find(r.Method, path); found {
		return SafetyResubmit, x
	}
	return SafetyOnce, command{}
}

// routes is a set of methods and paths, each with a value.
type routes[V any] struct {
	exact    map[string]V
	patterns []pattern[V]
}

// pattern is a route with {names} in its path.
type pattern[V any] struct {
	method   string
	segments []string // "" for any one
	value    V
}

// add adds a route such as "POST /a/{b}/c", and reports whether it is valid.
func (t *routes[V]) add(text string, value V) bool {
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

// find returns the value of the route of a request.
func (t *routes[V]) find(method, path string) (V, bool) {
	if len(t.exact) > 0 {
		if v, found := t.exact[method+" "+path]; found {
			return v, true
		}
	}
	for i := range t.patterns {
		if p := &t.patterns[i]; p.method == method && p.matches(path) {
			return p.value, true
		}
	}
	return *new(V), false
}

func (p *pattern[V]) matches(path string) bool {
	for i, want := range p.segments {
		segment, rest, more := strings.Cut(path, "/")
		last := i == len(p.segments)-1
		if more == last || want != segment && (want != "" || i == 0) || want == "" && i > 0 && segment == "" {
			return false
		}
		path = rest
	}
	return true
}
