package ledger

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/dynamicpb"
)

// submitted is one request that has come to the node.
type submitted struct {
	method     string
	change     string // the change ID
	command    string
	user       string
	actAs      []string
	submission string
	turn       int // of this change ID, from 0
}

// treatment is what the node does with a request. The zero value executes and answers.
type treatment struct {
	before  error         // refuses, before anything is done
	lose    error         // is the answer, although the command goes on
	takes   time.Duration // until it is executed
	reject  error         // ends the command, which is not executed
	hang    bool          // no answer, although the command goes on
	ignores bool          // does not look for duplicates first, as a node that interprets before
}

// commands is the store of the commands, which the replicas of a participant share.
type commands struct {
	node     *fakeNode
	treat    func(s *submitted) treatment // nil: all are executed
	executed map[string]execution         // by change ID
	inFlight map[string]bool
	times    map[string]int // how often each change ID was executed
	turns    map[string]int
	seen     []submitted
	noIDs    bool // errors say nothing of the submission they are about
	silent   bool // completions are not written
}

type execution struct {
	submission string
	offset     int64
}

func newCommands(n *fakeNode) *commands {
	return &commands{
		node: n, executed: make(map[string]execution), inFlight: make(map[string]bool), times: make(map[string]int),
		turns: make(map[string]int),
	}
}

// requests are the methods that submit, with their requests and replies.
var requests = map[string][2]string{
	"/com.daml.ledger.api.v2.CommandService/SubmitAndWait":                {"SubmitAndWaitRequest", "SubmitAndWaitResponse"},
	"/com.daml.ledger.api.v2.CommandService/SubmitAndWaitForTransaction":  {"SubmitAndWaitForTransactionRequest", "SubmitAndWaitForTransactionResponse"},
	"/com.daml.ledger.api.v2.CommandService/SubmitAndWaitForReassignment": {"SubmitAndWaitForReassignmentRequest", "SubmitAndWaitForReassignmentResponse"},
	"/com.daml.ledger.api.v2.CommandSubmissionService/Submit":             {"SubmitRequest", "SubmitResponse"},
	"/com.daml.ledger.api.v2.CommandSubmissionService/SubmitReassignment": {"SubmitReassignmentRequest", "SubmitReassignmentResponse"},
	"/com.daml.ledger.api.v2.interactive.InteractiveSubmissionService/ExecuteSubmission": {
		"interactive.ExecuteSubmissionRequest", "interactive.ExecuteSubmissionResponse",
	},
	"/com.daml.ledger.api.v2.interactive.InteractiveSubmissionService/ExecuteSubmissionAndWait": {
		"interactive.ExecuteSubmissionAndWaitRequest", "interactive.ExecuteSubmissionAndWaitResponse",
	},
}

// handle serves a submission.
func (c *commands) handle(method string, stream grpc.ServerStream) error {
	names, known := requests[method]
	if !known {
		return status.Error(codes.Unimplemented, method)
	}
	request := v2(names[0], nil)
	if err := stream.RecvMsg(request); err != nil {
		return err
	}
	shape := shapes[request.Descriptor().FullName()]
	s := &submitted{
		method: method[strings.LastIndexByte(method, '/')+1:], user: textAt(request, shape.user), command: textAt(request, shape.command),
		actAs: textsAt(request, shape.actAs[0]), submission: textAt(request, shape.submission),
	}
	s.change = fmt.Sprint(s.user, s.actAs, s.command)
	c.node.mu.Lock()
	s.turn = c.turns[s.change]
	c.turns[s.change]++
	c.seen = append(c.seen, *s)
	treat := c.treat
	c.node.mu.Unlock()
	var t treatment
	if treat != nil {
		t = treat(s)
	}
	if t.before != nil {
		return t.before
	}
	done, err := c.take(s, shape, t)
	if err != nil && t.lose == nil {
		return err
	}
	switch {
	case t.hang:
		<-stream.Context().Done()
		return stream.Context().Err()
	case t.lose != nil:
		return t.lose
	case shape.accepts:
		return stream.SendMsg(v2(names[1], nil))
	}
	select {
	case err = <-done:
	case <-stream.Context().Done():
		return stream.Context().Err()
	}
	if err != nil {
		return err
	}
	c.node.mu.Lock()
	at := c.executed[s.change].offset
	c.node.mu.Unlock()
	switch update := updateID(at); names[1] {
	case "SubmitAndWaitForTransactionResponse":
		return stream.SendMsg(v2(names[1], fields{"transaction": fields{"update_id": update, "offset": at}}))
	case "SubmitAndWaitForReassignmentResponse":
		return stream.SendMsg(v2(names[1], fields{"reassignment": fields{"update_id": update, "offset": at}}))
	default:
		return stream.SendMsg(v2(names[1], fields{"update_id": update, "completion_offset": at}))
	}
}

func updateID(offset int64) string { return fmt.Sprint("update-", offset) }

