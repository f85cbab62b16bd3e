package configfile_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/configfile"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/report"
)

// listing is a config file with some servers of a cluster.
func listing(c *lbtest.Cluster, servers ...int) string {
	var b strings.Builder
	b.WriteString("endpoints:\n")
	for _, i := range servers {
		fmt.Fprintf(&b, "  - {name: %s, address: %q}\n", c.Names()[i], c.Addrs()[i])
	}
	return b.String()
}

// replaceFile replaces the content of a file by text atomically.
func replaceFile(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path+".new", []byte(text), 0o600))
	require.NoError(t, os.Rename(path+".new", path))
}

// fromFile returns a client of a file with this text, after its healthy endpoints have
// become eligible, and the file's path.
func fromFile(t *testing.T, c *lbtest.Cluster, text string, healthy int) (*cantonlb.Client, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lb.yaml")
	replaceFile(t, path, text)
	client, err := configfile.NewClient(path, c.DialOptions()...)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, client.Close()) })
	require.NoError(t, client.WaitHealthy(testkit.Context(t), healthy))
	return client, path
}

// names returns the names of the endpoints that are in effect.
func names(s cantonlb.Status) []string {
	var list []string
	for _, e := range s.Endpoints {
		list = append(list, e.Name)
	}
	return list
}

func TestAChangedFileIsPutInForceWhileTheClientRuns(t *testing.T) {
	cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
	client, path := fromFile(t, cluster, listing(cluster, 0, 1), 2)
	s := client.Status()
	require.NotNil(t, s.File)
	assert.Equal(t, path, s.File.Path)
	assert.NotZero(t, s.File.LoadedAt)
	assert.Zero(t, s.File.Reloads+s.File.Failures)

	replaceFile(t, path, listing(cluster, 1, 2))
	s = clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.File.Reloads == 1 })
	assert.Equal(t, []string{"server1", "server2"}, names(s))
	require.NoError(t, client.WaitHealthy(testkit.Context(t), 2))
	clientkit.Await(t, client, func(cantonlb.Status) bool { return cluster.Server(0).Conns() == 0 })
	assert.Equal(t, map[string]int{"server1": 5, "server2": 5}, testkit.Spread(t, client, 10))
	assert.Equal(t, 1, cluster.Server(1).TotalConns(), "what stays keeps its connection")
	assert.Empty(t, client.Status().Notes)
}

func TestABadFileKeepsTheListInForceAndIsReported(t *testing.T) {
	cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
	client, path := fromFile(t, cluster, listing(cluster, 0, 1), 2)
	for i, bad := range []struct{ text, want string }{
		{listing(cluster, 0) + "  - {address: nowhere}\n", `:3:15: endpoints[1].address "nowhere": missing port; want host:port`},
		{listing(cluster, 0) + "  - {address: \"https://a:1\"}\n", `:3:15: endpoints[1].address "https://a:1": endpoint "a:1" asks for TLS while ` +
			`the channel's credentials are "insecure"; want TLS credentials for the channel, or an address without https://`},
		{"", `: want one YAML document: a mapping of keys to values`},
	} {
		replaceFile(t, path, bad.text)
		s := clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.File.Failures == uint64(i+1) })
		assert.Equal(t, []string{"server0", "server1"}, names(s))
		assert.Equal(t, path+bad.want, s.File.Error)
		assert.NotZero(t, s.File.FailedAt)
		require.Len(t, s.Notes, 1)
		assert.Contains(t, s.Notes[0], "the newest content of the config file is not in effect: ")
	}
	require.NoError(t, os.Remove(path))
	s := clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.File.Failures == 4 })
	assert.Equal(t, path+": no such file or directory", s.File.Error)
	assert.Equal(t, map[string]int{"server0": 5, "server1": 5}, testkit.Spread(t, client, 10))

	for range 2 {
		reloads := s.File.Reloads
		replaceFile(t, path, fmt.Sprintf("# %d\n%s", reloads, listing(cluster, 0, 1)))
		s = clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.File.Reloads == reloads+1 })
		assert.EqualValues(t, 2, s.Totals.ListsAccepted, "the end of a refusal is an event, though the list has not changed")
	}
	events := client.Events()
	last := events[len(events)-1]
	assert.Equal(t, report.ListAccepted, last.To)
	assert.Equal(t, "endpoints: 2, new or changed: 0, removed: 0", last.Detail)

	replaceFile(t, path, listing(cluster, 1))
	s = clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.File.Reloads == 3 })
	assert.EqualValues(t, 4, s.Totals.ListsRefused, "each is one event, one log line and one count")
	assert.Empty(t, s.File.Error)
	assert.Zero(t, s.File.FailedAt)
	assert.Empty(t, s.Notes)
	assert.Equal(t, []string{"server1"}, names(s))
}

