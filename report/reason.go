package report

// Reason is why a verdict, a state or a transition is what it is. Errors, log lines,
// metric labels, events and status have the same value, so an operator who reads it in
// one place can search for it in all the others.
//
// The set is closed: a reason never holds text from a peer. That text is in a separate,
// bounded detail.
type Reason string

// The reasons of health checking.
const (
	// ReasonNone is the zero value. It means that nothing is known yet.
	ReasonNone Reason = ""
	// ReasonServing means that the server answered that it serves.
	ReasonServing Reason = "serving"
	// ReasonNotServing means that the server answered NOT_SERVING, or that an HTTP
	// health page answered with a status other than the expected one.
	ReasonNotServing Reason = "not_serving"
	// ReasonStatusUnknown means that the server answered with the health status
	// UNKNOWN, or with a value that the health protocol does not define.
	ReasonStatusUnknown Reason = "status_unknown"
	// ReasonUnknownService means that the server's health service does not know the
	// requested service name (SERVICE_UNKNOWN or NOT_FOUND). The name is wrong for
	// this endpoint.
	ReasonUnknownService Reason = "unknown_service"
	// ReasonUnimplemented means that the server has no health service at all. The
	// setting OnUnimplemented defines how such a server is treated.
	ReasonUnimplemented Reason = "unimplemented"
	// ReasonProbeTimeout means that the probe was sent and no answer arrived before
	// its deadline.
	ReasonProbeTimeout Reason = "probe_timeout"
	// ReasonProbeError means that the probe ended with an error for which there is no
	// other reason.
	ReasonProbeError Reason = "probe_error"
	// ReasonProbeDenied means that the server refused the probe (UNAUTHENTICATED or
	// PERMISSION_DENIED; HTTP 401 or 403).
	ReasonProbeDenied Reason = "probe_denied"
	// ReasonCredentialsFailed means that the probe was not sent, since the call
	// credentials of the endpoint or of the channel have failed. The outcome is Failed
	// if they are the endpoint's own, and otherwise Inconclusive: it says nothing
	// about the endpoint.
	ReasonCredentialsFailed Reason = "credentials_failed"
	// ReasonConnectFailed means that no connection could be made for the probe.
	ReasonConnectFailed Reason = "connect_failed"
	// ReasonHandshakeFailed means that the server was reached and no secure connection
	// could be made: its certificate is not trusted or has another name, it requires a
	// client certificate, or it does not speak TLS.
	ReasonHandshakeFailed Reason = "handshake_failed"
	// ReasonNoStream means that the probe never got a stream of its own, because the
	// server's limit of concurrent streams was reached. The outcome is Inconclusive.
	ReasonNoStream Reason = "no_stream"
	// ReasonBusy means that the probe timed out on a connection that is in use, and that
	// the server answers on a new connection. The outcome is Inconclusive.
	ReasonBusy Reason = "busy"
	// ReasonClientStalled means that this process was stopped, or had to wait for a
	// processor, while the probe waited for its answer: the timeout says nothing about
	// the server. The outcome is Inconclusive.
	ReasonClientStalled Reason = "client_stalled"
	// ReasonCanceled means that the probe was canceled by its owner. The outcome is
	// Inconclusive.
	ReasonCanceled Reason = "canceled"
	// ReasonConnected means that a connection exists and nothing else is checked,
	// because health checking is disabled or the server does not implement it.
	ReasonConnected Reason = "connected"
	// ReasonConnectionLost means that the connection on which the endpoint last
	// answered is lost.
	ReasonConnectionLost Reason = "connection_lost"
	// ReasonSilence means that the server at the other end of the calls' connection does
	// not answer, neither calls nor a check on that connection, although its health is
	// reported elsewhere.
	ReasonSilence Reason = "silence"
	// ReasonCallsFailing means that calls on the endpoint fail in a row although its
	// probes pass.
	ReasonCallsFailing Reason = "calls_failing"
	// ReasonCallsDenied means that a call that carried the endpoint's own token was
	// answered with UNAUTHENTICATED. It is a reason to probe the endpoint.
	ReasonCallsDenied Reason = "calls_denied"
	// ReasonDrained means that the endpoint was taken out of rotation by hand.
	ReasonDrained Reason = "drained"
	// ReasonPassiveReplica means that a passive replica answered a call, so that the
	// endpoint is probed at once. The error's ID was
	// NODE_IS_PASSIVE_REPLICA, SYNC_SERVICE_PASSIVE_REPLICA or
	// SYNC_SERVICE_BECAME_PASSIVE, or its text "Node is passive" and the like.
	ReasonPassiveReplica Reason = "passive_replica"
	// ReasonIdentityMismatch means that the server at the other end of the connection
	// is not the expected one: the program's Config.Validate has refused it.
	ReasonIdentityMismatch Reason = "identity_mismatch"
	// ReasonNotValidated means that Config.Validate could not determine the identity
	// of the server.
	ReasonNotValidated Reason = "not_validated"
	// ReasonValidating means that Config.Validate is still determining the identity of
	// the server.
	ReasonValidating Reason = "validating"
	// ReasonChannelHealth means that grpc's own health check, set up by the channel's
	// healthCheckConfig or by a parent policy, reports that the endpoint is not usable.
	ReasonChannelHealth Reason = "channel_health"
	// ReasonLagging means that the server answers, and is behind the others by more
	// than healthcheck.Lag allows.
	ReasonLagging Reason = "lagging"
)

