package filestate

import (
	"fmt"
	"strings"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/report"
)

// Lost returns a note if changes of the config file at path can no longer be seen.
func Lost(path string) []string {
	if problem := Problem(path); problem != "" {
		return []string{fmt.Sprintf("the config file %s %s; its last content stays in effect", cleantext.Detail(path), problem)}
	}
	return nil
}

// Notes returns what a client's status notes about its config file.
func Notes(file report.FileStatus) []string {
	notes := Lost(file.Path)
	if file.Error != "" {
		notes = append(notes, "the newest content of the config file is not in effect: "+cleantext.Detail(file.Error))
	}
	if len(file.Pending) > 0 {
		notes = append(notes, fmt.Sprintf("the config file has changed in keys other than endpoints, which take effect at the next start: %s",
			strings.Join(file.Pending, ", ")))
	}
	return notes
}
