package cantonlb_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

// underLoad runs workers that make calls until test returns.
func underLoad(ctx context.Context, workers int, call func(ctx context.Context) error, test func()) (failed []error, calls int64) {
	var mu sync.Mutex
	var done atomic.Int64
	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := call(context.WithoutCancel(ctx)); err != nil {
					mu.Lock()
					failed = append(failed, err)
					mu.Unlock()
				}
				done.Add(1)
			}
		})
	}
	test()
	stop()
	wg.Wait()
	return failed, done.Load()
}

func TestCertificatesAreRotatedOnDiskUnderLoad(t *testing.T) {
	cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho, lbtest.WithTLS(), lbtest.WithClientCerts())
	list := deployed(cluster)
	for i := range list {
		s := cluster.Server(i)
		pair := s.ClientCert()
		list[i].TLS = cantonlb.TLS{
			RootCAFile: put(t, "ca.pem", s.CA().PEM()), CertFile: put(t, "cert.pem", pair.CertPEM), KeyFile: put(t, "key.pem", pair.KeyPEM),
		}
	}
	client := clientkit.Connect(t, cluster, cantonlb.Config{Endpoints: list, Idempotent: []string{"/lbtest.Echo/*"}}, 3)
	const rounds = 3
	failed, calls := underLoad(testkit.Context(t), 4, func(ctx context.Context) error { return call(ctx, client) }, func() {
		for round := range rounds {
			for i := range list {
				s := cluster.Server(i)
				s.Stop() // first, or the client may connect with the new ones before it ends
				s.RotateCA()
				pair := s.ClientCert()
				put(t, list[i].TLS.KeyFile, pair.KeyPEM) // one file after the other
				put(t, list[i].TLS.CertFile, pair.CertPEM)
				put(t, list[i].TLS.RootCAFile, s.CA().PEM())
				s.Restart()
				require.Eventually(t, func() bool { return s.TotalConns() == round+2 }, testkit.Patience, time.Millisecond)
				require.NoError(t, client.WaitHealthy(testkit.Context(t), 3), "only the new certificates fit")
			}
		}
	})
	assert.Empty(t, failed)
	assert.Greater(t, calls, int64(100))
	assert.Empty(t, client.Status().Notes)
	for i := range list {
		assert.Equal(t, rounds+1, cluster.TotalConns(i), "one connection for each certificate")
	}
}

// run is one run of random faults over endpoints with tokens of their own.
type run struct {
	t       *testing.T
	random  *rand.Rand
	cluster *lbtest.Cluster
	client  *cantonlb.Client
	list    []cantonlb.Endpoint // by server
	tokens  []map[string]bool   // that each server has ever had
	files   []string            // of those servers whose token is in a file
	nth     int
	pause   atomic.Int64 // before each call, in ns
}

func newRun(t *testing.T, seed uint64) *run {
	t.Helper()
	r := &run{t: t, random: rand.New(rand.NewPCG(seed, 0))}
	r.pause.Store(int64(20 * time.Millisecond))
	r.cluster = lbtest.NewCluster(t, 4, lbtest.RegisterEcho, lbtest.WithTLS(0, 1, 2), lbtest.WithTokens())
	r.list = deployed(r.cluster)
	r.files = make([]string, len(r.list))
	for i := range r.list {
		r.tokens = append(r.tokens, map[string]bool{r.cluster.Server(i).Token(): true})
		if i%2 == 1 {
			r.files[i] = put(t, "token", r.cluster.Server(i).Token())
			r.list[i].TokenFile, r.list[i].Token = r.files[i], cantonlb.Secret{}
		}
	}
	var err error
	r.client, err = cantonlb.NewClient(cantonlb.Config{
		Endpoints: r.list, Idempotent: []string{"/lbtest.Echo/*"}, RetryBudget: cantonlb.RetryBudget{PerSecond: 1000},
	}, r.cluster.DialOptions()...)
	require.NoError(t, err)
	return r
}

