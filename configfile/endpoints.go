package configfile

import (
	"slices"

	"github.com/cantonlb/cantonlb/internal/follow"
	"github.com/cantonlb/cantonlb/resolver"
)

// clients are the clients whose config is a C, which follow their endpoints.
type clients[C any] struct {
	parse     func(file string, data []byte) (C, *document, error)
	endpoints func(*C) *[]resolver.Endpoint
	handover  func(C) string // "" for none
}

// kind returns what there is to know of their files.
func (k clients[C]) kind() kind[C] { return kind[C]{parse: k.parse, clone: k.clone} }

func (k clients[C]) clone(cfg C) C {
	list := k.endpoints(&cfg)
	*list = slices.Clone(*list)
	return cfg
}

// make reads a file, and makes a client by newClient, which starts to follow the file
// with the option.
func (k clients[C]) make(path string, complete func(*C), newClient func(C, follow.Option) error) error {
	data, cfg, document, err := k.kind().read(path)
	if err != nil {
		return err
	}
	following := follow.Option{Start: func(client follow.Client) follow.Follower {
		return k.kind().follow(path, data, complete, &followedList[C]{
			clients: k, client: client, start: cfg, endpoints: *k.endpoints(&cfg),
		})
	}}
	return document.locate(newClient(k.kind().completed(cfg, complete), following))
}

// followedList is the list of a client that follows a file.
type followedList[C any] struct {
	clients[C]

	client follow.Client
	start  C // the file's content when the client was made
	// endpoints is the list in effect, as in the file. Only the watcher's goroutine uses it.
	endpoints []resolver.Endpoint
}

// Pending implements follows.
func (f *followedList[C]) Pending(cfg C) []string {
	return changedKeys(f.start, cfg, followedKeys...)
}

// followedKeys are the fields of a client's config that take effect at once.
var followedKeys = []string{"Endpoints", "Handover"}

// Refused implements follows.
func (f *followedList[C]) Refused(err error) { f.client.Refused(err) }

// Apply implements follows: it makes the list of the content take effect if it differs
// from the previous one. What happens to those that are not in it follows the content too,
// so that an operator who has to get away from an endpoint can say so in the file.
func (f *followedList[C]) Apply(cfg, all C) error {
	f.client.SetHandover(f.handover(all))
	list := *f.clients.endpoints(&cfg)
	if sameEndpoints(f.endpoints, list) {
		f.client.Kept()
		return nil
	}
	if err := f.client.Update(*f.clients.endpoints(&all)); err != nil {
		return err
	}
	f.endpoints = list
	return nil
}

func sameEndpoints(a, b []resolver.Endpoint) bool {
	return slices.EqualFunc(a, b, func(x, y resolver.Endpoint) bool { return x.Equal(y) })
}