func TestAChangeOfAnotherKeyTakesEffectAtTheNextStartAndIsNoted(t *testing.T) {
	cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
	client, path := fromFile(t, cluster, listing(cluster, 0), 1)
	replaceFile(t, path, listing(cluster, 0)+"healthCheck: {fall: 3}\nzone: eu\nmaxAttempts: 2\n")
	s := clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.File.Reloads == 1 })
	assert.Equal(t, []string{"healthCheck", "maxAttempts", "zone"}, s.File.Pending)
	assert.Equal(t, []string{
		"the config file has changed in keys other than endpoints, which take effect at the next start: healthCheck, maxAttempts, zone",
	}, s.Notes)
	assert.Empty(t, s.Zone, "it is not in force")

	replaceFile(t, path, listing(cluster, 0)+"# as it was\n")
	s = clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.File.Reloads == 2 })
	assert.Empty(t, s.File.Pending)
	assert.Empty(t, s.Notes)
}

// token is call credentials that count how often they were asked.
type token struct{ asked atomic.Int64 }

func (k *token) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	k.asked.Add(1)
	return map[string]string{"authorization": "Bearer x"}, nil
}

func (*token) RequireTransportSecurity() bool { return false }

func TestWhatAProgramAddsHoldsForEveryContentOfTheFile(t *testing.T) {
	cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
	path := filepath.Join(t.TempDir(), "lb.yaml")
	replaceFile(t, path, listing(cluster, 0))
	var credentials token
	var completed atomic.Int64
	client, err := configfile.NewClientWith(path, func(c *cantonlb.Config) {
		completed.Add(1)
		c.Name = "completed"
		for i := range c.Endpoints {
			c.Endpoints[i].Credentials = &credentials
			c.Endpoints[i].AllowInsecureTokens = true
		}
	}, cluster.DialOptions()...)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, client.Close()) })
	assert.Equal(t, map[string]int{"server0": 3}, testkit.Spread(t, client, 3))
	assert.Equal(t, "static:///completed", client.Status().Target)
	before := credentials.asked.Load()
	assert.GreaterOrEqual(t, before, int64(3))

	replaceFile(t, path, listing(cluster, 1))
	clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.File.Reloads == 1 })
	require.NoError(t, client.WaitHealthy(testkit.Context(t), 1))
	clientkit.Await(t, client, func(cantonlb.Status) bool { return cluster.Server(0).Conns() == 0 })
	assert.Equal(t, map[string]int{"server1": 3}, testkit.Spread(t, client, 3))
	assert.GreaterOrEqual(t, credentials.asked.Load(), before+3)
	assert.Equal(t, int64(2), completed.Load())
	assert.Empty(t, client.Status().File.Pending, "what the program adds is no change of the file")
}