// disturb causes one fault or one change.
func (r *run) disturb() string {
	i := r.random.IntN(r.cluster.Len())
	s := r.cluster.Server(i)
	switch r.random.IntN(10) {
	case 0:
		s.Kill()
		return "kill"
	case 1:
		if s.Up() {
			s.Hang()
		}
		return "hang"
	case 2:
		s.Disconnect()
		return "disconnect"
	case 3:
		s.SetServing("", r.random.IntN(2) == 0)
		return "serving"
	case 4:
		s.FailCalls([]codes.Code{codes.OK, codes.Unavailable, codes.Internal}[r.random.IntN(3)], "as the test wants")
		return "fail"
	case 5:
		if r.files[i] == "" {
			return "nothing"
		}
		r.nth++
		token := fmt.Sprintf("token-%d-%d-%s", i, r.nth, r.list[i].Name)
		secret(token)
		r.tokens[i][token] = true
		put(r.t, r.files[i], token)
		s.SetToken(token)
		return "rotate"
	case 6, 7:
		// Names move to other servers, and some endpoints leave: a token belongs to
		// a connection, not to a name.
		list := slices.Clone(r.list)
		r.random.Shuffle(len(list), func(a, b int) { list[a].Name, list[b].Name = list[b].Name, list[a].Name })
		require.NoError(r.t, r.client.Update(list[:1+r.random.IntN(len(list))]))
		return "update"
	default:
		r.heal()
		return "heal"
	}
}

// heal undoes all faults.
func (r *run) heal() {
	for i := range r.cluster.Len() {
		s := r.cluster.Server(i)
		s.Resume()
		if !s.Up() {
			s.Restart()
		}
		s.SetServing("", true)
		s.FailCalls(codes.OK, "")
	}
}

func TestNoServerEverSeesAnothersTokenWhateverHappens(t *testing.T) {
	for seed := range testkit.Size(uint64(3), 2, 1) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRun(t, seed)
				defer r.client.Close()
				time.Sleep(time.Second)
				done := map[string]int{}
				failed, calls := underLoad(t.Context(), 8, r.oneCall, func() {
					for range 100 {
						done[r.disturb()]++
						time.Sleep(time.Duration(r.random.IntN(700)) * time.Millisecond)
						r.inspect()
					}
					r.heal()
					require.NoError(t, r.client.Update(r.list))
					r.pause.Store(int64(time.Second)) // the earlier calls are enough
					time.Sleep(3 * time.Minute)       // the longest ejection and the longest pause
				})
				t.Logf("%d calls, %d failed; %v", calls, len(failed), done)
				assert.Greater(t, calls, int64(1000))
				for _, err := range failed {
					assertNoSecret(t, err)
				}
				assert.Equal(t, r.cluster.Len(), r.client.Status().Eligible(), "%+v", r.client.Status())
				for i, own := range r.tokens {
					seen := r.cluster.Server(i).TokensSeen()
					assert.NotEmpty(t, seen)
					for _, token := range seen {
						assert.True(t, own[token], "%s was shown a token that is not its own", r.cluster.Names()[i])
					}
				}
				for _, name := range slices.Sorted(maps.Keys(done)) {
					assert.Positive(t, done[name])
				}
			})
		})
	}
}

// oneCall makes a unary call, and sometimes opens a short stream.
func (r *run) oneCall(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	time.Sleep(time.Duration(r.pause.Load()))
	if _, err := lbtest.Echo(ctx, r.client, "x"); err != nil {
		return err
	}
	stream, err := lbtest.Ticks(ctx, r.client, 50*time.Millisecond)
	for range 3 {
		if err == nil {
			_, err = stream.Recv()
		}
	}
	return err
}

// inspect looks for secrets in everything that the client shows.
func (r *run) inspect() {
	status := r.client.Status()
	encoded, err := json.Marshal(any(status))
	require.NoError(r.t, err)
	assertNoSecret(r.t, status, string(encoded), r.client.Events())
}
