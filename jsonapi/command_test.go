package jsonapi

import (
	"context"
	"encoding/json"
	"math"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/internal/sleep"
)

func TestACommandsBodySaysHowOftenItMayBeSent(t *testing.T) {
	own, inner, v1 := commandsV2[1], commandsV2[2], commandsV1[0]
	const rest = `"commands":[{"CreateCommand":{"commandId":"no","actAs":["no"]}}]`
	for name, x := range map[string]struct {
		command command
		body    string
		own     bool // the request has its own Authorization
		window  time.Duration
		ok      bool
	}{
		"all that is needed":      {own, `{` + rest + `,"commandId":"c","userId":"u","actAs":["a"]}`, false, math.MaxInt64, true},
		"in another order":        {own, `{"actAs":["a","b"],"userId":"u","commandId":"c",` + rest + `}`, false, math.MaxInt64, true},
		"no command ID":           {own, `{"userId":"u","actAs":["a"]}`, false, 0, false},
		"an empty command ID":     {own, `{"commandId":"","userId":"u","actAs":["a"]}`, false, 0, false},
		"a command ID of null":    {own, `{"commandId":null,"userId":"u","actAs":["a"]}`, false, 0, false},
		"one that is a number":    {own, `{"commandId":1,"userId":"u","actAs":["a"]}`, false, 0, false},
		"too long":                {own, `{"commandId":"` + strings.Repeat("c", 5000) + `","userId":"u","actAs":["a"]}`, false, 0, false},
		"one in the arguments":    {own, `{` + rest + `,"userId":"u","actAs":["a"]}`, false, 0, false},
		"no user":                 {own, `{"commandId":"c","actAs":["a"]}`, false, 0, false},
		"no user, own token":      {own, `{"commandId":"c","actAs":["a"]}`, true, math.MaxInt64, true},
		"no parties":              {own, `{"commandId":"c","userId":"u"}`, false, 0, false},
		"parties that are none":   {own, `{"commandId":"c","userId":"u","actAs":[""]}`, false, 0, false},
		"parties of another kind": {own, `{"commandId":"c","userId":"u","actAs":"a"}`, false, 0, false},
		"a key twice":             {own, `{"commandId":"c","commandId":"d","userId":"u","actAs":["a"]}`, false, 0, false},
		"no period":               {own, `{"commandId":"c","userId":"u","actAs":["a"],"deduplicationPeriod":{"Empty":{}}}`, false, math.MaxInt64, true},
		"a null period":           {own, `{"commandId":"c","userId":"u","actAs":["a"],"deduplicationPeriod":null}`, false, math.MaxInt64, true},
		"a period": {
			own, `{"commandId":"c","userId":"u","actAs":["a"],"deduplicationPeriod":{"DeduplicationDuration":{"value":{"seconds":30,"nanos":0,"unknownFields":{"fields":{}}}}}}`,
			false, 27 * time.Second, true,
		},
		"a period twice": {
			own, `{"commandId":"c","userId":"u","actAs":["a"],"deduplicationPeriod":{"DeduplicationDuration":{"value":{"seconds":30,"seconds":90}}}}`,
			false, 0, false,
		},
		"a period of nothing": {
			own, `{"commandId":"c","userId":"u","actAs":["a"],"deduplicationPeriod":{"DeduplicationDuration":{"value":{"seconds":0}}}}`, false, 1, true,
		},
		"a period without seconds": {
			own, `{"commandId":"c","userId":"u","actAs":["a"],"deduplicationPeriod":{"DeduplicationDuration":{"value":{"nanos":1}}}}`, false, 1, true,
		},
		"a period without numbers": {
			own, `{"commandId":"c","userId":"u","actAs":["a"],"deduplicationPeriod":{"DeduplicationDuration":{}}}`, false, 1, true,
		},
		"a period whose key is a path": {
			own, `{"commandId":"c","userId":"u","actAs":["a"],"deduplicationPeriod":{"DeduplicationDuration.value.seconds":90}}`, false, 0, false,
		},
		"keys that are paths":     {inner, `{"commands.commandId":"c","commands.userId":"u","commands.actAs":["a"]}`, false, 0, false},
		"v1 with a path as a key": {v1, `{"templateId":"T","payload":{},"meta.commandId":"c"}`, true, 0, false},
		"a negative period": {
			own, `{"commandId":"c","userId":"u","actAs":["a"],"deduplicationPeriod":{"DeduplicationDuration":{"value":{"seconds":-1}}}}`, false, 0, false,
		},
		"an offset":              {own, `{"commandId":"c","userId":"u","actAs":["a"],"deduplicationPeriod":{"DeduplicationOffset":{"value":7}}}`, false, 0, false},
		"another JSON":           {own, `{"commandId":"c","userId":"u","actAs":["a"]} {}`, false, 0, false},
		"no JSON":                {own, `commandId=c`, false, 0, false},
		"a list":                 {own, `[]`, false, 0, false},
		"nothing":                {own, ``, false, 0, false},
		"cut off":                {own, `{"commandId":"c","userId":"u","actAs":["a"]`, false, 0, false},
		"deep":                   {own, `{"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `,"commandId":"c","userId":"u","actAs":["a"]}`, false, 0, false},
		"inside":                 {inner, `{"commands":{` + rest + `,"commandId":"c","userId":"u","actAs":["a"]},"transactionFormat":{}}`, false, math.MaxInt64, true},
		"outside":                {inner, `{"commands":{},"commandId":"c","userId":"u","actAs":["a"]}`, false, 0, false},
		"inside of nothing":      {inner, `{"commands":[]}`, false, 0, false},
		"v1 with own token":      {v1, `{"templateId":"T","payload":{},"meta":{"commandId":"c"}}`, true, math.MaxInt64, true},
		"v1 with our token":      {v1, `{"templateId":"T","payload":{},"meta":{"commandId":"c"}}`, false, 0, false},
		"v1 without a meta":      {v1, `{"templateId":"T","payload":{"meta":{"commandId":"c"}}}`, true, 0, false},
		"v1 with another period": {v1, `{"meta":{"commandId":"c","deduplicationPeriod":{"type":"Duration","durationInMillis":10000}}}`, true, 0, false},
	} {
		window, ok := x.command.resubmittable(x.command.read([]byte(x.body)), x.own)
		assert.Equal(t, x.ok, ok, name)
		assert.Equal(t, x.window, window, name)
	}
}

// FuzzCommand reads any body. What is taken for a command must be one for encoding/json
// too, with the same ID.
func FuzzCommand(f *testing.F) {
	for _, body := range []string{
		`{"commandId":"c","userId":"u","actAs":["a"]}`,
		`{"commands":{"commandId":"c","userId":"u","actAs":["a"],"deduplicationPeriod":{"DeduplicationDuration":{"value":{"seconds":30}}}}}`,
		`{"meta":{"commandId":"c"}}`, `[`, `{"a":[{"b":"\ud800"}]}`, "\x00",
	} {
		f.Add([]byte(body), true)
	}
	all := append(append([]command{}, commandsV2...), commandsV1...)
	f.Fuzz(func(t *testing.T, body []byte, own bool) {
		for _, x := range all {
			s := x.read(body)
			window, ok := x.resubmittable(s, own)
			if !ok {
				continue
			}
			if window <= 0 && s.period > 1 {
				t.Fatalf("a window of %v", window)
			}
			var whole map[string]any
			if err := json.Unmarshal(body, &whole); err != nil {
				t.Fatalf("%q was taken for a command: %v", body, err)
			}
			var at any = whole
			for key := range strings.SplitSeq(x.id, ".") {
				at = at.(map[string]any)[key]
			}
			if at != s.id {
				t.Fatalf("%q: the ID is %q, not %q", body, at, s.id)
			}
		}
	})
}

// withinASecond is a command that the participant executes at most once within a second.
const withinASecond = `{"commandId":"c","userId":"u","actAs":["a"],"commands":[],` +
	`"deduplicationPeriod":{"DeduplicationDuration":{"value":{"seconds":1,"nanos":0}}}}`

// A command that may have been executed may wait for an endpoint, or for a connection, until
// its deduplication period is over: then it might be executed a second time.
func TestACommandInDoubtIsNotSentAfterItsPeriod(t *testing.T) {
	for name, healthy := range map[string]bool{"no endpoint is eligible": false, "no connection is made": true} {
		t.Run(name, func(t *testing.T) {
			a := newPeer(t, "a")
			var executed atomic.Int32
			var once sync.Once
			broken := make(chan struct{})
			a.handle(func(http.ResponseWriter, *http.Request) {
				if executed.Add(1) > 1 {
					return
				}
				if !healthy {
					a.ready.Store(http.StatusServiceUnavailable)
				}
				once.Do(func() { close(broken) })
				panic(http.ErrAbortHandler)
			})
			cfg := Config{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				select {
				case <-broken:
					if healthy && !sleep.For(ctx, 1500*time.Millisecond) {
						return nil, ctx.Err()
					}
				default:
				}
				return new(net.Dialer).DialContext(ctx, network, address)
			}}}
			if healthy {
				cfg.HealthCheck = slow()
			}
			c := newClient(t, cfg, a)
			timer := time.AfterFunc(1500*time.Millisecond, func() { a.ready.Store(http.StatusOK) })
			defer timer.Stop()
			_, _, err := send(t, c, http.MethodPost, "/v2/commands/submit-and-wait", withinASecond)
			require.ErrorContains(t, err, "the deduplication period is over")
			if attempts := new(AttemptsError); healthy && assert.ErrorAs(t, err, &attempts) {
				assert.False(t, attempts.Unsent)
			}
			assert.EqualValues(t, 1, executed.Load())
		})
	}
}
