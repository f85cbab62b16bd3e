package participant

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/examples/internal/cli"
	pb "github.com/cantonlb/cantonlb/examples/internal/ledgerpb"
)

// The environment of a replica: its name, which marks the process as a replica, the
// address to listen on, the address of the store, and its Service.
const (
	replicaEnv = "PARTICIPANT_REPLICA"
	addrEnv    = "PARTICIPANT_ADDR"
	storeEnv   = "PARTICIPANT_STORE"
	serviceEnv = "PARTICIPANT_ID"
	partiesEnv = "PARTICIPANT_PARTIES" // separated by commas
)

// The commands that this program writes to a replica, and the reports that the
// replica writes back, one per line.
const (
	commandStepDown = "step_down"

	// Active and Passive are the states that a replica reports.
	Active     = "active"
	Passive    = "passive"
	sayRefused = "refused" // a late write
)

const (
	// lockPoll is how often a passive replica tries to acquire the lock, and an
	// active one checks that its session is alive. Canton's defaults are 15 s and 5
	// s.
	lockPoll = 200 * time.Millisecond
	// yieldTime is how long a replica that has stepped down leaves the lock to the
	// others.
	yieldTime = 2 * time.Second
	// graceTime is how long calls may take to finish when a replica steps down.
	graceTime  = 300 * time.Millisecond
	streamPoll = 20 * time.Millisecond
)

// RunIfReplica runs the replica if this process is one, and then exits. A program
// calls it first.
func RunIfReplica() {
	name := os.Getenv(replicaEnv)
	if name == "" {
		return
	}
	service := Service{ID: os.Getenv(serviceEnv), Parties: strings.Split(os.Getenv(partiesEnv), ",")}
	if err := runReplica(name, service, os.Getenv(addrEnv), os.Getenv(storeEnv)); err != nil {
		fmt.Fprintf(os.Stderr, "replica %s: %v\n", name, err)
		os.Exit(1) //nolint:revive // in place of main
	}
	os.Exit(0) //nolint:revive // in place of main
}

// runReplica runs a replica. It ends when its standard input does.
func runReplica(name string, service Service, addr, store string) error {
	signal.Ignore(os.Interrupt) // Ctrl-C reaches all processes of a terminal; the parent decides
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stepDown := make(chan struct{}, 1)
	go func() {
		defer cancel()
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			if lines.Text() == commandStepDown {
				stepDown <- struct{}{}
			}
		}
	}()
	say(Passive)
	for {
		s, err := standBy(ctx, store)
		if err != nil {
			return nil // the parent has closed the standard input
		}
		err = lead(ctx, name, service, addr, s, stepDown)
		s.Close()
		if err != nil {
			return err
		}
		say(Passive)
		if !cli.Wait(ctx, yieldTime) {
			return nil
		}
	}
}

// say writes one line to the parent, in one piece.
func say(line string) { fmt.Println(line) }

// standBy waits for the lock, with a new session whenever the previous one ends.
func standBy(ctx context.Context, store string) (Session, error) {
	var s Session
	for {
		var err error
		if s == nil {
			s, err = OpenSession(ctx, store)
		}
		if err == nil {
			var locked bool
			if locked, err = s.TryLock(ctx); locked {
				return s, nil
			}
		}
		if err != nil && s != nil {
			s.Close()
			s = nil
		}
		if !cli.Wait(ctx, lockPoll) {
			if s != nil {
				s.Close()
			}
			return nil, ctx.Err()
		}
	}
}

// lead serves the ledger while the session is alive. Before and after, the replica
// does not listen at the address, so that connections to a passive replica are
// refused, as at the Ledger API of Canton.
func lead(ctx context.Context, name string, service Service, addr string, s Session, stepDown <-chan struct{}) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	lost := make(chan struct{}, 1)
	server, state := grpc.NewServer(), health.NewServer()
	l := &ledger{name: name, session: s, lost: lost}
	pb.RegisterLedgerServer(server, l)
	registerWire(server, l, service)
	healthpb.RegisterHealthServer(server, state)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	say(Active)

	ticker := time.NewTicker(lockPoll)
	defer ticker.Stop()
	for leads := true; leads; {
		select {
		case <-ctx.Done():
			leads = false
		case <-stepDown:
			leads = false
		case <-lost:
			leads = false
		case <-ticker.C:
			leads = s.Ping(ctx) == nil
		}
	}
	state.Shutdown() // NOT_SERVING first, so that clients do not send more
	limit := time.AfterFunc(graceTime, server.Stop)
	server.GracefulStop()
	limit.Stop()
	if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return nil
}

// ledger is the service of an active replica.
type ledger struct {
	pb.UnimplementedLedgerServer

	name    string
	session Session
	lost    chan<- struct{} // capacity 1: the session has ended
}

// Submit implements the service. An accepted command is executed even if the caller
// has disconnected meanwhile. The caller can learn that later by the command id.
func (l *ledger) Submit(ctx context.Context, request *pb.SubmitRequest) (*pb.SubmitReply, error) {
	offset, err := l.session.Append(context.WithoutCancel(ctx),
		Update{CommandID: request.GetCommandId(), Text: request.GetText(), Writer: l.name})
	switch {
	case errors.Is(err, ErrDuplicate):
		return nil, status.Error(codes.AlreadyExists, "DUPLICATE_COMMAND(10,0): "+err.Error())
	case err != nil:
		return nil, l.refuse()
	}
	return &pb.SubmitReply{Offset: offset}, nil
}

// refuse returns the error of a late write.
func (l *ledger) refuse() error {
	say(sayRefused)
	select {
	case l.lost <- struct{}{}:
	default:
	}
	return status.Error(codes.Unavailable, "SYNC_SERVICE_BECAME_PASSIVE(1,0): the session with the lock has ended")
}

// Updates implements the service.
func (l *ledger) Updates(request *pb.UpdatesRequest, stream pb.Ledger_UpdatesServer) error {
	return l.follow(stream.Context(), request.GetBeginExclusive(), func(u Update) error {
		return stream.Send(&pb.Update{Offset: u.Offset, CommandId: u.CommandID, Text: u.Text, Writer: u.Writer})
	})
}

// follow calls send with each update after an offset, as they come.
func (l *ledger) follow(ctx context.Context, last int64, send func(Update) error) error {
	for {
		list, err := l.session.After(ctx, last)
		if err != nil {
			return status.Error(codes.Unavailable, "SYNC_SERVICE_BECAME_PASSIVE(1,0): "+err.Error())
		}
		for _, u := range list {
			if err := send(u); err != nil {
				return err
			}
			last = u.Offset
		}
		if !cli.Wait(ctx, streamPoll) {
			return status.FromContextError(ctx.Err()).Err()
		}
	}
}
