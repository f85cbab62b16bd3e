package shard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/jsonapi"
)

// jsonServer is the JSON API server of a shard, which answers with the shard's name.
type jsonServer struct {
	*httptest.Server

	participant atomic.Pointer[string] // the ID that it says

	client *jsonapi.Client

	mu     sync.Mutex
	got    []string // methods and paths, besides those for health
	bodies []string
	broken bool // nothing is answered
}

func newJSONServer(t testing.TB, name string) *jsonServer {
	t.Helper()
	s := new(jsonServer)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" || r.URL.Path == "/livez" {
			if s.isBroken() {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			return
		}
		if r.URL.Path == "/v2/parties/participant-id" {
			if id := s.participant.Load(); id != nil {
				_, _ = fmt.Fprintf(w, `{"participantId":%q}`, *id)
			} else {
				http.NotFound(w, r) // as those of Canton 2
			}
			return
		}
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.got = append(s.got, r.Method+" "+r.URL.RequestURI())
		s.bodies = append(s.bodies, string(body))
		s.mu.Unlock()
		if r.URL.Path == "/v2/redirect" {
			http.Redirect(w, r, "/v2/parties/bob::1", http.StatusFound)
			return
		}
		_, _ = fmt.Fprint(w, name)
	}))
	var err error
	s.client, err = jsonapi.New(jsonapi.Config{Name: name, Endpoints: []jsonapi.Endpoint{{Name: name, Address: s.URL}}})
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = s.client.Close()
		s.Close()
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.NoError(t, s.client.WaitHealthy(ctx, 1))
	return s
}

func (s *jsonServer) isBroken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

func (s *jsonServer) requests() (got, bodies []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got), slices.Clone(s.bodies)
}

// twoShards are p1 with alice::1 and the user ann, and p2 with bob::1 and ben.
func twoShards(t testing.TB, cfg Config) (r *Router, p1, p2 *jsonServer) {
	t.Helper()
	p1, p2 = newJSONServer(t, "p1"), newJSONServer(t, "p2")
	r = routerOf(t, map[string]Shard{
		"p1": {JSON: p1.client, Parties: []string{"alice::1", "both::1"}, Users: []string{"ann", "everywhere"}, Providers: []string{"okta"}},
		"p2": {JSON: p2.client, Parties: []string{"bob::1", "both::1"}, Users: []string{"ben", "everywhere"}, Providers: []string{"keycloak"}},
	}, cfg)
	return r, p1, p2
}

