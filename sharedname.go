package cantonlb

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/cantonlb/cantonlb/internal/cleantext"
)

// openNames are the targets of the open clients of this program, with a text for each
// client that says which endpoints it was made with. Two clients of one target share
// their series of metrics, which then are those of neither.
var openNames = clientNames{clients: make(map[string][]string)}

type clientNames struct {
	mu      sync.Mutex // no other lock is taken under it
	clients map[string][]string
}

// open adds a client. It returns the endpoints of another open client of the target, and
// whether this is the second one: later ones need no further warning.
func (n *clientNames) open(target, endpoints string) (other string, second bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.clients[target] = append(n.clients[target], endpoints)
	return n.clients[target][0], len(n.clients[target]) == 2
}

// close removes a client.
func (n *clientNames) close(target, endpoints string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	left := n.clients[target]
	if i := slices.Index(left, endpoints); i >= 0 {
		left = slices.Delete(left, i, i+1)
	}
	if len(left) == 0 {
		delete(n.clients, target)
	} else {
		n.clients[target] = left
	}
}

// warnShared logs that two clients of the program have the same name.
func warnShared(logger *slog.Logger, target, own, other string) {
	cmp.Or(logger, slog.Default()).Warn("two clients of this program have the same name, so that their metrics and log lines "+
		"cannot be told apart; set Config.Name", "target", target, "endpoints", own, "others", other)
}

// maxNamed bounds how many endpoints of a client namesText names.
const maxNamed = 3

// namesText returns the first endpoints of a list as text.
func namesText(list []Endpoint) string {
	var parts []string
	for i, e := range list {
		if i == maxNamed {
			parts = append(parts, fmt.Sprintf("and %d more", len(list)-maxNamed))
			break
		}
		parts = append(parts, cleantext.Detail(e.Name))
	}
	return strings.Join(parts, ", ")
}
