package explain_test

import (
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"

	"github.com/cantonlb/cantonlb/internal/explain"
	"github.com/cantonlb/cantonlb/report"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ExampleNoEligibleError() {
	fmt.Println(&explain.NoEligibleError{Of: 3, More: 1, Endpoints: []report.IneligibleEndpoint{
		{Name: "seq1", State: report.StateUnhealthy, Reason: report.ReasonNotServing, For: 12 * time.Second},
		{Name: "seq2", State: report.StateConnecting, Detail: "connection refused", NextTry: 400 * time.Millisecond},
	}})
	// Output:
	// no eligible endpoint of 3: seq1 unhealthy (not_serving, 12s), seq2 connecting (connection refused; next try in 400ms) and 1 more
}

func TestAConnectionErrorSaysWhatHappened(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	assert.Equal(t, refused.Error(), explain.ErrorText(fmt.Errorf("grpc says: %w", refused)))
	assert.Equal(t, "other", explain.ErrorText(errors.New("other")))
	assert.Empty(t, explain.ErrorText(nil))
	assert.Equal(t, report.ReasonConnectFailed, explain.ConnectReason(refused))
	assert.Equal(t, report.ReasonHandshakeFailed, explain.ConnectReason(&net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}))
	assert.EqualError(t, explain.Plainly(refused), refused.Error())
}