// ask makes a request through the Router, and returns which shard has answered.
func ask(ctx context.Context, r *Router, method, path, body string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://ledger"+path, reader)
	if err != nil {
		return "", err
	}
	resp, err := r.HTTP().Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

// asksFor are requests about alice (A) or ann (N), who are on the first shard, with the
// names in place of A and N.
var asksFor = []struct{ method, path, body string }{
	{"POST", "/v2/commands/submit-and-wait", `{"commands":[{"CreateCommand":{"createArguments":{"actAs":["bob::1"],"party":"bob::1"}}}],"commandId":"c","userId":"nobody","actAs":["A"],"readAs":["A"]}`},
	{"POST", "/v2/commands/submit-and-wait-for-transaction", `{"commands":{"actAs":["A"],"commands":[]},"transactionFormat":{"eventFormat":{"filtersByParty":{"A":{}},"filtersForAnyParty":{}}}}`},
	{"POST", "/v2/commands/submit-and-wait-for-reassignment", `{"reassignmentCommands":{"submitter":"A"},"eventFormat":{"filtersByParty":{"A":null}}}`},
	{"POST", "/v2/commands/async/submit-reassignment", `{"reassignmentCommands":{"submitter":"A"}}`},
	{"POST", "/v2/interactive-submission/prepare", `{"actAs":["A"],"readAs":[]}`},
	{"POST", "/v2/commands/completions", `{"userId":"nobody","parties":["A"],"beginExclusive":0}`},
	{"POST", "/v2/commands/completions", `{"userId":"N","parties":[]}`},
	{"POST", "/v2/updates", `{"beginExclusive":0,"updateFormat":{"includeTransactions":{"eventFormat":{"filtersByParty":{"A":{"cumulative":[{"identifierFilter":{"TemplateFilter":{"value":{"party":"bob::1"}}}}]}}}}}}`},
	{"POST", "/v2/updates", `{"filter":{"filtersByParty":{"A":{}}}}`},
	{"POST", "/v2/updates/update-by-id", `{"updateId":"1","updateFormat":{"includeReassignments":{"filtersByParty":{"A":{}}}}}`},
	{"POST", "/v2/updates/get-updates-page", `{"pageToken":"","updateFormat":{"includeTopologyEvents":{"includeParticipantAuthorizationEvents":{"parties":["bob::1"]}},"includeReassignments":{"filtersByParty":{"A":{}}}}}`},
	{"POST", "/v2/users/x/rights", `{"userId":"x","rights":[{"kind":{"CanActAs":{"value":{"party":"A"}}}},{"kind":{"CanReadAs":{"value":{"party":"A"}}}},{"kind":{"ParticipantAdmin":{"value":{}}}}]}`},
	{"PATCH", "/v2/users/x/rights", `{"rights":[{"kind":{"CanExecuteAs":{"value":{"party":"A"}}}}]}`},
	{"POST", "/v2/users", `{"user":{"id":"x","primaryParty":"A"},"rights":[]}`},
	{"GET", "/v2/jose/jwks/synchronizer/s/party/A", ""},
	{"POST", "/v2/updates/transaction-by-id", `{"requestingParties":["A"],"transactionFormat":null}`},
	{"GET", "/v2/updates/transaction-tree-by-offset/7?parties=A&parties=both::1", ""},
	{"POST", "/v2/state/active-contracts", `{"activeAtOffset":0,"eventFormat":{"verbose":true,"filtersByParty":{"A":{}},"filtersForAnyParty":null}}`},
	{"GET", "/v2/state/active-contracts-page", `{"eventFormat":{"filtersByParty":{"A":{}}}}`},
	{"POST", "/v2/events/events-by-contract-id", `{"eventFormat":{"filtersByParty":{"A":{}}}}`},
	{"POST", "/v2/contracts/contract-by-id", `{"queryingParties":["A"]}`},
	{"GET", "/v2/state/connected-synchronizers?party=A", ""},
	{"GET", "/v2/parties/A", ""},
	{"HEAD", "/v2/parties/A", ""},
	{"GET", "/v2/parties/%41", ""},
	{"PATCH", "/v2/parties/A", `{"partyDetails":{"party":"A"}}`},
	{"GET", "/v2/users/N", ""},
	{"GET", "/v2/users/N/rights", ""},
	{"POST", "/v1/create", `{"templateId":"T","payload":{"meta":{"actAs":["bob::1"]}},"meta":{"actAs":["A"],"readAs":["A"]}}`},
	{"POST", "/v1/query", `{"templateIds":["T"],"readers":["A"]}`},
	{"POST", "/v1/fetch", `{"contractId":"1","readers":["A"]}`},
	{"POST", "/v1/parties", `["A"]`},
	{"POST", "/v1/user", `{"userId":"N"}`},
}

func TestARequestGoesToTheServersOfItsParties(t *testing.T) {
	r, p1, p2 := twoShards(t, Config{})
	for _, x := range asksFor {
		for shard, names := range map[string][2]string{"p1": {"alice::1", "ann"}, "p2": {"bob::1", "ben"}} {
			method, path, body := x.method, x.path, strings.ReplaceAll(strings.ReplaceAll(x.body, `"A"`, `"`+names[0]+`"`), `"N"`, `"`+names[1]+`"`)
			body = strings.ReplaceAll(body, `"actAs":["bob::1"],"party":"bob::1"`, `"actAs":["else::1"],"party":"else::1"`)
			path = strings.ReplaceAll(path, "%41", url.PathEscape(names[0]))
			path = strings.Replace(path, "/A", "/"+names[0], 1)
			path = strings.Replace(path, "=A", "="+url.QueryEscape(names[0]), 1)
			path = strings.Replace(path, "/N", "/"+names[1], 1)
			server, other := p1, p2
			if shard == "p2" {
				server, other = p2, p1
			}
			before, _ := other.requests()
			by, err := ask(t.Context(), r, method, path, body)
			require.NoError(t, err, "%s %s %s", method, path, body)
			if method != http.MethodHead {
				assert.Equal(t, shard, by, "%s %s %s", method, path, body)
			}
			got, bodies := server.requests()
			assert.Equal(t, method+" "+path, got[len(got)-1])
			assert.Equal(t, body, bodies[len(bodies)-1], "it arrives whole")
			after, _ := other.requests()
			assert.Len(t, after, len(before), "%s %s", method, path)
		}
	}
}

func TestARequestThatIsNotOfOneShardIsNotSent(t *testing.T) {
	r, p1, p2 := twoShards(t, Config{})
	byShard := Config{Default: "p1"}
	withDefault, d1, d2 := twoShards(t, byShard)
	var split *SplitError
	var nowhere *NowhereError
	var ambiguous *AmbiguousError
	var unrouted *UnroutedError
	var unreadable *RequestError
	requests := []struct {
		method, path, body string
		want               any
		evenWithDefault    bool
	}{
		{"POST", "/v2/commands/submit-and-wait", `{"actAs":["alice::1"],"readAs":["bob::1"]}`, &split, true},
		{"POST", "/v2/updates", `{"filter":{"filtersByParty":{"alice::1":{},"bob::1":{}}}}`, &split, true},
		{"GET", "/v2/parties/alice::1?parties=bob::1", "", &split, true},
		{"POST", "/v2/commands/submit-and-wait", `{"actAs":["carol::1"]}`, &nowhere, true},
		{"GET", "/v2/parties/carol::1", "", &nowhere, true},
		{"GET", "/v2/users/carol", "", &nowhere, true},
		{"POST", "/v2/commands/submit-and-wait", `{"actAs":["both::1"]}`, &ambiguous, true},
		{"GET", "/v2/users/everywhere", "", &ambiguous, true},
		{"POST", "/v2/commands/submit-and-wait", `{"actAs":[]}`, &unrouted, false},
		{"POST", "/v2/updates", `{}`, &unrouted, true},
		{"POST", "/v2/updates", ``, &unrouted, true},
		{"POST", "/v2/updates", `[]`, &unrouted, true},
		{"POST", "/v2/state/active-contracts", `{}`, &unrouted, false},
		{"GET", "/v2/authenticated-user", "", &unrouted, false},
		{"GET", "/v2/no-such-page", "", &unrouted, false},
		{"POST", "/v2/updates/", `{"filter":{"filtersByParty":{"carol::1":{}}}}`, &nowhere, true},
		{"POST", "//v2/commands//submit%2Dand-wait", `{"actAs":["carol::1"]}`, &nowhere, true},
		{"POST", "/v2/commands/submit-and-wait/?x", `{"actAs":["alice::1","bob::1"]}`, &split, true},
		{"GET", "/v2/state/ledger%2dend/", "", &unrouted, true},
		{"GET", "/v2/users/ann/../ben", "", &unreadable, true},
		{"POST", "/v2/x/%2E%2e/updates", `{}`, &unreadable, true},
		{"GET", "/v2/./version", "", &unreadable, true},
		{"GET", "/v2/state/ledger-end", "", &unrouted, true},
		{"GET", "/v2/state/connected-synchronizers", "", &unrouted, true},
		{"GET", "/v2/users", "", &unrouted, true},
		{"DELETE", "/v2/users/ann", "", &unrouted, true},
		{"POST", "/v2/users/ann/rights", `{"rights":[{"kind":{"ParticipantAdmin":{"value":{}}}}]}`, &unrouted, true},
		{"PATCH", "/v2/users/ann", `{"user":{"primaryParty":"alice::1"}}`, &unrouted, true},
		{"POST", "/v2/users/ann/rights", `{"rights":[{"kind":{"CanActAs":{"value":{"party":"alice::1"}}}},{"kind":{"CanReadAs":{"value":{"party":"bob::1"}}}}]}`, &split, true},
		{"POST", "/v2/updates", `{"filter":{"filtersByParty":{"alice::1":{}},"filtersForAnyParty":{}}}`, &unrouted, true},
		{"POST", "/v2/updates/get-updates-page", `{"pageToken":"x"}`, &unrouted, true},
		{"POST", "/v2/updates/update-by-hash", `{}`, &unrouted, true},
		{"POST", "/v2/interactive-submission/execute", `{"partySignatures":{"signatures":[{"party":"alice::1"}]}}`, &unrouted, true},
		{"POST", "/v2/updates", `{`, &unreadable, true},
		{"POST", "/v2/updates", `{"filter":{},"filter":{}}`, &unreadable, true},
		{"POST", "/v2/commands/submit-and-wait", `{"actAs":"alice::1","actAs":"bob::1"}`, &unreadable, true},
		{"POST", "/v2/commands/submit-and-wait", `{"actAs":7}`, &unreadable, true},
		{"POST", "/v2/commands/submit-and-wait", `{"actAs":[""]}`, &unrouted, false},
		{"POST", "/v2/commands/submit-and-wait", `{"actAs":["alice::1"]} {}`, &unreadable, true},
		{"POST", "/v2/commands/submit-and-wait", `{"actAs":["` + strings.Repeat("x", 1025) + `"]}`, &unreadable, true},
		{"POST", "/v2/commands/completions", `{"userId":"` + strings.Repeat("x", 1025) + `"}`, &unreadable, true},
		{"POST", "/v2/commands/submit-and-wait", `{"actAs":[` + strings.Repeat(`"x",`, 1000) + `"x"]}`, &unreadable, true},
		{"GET", "/v2/state/connected-synchronizers?party=%zz", "", &unreadable, true},
	}
	sent := 0
	for _, x := range requests {
		what := fmt.Sprintf("%s %s %.80s", x.method, x.path, x.body)
		_, err := ask(t.Context(), r, x.method, x.path, x.body)
		require.ErrorAs(t, err, x.want, what)
		by, err := ask(t.Context(), withDefault, x.method, x.path, x.body)
		if x.evenWithDefault {
			require.ErrorAs(t, err, x.want, what)
		} else {
			require.NoError(t, err, what)
			assert.Equal(t, "p1", by, what)
			sent++
		}
	}
	for _, s := range []*jsonServer{p1, p2, d2} {
		got, _ := s.requests()
		assert.Empty(t, got)
	}
	got, _ := d1.requests()
	assert.Len(t, got, sent)
	assert.EqualValues(t, len(requests), r.Status().AllRefused())
}

func TestTheContextSaysWhichServersARequestIsFor(t *testing.T) {
	r, _, _ := twoShards(t, Config{})
	for what, x := range map[string]struct {
		ctx                context.Context
		method, path, body string
		want               string
	}{
		"the ledger end of a party": {WithParty(t.Context(), "bob::1"), "GET", "/v2/state/ledger-end", "", "p2"},
		"a page of a user":          {WithUser(t.Context(), "ann"), "GET", "/v2/users?pageToken=x", "", "p1"},
		"an administration":         {WithShard(t.Context(), "p2"), "DELETE", "/v2/users/ann", "", "p2"},
		"an execution":              {WithShard(t.Context(), "p2"), "POST", "/v2/interactive-submission/execute", `{"partySignatures":{"signatures":[{"party":"alice::1"}]}}`, "p2"},
		"what is not read":          {WithShard(t.Context(), "p2"), "POST", "/v2/updates", `no JSON`, "p2"},
		"a provider":                {WithProvider(t.Context(), "keycloak"), "POST", "/v1/triggers", `{}`, "p2"},
		"of several":                {WithShard(t.Context(), "p1"), "POST", "/v2/commands/submit-and-wait", `{"actAs":["both::1"]}`, "p1"},
		"rights":                    {WithUser(t.Context(), "ann"), "POST", "/v2/users/ann/rights", `{"rights":[{"kind":{"CanReadAs":{"value":{"party":"alice::1"}}}}]}`, "p1"},
		"a page of its own":         {WithParty(t.Context(), "alice::1"), "POST", "/v3/mine", "{}", "p1"},
	} {
		by, err := ask(x.ctx, r, x.method, x.path, x.body)
		require.NoError(t, err, what)
		assert.Equal(t, x.want, by, what)
	}
	var split *SplitError
	_, err := ask(WithParty(t.Context(), "bob::1"), r, "GET", "/v2/parties/alice::1", "")
	require.ErrorAs(t, err, &split)
	_, err = ask(WithUser(t.Context(), "ann"), r, "POST", "/v2/users/ann/rights", `{"rights":[{"kind":{"CanReadAs":{"value":{"party":"bob::1"}}}}]}`)
	require.ErrorAs(t, err, &split, "the rights of a party that is elsewhere")
	_, err = ask(WithParty(t.Context(), "bob::1"), r, "POST", "/v2/interactive-submission/execute", `{}`)
	var unrouted *UnroutedError
	require.ErrorAs(t, err, &unrouted, "the shard is named, and never derived")
	var unknown *UnknownShardError
	_, err = ask(WithShard(t.Context(), "p3"), r, "GET", "/v2/version", "")
	require.ErrorAs(t, err, &unknown)
}

func TestAWebsocketNeedsItsPartyInTheContext(t *testing.T) {
	r, p1, p2 := twoShards(t, Config{Default: "p1"})
	open := func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://ledger/v2/updates", nil)
		require.NoError(t, err)
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", "websocket")
		resp, err := r.HTTP().Do(req)
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	var unrouted *UnroutedError
	require.ErrorAs(t, open(t.Context()), &unrouted)
	require.NoError(t, open(WithParty(t.Context(), "bob::1")))
	got, _ := p2.requests()
	assert.Equal(t, []string{"GET /v2/updates"}, got)
	got, _ = p1.requests()
	assert.Empty(t, got)
}

func TestWhatAnyServerKnowsIsAskedAtOneThatLives(t *testing.T) {
	r, p1, _ := twoShards(t, Config{})
	p1.mu.Lock()
	p1.broken = true
	p1.mu.Unlock()
	eventually(t, func() bool {
		return p1.client.Status().Eligible() == 0 && !p1.client.Status().NoneEligibleSince.IsZero()
	})
	for range 10 {
		for _, path := range []string{"/v2/version", "/v2/packages", "/v2/packages/x", "/v2/packages/x/status", "/v1/packages"} {
			by, err := ask(t.Context(), r, "GET", path, "")
			require.NoError(t, err)
			assert.Equal(t, "p2", by)
		}
	}
	by, err := ask(t.Context(), r, "GET", "/v2/parties/bob::1", "")
	require.NoError(t, err, "the shard that is down fails its own parties alone")
	assert.Equal(t, "p2", by)
}

func TestARedirectGoesToTheServersOfWhatItNames(t *testing.T) {
	r, _, _ := twoShards(t, Config{Default: "p1"})
	by, err := ask(t.Context(), r, "GET", "/v2/redirect", "")
	require.NoError(t, err)
	assert.Equal(t, "p2", by)
}

func TestBodiesOfAllShapesArriveWhole(t *testing.T) {
	r, p1, _ := twoShards(t, Config{})
	text := `{"actAs":["alice::1"],"x":"` + strings.Repeat("y", 100_000) + `"}`
	for name, body := range map[string]io.Reader{
		"with GetBody": strings.NewReader(text), "a stream": io.MultiReader(strings.NewReader(text)), "a buffer": bytes.NewBufferString(text),
	} {
		closed := make(chan struct{})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://ledger/v2/commands/submit-and-wait", body)
		require.NoError(t, err)
		req.Body = closer{req.Body, closed}
		resp, err := r.HTTP().Do(req)
		require.NoError(t, err, name)
		resp.Body.Close()
		assert.Equal(t, "/v2/commands/submit-and-wait", resp.Request.URL.Path)
		_, bodies := p1.requests()
		assert.Equal(t, text, bodies[len(bodies)-1], name)
		<-closed
	}
	var unreadable *RequestError
	for name, change := range map[string]func(*http.Request){
		"too large": func(r *http.Request) { r.ContentLength = MaxBody + 1 },
		"a stream that is too large": func(r *http.Request) {
			r.Body, r.GetBody = io.NopCloser(io.MultiReader(bytes.NewReader(make([]byte, MaxBody+1)))), nil
			r.ContentLength = -1
		},
		"encoded": func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") },
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://ledger/v2/updates", strings.NewReader("x"))
		require.NoError(t, err)
		change(req)
		closed := make(chan struct{})
		req.Body = closer{req.Body, closed}
		_, err = r.RoundTrip(req) //nolint:bodyclose // an error
		require.ErrorAs(t, err, &unreadable, name)
		assert.Contains(t, err.Error(), "want", name)
		<-closed
	}
	own := errors.New("own")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://ledger/v2/updates", io.MultiReader(failing{own}))
	require.NoError(t, err)
	_, err = r.RoundTrip(req) //nolint:bodyclose // an error
	require.ErrorIs(t, err, own)
	_, err = r.RoundTrip(&http.Request{}) //nolint:bodyclose // an error
	require.Error(t, err, "a request without a URL")
}

type closer struct {
	io.Reader

	closed chan struct{}
}

func (c closer) Close() error {
	select {
	case <-c.closed:
	default:
		close(c.closed)
	}
	return nil
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestAProgramReadsItsOwnHTTPRequests(t *testing.T) {
	r, _, _ := twoShards(t, Config{Read: func(method string, message any) (Request, bool) {
		req, ok := message.(*http.Request)
		return Request{Parties: []string{req.Header.Get("X-Party")}}, ok && method == "POST /mine"
	}})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://ledger/mine", strings.NewReader("x"))
	require.NoError(t, err)
	req.Header.Set("X-Party", "bob::1")
	resp, err := r.HTTP().Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	assert.Equal(t, "p2", string(body))
}

func TestAShardWithoutAJSONAPIGetsNoHTTP(t *testing.T) {
	p1, p2 := newParticipant(t, "p1", "alice::1"), newParticipant(t, "p2", "bob::1")
	json2 := newJSONServer(t, "p2")
	r := routerOf(t, map[string]Shard{"p1": {Client: p1.conn}, "p2": {Client: p2.conn, JSON: json2.client}}, Config{})
	by, err := ask(t.Context(), r, "GET", "/v2/parties/bob::1", "")
	require.NoError(t, err, "the participant has said where the party is")
	assert.Equal(t, "p2", by)
	_, err = ask(t.Context(), r, "GET", "/v2/parties/alice::1", "")
	var missing *ClientError
	require.ErrorAs(t, err, &missing)
	assert.Equal(t, "p1", missing.Shard)
	for range 10 {
		by, err = ask(t.Context(), r, "GET", "/v2/version", "")
		require.NoError(t, err)
		assert.Equal(t, "p2", by)
	}
}

// TestNoRequestIsAtAServerThatDoesNotHostItsParties makes random requests at random
// parties, while shards are removed and added.
func TestNoRequestIsAtAServerThatDoesNotHostItsParties(t *testing.T) {
	const parties = 30
	servers := []*jsonServer{newJSONServer(t, "s0"), newJSONServer(t, "s1"), newJSONServer(t, "s2")}
	home := func(party int) int { return party % len(servers) }
	list := make(map[string]Shard)
	for i, s := range servers {
		x := Shard{JSON: s.client}
		for p := range parties {
			if home(p) == i {
				x.Parties = append(x.Parties, fmt.Sprintf("party%d::1", p))
			}
		}
		list[fmt.Sprintf("s%d", i)] = x
	}
	r := routerOf(t, list, Config{})
	without := map[string]Shard{"s0": list["s0"], "s1": list["s1"]}
	requests := 400
	if testing.Short() {
		requests = 100
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range requests {
				x := asksFor[rand.IntN(5)]
				p, q := rand.IntN(parties), rand.IntN(parties)
				if rand.IntN(2) == 0 {
					q = p
				}
				one, two := fmt.Sprintf("party%d::1", p), fmt.Sprintf("party%d::1", q)
				body := strings.Replace(x.body, `"A"`, `"`+one+`"`, 1)
				body = strings.ReplaceAll(body, `"A"`, `"`+two+`"`)
				by, err := ask(t.Context(), r, x.method, x.path, body)
				var split *SplitError
				var nowhere *NowhereError
				uses := strings.Count(x.body, `"A"`) > 1
				switch {
				case err == nil:
					assert.Equal(t, fmt.Sprintf("s%d", home(p)), by)
					assert.True(t, !uses || home(p) == home(q), body)
				case errors.As(err, &split):
					assert.NotEqual(t, home(p), home(q))
				case errors.As(err, &nowhere):
					assert.True(t, home(p) == 2 || home(q) == 2, "it was removed for a while")
				default:
					assert.NoError(t, err)
				}
				if rand.IntN(50) == 0 {
					assert.NoError(t, r.Update(without))
					assert.NoError(t, r.Update(list))
				}
			}
		})
	}
	wg.Wait()
	for i, s := range servers {
		got, bodies := s.requests()
		assert.NotEmpty(t, got)
		for _, body := range bodies {
			for p := range parties {
				if strings.Contains(body, fmt.Sprintf(`"party%d::1"`, p)) {
					assert.Equal(t, i, home(p), body)
				}
			}
		}
	}
}