// While the program's function hangs or after it has panicked, the list stays, and the
// client can be closed.
func TestAFunctionThatCompletesTheFileAndHangsOrPanicsRefusesIt(t *testing.T) {
	for _, what := range []string{"hangs", "panics"} {
		t.Run(what, func(t *testing.T) {
			cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
			path := filepath.Join(t.TempDir(), "lb.yaml")
			replaceFile(t, path, listing(cluster, 0))
			release, called := make(chan struct{}), make(chan struct{}, 9)
			var calls atomic.Int64
			var log bytes.Buffer
			client, err := configfile.NewClientWith(path, func(c *cantonlb.Config) {
				c.Logger = slog.New(slog.NewTextHandler(&log, nil))
				if calls.Add(1) == 1 {
					return
				}
				called <- struct{}{}
				if what == "panics" {
					panic("no")
				}
				<-release
			}, cluster.DialOptions()...)
			require.NoError(t, err)
			replaceFile(t, path, listing(cluster, 1))
			<-called
			if what == "panics" {
				s := clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.File.Failures == 1 })
				assert.Contains(t, s.File.Error, "the content is not in effect: the function that completes it: it has panicked")
				assert.EqualValues(t, 1, s.Totals.ListsRefused)
			}
			assert.Equal(t, map[string]int{"server0": 3}, testkit.Spread(t, client, 3))
			closed := make(chan error)
			go func() { closed <- client.Close() }()
			select {
			case err := <-closed:
				require.NoError(t, err)
			case <-time.After(20 * time.Second):
				require.Fail(t, "Close waits for the function")
			}
			if what == "hangs" {
				assert.Contains(t, log.String(), `level=WARN msg="closed, although code of the program has not returned"`)
				assert.Contains(t, log.String(), `left="the function that completes the config file"`)
			}
			close(release)
		})
	}
}

func TestAClientOfABadFileIsNotMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lb.yaml")
	_, err := configfile.NewClient(path)
	require.EqualError(t, err, path+": no such file or directory")
	replaceFile(t, path, one("zone: 1\n"))
	_, err = configfile.NewClient(path)
	require.EqualError(t, err, path+":3:7: zone 1: want a string of at most 64 bytes of valid Unicode")
	replaceFile(t, path, "endpoints:\n  - {address: a:1, tls: {rootCAFile: /no/such/ca.pem}}\n")
	_, err = configfile.NewClient(path) // found out when the channel is made
	require.Error(t, err)
	assert.Contains(t, err.Error(), path)
	assert.Contains(t, err.Error(), "endpoints[0].tls.rootCAFile")
}

// editor changes a file at random, as people, programs and Kubernetes do.
type editor struct {
	t       *testing.T
	cluster *lbtest.Cluster
	dir     string
	version int
	valid   []string // names in the list of the last content that is valid, sorted by place in the list
}

func (e *editor) path() string { return filepath.Join(e.dir, "lb.yaml") }

// text returns valid content: servers 0 and 1 are always in it, the others come and go,
// and weights change.
func (e *editor) text() string {
	type entry struct {
		Name    string `json:"name"`
		Address string `json:"address"`
		Weight  int    `json:"weight"`
	}
	var list []entry
	for i, name := range e.cluster.Names() {
		if i < 2 || rand.IntN(2) == 0 {
			list = append(list, entry{name, e.cluster.Addrs()[i], 1 + rand.IntN(3)})
		}
	}
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	e.valid = nil
	for _, x := range list {
		e.valid = append(e.valid, x.Name)
	}
	text, err := json.MarshalIndent(map[string]any{"endpoints": list}, "", "  ")
	require.NoError(e.t, err)
	return fmt.Sprintf("# %d\n%s", e.version, text) // each is another content
}

// edit makes one change, which leaves valid or invalid content.
func (e *editor) edit() (valid bool) {
	e.version++
	switch rand.IntN(6) {
	case 0: // written in place
		e.write(e.path(), e.text())
	case 1: // in two halves; JSON that is cut off is not valid
		text := e.text()
		e.write(e.path(), text[:len(text)/2])
		e.write(e.path(), text)
	case 2: // renamed
		replaceFile(e.t, e.path(), e.text())
	case 3: // swapped, as Kubernetes does
		e.swap(e.text())
	case 4: // half-written, and left so
		known := e.valid
		text := e.text()
		head := len(fmt.Sprintf("# %d\n{", e.version))
		e.write(e.path(), text[:head+rand.IntN(len(text)-head-2)])
		e.valid = known
		return false
	case 5:
		replaceFile(e.t, e.path(), fmt.Sprintf("endpoints: [{address: bad, weight: %d}]\n", e.version))
		return false
	}
	return true
}

