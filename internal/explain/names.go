package explain

import (
	"fmt"
	"strings"

	"github.com/cantonlb/cantonlb/internal/cleantext"
)

// Names returns the names of endpoints as text, and how many there are besides if all is the
// number of all of them.
func Names(names []string, all int) string {
	clean := make([]string, len(names))
	for i, n := range names {
		clean[i] = cleantext.Detail(n)
	}
	text := strings.Join(clean, ", ")
	if more := all - len(names); more > 0 {
		text = fmt.Sprintf("%s and %d more", text, more)
	}
	return text
}
