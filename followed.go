package cantonlb

import "github.com/cantonlb/cantonlb/internal/settings"

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
func (c followed) Kept() {
	c.set.ListKept()
	c.count(nil)
}

// Refused implements follow.Client.
func (c followed) Refused(err error) {
	c.set.ListRefused(err)
	c.count(err)
}

func (c followed) count(err error) {
	if err != nil {
		c.set.Teller().Reloads(0, 1)
	} else {
		c.set.Teller().Reloads(1, 0)
	}
}
