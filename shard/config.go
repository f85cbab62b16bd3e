package shard

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/fault"
	"github.com/cantonlb/cantonlb/internal/limits"
	"github.com/cantonlb/cantonlb/internal/protopath"
	"github.com/cantonlb/cantonlb/jsonapi"
)

// Shard is one participant service, which hosts some users and parties, or one service of
// another kind that serves an OAuth provider.
type Shard struct {
	// Client is the gRPC client, such as a *cantonlb.Client whose endpoints are the
	// replicas of one participant. nil if there is none; then JSON is needed. The Router
	// does not close it.
	Client grpc.ClientConnInterface
	// JSON is the client of the JSON API servers of the same participant. nil if there is
	// none. The Router does not close it. With look-ups, each server that says another
	// participant ID than the gRPC endpoints makes the shard get no requests.
	JSON *jsonapi.Client

	// Discovery is the connection for look-ups. Default: Client. With the token of a
	// participant administrator, all parties and users can be looked up, and are listed
	// regularly. With another token, only the parties that its user has rights for can be,
	// and no users.
	Discovery grpc.ClientConnInterface
	// Credentials are added to the look-ups, for a Discovery whose endpoints have no token
	// of their own. Default none.
	Credentials credentials.PerRPCCredentials
	// IdentityProvider is the ID of the identity provider to which the user of the
	// look-ups belongs. Default: Canton's default identity provider.
	IdentityProvider string
	// NoDiscovery turns look-ups off: only Parties and Users are on the shard. It is
	// implied if there is neither a Client nor a Discovery.
	NoDiscovery bool
	// Participant is the participant's ID, such as "participant1::1220af31...". If it is
	// empty, the first answer determines it. A shard that answers with another ID gets no
	// requests until it answers with this one.
	Participant string

	// Parties and Users are known to be on the shard without a look-up.
	Parties, Users []string
	// Providers are the OAuth providers that the service serves, for WithProvider. Each is
	// on one shard.
	Providers []string

	// Live reports whether the shard can take requests now. It is used for requests that
	// more than one shard may take, and must be quick and safe for concurrent use. Default:
	// the connectivity of Client, and the state of JSON, as far as they have one.
	Live func() bool
}

// Config sets how a Router finds the shard of a request. The zero value is usable: a party
// that several shards host is then an error, and so is a request that names none.
type Config struct {
	// Name is the name of the Router in status and metrics. Routers of one program need
	// different names. Up to 64 letters, digits, dots, dashes and underscores. Default
	// "shards".
	Name string

	// Default is the name of the shard of requests that say nothing about theirs. Requests
	// about a participant itself never use it: see KindLocal. Default none: they fail with
	// an *UnroutedError.
	Default string

	// PreferPermission prefers the shard with the greater permission for the parties of a
	// request: submission, then confirmation, then observation.
	PreferPermission bool
	// Order lists names of shards, the most preferred first. Shards that are not listed
	// come after them. It decides where PreferPermission does not.
	Order []string
	// SpreadReads sends reads without an offset to any live shard that hosts the parties.
	SpreadReads bool

	// Refresh is how often what is known is renewed in the background: the lists of
	// parties and users, and look-ups of those in use. Default 5 min, at least 1 s.
	Refresh time.Duration
	// NegativeTTL is how long the answer that no shard has a party or a user is kept.
	// Default 10 s.
	NegativeTTL time.Duration
	// LookUpTimeout bounds one look-up at one shard. Default 5 s.
	LookUpTimeout time.Duration
	// MaxParties bounds how many parties are remembered, and MaxUsers how many users. If
	// there are more, those that were not used for long are looked up again. Default
	// 100,000 and 10,000.
	MaxParties, MaxUsers int

	// Read, if not nil, reads requests that the Router does not know, such as those of a
	// program's own services: it returns false to leave a message to the Router. It must be
	// safe for concurrent use, and must not keep or change the message.
	Read func(method string, message any) (Request, bool)

	// Logger receives a line for each event. Default slog.Default().
	Logger *slog.Logger
}

// The defaults and bounds of a Config.
const (
	// MaxShards is the largest number of shards.
	MaxShards = 64

	defaultName       = "shards"
	defaultRefresh    = 5 * time.Minute
	defaultNegative   = 10 * time.Second
	defaultLookUp     = 5 * time.Second
	defaultMaxParties = 100_000
	defaultMaxUsers   = 10_000
)

// Check reports what New would refuse. Each fault is a *configerr.Error, and all are
// joined.
func (c Config) Check(shards map[string]Shard) error {
	_, err := c.settle()
	return errors.Join(err, c.checkShards(shards))
}

