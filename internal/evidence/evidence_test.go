package evidence

import (
	"fmt"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
)

// row says how calls with one code are judged, by where and when they end.
type row struct {
	// local and reset are of calls that were sent and not answered: ended in this
	// process, and by the server or the network. unary and stream are of calls that
	// were answered.
	local, reset, unary, stream Reason
}

// expected has every code but OK and DEADLINE_EXCEEDED. What it does not name depends
// on nothing.
func expected(code codes.Code) row {
	switch code {
	case codes.Canceled:
		return row{CallCanceled, CallCanceled, CallCanceled, CallCanceled}
	case codes.Unavailable:
		return row{FailedHere, Unavailable, Unavailable, Unavailable}
	case codes.Internal, codes.Unknown:
		return row{FailedHere, Reset, ErrorOfTheCall, ErrorOfTheCall}
	default:
		return row{FailedHere, ErrorOfTheCall, ErrorOfTheCall, ErrorOfTheCall}
	}
}

// deadline is how a call with DEADLINE_EXCEEDED is judged.
func deadline(e End) Reason {
	switch {
	case e.Answered && e.Stream:
		return StreamDeadline
	case e.Stalled:
		return ClientStalled
	case e.Short:
		return ShortDeadline
	default:
		return NoAnswerInTime
	}
}

func want(e End) Reason {
	r := expected(e.Code)
	switch {
	case e.Code == codes.OK:
		return Succeeded
	case !e.Sent && !e.Answered:
		return NotSent
	case e.Code == codes.DeadlineExceeded:
		return deadline(e)
	case e.Code == codes.Canceled && e.Late:
		return TookTooLong
	case e.Code == codes.Unauthenticated && e.Token && e.Answered && !e.Local:
		return TokenRejected
	case e.Local:
		if e.Code == codes.Canceled {
			return CallCanceled
		}
		return FailedHere
	case !e.Answered:
		return r.reset
	case e.Stream:
		return r.stream
	default:
		return r.unary
	}
}

// Every code, answered or not, sent or not, stream or unary, with a long or a short
// deadline, ended here or there, with or without a token of the endpoint's own, while
// this process ran or not.
func TestTheMatrixOfCallsThatAreEvidence(t *testing.T) {
	seen := map[Reason]int{}
	for code := codes.OK; code <= codes.Unauthenticated; code++ {
		for bits := range 1 << 8 {
			on := func(i int) bool { return bits>>i&1 == 1 }
			e := End{Code: code, Sent: on(0), Answered: on(1), Local: on(2), Stream: on(3), Short: on(4), Token: on(5), Stalled: on(6), Late: on(7)}
			got := Judge(e)
			assert.Equal(t, want(e), got, "%+v", e)
			seen[got]++
		}
	}
	for _, r := range Reasons() {
		assert.Positive(t, seen[r], "%s", r)
	}
	assert.Len(t, seen, len(Reasons()))
}

// The rules in plain words, apart from the table above.
func TestTheRulesOfTheMatrix(t *testing.T) {
	for bits := range 1 << 8 {
		on := func(i int) bool { return bits>>i&1 == 1 }
		for code := codes.OK; code <= codes.Unauthenticated; code++ {
			e := End{Code: code, Sent: on(0), Answered: on(1), Local: on(2), Stream: on(3), Short: on(4), Token: on(5), Stalled: on(6), Late: on(7)}
			counts, text := Judge(e).Counts(), fmt.Sprintf("%+v", e)
			if code == codes.OK || code == codes.Canceled && !e.Late {
				assert.False(t, counts, text)
			}
			if !e.Sent && !e.Answered {
				assert.False(t, counts, "what was not sent says nothing of the server: %s", text)
			}
			if code == codes.DeadlineExceeded && e.Short {
				assert.False(t, counts, "the caller had too little patience: %s", text)
			}
			if code == codes.DeadlineExceeded && e.Stalled {
				assert.False(t, counts, "nobody has looked for the answer: %s", text)
			}
			if code == codes.DeadlineExceeded && e.Stream && e.Answered {
				assert.False(t, counts, "a long poll has ended: %s", text)
			}
			if e.Local && code != codes.DeadlineExceeded && !e.Late {
				assert.False(t, counts, "it failed here: %s", text)
			}
			if code == codes.Unavailable && e.Sent && !e.Local {
				assert.True(t, counts, text)
			}
			if code == codes.DeadlineExceeded && e.Sent && !e.Short && !e.Stalled && !e.Answered {
				assert.True(t, counts, text)
			}
		}
	}
	assert.True(t, Judge(End{Code: codes.Unauthenticated, Sent: true, Answered: true, Token: true}).Counts())
	assert.True(t, Judge(End{Code: codes.Internal, Sent: true}).Counts())
	assert.False(t, Judge(End{Code: codes.Code(99), Sent: true, Answered: true}).Counts())
}

func TestTheDocsExplainEveryReasonOfCallEvidence(t *testing.T) {
	text, err := os.ReadFile("../../docs/reasons.md")
	require.NoError(t, err)
	section := regexp.MustCompile(`(?s)\n## Call evidence\n(.*?)(\n## |$)`).FindSubmatch(text)
	require.NotNil(t, section)
	got := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (yes|no) \\|").FindAllSubmatch(section[1], -1) {
		got[string(m[1])] = string(m[2])
	}
	want := map[string]string{}
	for _, r := range Reasons() {
		want[string(r)] = map[bool]string{true: "yes", false: "no"}[r.Counts()]
	}
	assert.Equal(t, want, got)
}
