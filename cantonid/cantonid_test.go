package cantonid

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/report"
)

// cluster starts nodes, and returns them with their endpoints.
func cluster(t *testing.T, nodes ...*node) (*lbtest.Cluster, []cantonlb.Endpoint) {
	t.Helper()
	registered(t)
	next := 0 // NewCluster registers server by server
	c := lbtest.NewCluster(t, len(nodes), func(srv *grpc.Server) {
		nodes[next%len(nodes)].register(srv)
		next++
		lbtest.RegisterEcho(srv)
	})
	return c, clientkit.Endpoints(c)
}

func connect(t *testing.T, c *lbtest.Cluster, list []cantonlb.Endpoint, hook Hook, healthy int) *cantonlb.Client {
	t.Helper()
	return clientkit.Connect(t, c, cantonlb.Config{Endpoints: list, Validate: hook}, healthy)
}

// out waits until an endpoint is not eligible for this reason, and returns the detail.
func out(t *testing.T, client *cantonlb.Client, i int, reason report.Reason) string {
	t.Helper()
	var e cantonlb.EndpointStatus
	require.Eventually(t, func() bool { e = client.Status().Endpoints[i]; return e.Reason == reason }, testkit.Patience, time.Millisecond)
	assert.False(t, e.Eligible)
	return e.Detail
}

func TestReplicasOfAnotherParticipantAreKeptOut(t *testing.T) {
	alice, old, bob := new(node), &node{v1: true}, new(node)
	alice.says("alice::1220aa")
	old.says("alice::1220aa")
	bob.says("bob::1220bb")
	c, list := cluster(t, alice, old, bob)
	client := connect(t, c, list, Participant("alice::1220aa"), 2)
	assert.Equal(t, `participant id "bob::1220bb"; want "alice::1220aa", as configured`, out(t, client, 2, report.ReasonIdentityMismatch))
}

func TestTheFirstReplicaDecidesIfNothingIsSaidBeforehand(t *testing.T) {
	alice, bob := new(node), new(node)
	alice.says("alice::1220aa")
	bob.says("bob::1220bb")
	c, list := cluster(t, alice, bob)
	hook := Participant("")
	connect(t, c, list[:1], hook, 1)
	client := connect(t, c, list, hook, 1)
	assert.Equal(t, `participant id "bob::1220bb"; want "alice::1220aa", as endpoint "server0" said first`,
		out(t, client, 1, report.ReasonIdentityMismatch))
}

func TestASequencerOfAnotherSynchronizerOrAnotherNameIsKeptOut(t *testing.T) {
	nodes := []*node{new(node), new(node), new(node), new(node)}
	nodes[0].says("da::1220dd::34-0", "seq0::1220aa")
	nodes[1].says("da::1220dd::34-0", "seq1::1220bb")
	nodes[2].says("xx::1220dd::34-0", "seq2::1220cc")
	nodes[3].says("da::1220dd::34-0", "seq9::1220ff")
	c, list := cluster(t, nodes...)
	client := connect(t, c, list, Sequencers(Expected{
		SynchronizerID: "da::1220dd", // the protocol version and the serial may be any
		SequencerIDs:   map[string]string{"server0": "seq0::1220aa", "server3": "seq3::1220dd"},
	}), 2)
	assert.Equal(t, `synchronizer id "xx::1220dd::34-0"; want "da::1220dd", as configured`, out(t, client, 2, report.ReasonIdentityMismatch))
	assert.Equal(t, `sequencer id "seq9::1220ff"; want "seq3::1220dd", as configured`, out(t, client, 3, report.ReasonIdentityMismatch))
}

func TestASequencerThatComesBackAsAnotherIsKeptOutAndMayComeBackAsItself(t *testing.T) {
	nodes := []*node{new(node), new(node)}
	nodes[0].says("da::1220dd::34-0", "seq0::1220aa")
	nodes[1].says("da::1220dd::34-0", "seq1::1220bb")
	c, list := cluster(t, nodes...)
	client := connect(t, c, list, Sequencers(Expected{}), 2)

	nodes[1].says("da::1220dd::34-0", "seq1::1220ff")
	c.Disconnect(1)
	assert.Equal(t, `sequencer id "seq1::1220ff"; want "seq1::1220bb", as endpoint "server1" said first`,
		out(t, client, 1, report.ReasonIdentityMismatch))
	nodes[1].says("da::1220dd::34-0", "seq1::1220bb")
	c.Disconnect(1)
	require.Eventually(t, func() bool { return client.Status().Eligible() == 2 }, testkit.Patience, time.Millisecond)
	nodes[1].says("yy::1220dd::34-0", "seq1::1220bb")
	c.Disconnect(1)
	assert.Contains(t, out(t, client, 1, report.ReasonIdentityMismatch), `synchronizer id "yy::1220dd::34-0"`)
}

