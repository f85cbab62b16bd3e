package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/connectivity"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/configfile"
	"github.com/cantonlb/cantonlb/internal/view"
	"github.com/cantonlb/cantonlb/report"
	"github.com/cantonlb/cantonlb/shard"
)

// shards is a router of shards with its clients, of which the commands see all endpoints as
// those of one client. Their names are those of the client and of the endpoint.
type shards struct{ router *shard.Router }

var _ client = (*shards)(nil)

// source is a client of a shard.
type source interface {
	Status() report.Status
	Events() []report.Event
}

// ofShards reports whether the config file is that of a router of shards, by its keys.
func (t *target) ofShards() bool {
	_, err := configfile.LoadShards(t.config)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	faults := configerr.All(err)
	return err == nil || len(faults) > 0 && (faults[0].Field != "shards" || faults[0].Problem != "missing")
}

// shardsFromFile returns a router of shards.
func (t *target) shardsFromFile(cmd *cobra.Command) (client, error) {
	if t.tokenFile != "" || len(t.headers) > 0 {
		return nil, errors.New("--token-file and --header: want neither for shards, whose endpoints have their tokens in the file")
	}
	config, err := configfile.LoadShards(t.config)
	if err != nil {
		return nil, err
	}
	var endpoints []cantonlb.Endpoint
	for _, s := range config.Shards {
		for _, c := range []*cantonlb.Config{s.Client, s.Discovery} {
			if c != nil {
				endpoints = append(endpoints, c.Endpoints...)
			}
		}
	}
	trust, err := t.trust(cmd, endpoints)
	if err != nil {
		return nil, err
	}
	router, err := configfile.NewRouterWith(t.config, func(c *configfile.ShardsConfig) {
		c.Logger = quiet
		for _, s := range c.Shards {
			for _, c := range []*cantonlb.Config{s.Client, s.Discovery} {
				if c != nil {
					c.Logger = quiet
				}
			}
			if s.JSON != nil {
				s.JSON.Logger = quiet
			}
		}
	}, trust...)
	if err != nil {
		return nil, err // an interface that is nil
	}
	return &shards{router}, nil
}

// Close implements client.
func (s *shards) Close() error { return s.router.Close() }

// clients returns the clients of all shards by their names.
func (s *shards) clients() map[string]source {
	all := make(map[string]source)
	for _, x := range s.router.Shards() {
		list := []any{x.Client, x.Discovery}
		if x.JSON != nil {
			list = append(list, x.JSON)
		}
		for _, c := range list {
			if c, ok := c.(source); ok {
				target := c.Status().Target
				all[target[strings.LastIndexAny(target, "/#")+1:]] = c
			}
		}
	}
	return all
}

// Status implements client.
func (s *shards) Status() report.Status {
	router := s.router.Status()
	merged := report.Status{
		At: time.Now(), Target: router.Name, Policy: "shards", State: connectivity.TransientFailure,
		Notes: view.RouterNotes(router), File: router.File,
	}
	clients := s.clients()
	for _, name := range slices.Sorted(maps.Keys(clients)) {
		c := clients[name].Status()
		for _, e := range c.Endpoints {
			e.Name = name + "/" + e.Name
			merged.Endpoints = append(merged.Endpoints, e)
		}
		for _, e := range c.Leaving {
			e.Name = name + "/" + e.Name
			merged.Leaving = append(merged.Leaving, e)
		}
		for _, note := range c.Notes {
			merged.Notes = append(merged.Notes, name+": "+note)
		}
		if c.State == connectivity.Ready {
			merged.State = connectivity.Ready
		}
	}
	return merged
}

// lookAtShards is the time between two looks at the clients.
const lookAtShards = 100 * time.Millisecond

// Subscribe implements client.
func (s *shards) Subscribe(ctx context.Context) iter.Seq[report.EventBatch] {
	return s.SubscribeFrom(ctx, 0)
}

