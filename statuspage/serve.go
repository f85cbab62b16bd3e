package statuspage

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/view"
	"github.com/cantonlb/cantonlb/report"
)

// showAll is the value of ?show= that asks for all endpoints, however many there
// are.
const showAll = "all"

// ServeHTTP serves the page. GET and HEAD read it; POST performs an action, if
// there are actions.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "+
		"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	// With no-referrer a browser would send the origin "null" with the buttons.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	p, ok := p.of(r)
	if !ok {
		refuse(w, http.StatusNotFound, fmt.Sprintf("client %q: no such client on the page", clip(r.URL.Query().Get("client"))))
		return
	}
	switch {
	case r.Method == http.MethodPost && p.actions != nil:
		p.act(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", strings.Join(p.methods(), ", "))
		refuse(w, http.StatusMethodNotAllowed, fmt.Sprintf("method %q: want one of %q", clip(r.Method), p.methods()))
	default:
		p.show(w, r)
	}
}

func (p *Page) methods() []string {
	if p.actions != nil {
		return []string{http.MethodGet, http.MethodHead, http.MethodPost}
	}
	return []string{http.MethodGet, http.MethodHead}
}

// refuse answers with an error in plain text, which may quote the request.
func refuse(w http.ResponseWriter, code int, text string) { http.Error(w, text, code) }

// The values of ?format=. formatEvents is for the page itself: it is not documented
// and may change.
const (
	formatHTML   = "html"
	formatJSON   = "json"
	formatText   = "text"
	formatEvents = "events"
)

func (p *Page) show(w http.ResponseWriter, r *http.Request) {
	values := r.URL.Query()
	if values.Has("asset") {
		asset(w, values.Get("asset"))
		return
	}
	if p.all(w, r) {
		return
	}
	q := query{show: values.Get("show"), explain: values.Get("explain"), buttons: p.hasButtons(r)}
	if p.asksParty(values) {
		q.party, q.explain = values.Get("party"), ""
	}
	if err := q.check(); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	switch format := cmp.Or(values.Get("format"), formatHTML); format {
	case formatHTML:
		p.html(w, q)
	case formatJSON:
		p.json(w, q)
	case formatText:
		p.text(w, q)
	case formatEvents:
		p.live(w, r, q)
	default:
		refuse(w, http.StatusBadRequest, fmt.Sprintf("format %q: want html, json or text", clip(format)))
	}
}

// check returns an error for a query that cannot be answered.
func (q query) check() error {
	if q.show == "" || q.show == showAll || slices.Contains(states, report.EndpointState(q.show)) {
		return nil
	}
	return fmt.Errorf("show %q: want %q or one of %q", clip(q.show), showAll, states)
}

// clip bounds a text that an answer quotes.
func clip(s string) string {
	const most = 64
	return cleantext.Cut(s, most)
}

func (p *Page) html(w http.ResponseWriter, q query) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	code, body := p.body(q)
	w.WriteHeader(code)
	_, _ = w.Write(body) // the viewer has disconnected
}

func (p *Page) body(q query) (int, []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.glanceLocked()
	rows := p.board.choose(q)
	v := p.viewLocked(q, len(rows))
	var b bytes.Buffer
	render(&b, "top", v)
	for _, r := range rows {
		b.Write(r.appendHTML(b.AvailableBuffer(), v.Now, p, p.rowToken(q)))
	}
	render(&b, "bottom", v)
	if v.Explaining && v.Party == "" && v.Explain == nil {
		return http.StatusNotFound, b.Bytes()
	}
	return http.StatusOK, b.Bytes()
}

// rowToken returns the token that the buttons of a row need; it is empty if there
// are no buttons.
func (p *Page) rowToken(q query) string {
	if !q.buttons {
		return ""
	}
	return p.token
}

// snapshot returns the newest status, with the rates of calls, and the events.
func (p *Page) snapshot() report.Document {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.glanceLocked()
	b := &p.board
	d := report.Document{Status: b.status, Events: b.events.Events(), Leases: b.leases.leases, LeaseEvents: b.leases.events,
		Routers: b.shards.routers, ShardEvents: b.shards.events}
	d.Status.At, d.Status.Endpoints = b.looked, slices.Clone(b.status.Endpoints)
	for i := range d.Status.Endpoints {
		e := &d.Status.Endpoints[i]
		if rate, ok := b.byName[e.Name].rate.PerSecond(); ok {
			e.Calls.PerSecond = &rate
		}
	}
	return d
}

func (p *Page) json(w http.ResponseWriter, q query) {
	d := p.snapshot()
	var out any = d
	if q.party != "" {
		list, err := p.explainParty(q.party)
		if err != nil {
			refuse(w, http.StatusBadRequest, err.Error())
			return
		}
		out = list
	}
	if q.explain != "" {
		e, ok := view.Explain(d.Status, q.explain, d.Status.At)
		if !ok {
			refuse(w, http.StatusNotFound, noSuch(q.explain))
			return
		}
		out = e
	}
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(out) //nolint:errchkjson // an error means that the viewer has disconnected
}

func noSuch(name string) string {
	return fmt.Sprintf("explain %q: no such endpoint in the list", clip(name))
}

func (p *Page) text(w http.ResponseWriter, q query) {
	d := p.snapshot()
	s := d.Status
	text := p.plain(d)
	if q.party != "" {
		list, err := p.explainParty(q.party)
		if err != nil {
			refuse(w, http.StatusBadRequest, err.Error())
			return
		}
		text = ""
		for _, x := range list {
			text += view.Party(x, nil)
		}
	}
	if q.explain != "" {
		e, ok := view.Explain(s, q.explain, s.At)
		if !ok {
			refuse(w, http.StatusNotFound, noSuch(q.explain))
			return
		}
		text = e.String()
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte(text)) // the viewer has disconnected
}

// plain returns a document as text.
func (p *Page) plain(d report.Document) string {
	var text string
	if !p.bare {
		text = view.Text(d.Status, d.Status.At, nil)
	}
	if p.hasLeases() {
		text += view.Leases(d.Leases, d.Status.At)
	}
	for _, r := range d.Routers {
		text += view.Router(r, d.Status.At, nil)
	}
	return text
}

// asset serves one of the page's assets. They are cached for a minute only: their
// names stay the same when the program is updated.
func asset(w http.ResponseWriter, name string) {
	types := map[string]string{
		"page.css": "text/css; charset=utf-8", "page.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml",
	}
	body, err := assets.ReadFile("assets/" + name)
	if types[name] == "" || err != nil {
		refuse(w, http.StatusNotFound, fmt.Sprintf("asset %q: no such part of the page", clip(name)))
		return
	}
	w.Header().Set("Content-Type", types[name])
	w.Header().Set("Cache-Control", "max-age=60")
	_, _ = w.Write(body) //nolint:gosec // an embedded file; an error means that the viewer has disconnected
}
