package faults

import (
	"encoding/xml"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// The layout of the plot, in SVG's user units.
const (
	panelWidth, panelHeight  = 470, 270
	marginLeft, marginRight  = 52, 14
	marginTop, marginBottom  = 34, 40
	maxColumns               = 2
	legendLine, legendColumn = 22, 156
	// ink is legible on white and on black.
	ink, faint = "#80868f", "#80868f55"
)

// drawSVG draws panels in up to two columns above a legend. It has no background,
// so that it fits a light and a dark page.
func drawSVG(panels []panel) string {
	columns := min(maxColumns, len(panels))
	rows := (len(panels) + columns - 1) / columns
	legend := legendOf(panels)
	perLine := columns * panelWidth / legendColumn
	legendTop := rows * panelHeight
	height := legendTop + ((len(legend)+perLine-1)/perLine)*legendLine + 12
	var out strings.Builder
	sayf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="12" fill="%s">`+"\n",
		columns*panelWidth, height, ink)
	sayf(&out, "<title>Failed calls so far, over the seconds since the fault</title>\n")
	for i, p := range panels {
		sayf(&out, `<g transform="translate(%d %d)">`+"\n", (i%columns)*panelWidth, (i/columns)*panelHeight)
		drawPanel(&out, p)
		sayf(&out, "</g>\n")
	}
	for i, l := range legend {
		x, y := (i%perLine)*legendColumn+marginLeft/2, legendTop+(i/perLine)*legendLine+legendLine/2
		sayf(&out, `<path d="M%d %dh34"%s/>`+"\n", x, y, stroke(l.style))
		sayf(&out, `<text x="%d" y="%d">%s</text>`+"\n", x+42, y+4, escape(l.label))
	}
	sayf(&out, "</svg>\n")
	return out.String()
}

// legendOf returns the lines of all panels, each once, in the order of the peers.
func legendOf(panels []panel) []line {
	var out []line
	for _, p := range peers {
		for _, pn := range panels {
			if i := indexOf(pn.lines, p.id); i >= 0 {
				out = append(out, pn.lines[i])
				break
			}
		}
	}
	return out
}

func indexOf(lines []line, label string) int {
	for i, l := range lines {
		if l.label == label {
			return i
		}
	}
	return -1
}

// drawPanel draws one diagram with its upper left corner at 0, 0.
func drawPanel(out *strings.Builder, p panel) {
	const left, right, top, bottom = marginLeft, panelWidth - marginRight, marginTop, panelHeight - marginBottom
	most := max(p.most*1.05, 1)
	x := func(v float64) float64 { return left + (v-p.from)/(p.to-p.from)*(right-left) }
	y := func(v float64) float64 { return bottom - v/most*(bottom-top) }

	sayf(out, `<text x="%d" y="20" font-size="13" font-weight="600">%s</text>`+"\n", left, escape(p.title))
	if !math.IsNaN(p.healed) {
		sayf(out, `<rect x="%s" y="%d" width="%s" height="%d" fill="%s" fill-opacity="0.25"/>`+"\n",
			number(x(0)), top, number(x(min(p.healed, p.to))-x(0)), bottom-top, faint)
	}
	for _, v := range ticks(0, most, 5) {
		sayf(out, `<path d="M%d %sH%d" stroke="%s"/><text x="%d" y="%s" text-anchor="end">%s</text>`+"\n",
			left, number(y(v)), right, faint, left-6, number(y(v)+4), number(v))
	}
	for _, v := range ticks(p.from, p.to, 8) {
		sayf(out, `<text x="%s" y="%d" text-anchor="middle">%s</text>`+"\n", number(x(v)), bottom+16, number(v))
	}
	sayf(out, `<text x="%d" y="%d" text-anchor="end">s since the fault; failed calls so far</text>`+"\n", right, bottom+32)
	for _, l := range p.lines {
		sayf(out, `<path d="`)
		for i, point := range l.points {
			command := "L"
			if i == 0 {
				command = "M"
			}
			sayf(out, "%s%s %s", command, number(x(min(max(point[0], p.from), p.to))), number(y(point[1])))
		}
		sayf(out, `"%s><title>%s</title></path>`+"\n", stroke(l.style), escape(l.label))
	}
}

func stroke(s style) string {
	text := fmt.Sprintf(` fill="none" stroke="%s" stroke-width="%s" stroke-linejoin="round"`, s.color, number(s.width))
	if s.dash != "" {
		text += ` stroke-dasharray="` + s.dash + `"`
	}
	return text
}

// number formats a coordinate or a tick with at most two decimal places.
func number(v float64) string {
	rounded := math.Round(v*100) / 100
	if rounded == 0 {
		rounded = 0 // never "-0"
	}
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

// escape makes text safe inside an element.
func escape(text string) string {
	var out strings.Builder
	if xml.EscapeText(&out, []byte(text)) != nil {
		return ""
	}
	return out.String()
}