// The reasons of a handover: why endpoints that have left the list still serve.
const (
	// ReasonUndecided means that endpoints that have joined the list are connecting, or
	// have no verdict yet.
	ReasonUndecided Reason = "undecided"
	// ReasonNoneEligible means that no endpoint of the list can carry the calls.
	ReasonNoneEligible Reason = "none_eligible"
)

// The reasons of failover: why another endpoint is the active one, or why a command was
// refused, unless that is a reason for which an endpoint is not eligible.
const (
	// ReasonFirstChoice means that no endpoint was active before.
	ReasonFirstChoice Reason = "first_choice"
	// ReasonFailBack means that a preferred endpoint has been eligible for its
	// hold-down.
	ReasonFailBack Reason = "fail_back"
	// ReasonByHand means that the switch was requested.
	ReasonByHand Reason = "by_hand"
	// ReasonPinned means that the choice is pinned to one endpoint.
	ReasonPinned Reason = "pinned"
	// ReasonLeftList means that the endpoint is no longer in the list.
	ReasonLeftList Reason = "left_list"
	// ReasonNoStandby means that no other endpoint could be active.
	ReasonNoStandby Reason = "no_standby"
	// ReasonMultipleActive means that several endpoints say that they serve although
	// only one at a time should.
	ReasonMultipleActive Reason = "multiple_active"
	// ReasonReported means that the program has reported that a call failed.
	ReasonReported Reason = "reported"
)

// The reasons of a lease: why a candidate could acquire it, why it no longer holds it, or
// why it does not use it.
const (
	// ReasonLeaseFree means that the lease was free.
	ReasonLeaseFree Reason = "free"
	// ReasonLeaseExpired means that its holder had not renewed it for its TTL.
	ReasonLeaseExpired Reason = "expired"
	// ReasonLeaseOwn means that the record was the candidate's own, from an earlier term.
	ReasonLeaseOwn Reason = "own"
	// ReasonLeaseNotRenewed means that no renewal was answered in time.
	ReasonLeaseNotRenewed Reason = "not_renewed"
	// ReasonLeaseTaken means that the store has another record.
	ReasonLeaseTaken Reason = "taken"
	// ReasonLeaseWorkReturned means that the work has returned without being stopped.
	ReasonLeaseWorkReturned Reason = "work_returned"
	// ReasonLeaseStopped means that the program has asked the candidate to stop.
	ReasonLeaseStopped Reason = "stopped"
	// ReasonLeaseYielded means that a group has released the lease to a process that has
	// fewer.
	ReasonLeaseYielded Reason = "yielded"
	// ReasonLeaseTokenWentBack means that the store returned a token that is not greater
	// than an earlier one, for example after it was restored from a backup.
	ReasonLeaseTokenWentBack Reason = "token_went_back"
	// ReasonLeaseLate means that the answer came after the lease had ended.
	ReasonLeaseLate Reason = "late"
	// ReasonLeaseStoreError means that a request to the store has failed; the detail has
	// the error.
	ReasonLeaseStoreError Reason = "store_error"
)

// The reasons for which a router of shards refuses a request: see package shard.
const (
	// ReasonShardNowhere means that no shard hosts a party of the request with the
	// permission that it needs, or has its user or provider.
	ReasonShardNowhere Reason = "nowhere"
	// ReasonShardNotKnown means that it is not known which shard does, since one has not
	// answered.
	ReasonShardNotKnown Reason = "not_known"
	// ReasonShardAmbiguous means that several shards could take the request, and that none
	// of them is preferred.
	ReasonShardAmbiguous Reason = "ambiguous"
	// ReasonShardSplit means that the parties of the request are on different shards.
	ReasonShardSplit Reason = "split"
	// ReasonShardUnsettled means that a shard that has not answered would perhaps take the
	// request over.
	ReasonShardUnsettled Reason = "unsettled"
	// ReasonShardMoved means that a submission would go to another shard than the earlier
	// ones of the same party.
	ReasonShardMoved Reason = "moved"
	// ReasonShardUnrouted means that nothing says which shard the request belongs to.
	ReasonShardUnrouted Reason = "unrouted"
	// ReasonShardUnknown means that the request names a shard that does not exist.
	ReasonShardUnknown Reason = "unknown_shard"
	// ReasonShardNoClient means that the shard has no client for this kind of request.
	ReasonShardNoClient Reason = "no_client"
	// ReasonShardDistrusted means that the shard is another participant than it should be.
	ReasonShardDistrusted Reason = "distrusted"
	// ReasonShardUnreadable means that the parties of the request cannot be read, or are
	// none.
	ReasonShardUnreadable Reason = "unreadable"
	// ReasonShardTimeout means that the context of the request has ended before its shard
	// was known.
	ReasonShardTimeout Reason = "look_up_timeout"
	// ReasonShardClosed means that the router is closed.
	ReasonShardClosed Reason = "router_closed"
)
