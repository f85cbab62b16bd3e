package filestate

import (
	"fmt"
	"strings"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/report"
)

// Notes returns what a client's status notes about its config file.
func Notes(file report.FileStatus) []string {
	var notes []string
	if problem := Problem(file.Path); problem != "" {
		notes = append(notes, fmt.Sprintf("the config file %s %s; its last content stays in effect", cleantext.Detail(file.Path), problem))
	}
	if file.Error != "" {
		notes = append(notes, "the newest content of the config file is not in effect: "+cleantext.Detail(file.Error))
	}
	if len(file.Pending) > 0 {
		notes = append(notes, fmt.Sprintf("the config file has changed in keys other than endpoints, which take effect at the next start: %s",
			strings.Join(file.Pending, ", ")))
	}
	return notes
}
