package ledger

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// completed is a completion at an offset.
func completed(at int64, f fields) entry {
	f["offset"] = at
	for name, value := range map[string]any{"command_id": "pay", "user_id": "alice", "act_as": []string{"Alice"}} {
		if _, set := f[name]; !set {
			f[name] = value
		}
	}
	return entry{at, v2("CompletionStreamResponse", fields{"completion": f})}
}

// reached is a checkpoint of completions, with how far each synchronizer is.
func reached(at int64, times ...time.Time) entry {
	var list []fields
	for i, t := range times {
		list = append(list, fields{"synchronizer_id": string(rune('a' + i)), "record_time": timestamppb.New(t)})
	}
	return entry{at, v2("CompletionStreamResponse", fields{"offset_checkpoint": fields{"offset": at, "synchronizer_times": list}})}
}

func TestRecoverFindsOut(t *testing.T) {
	latest := time.Unix(1000, 0)
	before, after := latest.Add(-time.Second), latest.Add(time.Second)
	rejection := status.Convert(damlError(codes.Aborted, "X", 2, 0)).Proto()
	duplicate := status.Convert(damlError(codes.AlreadyExists, "DUPLICATE_COMMAND", 10, 0, "completion_offset", "4")).Proto()
	for name, c := range map[string]struct {
		log     []entry
		change  func(*Pending)
		want    Recovered
		waiting bool // until the context ends
	}{
		"executed": {
			[]entry{completed(7, fields{"update_id": "u"}), reached(9)}, nil, Recovered{Fate: Executed, UpdateID: "u", CompletionOffset: At(7)}, false,
		},
		"executed, with an OK": {
			[]entry{completed(7, fields{"update_id": "u", "status": status.New(codes.OK, "").Proto()})}, nil,
			Recovered{Fate: Executed, UpdateID: "u", CompletionOffset: At(7)}, false,
		},
		"executed, after a rejection": {
			[]entry{completed(6, fields{"status": rejection}), completed(7, fields{"update_id": "u"})}, nil,
			Recovered{Fate: Executed, UpdateID: "u", CompletionOffset: At(7), Rejected: errors.New("rejected")}, false,
		},
		"executed before": {[]entry{completed(7, fields{"status": duplicate})}, nil, Recovered{Fate: Executed, CompletionOffset: At(4)}, false},
		"not yet":         {[]entry{reached(9, after)}, nil, Recovered{Fate: Unknown}, false},
		"rejected":        {[]entry{completed(7, fields{"status": rejection}), reached(9)}, nil, Recovered{Fate: Unknown, Rejected: errors.New("rejected")}, false},
		"of another command": {
			[]entry{completed(7, fields{"command_id": "other"}), reached(9)}, nil, Recovered{Fate: Unknown}, false,
		},
		"of another user":  {[]entry{completed(7, fields{"user_id": "bob"}), reached(9)}, nil, Recovered{Fate: Unknown}, false},
		"of another party": {[]entry{completed(7, fields{"act_as": []string{"Bob"}}), reached(9)}, nil, Recovered{Fate: Unknown}, false},
		"nothing after":    {nil, func(p *Pending) { p.After = At(9) }, Recovered{Fate: Unknown}, false},
		"lost": {
			[]entry{reached(8, before, after), reached(9, after, after)}, func(p *Pending) { p.MaxRecordTime = latest }, Recovered{Fate: Lost}, false,
		},
		"not lost yet": {[]entry{reached(9, before, after)}, func(p *Pending) { p.MaxRecordTime = latest }, Recovered{Fate: Unknown}, true},
		"executed in time": {
			[]entry{completed(7, fields{"update_id": "u"}), reached(9, after)}, func(p *Pending) { p.MaxRecordTime = latest },
			Recovered{Fate: Executed, UpdateID: "u", CompletionOffset: At(7)}, false,
		},
		"lost on its synchronizer": {
			[]entry{reached(9, before, after)}, func(p *Pending) { p.MaxRecordTime, p.Synchronizer = latest, "b" }, Recovered{Fate: Lost}, false,
		},
		"not lost on its synchronizer": {
			[]entry{reached(9, before, after)}, func(p *Pending) { p.MaxRecordTime, p.Synchronizer = latest, "a" }, Recovered{Fate: Unknown}, true,
		},
		"another synchronizer": {
			[]entry{reached(9, after)}, func(p *Pending) { p.MaxRecordTime, p.Synchronizer = latest, "z" }, Recovered{Fate: Unknown}, true,
		},
		"a reassignment": {
			[]entry{completed(7, fields{"submission_id": "other"}), completed(8, fields{"submission_id": "mine", "update_id": "u"})},
			func(p *Pending) { p.SubmissionID = "mine" }, Recovered{Fate: Executed, UpdateID: "u", CompletionOffset: At(8)}, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t)
				n.ended, n.end = c.log, 9
				p := Pending{ChangeID: ChangeID{UserID: "alice", ActAs: []string{"Alice"}, CommandID: "pay"}, After: At(5)}
				if c.change != nil {
					c.change(&p)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				got, err := Recover(ctx, n.submitter(true), p)
				if c.waiting {
					require.ErrorIs(t, err, context.DeadlineExceeded)
				} else {
					require.NoError(t, err)
				}
				assert.Equal(t, c.want.Rejected != nil, got.Rejected != nil)
				got.Rejected, c.want.Rejected = nil, nil
				assert.Equal(t, c.want, got)
			})
		})
	}
}

