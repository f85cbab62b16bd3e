// Package ledger reads the streams of a Canton participant so that they go on, and submits commands so
// that each ends in one known outcome.
//
// # Why
//
// Every program on a participant writes this by hand, and it is easy to get wrong. A stream that ends
// with io.EOF after a rollout is taken for finished. One that is opened again at the ledger end skips
// what happened meanwhile. One that waits ever longer is not told that the node is back, or that only
// its token had expired. A command that is submitted again under a new command ID is a second payment,
// and one that is not submitted again is perhaps none.
//
//	for update, err := range ledger.Updates(ctx, stored, open, ledger.Options[*pb.GetUpdatesResponse]{}) {
//		if err != nil {
//			return err
//		}
//		// in one transaction: do what update.Msg says, and store update.Offset
//	}
//
//	reply, outcome, err := ledger.Submit(ctx, submitter, stub.SubmitAndWait, request, ledger.SubmitOptions[*pb.SubmitAndWaitResponse]{})
//
// It works with any generated copy of the Ledger API, v1 and v2, and links none: what it has to know of a
// message it reads by reflection, at the documented fields. It works over any grpc channel to the
// replicas of one participant. With a cantonlb.Client of role ParticipantLedger, attempts and streams
// go to the active replica and follow it.
//
// # Streams
//
// [Updates] is a sequence for a loop. Its stream is opened again, after the offset of the last update
// or checkpoint, when the server closed it, broke off, became passive, shut down or was too busy, when
// the token expired, and when the active endpoint changed. The pauses in between are short at first,
// grow by a tenth each, and begin anew with each message. After UNAUTHENTICATED there is one try, with a
// fresh token. What may be for good, such as UNIMPLEMENTED or INTERNAL, is tried for a minute. What
// cannot pass ends the loop at once with a [StoppedError], which says what to do; so do a ledger that
// is shorter than what was read of it, with a [RewoundError], and offsets that do not ascend, with a
// [BackwardsError].
//
// The loop never skips an update and never repeats one. Across restarts of the process that holds from
// what was stored: a consumer that stores the offset in the same transaction as its work has each
// update's effect exactly once, and one that stores it afterwards has at least once what came after the
// last store. Offsets are those of one participant, and mean nothing to another one.
//
// An idle ledger sends nothing, so that silence is no fault by itself. With [Options.Node] the ledger
// end is asked for during a silence, and the stream opened again if the ledger has gone on without
// it. Checkpoints tell how far an idle or filtered stream has come; store them too, by
// [Options.OnCheckpoint], or the consumer falls behind what is pruned.
//
// [Snapshot] reads the active contracts at an offset, for a consumer that begins; the updates after that
// offset follow without a gap.
//
// # Submissions
//
// [Submit] makes attempts under one change ID (user, parties and command ID) until the node says what
// has become of the command. Within the deduplication period the participant executes at most one of
// them, while its replicas share one store that has lost nothing. A reply that was lost is found to
// be a duplicate of this very call, and counts as a success; a duplicate of something else is
// [ErrEarlier]. An error of a later attempt proves nothing about an earlier one whose fate is not known,
// so that completions are asked, or the error is an [UnknownOutcomeError]. [Recover] finds out later, in
// another process too.
//
// Submissions never move to another participant: it knows nothing of the first one's commands, and would
// execute them again.
//
// # Defaults
//
// Pauses begin at 25 to 75 ms and grow to 5 s, with jitter of a half. Patience with errors that may be
// for good, and with a ledger that is too short, is one minute. Silence counts from one and a half
// times the delay that the node advertises for checkpoints, 75 s where it does not. An attempt of a
// submission takes one minute at most; an outcome that only completions can tell is waited for one
// minute more. There is no limit to the number of attempts but the caller's context, which should
// have a deadline.
package ledger
