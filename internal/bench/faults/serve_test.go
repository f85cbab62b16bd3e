package faults

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// inProcess is a server process's part, run here.
type inProcess struct {
	t        *testing.T
	config   serverConfig
	orders   *json.Encoder
	messages chan message
}

func serveHere(t *testing.T) *inProcess {
	t.Helper()
	return serveAs(t, serverConfig{Name: "s1", Service: time.Microsecond})
}

// serveAs fills in the addresses.
func serveAs(t *testing.T, c serverConfig) *inProcess {
	t.Helper()
	s := &inProcess{t: t, messages: make(chan message, 100), config: c}
	var free ports
	for _, address := range []*string{&s.config.Address, &s.config.Health} {
		var err error
		*address, err = free.free()
		require.NoError(t, err)
	}
	ordersOut, ordersIn := io.Pipe()
	saidOut, saidIn := io.Pipe()
	s.orders = json.NewEncoder(ordersIn)
	ended := make(chan error, 1)
	go func() {
		ended <- serve(s.config, json.NewDecoder(ordersOut), &mouth{out: json.NewEncoder(saidIn)})
		_ = saidIn.Close()
	}()
	go func() {
		defer close(s.messages)
		for in := json.NewDecoder(saidOut); ; {
			var m message
			if in.Decode(&m) != nil {
				return
			}
			s.messages <- m
		}
	}()
	t.Cleanup(func() {
		_ = ordersIn.Close()
		require.NoError(t, <-ended)
		for range s.messages { // until it is closed
		}
	})
	require.Equal(t, saysReady, s.next(saysReady).Kind)
	return s
}

// next returns the next message of a kind.
func (s *inProcess) next(want kind) message {
	s.t.Helper()
	for {
		select {
		case m, ok := <-s.messages:
			require.True(s.t, ok, "it has ended")
			if m.Kind == want {
				return m
			}
		case <-time.After(20 * time.Second):
			require.Fail(s.t, "nothing said", "%s", want)
		}
	}
}

func (s *inProcess) tell(o order) {
	s.t.Helper()
	require.NoError(s.t, s.orders.Encode(o))
	require.Empty(s.t, s.next(saysDone).Error)
}

func (s *inProcess) dial() *grpc.ClientConn {
	s.t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+s.config.Address,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithUserAgent("tester"))
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestAServerTreatsCallsByItsMode(t *testing.T) {
	s := serveHere(t)
	conn := s.dial()
	call := func(ctx context.Context) (string, codes.Code) {
		answer := new(wrapperspb.StringValue)
		err := conn.Invoke(ctx, methodRead, new(emptypb.Empty), answer)
		return answer.GetValue(), status.Code(err)
	}
	for _, m := range []mode{modeNormal, modeSlow} {
		s.tell(order{Op: opBehave, Mode: m})
		name, code := call(t.Context())
		assert.Equal(t, "s1", name)
		assert.Equal(t, codes.OK, code)
	}
	s.tell(order{Op: opBehave, Mode: modeFail})
	_, code := call(t.Context())
	assert.Equal(t, codes.Unavailable, code)

	s.tell(order{Op: opBehave, Mode: modeNoReply})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, code = call(ctx)
	assert.Equal(t, codes.DeadlineExceeded, code)

	answered := make(chan string)
	go func() {
		name, _ := call(t.Context())
		answered <- name
	}()
	s.tell(order{Op: opBehave, Mode: modeNormal})
	assert.Equal(t, "s1", <-answered, "a call that got no answer gets one when the mode changes")
}

func TestAServerSaysItsHealthByGRPCAndHTTPAndToHAProxysCheck(t *testing.T) {
	s := serveHere(t)
	health := healthpb.NewHealthClient(s.dial())
	for _, serving := range []bool{true, false, true} {
		s.tell(order{Op: opHealth, Serving: serving})
		want, wantHTTP := healthpb.HealthCheckResponse_NOT_SERVING, http.StatusInternalServerError
		if serving {
			want, wantHTTP = healthpb.HealthCheckResponse_SERVING, http.StatusOK
		}
		got, err := health.Check(t.Context(), new(healthpb.HealthCheckRequest))
		require.NoError(t, err)
		assert.Equal(t, want, got.GetStatus())

		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.config.Health+"/health", nil)
		require.NoError(t, err)
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		response, err := client.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		assert.Equal(t, wantHTTP, response.StatusCode)

		assert.Equal(t, serving, s.passesRawCheck())
	}
}

// passesRawCheck does what HAProxy's tcp-check does: send bytes, wait for others.
func (s *inProcess) passesRawCheck() bool {
	s.t.Helper()
	conn, err := new(net.Dialer).DialContext(s.t.Context(), "tcp", s.config.Address)
	require.NoError(s.t, err)
	defer conn.Close()
	require.NoError(s.t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	request, err := hex.DecodeString(healthCheckRequest("haproxy-tuned"))
	require.NoError(s.t, err)
	_, err = conn.Write(request)
	require.NoError(s.t, err)
	var got []byte
	for buffer := make([]byte, 4096); ; {
		n, err := conn.Read(buffer)
		require.NoError(s.t, err, "%x", got)
		got = append(got, buffer[:n]...)
		switch text := hex.EncodeToString(got); {
		case strings.Contains(text, "00000000020801"):
			return true
		case strings.Contains(text, "00000000020802"):
			return false
		}
	}
}

func TestAServerCountsWhatArrivesByClient(t *testing.T) {
	s := serveHere(t)
	conn := s.dial()
	for range 3 {
		require.NoError(t, conn.Invoke(t.Context(), methodWrite, new(emptypb.Empty), new(wrapperspb.StringValue)))
	}
	_, err := healthpb.NewHealthClient(conn).Check(t.Context(), new(healthpb.HealthCheckRequest))
	require.NoError(t, err)
	require.True(t, s.passesRawCheck())
	var r replica
	for {
		r.tally.add(s.next(saysArrived))
		tester := r.tally.sum("tester", time.Time{}, time.Now())
		if proxied := r.tally.sum("haproxy-tuned", time.Time{}, time.Now()); tester.Probes+proxied.Probes == 2 {
			assert.Equal(t, arrivals{Calls: 3, Probes: 1}, tester)
			return
		}
	}
}

func TestAServerBoundsTheNamesItCountsBy(t *testing.T) {
	s := newServer(serverConfig{})
	for i := range 3 * mostClients {
		s.count(strings.Repeat("x", i)+" grpc-go/1", arrivals{Calls: 1})
	}
	s.count("x grpc-go/1", arrivals{Calls: 1})
	require.Len(t, s.arrived, 1)
	assert.Len(t, s.arrived[0].arrived, mostClients)
	assert.Equal(t, 2, s.arrived[0].arrived["x"].Calls)
}
