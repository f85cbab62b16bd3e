package statuspage

import (
	"context"
	"iter"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/report"
)

// Source is what the page shows. A *cantonlb.Client is one.
type Source interface {
	// Status gives a snapshot.
	Status() report.Status
	// Events gives the newest events, oldest first.
	Events() []report.Event
	// Subscribe follows the events to come, until ctx or the client ends.
	Subscribe(ctx context.Context) iter.Seq[report.EventBatch]
}

// Actions is what the buttons of WithActions do. A *cantonlb.Client is one.
type Actions interface {
	// Drain takes the endpoint with this name out of rotation.
	Drain(name string) error
	// Undrain puts it back.
	Undrain(name string) error
	// Switch makes it the active one, where one endpoint at a time is.
	Switch(ctx context.Context, name string) error
}

var (
	_ Source  = (*cantonlb.Client)(nil)
	_ Actions = (*cantonlb.Client)(nil)
)

// Option changes the page.
type Option func(*Page)

// WithTitle gives the page a heading, for programs with more than one client.
// Default "Endpoints".
func WithTitle(title string) Option { return func(p *Page) { p.title = title } }

// WithActions adds buttons that drain and undrain endpoints, and with the policy
// active_passive make an endpoint that stands by the active one. Whoever may open the
// page may then press them, so guard it: the page itself knows no users.
//
// They are POST requests that must come from the page itself. Two checks see to
// that. http.CrossOriginProtection refuses what a browser says comes from another
// origin; but it lets pass what says nothing, as old browsers and programs do. A
// random token, new with each Handler and written into the page's forms, covers
// those: another origin cannot read it.
func WithActions(a Actions) Option { return func(p *Page) { p.actions = a } }
