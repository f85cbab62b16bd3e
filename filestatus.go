package cantonlb

import (
	"fmt"
	"strings"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/filestate"
	"github.com/cantonlb/cantonlb/internal/settings"
)

// followed is a client in the form that package configfile updates.
type followed struct{ *Client }

// Update implements follow.Client.
func (c followed) Update(endpoints []Endpoint) error {
	err := c.update(endpoints, false)
	c.count(err)
	return err
}

// SetHandover implements follow.Client.
func (c followed) SetHandover(mode string) { c.set.SetHandover(settings.Handover(mode)) }

// Kept implements follow.Client.
func (c followed) Kept() { c.count(nil) }

// Refused implements follow.Client.
func (c followed) Refused(err error) {
	c.set.ListRefused(err)
	c.count(err)
}

func (c followed) count(err error) {
	if err != nil {
		c.set.CountReloads(0, 1)
	} else {
		c.set.CountReloads(1, 0)
	}
}

// addFile adds the state of the client's config file, if it has one.
func addFile(s *Status, file *FileStatus) {
	s.File = file
	if file == nil {
		return
	}
	if problem := filestate.Problem(file.Path); problem != "" {
		s.Notes = append(s.Notes, fmt.Sprintf("the config file %s %s; its last content stays in effect", cleantext.Detail(file.Path), problem))
	}
	if file.Error != "" {
		s.Notes = append(s.Notes, "the newest content of the config file is not in effect: "+cleantext.Detail(file.Error))
	}
	if len(file.Pending) > 0 {
		s.Notes = append(s.Notes, fmt.Sprintf("the config file has changed in keys other than endpoints, which take effect at the next start: %s",
			strings.Join(file.Pending, ", ")))
	}
}