// take takes in a command, unless it is a duplicate, and executes it in its time.
func (c *commands) take(s *submitted, shape shape, t treatment) (<-chan error, error) {
	done := make(chan error, 1)
	c.node.mu.Lock()
	defer c.node.mu.Unlock()
	if !shape.reassignment {
		if c.inFlight[s.change] {
			return nil, damlError(codes.Aborted, "SUBMISSION_ALREADY_IN_FLIGHT", 2, time.Second)
		}
		if e, dup := c.executed[s.change]; dup && !t.ignores {
			metadata := []string{"existing_submission_id", e.submission, "completion_offset", fmt.Sprint(e.offset)}
			if c.noIDs {
				metadata = nil
			}
			err := damlError(codes.AlreadyExists, "DUPLICATE_COMMAND", 10, 0, metadata...)
			c.complete(s, 0, err)
			if !shape.accepts {
				return nil, err
			}
			done <- err
			return done, nil
		}
		c.inFlight[s.change] = true
	}
	execute := func() {
		delete(c.inFlight, s.change)
		if t.reject != nil {
			c.complete(s, 0, t.reject)
			done <- t.reject
			return
		}
		c.node.end++
		at := c.node.end
		c.times[s.change]++
		c.executed[s.change] = execution{s.submission, at}
		c.node.log = append(c.node.log, entry{at, transaction(at)})
		c.complete(s, at, nil)
		done <- nil
	}
	if t.takes == 0 {
		execute()
		return done, nil
	}
	time.AfterFunc(t.takes, func() {
		c.node.mu.Lock()
		defer c.node.mu.Unlock()
		execute()
	})
	return done, nil
}

// complete writes a completion, at an offset of its own if that is 0. The caller holds mu.
func (c *commands) complete(s *submitted, at int64, err error) {
	if at == 0 {
		c.node.end++
		at = c.node.end
	}
	f := fields{"offset": at, "command_id": s.command, "user_id": s.user, "act_as": s.actAs, "submission_id": s.submission}
	if err == nil {
		f["update_id"] = updateID(at)
	} else {
		f["status"] = status.Convert(err).Proto()
	}
	if !c.silent {
		c.node.ended = append(c.node.ended, entry{at, v2("CompletionStreamResponse", fields{"completion": f})})
	}
	close(c.node.changed)
	c.node.changed = make(chan struct{})
}

// caller returns the function that a stub would have for a method.
func (n *fakeNode) caller(method string) func(context.Context, *dynamicpb.Message, ...grpc.CallOption) (*dynamicpb.Message, error) {
	for full, names := range requests {
		if strings.HasSuffix(full, "/"+method) {
			return func(ctx context.Context, request *dynamicpb.Message, opts ...grpc.CallOption) (*dynamicpb.Message, error) {
				reply := v2(names[1], nil)
				if err := n.conn.Invoke(ctx, full, request, reply, opts...); err != nil {
					return nil, err
				}
				return reply, nil
			}
		}
	}
	panic("no method " + method)
}

// completions opens the completions of the node.
func (n *fakeNode) completions() Completions {
	return CompletionsOf(func(ctx context.Context, id ChangeID, begin Offset) (Receiver[*dynamicpb.Message], error) {
		return call(ctx, n.conn, methodCompletions, v2("CompletionStreamRequest", fields{
			"user_id": id.UserID, "parties": id.ActAs, "begin_exclusive": begin.Int64(),
		}), apiV2+"CompletionStreamResponse")
	})
}

// submitter returns one for the node, with the completions or without.
func (n *fakeNode) submitter(completions bool) *Submitter {
	s := &Submitter{Node: NodeOf(n.conn)}
	if completions {
		s.Completions = n.completions()
	}
	return s
}

// command is a request of SubmitAndWait.
func command(id string) *dynamicpb.Message { return commandFor("SubmitAndWaitRequest", id) }

// commandFor is a request with Commands.
func commandFor(request, id string) *dynamicpb.Message {
	return v2(request, fields{"commands": fields{"command_id": id, "user_id": "alice", "act_as": []string{"Bob", "Alice"}}})
}

// executions returns how often each command was executed, by command ID.
func (n *fakeNode) executions() map[string]int {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make(map[string]int)
	for change, times := range n.ledger.times {
		_, id, _ := strings.Cut(change, "]")
		all[id] += times
	}
	return all
}

// submissions returns the submission IDs that have come, in order.
func (n *fakeNode) submissions() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var ids []string
	for _, s := range n.ledger.seen {
		ids = append(ids, s.submission)
	}
	return ids
}

// treats has the node treat the attempts of a command in turn, and execute those after the last one.
func (n *fakeNode) treats(t *testing.T, all ...treatment) {
	t.Helper()
	n.ledger.treat = func(s *submitted) treatment {
		if s.turn < len(all) {
			return all[s.turn]
		}
		return treatment{}
	}
}
