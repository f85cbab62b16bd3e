package cantonlb_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc/grpclog"

	"github.com/cantonlb/cantonlb"
)

// TestMain searches everything that is logged, in every detail, for the secrets that
// the tests use.
func TestMain(m *testing.M) {
	grpclog.SetLoggerV2(grpclog.NewLoggerV2WithVerbosity(secrets, secrets, secrets, 99))
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if found := secrets.inLog(); len(found) > 0 {
			fmt.Fprintf(os.Stderr, "%d log lines hold a secret, the first is: %s\n", len(found), found[0])
			code = 1
		}
		os.Exit(code)
	}))
}

// secrets holds the secrets that the tests use. It is the log's writer.
var secrets = new(secretKeeper)

type secretKeeper struct {
	mu    sync.Mutex
	texts []string
	lines []string // with one of them
}

// secret records a text and returns it as a Secret.
func secret(text string) cantonlb.Secret {
	if text != "" {
		secrets.mu.Lock()
		defer secrets.mu.Unlock()
		secrets.texts = append(secrets.texts, text)
	}
	return cantonlb.NewSecret(text)
}

// Write takes a line of the log.
func (k *secretKeeper) Write(line []byte) (int, error) {
	if k.in(string(line)) {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.lines = append(k.lines, string(line))
	}
	return len(line), nil
}

// in reports whether a text holds a secret.
func (k *secretKeeper) in(text string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range k.texts {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

func (k *secretKeeper) inLog() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lines
}

// assertNoSecret asserts that values, printed in every detail, hold no secret.
func assertNoSecret(t *testing.T, values ...any) {
	t.Helper()
	for _, v := range values {
		if text := fmt.Sprintf("%v %+v %#v", v, v, v); secrets.in(text) {
			t.Errorf("a %T holds a secret", v)
		}
	}
}