// SubscribeFrom implements client: it looks at the clients, which come and go, and returns
// their events that are new, with the client in the name of the endpoint.
func (s *shards) SubscribeFrom(ctx context.Context, _ uint64) iter.Seq[report.EventBatch] {
	return func(yield func(report.EventBatch) bool) {
		seen, tick := make(map[source]uint64), time.NewTicker(lookAtShards)
		defer tick.Stop()
		for yield(report.EventBatch{Events: s.news(seen)}) {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}
}

// news returns the events that are new, in the order of time. seen has the number of the
// newest event of each client; nil stands for the router. A client that comes in place of
// another one, perhaps with its name, begins anew.
func (s *shards) news(seen map[source]uint64) (events []report.Event) {
	clients := s.clients()
	present := slices.Collect(maps.Values(clients))
	maps.DeleteFunc(seen, func(c source, _ uint64) bool { return c != nil && !slices.Contains(present, c) })
	for name, c := range clients {
		for _, e := range c.Events() {
			if e.Number <= seen[c] {
				continue
			}
			seen[c] = e.Number
			if e.Endpoint != "" {
				e.Endpoint = name + "/" + e.Endpoint
			} else {
				e.Detail = strings.TrimSuffix(name+": "+e.Detail, ": ")
			}
			events = append(events, e)
		}
	}
	for _, e := range s.router.Events() {
		if e.Number > seen[nil] {
			seen[nil] = e.Number
			detail := e.Detail
			if e.Shard != "" {
				detail = strings.TrimSuffix("shard "+e.Shard+": "+e.Detail, ": ")
			}
			events = append(events, report.Event{Number: e.Number, At: e.At, Kind: report.EventKind(e.Kind), Detail: detail})
		}
	}
	slices.SortStableFunc(events, func(a, b report.Event) int { return a.At.Compare(b.At) })
	return events
}

// known reports whether each shard has said who is on it, or has failed to.
func (s *shards) known() bool {
	for _, x := range s.router.Status().Shards {
		if x.LooksUp && x.Refreshed.IsZero() {
			return false
		}
	}
	return true
}

// judge returns the exit code of check.
func (s *shards) judge(least int, strict bool) verdict {
	status := s.router.Status()
	live, troubled := 0, false
	for _, x := range status.Shards {
		if x.State == report.ShardLive {
			live++
		}
		troubled = troubled || view.ShardTrouble(x) != ""
	}
	switch least = cmp.Or(least, len(status.Shards)); {
	case live >= least && strict && troubled:
		return codeSome
	case live >= least:
		return codeAll
	case status.Live() > 0:
		return codeSome
	default:
		return codeNone
	}
}

// subjects are the parties and users that explain is about.
type subjects struct{ parties, users []string }

// flag returns the flag that was used, or "" if none was.
func (x subjects) flag() string {
	switch {
	case len(x.parties) > 0:
		return "--party"
	case len(x.users) > 0:
		return "--user"
	default:
		return ""
	}
}

// explain writes where requests with these parties and users go, as text or as one JSON
// array.
func (s *shards) explain(ctx context.Context, out io.Writer, of subjects, timeout time.Duration, asJSON bool) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var (
		list  []any
		texts []string
	)
	code := verdict(codeNone)
	add := func(x interface{ Routed() bool }, text string) {
		if x.Routed() {
			code = codeAll
		}
		list, texts = append(list, x), append(texts, text)
	}
	for _, party := range of.parties {
		x, err := s.router.Explain(ctx, party)
		if err != nil {
			return fmt.Errorf("--party %w", err)
		}
		add(x, view.Party(x, paintMet))
	}
	for _, user := range of.users {
		x, err := s.router.ExplainUser(ctx, user)
		if err != nil {
			return fmt.Errorf("--user %w", err)
		}
		add(x, view.User(x, paintMet))
	}
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(list); err != nil {
			return err
		}
		return code.orNil()
	}
	if _, err := fmt.Fprint(out, strings.Join(texts, "\n")); err != nil {
		return err
	}
	return code.orNil()
}
