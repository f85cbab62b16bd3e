package report

// Reason is why a verdict, a state or a transition is what it is. The same
// value stands in errors, log lines, metric labels, events and status, so that
// an operator who reads it in one place can search for it in all the others.
//
// The set is closed: a reason never carries text from a peer. What a peer said
// travels beside it, as a bounded detail.
type Reason string

// The reasons of health checking.
const (
	// ReasonNone is the zero value: nothing has been learnt yet.
	ReasonNone Reason = ""
	// ReasonServing: the server said that it serves.
	ReasonServing Reason = "serving"
	// ReasonNotServing: the server said NOT_SERVING, or an HTTP health page
	// answered with a status other than the expected one.
	ReasonNotServing Reason = "not_serving"
	// ReasonStatusUnknown: the server answered with the health status UNKNOWN,
	// or with a value that the health protocol does not define.
	ReasonStatusUnknown Reason = "status_unknown"
	// ReasonUnknownService: the server runs a health service that does not know
	// the service name that was asked for (SERVICE_UNKNOWN or NOT_FOUND). The
	// name is wrong for this endpoint.
	ReasonUnknownService Reason = "unknown_service"
	// ReasonUnimplemented: the server has no health service at all. Config's
	// OnUnimplemented says what that means.
	ReasonUnimplemented Reason = "unimplemented"
	// ReasonProbeTimeout: the probe was sent and no answer came before its
	// deadline.
	ReasonProbeTimeout Reason = "probe_timeout"
	// ReasonProbeError: the probe came back with an error that is none of the
	// others.
	ReasonProbeError Reason = "probe_error"
	// ReasonProbeDenied: the server refused the probe (UNAUTHENTICATED or
	// PERMISSION_DENIED; HTTP 401 or 403).
	ReasonProbeDenied Reason = "probe_denied"
	// ReasonConnectFailed: no connection could be made for the probe.
	ReasonConnectFailed Reason = "connect_failed"
	// ReasonHandshakeFailed: the server was reached, and no secure connection could
	// be made: its certificate is not trusted or has another name, it requires a
	// client certificate, or it does not speak TLS.
	ReasonHandshakeFailed Reason = "handshake_failed"
	// ReasonNoStream: the probe never got a stream of its own, because the
	// server's limit of concurrent streams was reached. Inconclusive.
	ReasonNoStream Reason = "no_stream"
	// ReasonBusy: the probe timed out, but other calls on the same connection
	// were answered meanwhile. Inconclusive.
	ReasonBusy Reason = "busy"
	// ReasonCanceled: the probe was canceled by its owner. Inconclusive.
	ReasonCanceled Reason = "canceled"
	// ReasonConnected: a connection exists and nothing else is checked, because
	// health checking is disabled or the server does not implement it.
	ReasonConnected Reason = "connected"
	// ReasonConnectionLost: the connection on which the endpoint was last heard
	// is gone.
	ReasonConnectionLost Reason = "connection_lost"
	// ReasonSilence: calls are in flight on the connection, and nothing has
	// been received on it for a while.
	ReasonSilence Reason = "silence"
	// ReasonCallsFailing: calls on the endpoint fail in a row although its probes
	// pass.
	ReasonCallsFailing Reason = "calls_failing"
	// ReasonCallsDenied: a call that carried the endpoint's own token was answered
	// UNAUTHENTICATED. A reason to probe.
	ReasonCallsDenied Reason = "calls_denied"
	// ReasonDrained: the endpoint was taken out of rotation by hand.
	ReasonDrained Reason = "drained"
	// ReasonPassiveReplica: a call was answered by a replica that is passive, so
	// that the endpoint is probed at once. The error's ID was
	// NODE_IS_PASSIVE_REPLICA, SYNC_SERVICE_PASSIVE_REPLICA or
	// SYNC_SERVICE_BECAME_PASSIVE, or its text "Node is passive" and the like.
	ReasonPassiveReplica Reason = "passive_replica"
	// ReasonIdentityMismatch: the server at the other end of the connection is not
	// the one that it should be: the program's Config.Validate has refused it.
	ReasonIdentityMismatch Reason = "identity_mismatch"
	// ReasonNotValidated: Config.Validate could not determine which server it is.
	ReasonNotValidated Reason = "not_validated"
	// ReasonValidating: Config.Validate is still determining which server it is.
	ReasonValidating Reason = "validating"
	// ReasonChannelHealth: grpc's own health check, set up by the channel's
	// healthCheckConfig or by a parent policy, says that the endpoint is not
	// usable.
	ReasonChannelHealth Reason = "channel_health"
)

// The reasons of failover: why another endpoint is the active one, or why a command
// was refused, where it is none of the reasons for which an endpoint is not eligible.
const (
	// ReasonFirstChoice: no endpoint was active before.
	ReasonFirstChoice Reason = "first_choice"
	// ReasonFailBack: a preferred endpoint has been eligible for its hold-down.
	ReasonFailBack Reason = "fail_back"
	// ReasonByHand: the switch was requested.
	ReasonByHand Reason = "by_hand"
	// ReasonPinned: the choice is pinned to one endpoint.
	ReasonPinned Reason = "pinned"
	// ReasonLeftList: the endpoint is not in the list any more.
	ReasonLeftList Reason = "left_list"
	// ReasonNoStandby: no other endpoint could be active.
	ReasonNoStandby Reason = "no_standby"
	// ReasonMultipleActive: several endpoints say that they serve, of which one
	// at a time should.
	ReasonMultipleActive Reason = "multiple_active"
	// ReasonReported: the program has reported that a call failed.
	ReasonReported Reason = "reported"
)
