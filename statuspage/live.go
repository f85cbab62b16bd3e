package statuspage

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// beat is the longest time in which nothing is sent to a viewer, so that proxies
	// keep the connection and both ends notice if it is lost.
	beat = 15 * time.Second
	// writeLimit is how long a viewer may take to read an update.
	writeLimit = 10 * time.Second
)

// frame is one update for a viewer: the parts of the page that have changed since
// its last one.
type frame struct {
	// Now is the server's clock, in milliseconds.
	Now int64 `json:"now"`
	// HTML holds the changed parts by their ids.
	HTML map[string]string `json:"html,omitempty"`
	// Order holds the ids of all rows, in order, if they have changed. An empty list
	// is a change, too.
	Order []string `json:"order,omitzero"`
	// Say is the text for screen readers.
	Say string `json:"say,omitempty"`
}

// viewer is a client that follows the page live.
type viewer struct {
	query query
	since uint64            // the version of the board that it has
	order []string          // the rows that it has
	parts map[string]string // the other parts that it has
	say   string
}

// since returns the name of a version of the board, so that a viewer that
// reconnects is sent only what has changed.
func (p *Page) since(version uint64) string { return p.epoch + "-" + strconv.FormatUint(version, 10) }

func (p *Page) parseSince(text string) uint64 {
	epoch, version, _ := strings.Cut(text, "-")
	n, err := strconv.ParseUint(version, 10, 64)
	if err != nil || epoch != p.epoch {
		return 0
	}
	return n
}

// live sends the page's changes as server-sent events, until the viewer disconnects
// or the page or the client ends.
func (p *Page) live(w http.ResponseWriter, r *http.Request, q query) {
	if r.Method == http.MethodHead {
		return
	}
	place := p.enter()
	if place == nil {
		w.Header().Set("Retry-After", "10")
		refuse(w, http.StatusServiceUnavailable, fmt.Sprintf("%d viewers follow the page already, which is the most", maxViewers))
		return
	}
	defer p.leave(place)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // makes nginx forward each event at once
	out := stream{control: http.NewResponseController(w), w: w}
	defer out.done()
	since := r.Header.Get("Last-Event-ID")
	if since == "" {
		since = r.URL.Query().Get("since")
	}
	v := &viewer{query: q, since: p.parseSince(since), parts: map[string]string{}}
	text := []byte("retry: 1000\n\n")
	beats := time.NewTicker(beat)
	defer beats.Stop()
	for {
		f, changed, ended := p.frame(v)
		if f != nil {
			text = p.event(text, v.since, f)
		}
		if ended {
			text = append(text, "event: end\ndata: \n\n"...)
		}
		if len(text) > 0 && out.send(text) != nil || ended {
			return
		}
		text = text[:0]
		select {
		case <-r.Context().Done():
			return
		case <-place.lost:
			return
		case <-p.ctx.Done():
		case <-changed:
		case <-beats.C:
			text = append(text, ": beat\n\n"...)
		}
	}
}

// event appends a frame as a server-sent event.
func (p *Page) event(text []byte, version uint64, f *frame) []byte {
	var data bytes.Buffer
	encoder := json.NewEncoder(&data) // ends with a line break, and has no other
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(f) //nolint:errchkjson // strings and numbers can always be encoded
	return fmt.Appendf(text, "id: %s\ndata: %s\n", p.since(version), data.Bytes())
}

// frame returns what is new to a viewer, or nil if nothing is; a channel that is
// closed when there may be more; and whether this was the last frame.
func (p *Page) frame(v *viewer) (f *frame, changed <-chan struct{}, ended bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := &p.board
	began := time.Now()
	defer func() { b.rendering += time.Since(began) }()
	rows := b.choose(v.query)
	out := &frame{Now: b.looked.UnixMilli(), HTML: map[string]string{}}
	order := make([]string, 0, len(rows))
	had := map[string]bool{}
	for _, id := range v.order {
		had[id] = true
	}
	for _, r := range rows {
		order = append(order, r.facts.ID)
		if r.version > v.since || v.order != nil && !had[r.facts.ID] {
			out.HTML[r.facts.ID] = r.text(b.looked, p, p.rowToken(v.query))
		}
	}
	if v.order == nil || !slices.Equal(order, v.order) {
		out.Order = order
	}
	view := p.viewLocked(v.query, len(rows))
	names := []string{"head", "events"}
	switch {
	case view.Party != "":
		names = append(names, "party")
	case view.Explaining:
		names = append(names, "explain")
	case !view.Bare:
		names = append(names, "more")
	}
	if view.HasLeases && !view.Explaining {
		names = append(names, "leases")
	}
	if view.HasShards && !view.Explaining {
		names = append(names, "shards")
	}
	for _, name := range names {
		var text bytes.Buffer
		render(&text, name, view)
		if text.String() != v.parts[name] {
			v.parts[name] = text.String()
			out.HTML[name] = v.parts[name]
		}
	}
	if say := b.summary(p.bare); say != v.say {
		v.say, out.Say = say, say
	}
	v.since, v.order = b.version, order
	if len(out.HTML) == 0 && out.Order == nil && out.Say == "" {
		out = nil
	}
	return out, p.changed, p.ended()
}

// stream is a viewer's connection.
type stream struct {
	control *http.ResponseController
	w       http.ResponseWriter
}

// send writes and flushes. A viewer that does not read in time is disconnected. If
// the server's writer supports no deadline, the server's own timeout applies.
func (s stream) send(text []byte) error {
	_ = s.control.SetWriteDeadline(time.Now().Add(writeLimit))
	if _, err := s.w.Write(text); err != nil {
		return err
	}
	return s.control.Flush()
}

// done removes the deadline from a connection that may serve further requests.
func (s stream) done() { _ = s.control.SetWriteDeadline(time.Time{}) }
