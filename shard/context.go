package shard

import (
	"context"
	"slices"
)

// choice is what a context says about the shard of its requests.
type choice struct {
	shard, provider, user string
	parties               []string
}

type choiceKey struct{}

func choiceOf(ctx context.Context) choice {
	c, _ := ctx.Value(choiceKey{}).(choice)
	return c
}

// empty reports whether nothing was chosen.
func (c choice) empty() bool {
	return c.shard == "" && c.provider == "" && c.user == "" && len(c.parties) == 0
}

// WithParty returns a context whose requests go to the shard that hosts this party. The
// parties that a request itself names must be hosted there too. Called again, it adds a
// party.
func WithParty(ctx context.Context, party string) context.Context {
	c := choiceOf(ctx)
	c.parties = append(slices.Clip(c.parties), party)
	return context.WithValue(ctx, choiceKey{}, c)
}

// WithUser returns a context whose requests go to the shard of this user: see
// Router.ForUser. The parties that a request names must be hosted there too. It replaces
// the user of an earlier call.
func WithUser(ctx context.Context, user string) context.Context {
	c := choiceOf(ctx)
	c.user = user
	return context.WithValue(ctx, choiceKey{}, c)
}

// WithProvider returns a context whose requests go to the shard that lists this provider
// in Shard.Providers. What the requests say is not read. It replaces the provider of an
// earlier call.
func WithProvider(ctx context.Context, provider string) context.Context {
	c := choiceOf(ctx)
	c.provider = provider
	return context.WithValue(ctx, choiceKey{}, c)
}

// WithShard returns a context whose requests go to the shard with this name, whatever the
// requests say: nothing is checked. It has precedence over the other functions, and
// replaces the name of an earlier call.
func WithShard(ctx context.Context, name string) context.Context {
	c := choiceOf(ctx)
	c.shard = name
	return context.WithValue(ctx, choiceKey{}, c)
}
