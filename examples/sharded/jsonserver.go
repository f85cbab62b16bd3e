package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"

	v2 "github.com/digital-asset/dazl-client/v8/go/api/com/daml/ledger/api/v2"
	admin "github.com/digital-asset/dazl-client/v8/go/api/com/daml/ledger/api/v2/admin"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/cantonerr"
	"github.com/cantonlb/cantonlb/examples/internal/child"
	"github.com/cantonlb/cantonlb/examples/internal/participant"
	"github.com/cantonlb/cantonlb/jsonapi"
)

// The environment of a JSON API server: its name, which marks the process as one, the
// address to listen on, and the addresses of its participant's replicas.
const (
	jsonEnv     = "SHARDED_JSON"
	jsonAddrEnv = "SHARDED_JSON_ADDR"
	replicasEnv = "SHARDED_REPLICAS"

	listening = "listening"
	// servedBy is the header of a response with the name of the server.
	servedBy = "X-Served-By"
	// maxBody bounds a request, in bytes.
	maxBody = 1 << 20
)

// jsonServer is one server of the JSON API of a participant service, from this program's
// side.
type jsonServer struct {
	name, addr string
	process    *child.Process
}

// startJSON starts a server for these replicas, and waits until it listens.
func startJSON(ctx context.Context, name string, replicas participant.Replicas) (*jsonServer, error) {
	addr, err := participant.FreeAddr(ctx)
	if err != nil {
		return nil, err
	}
	var addresses []string
	for _, r := range replicas {
		addresses = append(addresses, r.Name+"="+r.Addr)
	}
	s := &jsonServer{name: name, addr: addr}
	ready := make(chan struct{}, 1)
	s.process, err = child.Start([]string{
		jsonEnv + "=" + name, jsonAddrEnv + "=" + addr, replicasEnv + "=" + strings.Join(addresses, ","),
	}, func(line string) {
		if line == listening {
			ready <- struct{}{}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, participant.StepLimit)
	defer cancel()
	select {
	case <-ready:
		return s, nil
	case <-s.process.Ended():
		err = fmt.Errorf("%s has ended: %v", name, s.process.State())
	case <-ctx.Done():
		err = fmt.Errorf("%s does not listen: %w", name, ctx.Err())
	}
	s.process.Close()
	return nil, err
}

// endpoint returns the server as an endpoint of a client.
func (s *jsonServer) endpoint() jsonapi.Endpoint {
	return jsonapi.Endpoint{Name: s.name, Address: "http://" + s.addr}
}

// runIfJSON runs a JSON API server if this process is one, and then exits.
func runIfJSON() {
	name := os.Getenv(jsonEnv)
	if name == "" {
		return
	}
	if err := serveJSON(name, os.Getenv(jsonAddrEnv), os.Getenv(replicasEnv)); err != nil {
		fmt.Fprintf(os.Stderr, "JSON API server %s: %v\n", name, err)
		os.Exit(1) //nolint:revive // in place of main
	}
	os.Exit(0) //nolint:revive // in place of main
}

// serveJSON serves until the standard input ends.
func serveJSON(name, addr, replicas string) error {
	signal.Ignore(os.Interrupt) // the parent decides
	cfg := cantonlb.Config{Role: cantonlb.ParticipantLedger, Name: name}
	for r := range strings.SplitSeq(replicas, ",") {
		replica, at, _ := strings.Cut(r, "=")
		cfg.Endpoints = append(cfg.Endpoints, cantonlb.Endpoint{Name: replica, Address: "http://" + at})
	}
	conn, err := cantonlb.NewClient(cfg)
	if err != nil {
		return err
	}
	defer conn.Close()
	api := &jsonAPI{name: name, conn: conn}
	server := &http.Server{Addr: addr, Handler: api.handler(), ReadHeaderTimeout: time.Minute}
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		}
		_ = server.Close() // ListenAndServe says so
	}()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return err
	}
	fmt.Println(listening)
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// jsonAPI is a small part of the JSON API v2, over the Ledger API.
type jsonAPI struct {
	name string
	conn *cantonlb.Client
}

func (a *jsonAPI) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if a.conn.Status().Eligible() == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("POST /v2/commands/submit-and-wait", a.submit)
	mux.HandleFunc("GET /v2/parties/{party}", a.party)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(servedBy, a.name)
		w.Header().Set("Content-Type", "application/json")
		mux.ServeHTTP(w, r)
	})
}

// jsonCommands is JsCommands, as far as this server reads it.
type jsonCommands struct {
	Commands   []json.RawMessage `json:"commands"`
	CommandID  string            `json:"commandId"`
	UserID     string            `json:"userId"`
	ActAs      []string          `json:"actAs"`
	WorkflowID string            `json:"workflowId,omitempty"`
}

func (a *jsonAPI) submit(w http.ResponseWriter, r *http.Request) {
	var c jsonCommands
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&c); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	reply, err := v2.NewCommandServiceClient(a.conn).SubmitAndWait(r.Context(), &v2.SubmitAndWaitRequest{Commands: &v2.Commands{
		CommandId: c.CommandID, UserId: c.UserID, ActAs: c.ActAs, WorkflowId: c.WorkflowID,
	}})
	if err != nil {
		refuse(w, err)
		return
	}
	say(w, map[string]any{"updateId": reply.GetUpdateId(), "completionOffset": reply.GetCompletionOffset()})
}

func (a *jsonAPI) party(w http.ResponseWriter, r *http.Request) {
	request := &admin.GetPartiesRequest{Parties: []string{r.PathValue("party")}}
	reply, err := admin.NewPartyManagementServiceClient(a.conn).GetParties(r.Context(), request)
	if err != nil {
		refuse(w, err)
		return
	}
	var list []map[string]any
	for _, p := range reply.GetPartyDetails() {
		list = append(list, map[string]any{"party": p.GetParty(), "isLocal": p.GetIsLocal()})
	}
	say(w, map[string]any{"partyDetails": list})
}

// refuse answers with the error of the participant: 409 for a command that it has
// executed before, and 503 for all others, as an unavailable participant is.
func refuse(w http.ResponseWriter, err error) {
	code := http.StatusServiceUnavailable
	if cantonerr.AlreadyDone(err) {
		code = http.StatusConflict
	}
	w.WriteHeader(code)
	s := status.Convert(err)
	say(w, map[string]any{"code": s.Code().String(), "cause": s.Message(), "grpcCodeValue": int(s.Code())})
}

func say(w http.ResponseWriter, v any) {
	_ = json.NewEncoder(w).Encode(v) //nolint:errchkjson // a client that is gone needs no answer
}
