package statuspage

import (
	"context"
	"iter"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/report"
)

// Source supplies what the page shows. A *cantonlb.Client implements it.
type Source interface {
	// Status returns a snapshot.
	Status() report.Status
	// SubscribeFrom returns the events that are kept and those to come, from this
	// number on, until ctx or the client ends.
	SubscribeFrom(ctx context.Context, number uint64) iter.Seq[report.EventBatch]
}

// Actions performs the actions of the buttons of WithActions. A *cantonlb.Client
// implements it.
type Actions interface {
	// Drain takes the endpoint with this name out of rotation.
	Drain(name string) error
	// Undrain puts the endpoint with this name back into rotation.
	Undrain(name string) error
	// Switch makes the endpoint with this name the active one, with the policy
	// active_passive.
	Switch(ctx context.Context, name string) error
}

var (
	_ Source  = (*cantonlb.Client)(nil)
	_ Actions = (*cantonlb.Client)(nil)
)

// Option changes the page.
type Option func(*Page)

// WithClients shows further clients of the program on the same page: a line for each
// client says how it is, and leads to its endpoints.
func WithClients(more ...Source) Option { return func(p *Page) { p.more = append(p.more, more...) } }

// WithLeases shows the leases that the program is a candidate for, and their events. With
// several clients they are shown with the first one.
func WithLeases(sources ...LeaseSource) Option {
	return func(p *Page) { p.leases = append(p.leases, sources...) }
}

// WithShards shows the shards of routers, their events, and where requests with a party go
// (?party=NAME). Their clients are shown by WithClients. With several clients the shards are
// shown with the first one.
func WithShards(sources ...ShardSource) Option {
	return func(p *Page) { p.shards = append(p.shards, sources...) }
}

// WithTitle sets the page's heading, for programs with more than one client.
// Default "Endpoints", or "Leases" or "Shards" if there is no client.
func WithTitle(title string) Option { return func(p *Page) { p.title = title } }

// WithActions adds buttons that drain and undrain endpoints, and, with the policy
// active_passive, make a standby endpoint the active one. Everyone who can open the
// page can press them, so guard it: the page itself does not authenticate users.
//
// They send POST requests, which must come from the page itself. Three checks ensure
// that. The page has buttons only under a host that is an IP address, localhost or one
// of WithHosts, so that no other site can pass for it by a name that resolves to its
// address. http.CrossOriginProtection refuses requests that a browser marks as coming
// from another origin, but it accepts requests without such a mark, as old browsers
// and programs send them. A random token covers those: it is new with each Handler
// and part of the page's forms, and another origin cannot read it.
func WithActions(a Actions) Option { return func(p *Page) { p.actions = a } }

// WithHosts names the hosts under which the page has the buttons of WithActions, such
// as "ops.example.com": those of its address in the browser. Ports do not matter.
// Under IP addresses and localhost it has them in any case. Default none.
func WithHosts(hosts ...string) Option {
	return func(p *Page) {
		if p.hosts == nil {
			p.hosts = make(map[string]bool)
		}
		for _, h := range hosts {
			p.hosts[hostOf(h)] = true
		}
	}
}