func (e *editor) write(path, text string) {
	require.NoError(e.t, os.WriteFile(path, []byte(text), 0o600))
}

// swap makes the file a link through ..data, which it swaps.
func (e *editor) swap(text string) {
	version := fmt.Sprintf("..%d", e.version)
	require.NoError(e.t, os.Mkdir(filepath.Join(e.dir, version), 0o700))
	e.write(filepath.Join(e.dir, version, "lb.yaml"), text)
	link := func(target, name string) {
		require.NoError(e.t, os.Symlink(target, filepath.Join(e.dir, name+".tmp")))
		require.NoError(e.t, os.Rename(filepath.Join(e.dir, name+".tmp"), filepath.Join(e.dir, name)))
	}
	link(version, "..data")
	link(filepath.Join("..data", "lb.yaml"), "lb.yaml")
}

func TestAFileThatIsEditedAtRandomUnderLoadFailsNoCall(t *testing.T) {
	cluster := lbtest.NewCluster(t, 5, lbtest.RegisterEcho)
	e := &editor{t: t, cluster: cluster, dir: t.TempDir()}
	e.write(e.path(), e.text())
	client, err := configfile.NewClient(e.path(), cluster.DialOptions()...)
	require.NoError(t, err)
	defer client.Close()
	require.NoError(t, client.WaitHealthy(testkit.Context(t), 2))

	calls := testkit.KeepCalling(t, client)
	seen := func(s cantonlb.Status) uint64 { return s.File.Reloads + s.File.Failures }
	valid := true
	for range testkit.Size(200, 100, 20) {
		before := client.Status()
		valid = e.edit()
		if rand.IntN(2) == 0 { // else the next edit comes before this one has been seen, or just when it is
			clientkit.Await(t, client, func(s cantonlb.Status) bool { return seen(s) > seen(before) })
		}
	}
	e.version++
	if !valid {
		replaceFile(t, e.path(), e.text())
	}
	s := clientkit.Await(t, client, func(s cantonlb.Status) bool { return assert.ObjectsAreEqual(e.valid, names(s)) && s.File.Error == "" })
	assert.Positive(t, s.File.Reloads)
	assert.Positive(t, s.File.Failures)
	assert.Positive(t, calls())
	for _, i := range []int{0, 1} {
		assert.Equal(t, 1, cluster.Server(i).TotalConns(), "server%d was always in the list", i)
	}
	t.Logf("%d reloads, %d failures", s.File.Reloads, s.File.Failures)
}

func TestAFileWithWrongPortsCostsNoCallUntilItInsists(t *testing.T) {
	cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
	client, path := fromFile(t, cluster, listing(cluster, 0, 1), 2)
	stop := testkit.KeepCalling(t, client)
	typo := strings.ReplaceAll(listing(cluster, 0, 1), "lbtest:1", "lbtest:2")
	replaceFile(t, path, typo)
	s := clientkit.Await(t, client, func(s cantonlb.Status) bool {
		return s.Handover != nil && s.Handover.Reason == report.ReasonNoneEligible
	})
	assert.Equal(t, 2, s.StillPicked())
	assert.Positive(t, stop())

	replaceFile(t, path, typo+"handover: immediate\n")
	s = clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.Handover == nil })
	assert.Empty(t, s.Leaving)
	_, err := lbtest.ServedBy(testkit.Context(t), client)
	require.Error(t, err)
	assert.Empty(t, clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.File.Reloads == 2 }).File.Pending)

	replaceFile(t, path, listing(cluster, 0, 1))
	require.NoError(t, client.WaitHealthy(testkit.Context(t), 2))
}
