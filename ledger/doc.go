// Package ledger reads the streams of a Canton participant without interruption, and submits commands so
// that each has one known outcome.
//
// # Why
//
// Every program on a participant needs this, and it is easy to get wrong. A program that takes io.EOF
// after a rollout for the end of a stream stops reading. A stream that is reopened at the ledger end skips
// what happened in between. A program that waits longer and longer does not notice that the node is back,
// or that only its token had expired. A command that is resubmitted under a new command ID may be a second
// payment, and a command that is not resubmitted may never be executed.
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
// The package works with any generated copy of the Ledger API, v1 and v2, and links none: it reads the
// documented fields of a message by reflection. It works over any grpc channel to the
// replicas of one participant. With a cantonlb.Client of role ParticipantLedger, attempts and streams
// go to the active replica and follow it.
//
// # Streams
//
// [Updates] returns a sequence for a loop. It reopens the stream after the offset of the last update or
// checkpoint when the server closed it, broke off, became passive, shut down or was too busy, when the
// token expired, and when the active endpoint changed. The pauses between attempts are short at first,
// grow by a tenth each, and start again with each message, and with each stream that was open for half a
// minute. After UNAUTHENTICATED there is one attempt, with a fresh token. Errors that may be permanent,
// such as UNIMPLEMENTED or INTERNAL, and that of a channel that is closed, are retried for a minute, and
// twice at least. Permanent errors end the loop at once with a [StoppedError], which says what to do. A ledger
// that is shorter than what was read of it ends the loop with a [RewoundError]. One that has caught up
// within a minute is read again from before the last update that was delivered: if another one is there
// now, its database was restored, and the loop ends with that error too. Offsets that do not increase end
// the loop with a [BackwardsError].
//
// The loop never skips or repeats an update. Across restarts of the process this depends on the stored
// offset. If a consumer stores the offset in the same transaction as its work, each update takes effect
// exactly once. If it stores the offset afterwards, the updates since the last store take effect at least
// once. Offsets belong to one participant and have no meaning for another one.
//
// An idle ledger sends nothing, so silence alone is not a fault. With [Options.Node] the ledger end is
// read during a silence, and the stream is reopened if the ledger has advanced without it. Checkpoints
// report how far an idle or filtered stream has advanced. Store them too, with [Options.OnCheckpoint]:
// otherwise the stored offset falls behind what is pruned.
//
// [Snapshot] reads the active contracts at an offset, for a new consumer. The updates after that offset
// follow without a gap.
//
// # Submissions
//
// [Submit] makes attempts under one change ID (user, parties and command ID) until the node reports the
// outcome of the command. Within the deduplication period the participant executes at most one of them,
// provided that its replicas share one store that has lost nothing. If a reply was lost, the next attempt
// is rejected as a duplicate of this call, which counts as a success. A duplicate of another submission
// returns [ErrEarlier]. The error of a later attempt proves nothing about an earlier attempt whose outcome
// is unknown, nor does a duplicate of a submission that the node does not name. Submit then reads the
// completions, or returns an [UnknownOutcomeError]. [Recover] determines the outcome later, in another
// process too.
//
// Submissions never move to another participant: it has no record of the first one's commands, and would
// execute them again.
//
// # Defaults
//
// Pauses start at 25 to 75 ms and grow to 5 s, with jitter of a half. Errors that may be permanent, and a
// ledger that is too short, are tolerated for one minute. A silence begins after one and a half times the
// delay that the node advertises for checkpoints, or after 75 s if it advertises none. An attempt of a
// submission takes one minute at most; an outcome that only completions can show is awaited for one
// minute more. Only the caller's context limits the number of attempts. It should have a deadline.
package ledger