func TestRecoverGoesOnWhereSubmitLeftOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.treats(t, treatment{hang: true, takes: 30 * time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, _, err := Submit(ctx, n.submitter(true), n.caller("SubmitAndWait"), command("pay"), options{})
		var unknown *UnknownOutcomeError
		require.ErrorAs(t, err, &unknown)
		got, err := Recover(t.Context(), n.submitter(true), unknown.Pending)
		require.NoError(t, err)
		assert.Equal(t, Unknown, got.Fate)
		time.Sleep(time.Minute)
		got, err = Recover(t.Context(), n.submitter(true), unknown.Pending)
		require.NoError(t, err)
		assert.Equal(t, Recovered{Fate: Executed, UpdateID: "update-1", CompletionOffset: At(1)}, got)
	})
}

func TestRecoverSaysWhatItLacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.end = 9
		whole := Pending{ChangeID: ChangeID{UserID: "alice", ActAs: []string{"Alice"}, CommandID: "pay"}}
		for want, c := range map[string]struct {
			s      *Submitter
			change func(*Pending)
		}{
			"Submitter.Completions":    {n.submitter(false), func(*Pending) {}},
			"Submitter.Node.LedgerEnd": {&Submitter{Completions: n.completions()}, func(*Pending) {}},
			"ChangeID.CommandID":       {n.submitter(true), func(p *Pending) { p.ChangeID.CommandID = "" }},
			"ChangeID.UserID":          {n.submitter(true), func(p *Pending) { p.ChangeID.UserID = "" }},
			"ChangeID.ActAs":           {n.submitter(true), func(p *Pending) { p.ChangeID.ActAs = nil }},
		} {
			p := whole
			c.change(&p)
			got, err := Recover(t.Context(), c.s, p)
			var refused *RequestError
			require.ErrorAs(t, err, &refused, want)
			assert.Equal(t, want, refused.Field)
			assert.Equal(t, Unknown, got.Fate)
		}
		s := &Submitter{Node: NodeOf(n.conn), Completions: CompletionsOf(
			func(context.Context, ChangeID, Offset) (Receiver[*dynamicpb.Message], error) { return nil, nil }, //nolint:nilnil // tested
		)}
		_, err := Recover(t.Context(), s, whole)
		require.ErrorContains(t, err, "nil receiver")
		s.Completions = CompletionsOf(func(context.Context, ChangeID, Offset) (Receiver[*dynamicpb.Message], error) {
			return &script{messages: []*dynamicpb.Message{nil}}, nil
		})
		_, err = Recover(t.Context(), s, whole)
		require.ErrorContains(t, err, "nil message")
	})
}

func TestCompletionsOfV1AreRead(t *testing.T) {
	m := v1("CompletionStreamResponse", fields{
		"checkpoint": fields{"offset": fields{"absolute": "0a"}, "record_time": fields{"seconds": 9}},
		"completions": []fields{
			{"command_id": "a", "application_id": "app", "act_as": []string{"B", "A"}, "submission_id": "s", "transaction_id": "t"},
			{"command_id": "b", "status": status.New(codes.Aborted, "no").Proto()},
		},
	})
	at, err := locate(m)
	require.NoError(t, err)
	all := completionsIn(m, at.last)
	require.Len(t, all, 2)
	assert.Equal(t, completion{
		change: ChangeID{"app", []string{"A", "B"}, "a"}, submissionID: "s", updateID: "t", offset: at.last,
	}, all[0])
	assert.Equal(t, codes.Aborted, status.Code(all[1].err))
	assert.Equal(t, map[string]time.Time{"": time.Unix(9, 0).UTC()}, recordTimes(m))
	p := Pending{MaxRecordTime: time.Unix(8, 0)}
	assert.True(t, p.isPast(recordTimes(m)))
}

func TestWhatIsPendingIsReadFromTheRequest(t *testing.T) {
	at := time.Unix(1700000000, 0).UTC()
	metadata := fields{"submitter_info": fields{"command_id": "pay", "act_as": []string{"B", "A", "B"}}, "max_record_time": int(at.UnixMicro())}
	for name, c := range map[string]struct {
		request proto.Message
		want    Pending
	}{
		"v2": {command("pay"), Pending{ChangeID: ChangeID{"alice", []string{"Alice", "Bob"}, "pay"}, After: At(5)}},
		"v1": {
			v1("SubmitAndWaitRequest", fields{"commands": fields{"application_id": "app", "command_id": "pay", "party": "P", "act_as": []string{"A"}}}),
			Pending{ChangeID: ChangeID{"app", []string{"A", "P"}, "pay"}, After: At(5)},
		},
		"prepared": {
			interactive("ExecuteSubmissionRequest", fields{"prepared_transaction": fields{"metadata": metadata}, "user_id": "alice"}),
			Pending{ChangeID: ChangeID{"alice", []string{"A", "B"}, "pay"}, After: At(5), MaxRecordTime: at},
		},
		"reassignment": {
			v2("SubmitReassignmentRequest", fields{"reassignment_commands": fields{"command_id": "pay", "submitter": "A"}}),
			Pending{ChangeID: ChangeID{"", []string{"A"}, "pay"}, After: At(5)},
		},
	} {
		got, err := PendingOf(c.request, At(5))
		require.NoError(t, err, name)
		assert.Equal(t, c.want, got, name)
	}
	_, err := PendingOf(nil, At(5))
	require.Error(t, err)
}

func TestASubmissionIDIsSetWhereTheMessageHasOne(t *testing.T) {
	m := command("pay")
	for _, path := range []string{"nothing", "commands.nothing", "commands.act_as", "commands.commands", "commands.command_id.deeper", "commands"} {
		before := proto.Clone(m)
		setText(m.ProtoReflect(), path, "x")
		assert.True(t, proto.Equal(before, m), path)
	}
	setText(m.ProtoReflect(), "commands.submission_id", "x")
	assert.Equal(t, "x", textAt(m, "commands.submission_id"))
}