func TestABodyThatDoesNotComeIsAwaitedUntilTheContextEnds(t *testing.T) {
	r, p1, p2 := twoShards(t, Config{})
	body, _ := io.Pipe()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://ledger/v2/commands/submit-and-wait", body)
	require.NoError(t, err)
	_, err = r.RoundTrip(req) //nolint:bodyclose // an error
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = body.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.ErrClosedPipe)
	for _, p := range []*jsonServer{p1, p2} {
		got, _ := p.requests()
		assert.Empty(t, got)
	}
}

func TestAURLWithAnOpaquePartIsRead(t *testing.T) {
	r, p1, p2 := twoShards(t, Config{Default: "p1"})
	send := func(u *url.URL) error {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://ledger", nil)
		require.NoError(t, err)
		req.URL = u
		resp, err := r.RoundTrip(req)
		if err == nil {
			err = resp.Body.Close()
		}
		return err
	}
	opaque := func(text string) *url.URL { return &url.URL{Scheme: "http", Host: "ledger", Opaque: text} }
	require.NoError(t, send(opaque("//ledger/v2/parties/bob::1")))
	require.NoError(t, send(opaque("//ledger/v2/state/connected-synchronizers?party=bob::1")))
	var unreadable *RequestError
	require.ErrorAs(t, send(opaque("v2/parties/bob::1")), &unreadable)
	require.ErrorAs(t, send(opaque("//ledger/%zz")), &unreadable)
	got1, _ := p1.requests()
	got2, _ := p2.requests()
	assert.Empty(t, got1)
	assert.Equal(t, []string{"GET /v2/parties/bob::1", "GET /v2/state/connected-synchronizers?party=bob::1"}, got2)
}