// settle checks the Config and sets its defaults.
func (c Config) settle() (Config, error) {
	var faults fault.List
	if len(c.Name) > limits.MaxClientName || !limits.IsPlainName(c.Name) {
		faults.Add(&configerr.Error{
			Field: "name", Value: quoted(c.Name), Want: fmt.Sprintf("at most %d letters, digits, dots, dashes and underscores", limits.MaxClientName),
		})
	}
	c.Name = cmp.Or(c.Name, defaultName)
	for _, d := range []struct {
		field string
		value *time.Duration
		least time.Duration
		usual time.Duration
	}{
		{"refresh", &c.Refresh, time.Second, defaultRefresh},
		{"negativeTTL", &c.NegativeTTL, time.Millisecond, defaultNegative},
		{"lookUpTimeout", &c.LookUpTimeout, time.Millisecond, defaultLookUp},
	} {
		switch {
		case *d.value == 0:
			*d.value = d.usual
		case *d.value < d.least:
			faults.Add(&configerr.Error{
				Field: d.field, Value: fmt.Sprintf("%q", *d.value), Want: fmt.Sprintf("at least %v, or 0 for %v", d.least, d.usual),
			})
		}
	}
	for _, n := range []struct {
		field string
		value *int
		usual int
	}{{"maxParties", &c.MaxParties, defaultMaxParties}, {"maxUsers", &c.MaxUsers, defaultMaxUsers}} {
		switch {
		case *n.value == 0:
			*n.value = n.usual
		case *n.value < maxParties:
			faults.Add(&configerr.Error{
				Field: n.field, Value: fmt.Sprint(*n.value),
				Want: fmt.Sprintf("at least %d, the most of one request, or 0 for %d", maxParties, n.usual),
			})
		}
	}
	for i, name := range c.Order {
		if slices.Contains(c.Order[:i], name) {
			faults.Add(&configerr.Error{
				Field: fmt.Sprintf("order[%d]", i), Value: quoted(name), Problem: "listed twice", Want: "each shard once",
			})
		}
	}
	c.Order = slices.Clone(c.Order)
	return c, faults.Err()
}

// check adds the faults of a shard by itself, which is that field.
func (s Shard) check(field string, faults *fault.List) {
	for _, x := range []struct {
		field string
		value any
	}{{"client", s.Client}, {"discovery", s.Discovery}, {"credentials", s.Credentials}} {
		if x.value != nil && protopath.IsNil(x.value) {
			faults.Add(&configerr.Error{
				Field: field + "." + x.field, Problem: fmt.Sprintf("a %T that is nil", x.value), Want: "one that is not, or none",
			})
		}
	}
	for _, names := range []struct {
		what string
		list []string
	}{{"parties", s.Parties}, {"users", s.Users}, {"providers", s.Providers}} {
		for i, one := range names.list {
			if err := checkName(one); err != nil {
				faults.Add(&configerr.Error{Field: fmt.Sprintf("%s.%s[%d]", field, names.what, i), Problem: err.Error()})
			}
		}
	}
}

// checkShards refuses a list of shards that cannot be used.
func (c Config) checkShards(shards map[string]Shard) error {
	if n := len(shards); n == 0 || n > MaxShards {
		return &configerr.Error{Field: "shards", Problem: fmt.Sprintf("%d of them", n), Want: fmt.Sprintf("1 to %d", MaxShards)}
	}
	var faults fault.List
	providers := make(map[string]string)
	for _, name := range slices.Sorted(maps.Keys(shards)) {
		s, field := shards[name], fault.Join("shards", fault.Key(name))
		if len(name) == 0 || len(name) > cleantext.MaxDetail || !cleantext.Printable(name) {
			faults.Add(&configerr.Error{Field: "shards", Value: quoted(name), Want: fmt.Sprintf(
				"a name of 1 to %d printable bytes", cleantext.MaxDetail)})
		}
		if s.Client == nil && s.JSON == nil {
			faults.Add(&configerr.Error{Field: field, Problem: "neither Client nor JSON is set", Want: "at least one of them"})
		}
		s.check(field, &faults)
		for i, p := range s.Providers {
			if other, ok := providers[p]; ok {
				faults.Add(&configerr.Error{
					Field: fmt.Sprintf("%s.providers[%d]", field, i), Value: quoted(p),
					Problem: "also on shard " + quoted(other), Want: "each provider on one shard",
				})
			}
			providers[p] = name
		}
	}
	if _, ok := shards[c.Default]; !ok && c.Default != "" {
		faults.Add(&configerr.Error{
			Field: "default", Value: quoted(c.Default), Want: "one of " + listed(slices.Sorted(maps.Keys(shards)), quoted),
		})
	}
	return faults.Err()
}
