package report

// ConnectPhase is how far an attempt to connect has come. It is empty if that is not
// known, or if no attempt is under way.
type ConnectPhase string

// The phases of an attempt to connect, in their order. A dialer of the program's own is
// one phase, PhaseTCP; what a proxy does belongs to PhaseTCP too.
const (
	// PhaseLookup means that the host name, or that of the proxy, is being looked up.
	// Until the first look-up has ended, which takes 30 s at most, nothing is known
	// against the endpoint: calls wait for it as for one that is connecting.
	PhaseLookup ConnectPhase = "name_lookup"
	// PhaseTCP means that the server has not accepted the TCP connection yet.
	PhaseTCP ConnectPhase = "tcp"
	// PhaseTLS means that the TCP connection is established, and that the TLS handshake
	// has not ended.
	PhaseTLS ConnectPhase = "tls"
	// PhaseHTTP2 means that the connection is established, and that the server has not
	// sent the settings with which HTTP/2 begins.
	PhaseHTTP2 ConnectPhase = "http2"
	// PhaseProbe means that the endpoint is connected, and that no probe has determined
	// its health yet.
	PhaseProbe ConnectPhase = "first_probe"
)

// waits is what an attempt in a phase waits for.
var waits = map[ConnectPhase]string{
	PhaseLookup: "looking up the name",
	PhaseTCP:    "waiting for the TCP connection",
	PhaseTLS:    "TCP connected, waiting for the TLS handshake",
	PhaseHTTP2:  "connected, waiting for the server's HTTP/2 settings",
	PhaseProbe:  "connected, waiting for the first answer to a probe",
}

// Waits returns what an attempt in the phase waits for, as text for people, or "" if
// the phase is not known.
func (p ConnectPhase) Waits() string { return waits[p] }
