package quorum

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/resolver"
)

// Dial makes a Client for each endpoint of cfg, and Members of them: each call goes to
// the member that is asked and to no other, with the credentials, the health checking,
// the identity check and the logging that cfg says. An endpoint that is not eligible is
// asked after the others, and its calls fail at once. The members have the names of
// their endpoints.
//
// An organisation that runs several endpoints is one member: make a Client of those
// endpoints for it by hand, and use NewMembers.
//
// Members.Close closes the clients. An error of one endpoint closes all.
func Dial(cfg cantonlb.Config, opts Options, dialOptions ...grpc.DialOption) (*Members, error) {
	var list []Member
	var clients []*cantonlb.Client
	fail := func(err error) (*Members, error) {
		for _, c := range clients {
			err = errors.Join(err, c.Close())
		}
		return nil, err
	}
	for i, e := range cfg.Endpoints {
		one := cfg
		one.Endpoints = []cantonlb.Endpoint{e}
		one.Name = fmt.Sprintf("%s-%d", cmp.Or(cfg.Name, "quorum"), i+1)
		one.NoneEligible = cantonlb.FailFast // another member is asked meanwhile
		client, err := cantonlb.NewClient(one, slices.Clone(dialOptions)...)
		if err != nil {
			return fail(fmt.Errorf("quorum: endpoints[%d]: %w", i, err))
		}
		clients = append(clients, client)
		list = append(list, Member{
			Name: cmp.Or(e.Name, e.Address), Conn: client,
			Healthy: func() bool { return client.Conn().GetState() == connectivity.Ready },
		})
	}
	if _, err := resolver.Normalize(cfg.Endpoints); err != nil && len(list) > 0 { // two of them are the same
		return fail(fmt.Errorf("quorum: %w", err))
	}
	m, err := NewMembers(list, opts)
	if err != nil {
		return fail(err)
	}
	for _, c := range clients {
		m.owned = append(m.owned, c)
	}
	return m, nil
}
