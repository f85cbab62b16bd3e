package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	v2 "github.com/digital-asset/dazl-client/v8/go/api/com/daml/ledger/api/v2"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/lease"
	"github.com/cantonlb/cantonlb/ledger"
)

const (
	user  = "trigger"
	party = "Alice::1220demo"
)

// The IDs of commands. That of an answer is derived from the request, so that two
// processes that answer the same request submit the same command.
func requestID(rule, item string) string { return "request-" + rule + "-" + item }
func answerID(rule, item string) string  { return "answer-" + rule + "-" + item }

// errInvalid is the error of an action that is not taken because the lease is not valid
// any more.
var errInvalid = errors.New("the lease is not valid any more")

// rule is the work of a trigger: it answers each of its requests on the ledger.
type rule struct {
	name, machine string
	conn          *cantonlb.Client
	// acts is called before each action, and earlier if the action turned out to be done
	// already.
	acts, earlier func(item string, l lease.Lease)
}

// run follows the ledger while the process holds the lease: first it learns which requests
// have no answer yet, and then it answers those, and each that comes.
func (r *rule) run(ctx context.Context, l lease.Lease) error {
	node := ledger.NodeOf(r.conn)
	end, err := node.LedgerEnd(ctx)
	if err != nil {
		return err
	}
	var open []string
	stub := v2.NewUpdateServiceClient(r.conn)
	follow := func(ctx context.Context, begin ledger.Offset) (ledger.Receiver[*v2.GetUpdatesResponse], error) {
		return stub.GetUpdates(ctx, &v2.GetUpdatesRequest{BeginExclusive: begin.Int64()})
	}
	submitter := &ledger.Submitter{Node: node}
	for update, err := range ledger.Updates(ctx, ledger.At(0), follow, ledger.Options[*v2.GetUpdatesResponse]{Node: node}) {
		if err != nil {
			return err
		}
		command := update.Msg.GetTransaction().GetCommandId()
		if item, ok := strings.CutPrefix(command, requestID(r.name, "")); ok {
			open = append(open, item)
		} else if item, ok := strings.CutPrefix(command, answerID(r.name, "")); ok {
			open = slices.DeleteFunc(open, func(x string) bool { return x == item })
		}
		if update.Offset.Int64() < end.Int64() {
			continue // what follows may be an answer
		}
		for _, item := range open {
			if err := r.answer(ctx, submitter, item, l); err != nil {
				return err
			}
		}
		open = nil
	}
	return ctx.Err()
}

// answer submits the answer to a request, if the lease is valid. Valid is not enough: the
// process may be stopped after it. Then another process gives the same answer, with the same
// command ID, and the ledger accepts one of the two. A command cannot carry the lease's
// token for the ledger to compare; here its text has it, for the table at the end.
func (r *rule) answer(ctx context.Context, s *ledger.Submitter, item string, l lease.Lease) error {
	if !l.Valid() {
		return errInvalid
	}
	r.acts(item, l)
	_, outcome, err := ledger.Submit(ctx, s, v2.NewCommandServiceClient(r.conn).SubmitAndWait,
		command(answerID(r.name, item), fmt.Sprintf("%s with token %d", r.machine, l.Token)),
		ledger.SubmitOptions[*v2.SubmitAndWaitResponse]{AcceptEarlier: true})
	if err == nil && outcome.Earlier {
		r.earlier(item, l)
	}
	return err
}

func command(id, text string) *v2.SubmitAndWaitRequest {
	return &v2.SubmitAndWaitRequest{Commands: &v2.Commands{UserId: user, ActAs: []string{party}, CommandId: id, WorkflowId: text}}
}
