package jsonapi

import (
	"fmt"
	"net/http"

	"github.com/cantonlb/cantonlb/internal/fault"
	"github.com/cantonlb/cantonlb/internal/httproute"
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
	own, known httproute.Table[struct{}]
	commands   httproute.Table[command]
	ask        func(*http.Request) bool
}

// newClassifier reads the routes of a Config.
func newClassifier(cfg Config, p preset) (*classifier, error) {
	c := &classifier{ask: cfg.IdempotentFunc}
	var faults fault.List
	for i, text := range cfg.Idempotent {
		if !c.own.Add(text, struct{}{}) {
			faults.Check(false, fmt.Sprintf("idempotent[%d]", i), fault.Quote(text), `a method and a path, such as "POST /reports/{id}"`)
		}
	}
	for _, text := range p.reads {
		c.known.Add(text, struct{}{})
	}
	if !cfg.NoResubmission {
		for _, x := range p.commands {
			c.commands.Add(x.route, x)
		}
	}
	return c, faults.Err()
}

// of returns the safety of a request as far as its head shows it. A command is
// SafetyResubmit only if its body shows the rest; the caller reads that.
func (c *classifier) of(r *http.Request) (Safety, command) {
	switch r.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return SafetyIdempotent, command{} // RFC 9110, section 9.2.2
	}
	for _, field := range [...]string{"Idempotency-Key", "X-Idempotency-Key"} { // as net/http does
		if _, found := r.Header[field]; found {
			return SafetyIdempotent, command{}
		}
	}
	path := r.URL.EscapedPath()
	if _, found := c.known.Find(r.Method, path); found {
		return SafetyIdempotent, command{}
	}
	if _, found := c.own.Find(r.Method, path); found {
		return SafetyIdempotent, command{}
	}
	if c.ask != nil && c.ask(r) {
		return SafetyIdempotent, command{}
	}
	if x, found := c.commands.Find(r.Method, path); found {
		return SafetyResubmit, x
	}
	return SafetyOnce, command{}
}
