package statuspage

import (
	"html"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cantonlb/cantonlb/internal/view"
	"github.com/cantonlb/cantonlb/report"
)

// markup is HTML under construction. The rows are built with it and not with a
// template, because there may be thousands: it takes a tenth of the time and a
// third of the memory. Everything that is not a constant goes through text, whose
// result is also valid between the quotes of an attribute.
type markup []byte

func (m *markup) raw(parts ...string) {
	for _, p := range parts {
		*m = append(*m, p...)
	}
}

func (m *markup) text(s string) { m.raw(html.EscapeString(s)) }

// small writes a line below the cell's main one, unless s is empty.
func (m *markup) small(class, s string) {
	if s == "" {
		return
	}
	m.raw(" <small")
	if class != "" {
		m.raw(` class="`, class, `"`)
	}
	m.raw(">")
	m.text(s)
	m.raw("</small>")
}

func (m *markup) code(s string) {
	m.raw("<code>")
	m.text(s)
	m.raw("</code>")
}

// ago writes the age of a moment, which the page's script keeps up to date.
func (m *markup) ago(then, now time.Time) {
	m.raw(`<time datetime="`)
	*m = then.UTC().AppendFormat(*m, stampForm)
	m.raw(`" data-age>`, view.Ago(then, now), `</time>`)
}

// state writes a state with its symbol and colour.
func (m *markup) state(s report.EndpointState) {
	w := word(s)
	m.raw(`<span class="state s-`, w, `"><svg class="icon" aria-hidden="true"><use href="#i-`, w, `"/></svg>`)
	m.text(string(s))
	m.raw("</span>")
}

// cell writes one field of a row. Its label is shown where the table is too narrow
// for a head. The roles are explicit because the styles turn rows into cards there.
func (m *markup) cell(label, class string, content func()) {
	m.raw(`<td role="cell" data-label="`, label, `"`)
	if class != "" {
		m.raw(` class="`, class, `"`)
	}
	m.raw("><div>")
	content()
	m.raw("</div></td>\n")
}

// appendHTML writes the row.
func (r *row) appendHTML(b []byte, now time.Time, p *Page, token string) []byte {
	f := &r.facts
	m := markup(b)
	m.raw(`<tr id="`, f.ID, `" role="row" class="of-`, word(f.State))
	if f.Passive {
		m.raw(" passive")
	}
	if !f.Eligible {
		m.raw(" out")
	}
	m.raw("\">\n")
	m.name(f, p)
	m.cell("State", "", func() {
		m.use(f)
		m.state(f.State)
		if !f.Since.IsZero() {
			m.raw(" <small>for ")
			m.ago(f.Since, now)
			m.raw("</small>")
		}
	})
	m.cell("Reason", "", func() {
		if f.Reason == "" {
			m.raw(view.Unknown)
		} else {
			m.code(f.Reason)
		}
		m.small("detail", f.Detail)
		if f.Phase != "" {
			m.raw(` <small class="detail">`, f.Phase.Waits(), " for ")
			m.ago(f.PhaseSince, now)
			m.raw("</small>")
		}
	})
	m.cell("Last 15 minutes", "", func() { m.raw(string(r.strip(now))) })
	m.cell("Round trip", "more", func() {
		_, took := r.trips.Newest()
		m.raw(view.RoundTrip(took))
		series := r.trips.Series(now)
		if peak := slices.Max(series[:]); peak > 0 {
			m.small("", "peak "+view.RoundTrip(time.Duration(peak)*time.Microsecond))
			m.raw(string(spark(series)))
		}
	})
	m.cell("Calls", "calls more", func() {
		m.raw(f.PerSecond)
		m.small("", strconv.FormatUint(f.InFlight, 10)+" in flight")
		m.small("", strconv.FormatUint(f.Failed, 10)+" failed")
	})
	m.cell("Last probe", "probe more", func() { m.probe(f, now) })
	m.cell("Connection", "link more", func() {
		m.text(f.Connection)
		if f.ConnectionError != f.Detail {
			m.small("detail", f.ConnectionError)
		}
		if !f.NextTry.IsZero() {
			m.small("", "next try at "+f.NextTry.UTC().Format(time.TimeOnly))
		}
	})
	m.button(f, token)
	m.raw("</tr>\n")
	return m
}

func (m *markup) name(f *facts, p *Page) {
	m.raw(`<th scope="row" role="rowheader"><strong>`)
	m.text(f.Name)
	m.raw(`</strong>`)
	if !f.Replaced { // the link is by name
		m.raw(` <a class="why" href="`)
		m.text(p.link("explain", f.Name))
		m.raw(`">why<span class="hidden"> is `)
		m.text(f.Name + " " + string(f.State))
		m.raw(`</span>?</a>`)
	}
	if f.Address != f.Name {
		m.address(f.Address)
	}
	m.raw("</th>\n")
}

// address writes an address, which is best broken before its port.
func (m *markup) address(address string) {
	port := max(0, strings.LastIndexByte(address, ':'))
	m.raw(" <small>")
	m.text(address[:port])
	m.raw("<wbr>")
	m.text(address[port:])
	m.raw("</small>")
}

func (m *markup) probe(f *facts, now time.Time) {
	switch {
	case !f.Probed:
		m.raw("off: connected is enough")
	case f.Probe.IsZero():
		m.raw("none yet")
	default:
		m.ago(f.Probe, now)
		m.raw(" ago, ", f.Outcome)
		if f.ProbeReason != "" && f.ProbeReason != f.Outcome {
			m.raw(" ")
			m.code(f.ProbeReason)
		}
	}
	target := f.Target
	if f.Kind != "" {
		target = f.Kind + ": " + target
	}
	m.small("", target)
}

// use writes whether the endpoint is active or standby.
func (m *markup) use(f *facts) {
	if f.Leaving {
		m.raw(`<span class="use">leaving</span> `)
	}
	if f.Use == "" {
		return
	}
	m.raw(`<span class="use `, string(f.Use), `">`, string(f.Use))
	if f.Pinned {
		m.raw(", pinned")
	}
	m.raw("</span> ")
}

// button writes the cell with the actions. They need a token; without one, there
// are none. An endpoint that has left the list has none.
func (m *markup) button(f *facts, token string) {
	if token == "" {
		return
	}
	action, word := "drain", "Drain"
	if f.Drained {
		action, word = "undrain", "Undrain"
	}
	m.cell("Action", "more", func() {
		if f.Leaving {
			return
		}
		m.raw(`<form method="post" action="?"><input type="hidden" name="token" value="`, token,
			`"><input type="hidden" name="endpoint" value="`)
		m.text(f.Name)
		m.raw(`">`)
		m.press(action, word, f.Name)
		if f.Eligible && f.Use == useStandby {
			m.press("switch", "Switch", "to "+f.Name)
		}
		m.raw(`</form>`)
	})
}

func (m *markup) press(action, word, rest string) {
	m.raw(`<button name="action" value="`, action, `">`, word, `<span class="hidden"> `)
	m.text(rest)
	m.raw(`</span></button>`)
}

// text returns the row's HTML for the live viewers. It is cached, since there may
// be many viewers.
func (r *row) text(now time.Time, p *Page, token string) string {
	if r.html == "" || r.token != token {
		r.html, r.token = string(r.appendHTML(nil, now, p, token)), token
	}
	return r.html
}
