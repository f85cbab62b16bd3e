package filestate

import (
	"fmt"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/resolver"
)

// mostNotes bounds how many endpoints with unusable files, and how many files, are
// named.
const mostNotes = 10

// EndpointNotes returns a note for each endpoint whose files have changed to something
// that cannot be used, as problem reports, and for each file of the endpoints whose
// changes can no longer be seen.
func EndpointNotes(problem func(resolver.Endpoint) error, list []resolver.Endpoint) []string {
	var notes []string
	more := 0
	for _, e := range list {
		switch err := problem(e); {
		case err == nil:
		case len(notes) == mostNotes:
			more++
		default:
			notes = append(notes, fmt.Sprintf("endpoint %q: the previous content of its files stays in effect: %s",
				e.Name, cleantext.Detail(err.Error())))
		}
	}
	if more > 0 {
		notes = append(notes, fmt.Sprintf("the same applies to %d more endpoints", more))
	}
	return append(notes, detached(list)...)
}

// detached returns a note for each file of the endpoints that is gone, or that a mount
// hides from changes.
func detached(list []resolver.Endpoint) []string {
	var notes []string
	seen := make(map[string]bool)
	for _, e := range list {
		health := e.Health.TLS
		for _, path := range []string{
			e.TLS.RootCAFile, e.TLS.CertFile, e.TLS.KeyFile, e.TokenFile, health.RootCAFile, health.CertFile, health.KeyFile,
		} {
			if path == "" || seen[path] || len(notes) == mostNotes {
				continue
			}
			seen[path] = true
			if problem := Problem(path); problem != "" {
				notes = append(notes, fmt.Sprintf("the file %s %s; its last content stays in effect", cleantext.Detail(path), problem))
			}
		}
	}
	return notes
}
