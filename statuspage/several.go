package statuspage

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/cantonlb/cantonlb/internal/view"
	"github.com/cantonlb/cantonlb/report"
)

// clientLine is the line of one client of several.
type clientLine struct {
	Name, Link, Eligible, Active string
	// Look is the state whose symbol and colour the line has.
	Look    string
	Current bool
}

// adopt makes a page for each further client. They share the title and have no actions,
// which belong to the first client.
func (p *Page) adopt() {
	p.family = []*Page{p}
	for _, source := range p.more {
		p.family = append(p.family, newPage(source, p.title))
	}
	used := map[string]bool{}
	for i, q := range p.family {
		target := q.source.Status().Target
		q.name = target[strings.LastIndexAny(target, "/#")+1:] // # is before that of an HTTP service
		if q.name == "" || used[q.name] {
			q.name = fmt.Sprintf("%s %d", q.name, i+1)
		}
		used[q.name] = true
		q.family = p.family
	}
	for _, q := range p.family[1:] {
		q.family = p.family
		q.start()
	}
}

// of returns the page of the client that a request asks for, which is the first one by
// default. ok is false if there is none with that name.
func (p *Page) of(r *http.Request) (page *Page, ok bool) {
	name := r.URL.Query().Get("client")
	if p.family == nil || name == "" {
		return p, true
	}
	for _, q := range p.family {
		if q.name == name {
			return q, true
		}
	}
	return p, false
}

// link returns the URL of a view of this client: a query of the page's own path.
func (p *Page) link(key, value string) string {
	query := url.Values{}
	if p.name != "" {
		query.Set("client", p.name)
	}
	if key != "" {
		query.Set(key, value)
	}
	return "?" + query.Encode()
}

// lineLocked returns the line of the client.
func (p *Page) lineLocked() *clientLine {
	s := p.board.status
	line := &clientLine{Name: p.name, Link: p.link("", ""), Eligible: view.Eligible(s), Look: word(report.StateHealthy)}
	if s.Failover != nil {
		line.Active = view.Active(s, p.board.looked)
	}
	switch n := s.Eligible(); {
	case n == 0:
		line.Look = word(report.StateUnhealthy)
	case n < len(s.Endpoints) && s.Failover == nil, len(s.Leaving) > 0:
		line.Look = word(report.StateSuspect)
	}
	return line
}

// lines returns the lines of all clients, if there are several.
func (p *Page) lines() []clientLine {
	var lines []clientLine
	for _, q := range p.family {
		if l := q.line.Load(); l != nil {
			line := *l
			line.Current = q == p
			lines = append(lines, line)
		}
	}
	return lines
}

// all serves what a request without a client asks for in a form for programs: every
// client. It returns false if the request asks for something else.
func (p *Page) all(w http.ResponseWriter, r *http.Request) bool {
	values := r.URL.Query()
	if p.family == nil || values.Has("client") || values.Has("explain") || p.asksParty(values) {
		return false
	}
	switch values.Get("format") {
	case formatJSON:
		var all struct {
			Clients []report.Document `json:"clients"`
		}
		for _, q := range p.family {
			all.Clients = append(all.Clients, q.snapshot())
		}
		w.Header().Set("Content-Type", "application/json")
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		_ = encoder.Encode(all) //nolint:errchkjson // an error means that the viewer has disconnected
	case formatText:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		for _, q := range p.family {
			_, _ = fmt.Fprintf(w, "%s: %s\n", q.name, q.plain(q.snapshot())) // the viewer has disconnected
		}
	default:
		return false
	}
	return true
}
