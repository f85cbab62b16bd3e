package clientname_test

import (
	"bytes"
	"log/slog"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"

	"github.com/cantonlb/cantonlb/internal/clientname"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func Example() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == slog.MessageKey {
				return slog.Attr{}
			}
			return a
		},
	}))
	first := clientname.Open(logger, "static:///endpoints", []string{"seq1", "seq2"})
	defer first()
	second := clientname.Open(logger, "static:///endpoints", []string{"p1", "p2", "p3", "p4", "p5"})
	defer second()
	// Output:
	// level=WARN target=static:///endpoints endpoints="p1, p2, p3, and 2 more" others="seq1, seq2"
}

func TestOnlyTheSecondOpenClientWithANameIsWarnedAbout(t *testing.T) {
	var lines bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&lines, nil))
	warned := func() bool {
		defer lines.Reset()
		return lines.Len() > 0
	}
	first := clientname.Open(logger, "a", []string{"x"})
	assert.False(t, warned())
	other := clientname.Open(logger, "b", []string{"x"})
	assert.False(t, warned(), "it has another name")
	second := clientname.Open(logger, "a", []string{"y"})
	assert.True(t, warned())
	third := clientname.Open(logger, "a", []string{"x"})
	assert.False(t, warned(), "the name is known by now")
	first()
	first()
	second()
	fourth := clientname.Open(logger, "a", []string{"z"})
	assert.True(t, warned(), "one was left")
	third()
	fourth()
	other()
	last := clientname.Open(logger, "a", nil)
	assert.False(t, warned(), "none was left")
	last()
}
