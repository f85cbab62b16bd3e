package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cantonlb/cantonlb/examples/internal/cli"
)

// counts holds how many calls each replica answered.
type counts struct {
	names  []string // in the order of the list; others follow as they appear
	calls  map[string]int
	failed int
}

func newCounts(list cli.Endpoints) *counts {
	c := &counts{calls: make(map[string]int)}
	for _, e := range list {
		if e.Name != "" {
			c.names = append(c.names, e.Name)
		}
	}
	return c
}

func (c *counts) answered(by string) {
	if !slices.Contains(c.names, by) {
		c.names = append(c.names, by)
	}
	c.calls[by]++
}

// String returns, for example, "answered: med1 12, med2 12; failed: 0".
func (c *counts) String() string {
	parts := make([]string, 0, len(c.names))
	for _, name := range c.names {
		parts = append(parts, fmt.Sprintf("%s %d", name, c.calls[name]))
	}
	return fmt.Sprintf("answered: %s; failed: %d", strings.Join(parts, ", "), c.failed)
}
