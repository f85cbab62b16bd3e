package clientname

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/cantonlb/cantonlb/internal/cleantext"
)

// open are the targets of the open clients of this program, with a text for each client
// that says which endpoints it was made with.
var open = clients{of: make(map[string][]string)}

type clients struct {
	mu sync.Mutex // no other lock is taken under it
	of map[string][]string
}

// Open notes that a client with this target and these endpoints has been made, until
// closed is called, which may be done more than once. It warns if it is the second client
// with the target.
func Open(logger *slog.Logger, target string, endpoints []string) (closed func()) {
	own := text(endpoints)
	if other, second := open.add(target, own); second {
		cmp.Or(logger, slog.Default()).Warn("two clients of this program have the same name, so that their metrics and log lines "+
			"cannot be told apart; set Config.Name", "target", target, "endpoints", own, "others", other)
	}
	return sync.OnceFunc(func() { open.remove(target, own) })
}

// add adds a client. It returns the endpoints of another open client of the target, and
// whether this is the second one.
func (c *clients) add(target, endpoints string) (other string, second bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of[target] = append(c.of[target], endpoints)
	return c.of[target][0], len(c.of[target]) == 2
}

func (c *clients) remove(target, endpoints string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	left := c.of[target]
	if i := slices.Index(left, endpoints); i >= 0 {
		left = slices.Delete(left, i, i+1)
	}
	if len(left) == 0 {
		delete(c.of, target)
	} else {
		c.of[target] = left
	}
}

// maxNamed bounds how many endpoints of a client text names.
const maxNamed = 3

// text names the first endpoints of a list.
func text(endpoints []string) string {
	var parts []string
	for i, name := range endpoints {
		if i == maxNamed {
			parts = append(parts, fmt.Sprintf("and %d more", len(endpoints)-maxNamed))
			break
		}
		parts = append(parts, cleantext.Detail(name))
	}
	return strings.Join(parts, ", ")
}
