package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	v2 "github.com/digital-asset/dazl-client/v8/go/api/com/daml/ledger/api/v2"

	"github.com/cantonlb/cantonlb/cantonerr"
	"github.com/cantonlb/cantonlb/examples/internal/cli"
	"github.com/cantonlb/cantonlb/shard"
)

const (
	user = "payments"
	// budget is how long a request may take, takeovers included.
	budget = 20 * time.Second
	// pace is the pause of one worker between its requests.
	pace = 25 * time.Millisecond
)

// load makes requests for each party: submissions over gRPC and over HTTP, and reads over
// HTTP. No request says which participant service it is for.
type load struct {
	router   *shard.Router
	commands v2.CommandServiceClient
	http     *http.Client

	wg sync.WaitGroup

	mu sync.Mutex
	// done are the parties of the commands that were accepted, by their IDs.
	done map[string]string
	// servers counts the answers of the JSON API servers for each party.
	servers  map[string]map[string]int
	failed   int
	problems []error
}

// startLoad makes requests until submitting ends. Requests in flight then continue, unless
// ctx ends.
func startLoad(ctx, submitting context.Context, router *shard.Router, parties []string) *load {
	l := &load{
		router: router, commands: v2.NewCommandServiceClient(router), http: router.HTTP(),
		done: make(map[string]string), servers: make(map[string]map[string]int),
	}
	for _, party := range parties {
		l.servers[party] = make(map[string]int)
		for kind, request := range map[string]func(ctx context.Context, party, id string) error{
			"grpc": l.submit, "http": l.post, "read": l.get,
		} {
			l.wg.Go(func() {
				for n := 1; cli.Wait(submitting, pace); n++ {
					l.one(ctx, party, fmt.Sprintf("%s-%s-%d", party, kind, n), request)
				}
			})
		}
	}
	return l
}

// one makes a request within the budget.
func (l *load) one(ctx context.Context, party, id string, request func(ctx context.Context, party, id string) error) {
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	if err := request(ctx, party, id); err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.failed++
		l.problems = append(l.problems, fmt.Errorf("%s: %w", id, err))
	}
}

// submit submits a command over gRPC. The router reads act_as, and picks the client of the
// participant service that hosts the party.
func (l *load) submit(ctx context.Context, party, id string) error {
	_, err := l.commands.SubmitAndWait(ctx, &v2.SubmitAndWaitRequest{Commands: &v2.Commands{
		CommandId: id, UserId: user, ActAs: []string{party},
	}})
	if err != nil && !cantonerr.AlreadyDone(err) {
		return err
	}
	l.accepted(party, id)
	return nil
}

// post submits a command to the JSON API. The router reads actAs in the body.
func (l *load) post(ctx context.Context, party, id string) error {
	body, err := json.Marshal(jsonCommands{Commands: []json.RawMessage{}, CommandID: id, UserID: user, ActAs: []string{party}})
	if err != nil {
		return err
	}
	err = l.exchange(ctx, party, http.MethodPost, "/v2/commands/submit-and-wait", body, http.StatusOK, http.StatusConflict)
	if err == nil {
		l.accepted(party, id)
	}
	return err
}

// get reads the details of a party. The router reads the path.
func (l *load) get(ctx context.Context, party, _ string) error {
	return l.exchange(ctx, party, http.MethodGet, "/v2/parties/"+url.PathEscape(party), nil, http.StatusOK)
}

// exchange makes an HTTP request, and counts the server that has answered.
func (l *load) exchange(ctx context.Context, party, method, path string, body []byte, want ...int) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://ledger"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := l.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return err
	}
	if !slices.Contains(want, resp.StatusCode) {
		return fmt.Errorf("%s: %.200s", resp.Status, text)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.servers[party][resp.Header.Get(servedBy)]++
	return nil
}

func (l *load) accepted(party, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done[id] = party
}