func TestANodeThatDoesNotSayWhoItIsIsAskedAgain(t *testing.T) {
	for name, x := range map[string]struct {
		hook    Hook
		prepare func(n *node)
		detail  string
	}{
		"denied":              {Participant(""), func(n *node) { n.failure.Store(failing(codes.PermissionDenied, "no admin")) }, "PermissionDenied: no admin"},
		"a sequencer":         {Sequencers(Expected{}), func(n *node) { n.failure.Store(failing(codes.Unavailable, "later")) }, "Unavailable: later"},
		"no id":               {Participant(""), func(n *node) { n.says("") }, "the answer has no participant id"},
		"no synchronizer":     {Sequencers(Expected{}), func(n *node) { n.says("", "x") }, "the answer has no synchronizer id"},
		"no sequencer":        {Sequencers(Expected{}), func(n *node) { n.says("x", "") }, "the answer has no sequencer id"},
		"too long":            {Participant(""), func(n *node) { n.says(strings.Repeat("x", maxAnswer)) }, "ResourceExhausted: "},
		"neither of its APIs": {Participant(""), func(n *node) { n.failure.Store(failing(codes.Unimplemented, "no such method")) }, "Unimplemented: "},
	} {
		t.Run(name, func(t *testing.T) {
			n := new(node)
			n.says("x", "y")
			x.prepare(n)
			c, list := cluster(t, n)
			client := connect(t, c, list, x.hook, 0)
			assert.Contains(t, out(t, client, 0, report.ReasonNotValidated), x.detail)
			n.failure.Store(nil)
			n.says("x", "y")
			require.Eventually(t, func() bool { return client.Status().Eligible() == 1 }, testkit.Patience, time.Millisecond)
		})
	}
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	m := newMemory()
	m.expect(forAll, "all")
	for i := range maxKnown + 10 {
		m.compare(of(strings.Repeat("x", i%7)+string(rune('a'+i%26))+time.Duration(i).String()), "id", "x", "e", same)
	}
	assert.LessOrEqual(t, len(m.known), maxKnown)
	assert.Equal(t, "all", m.known[forAll].id)
}

func TestWhatIsConfiguredIsNeverForgotten(t *testing.T) {
	m := newMemory()
	m.expect(of("seq1"), "seq1::1220aa")
	for i := range 3 * maxKnown { // one would be forgotten by chance alone
		m.compare(of(strconv.Itoa(i)), "id", "x", "e", same)
	}
	assert.LessOrEqual(t, len(m.known), maxKnown)
	assert.Equal(t, cantonlb.ValidationMismatch, m.compare(of("seq1"), "id", "seq9::1220ff", "seq1", same).Result)
}

func TestAnIDWithoutItsFingerprintIsNobodys(t *testing.T) {
	mallory := new(node)
	mallory.says("alice::1220ff")
	c, list := cluster(t, mallory)
	client := connect(t, c, list, Participant("alice"), 0)
	assert.Equal(t, `participant id "alice::1220ff"; want "alice", as configured`, out(t, client, 0, report.ReasonIdentityMismatch))

	mallory.says("da::1220ff::34-0", "seq0::1220ff")
	for _, want := range []Expected{
		{SynchronizerID: "da"},
		{SequencerIDs: map[string]string{list[0].Name: "seq0"}},
	} {
		client := connect(t, c, list, Sequencers(want), 0)
		assert.Contains(t, out(t, client, 0, report.ReasonIdentityMismatch), "as configured")
	}
}

// A program that links this package has only the names of its own stubs in protobuf's
// registry, and none of Canton's from this package. A separate program shows this,
// since the tests here register the names.
func TestThisPackageRegistersNoNameOfCantons(t *testing.T) {
	if os.Getenv("CANTONID_SHOW_NAMES") == "" {
		command := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		command.Env = append(os.Environ(), "CANTONID_SHOW_NAMES=yes")
		output, err := command.CombinedOutput()
		require.NoError(t, err, string(output))
		assert.Contains(t, string(output), "--- PASS: "+t.Name())
		return
	}
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		assert.False(t, strings.HasPrefix(string(f.Package()), "com."), f.Path())
		return true
	})
	registered(t) // and there is no conflict with the real names
}
