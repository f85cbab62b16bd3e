package view

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Paint colours a cell's text. It receives the text with its padding, so that it
// may add control sequences of zero width.
type Paint func(text string) string

// cell is one field of a table.
type cell struct {
	text  string
	paint Paint // nil: no colour
}

func plain(texts ...string) []cell {
	cells := make([]cell, 0, len(texts))
	for _, t := range texts {
		cells = append(cells, cell{text: t})
	}
	return cells
}

// align writes rows with aligned columns, two spaces apart.
func align(out *strings.Builder, rows [][]cell) {
	var widths []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	for _, row := range rows {
		last := len(row) - 1
		for last > 0 && row[last].text == "" {
			last--
		}
		for i, c := range slices.All(row[:last+1]) {
			text := c.text
			if i < last {
				text += strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text))
			}
			if c.paint != nil {
				text = c.paint(text)
			}
			out.WriteString(text)
			if i < last {
				out.WriteString("  ")
			}
		}
		out.WriteByte('\n')
	}
}
