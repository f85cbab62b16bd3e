package shard

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/cantonlb/cantonlb/internal/testkit"
)

// requestsEnv sets how many random requests are made.
const requestsEnv = "CANTONLB_SHARD_REQUESTS"

// world is what the random test knows to be true of its participants.
type world struct {
	t       *testing.T
	list    []*participant
	parties []string

	mu    sync.Mutex
	homes map[string]string // where submissions of a party were seen
	seen  map[string]int    // requests by method
}

// check checks a request that a participant got. p.mu is held.
func (w *world) check(p *participant, got request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[got.method]++
	name := map[string]string{"Submit": "SubmitRequest", "Read": "GetUpdateByIdRequest", "Stream": "GetUpdatesRequest"}[got.method]
	if name == "" {
		return
	}
	m := dynamicpb.NewMessage(descriptors[apiV2+name])
	if !assert.NoError(w.t, proto.Unmarshal(got.message, m)) {
		return
	}
	q := Read("", m)
	for _, party := range q.Parties {
		assert.Contains(w.t, p.parties, party, "%s at %s", got.method, p.name)
	}
	for _, party := range q.ActAs {
		assert.Equal(w.t, PermissionSubmission, p.parties[party], "%s at %s", got.method, p.name)
		if home := w.homes[party]; home != "" {
			assert.Equal(w.t, home, p.name, "a submission of %s has moved", party)
		}
		w.homes[party] = p.name
	}
}

// chaos makes participants fail and heal, and lets parties be hosted by more of them,
// until ctx ends.
func (w *world) chaos(ctx context.Context, r *Router, random *rand.Rand) {
	var heal []func()
	defer func() {
		for _, f := range heal {
			f()
		}
	}()
	for ctx.Err() == nil {
		p := w.list[random.IntN(len(w.list))]
		switch random.IntN(8) {
		case 0:
			p.set(func() { p.failure = status.Error(codes.Unavailable, "down") })
		case 1:
			hang := make(chan struct{})
			p.set(func() {
				if p.hang == nil {
					p.hang = hang
					heal = append(heal, sync.OnceFunc(func() { close(hang) }))
				}
			})
		case 2:
			party := w.parties[random.IntN(len(w.parties))]
			permission := []Permission{PermissionSubmission, PermissionConfirmation, PermissionObservation}[random.IntN(3)]
			p.set(func() {
				if _, hosts := p.parties[party]; !hosts {
					p.parties[party] = permission
				}
			})
			r.renew(r.list.Load(), time.Now().Add(time.Hour)) //nolint:contextcheck // as the router does
		default:
			for _, f := range heal {
				f()
			}
			heal = nil
			p.set(func() { p.failure, p.hang = nil, nil })
			for _, p := range w.list {
				p.set(func() { p.hang = nil })
			}
		}
		select {
		case <-time.After(time.Duration(random.IntN(5000)) * time.Microsecond):
		case <-ctx.Done():
		}
	}
}

// one makes a random request.
func (w *world) one(r *Router, random *rand.Rand) error {
	ctx, cancel := context.WithTimeout(w.t.Context(), 50*time.Millisecond)
	defer cancel()
	some := func() string {
		if random.IntN(20) == 0 {
			return fmt.Sprint("nobody", random.IntN(5))
		}
		return w.parties[random.IntN(len(w.parties))]
	}
	if random.IntN(5) == 0 {
		ctx = WithParty(ctx, some())
	}
	switch random.IntN(6) {
	case 0:
		return call(ctx, r, "Any", message(w.t, "GetLedgerApiVersionRequest", `{}`))
	case 1:
		return call(ctx, r, "Local", message(w.t, "GetLedgerEndRequest", `{}`))
	case 2:
		return call(ctx, r, "Read", message(w.t, "GetUpdateByIdRequest", fmt.Sprintf(
			`{"update_format": {"include_reassignments": {"filters_by_party": {"%s": {}}}}}`, some())))
	case 3:
		return call(ctx, r, "Stream", message(w.t, "GetUpdatesRequest", fmt.Sprintf(
			`{"update_format": {"include_reassignments": {"filters_by_party": {"%s": {}}}}}`, some())))
	case 4:
		return call(ctx, r, "Submit", message(w.t, "SubmitRequest", fmt.Sprintf(
			`{"commands": {"act_as": ["%s", "%s"], "read_as": ["%s"]}}`, some(), some(), some())))
	default:
		return call(ctx, r, "Submit", message(w.t, "SubmitRequest", fmt.Sprintf(`{"commands": {"act_as": ["%s"],
			"commands": [{"choice_argument": {"party": "%s"}}]}}`, some(), some())))
	}
}

// While participants fail, hang and come to host more parties, no request arrives where one
// of its parties is not hosted, and no submission moves.
func TestNoRequestArrivesWhereItsPartyIsNotHosted(t *testing.T) {
	n := testkit.Size(100_000, 3000, 1000)
	if text := os.Getenv(requestsEnv); text != "" {
		var err error
		n, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	for about, cfg := range map[string]Config{
		"nothing is preferred": {},
		"preferred and spread": {Order: []string{"p2"}, PreferPermission: true, SpreadReads: true, Default: "p1"},
	} {
		t.Run(about, func(t *testing.T) {
			w := &world{t: t, homes: make(map[string]string), seen: make(map[string]int)}
			for i := range 3 {
				p := newParticipant(t, fmt.Sprint("p", i+1))
				p.onRequest = func(got request) { w.check(p, got) }
				for k := range 8 {
					party := fmt.Sprintf("party%d-%d", i, k)
					p.parties[party] = PermissionSubmission
					w.parties = append(w.parties, party)
				}
				w.list = append(w.list, p)
			}
			cfg.NegativeTTL, cfg.LookUpTimeout = 10*time.Millisecond, 20*time.Millisecond
			r := newRouter(t, cfg, w.list...)
			r.grace = 5 * time.Millisecond
			ctx, stop := context.WithCancel(t.Context())
			var chaos, calls sync.WaitGroup
			chaos.Go(func() { w.chaos(ctx, r, rand.New(rand.NewPCG(1, 2))) })
			var mu sync.Mutex
			failed := make(map[codes.Code]int)
			const workers = 16
			for i := range workers {
				calls.Go(func() {
					random := rand.New(rand.NewPCG(uint64(i), 3))
					for range n / workers {
						err := w.one(r, random)
						mu.Lock()
						failed[status.Code(err)]++
						mu.Unlock()
					}
				})
			}
			calls.Wait()
			stop()
			chaos.Wait()
			t.Logf("%d requests: by result %v; arrived: %v", n/workers*workers, failed, w.seen)
			assert.Positive(t, failed[codes.OK])
		})
	}
}
