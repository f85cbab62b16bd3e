package jsonapi

import "github.com/cantonlb/cantonlb/internal/follow"

// Option is an option of New. Package configfile has the only one, by which a client
// follows its config file.
type Option = follow.Option

// followed is a client in the form that package configfile updates.
type followed struct{ *Client }

// Update implements follow.Client.
func (c followed) Update(endpoints []Endpoint) error { return c.update(endpoints) }

// SetHandover implements follow.Client. Endpoints that leave the list are always kept
// until the new list can be picked.
func (followed) SetHandover(string) {}

// Kept implements follow.Client.
func (c followed) Kept() { c.pool.kept() }

// Refused implements follow.Client.
func (c followed) Refused(err error) { c.pool.refused(err) }
