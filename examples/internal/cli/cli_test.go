package cli_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/examples/internal/cli"
	"github.com/cantonlb/cantonlb/report"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAListOfEndpointsIsReadAndWritten(t *testing.T) {
	var list cli.Endpoints
	require.NoError(t, list.Set("seq1=http://a:1, seq2 = https://b:2,c:3"))
	assert.Equal(t, cli.Endpoints{
		{Name: "seq1", Address: "http://a:1"}, {Name: "seq2", Address: "https://b:2"}, {Address: "c:3"},
	}, list)
	assert.Equal(t, "seq1=http://a:1,seq2=https://b:2,c:3", list.String())
}

func TestABadListIsAnErrorAndChangesNothing(t *testing.T) {
	list := cli.Endpoints{{Address: "a:1"}}
	for text, item := range map[string]string{"": "item 1", "a:1,,b:2": "item 2", "=a:1": "item 1", "seq1=": "item 1", "a:1,": "item 2"} {
		require.ErrorContains(t, list.Set(text), item+" of the list: want name=address", text)
	}
	assert.Equal(t, cli.Endpoints{{Address: "a:1"}}, list)
}

func TestOnlyTheFlagsAskForCredentials(t *testing.T) {
	dir := t.TempDir()
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS()
	server.Close()
	good, bad := filepath.Join(dir, "good.pem"), filepath.Join(dir, "bad.pem")
	require.NoError(t, os.WriteFile(good, pemOf(server.Certificate()), 0o600))
	require.NoError(t, os.WriteFile(bad, []byte("no certificate"), 0o600))

	for _, test := range []struct {
		args    []string
		options int
		err     string
	}{
		{},
		{args: []string{"-plaintext"}, options: 1},
		{args: []string{"-ca", good}, options: 1},
		{args: []string{"-ca", bad}, err: "no certificate in it; want a file of certificates in PEM"},
		{args: []string{"-ca", filepath.Join(dir, "absent.pem")}, err: "-ca: open "},
		{args: []string{"-ca", good, "-plaintext"}, err: "-plaintext and -ca: want one or the other"},
	} {
		var security cli.Security
		flags := flag.NewFlagSet("", flag.ContinueOnError)
		flags.SetOutput(io.Discard)
		security.AddTo(flags)
		require.NoError(t, flags.Parse(test.args))
		options, err := security.DialOptions()
		assert.Len(t, options, test.options, test.args)
		if test.err == "" {
			require.NoError(t, err, test.args)
		} else {
			require.ErrorContains(t, err, test.err, test.args)
		}
	}
}

func pemOf(certificate *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})
}

// Ctrl-C while an example starts is no failure of the example.
func TestAnExampleThatIsInterruptedHasNotFailed(t *testing.T) {
	self, err := os.FindProcess(os.Getpid())
	require.NoError(t, err)
	for want, failed := range map[int]error{0: context.Canceled, 1: errors.New("a call has failed")} {
		assert.Equal(t, want, cli.Main(func(ctx context.Context, _ []string) error {
			require.NoError(t, self.Signal(os.Interrupt))
			<-ctx.Done()
			return fmt.Errorf("a server: %w", failed)
		}))
	}
}

func TestACountIsNoChangeAndAReasonIs(t *testing.T) {
	status := cantonlb.Status{Endpoints: []cantonlb.EndpointStatus{{Name: "seq1"}}}
	before := cli.Changes(status)
	status.Endpoints[0].Calls.Picked++
	assert.Equal(t, before, cli.Changes(status))
	status.Endpoints[0].Reason = report.ReasonNotServing
	assert.NotEqual(t, before, cli.Changes(status))
}
