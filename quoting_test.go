package cantonlb_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	estats "google.golang.org/grpc/experimental/stats"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/configfile"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/oauthtoken"
	"github.com/cantonlb/cantonlb/statuspage"
)

// quoted are the texts in which a peer may quote a secret.
func quoted(secret string) []string {
	return []string{
		secret, "Bearer " + secret, url.QueryEscape(secret), url.PathEscape(secret), url.UserPassword("joe", secret).String(),
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte("joe:" + secret)),
		base64.RawURLEncoding.EncodeToString([]byte(secret)), fmt.Sprintf("%q", secret), secret[:len(secret)-3] + "...",
	}
}

// places are texts that are searched, by the name of the place.
type places map[string]string

// find returns the places and the quotes of the secrets that are found there.
func (p places) find(all ...string) []string {
	var found []string
	for place, text := range p {
		for _, s := range all {
			for _, q := range quoted(s) {
				if part := strings.TrimPrefix(strings.Trim(q, `"`), "Bearer "); strings.Contains(text, part[:min(len(part), 20)]) {
					found = append(found, place+": "+part)
				}
			}
		}
	}
	return found
}

// labels records the labels of all metrics.
type labels struct {
	estats.UnimplementedMetricsRecorder
	mu   *sync.Mutex
	seen *strings.Builder
}

func (labels) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (labels) HandleRPC(context.Context, stats.RPCStats)                         {}
func (labels) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (labels) HandleConn(context.Context, stats.ConnStats)                       {}

func (l labels) note(all []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen.WriteString(strings.Join(all, " ") + "\n")
}

func (l labels) RecordInt64Count(_ *estats.Int64CountHandle, _ int64, all ...string) { l.note(all) }
func (l labels) RecordFloat64Histo(_ *estats.Float64HistoHandle, _ float64, all ...string) {
	l.note(all)
}
func (l labels) RecordFloat64Count(_ *estats.Float64CountHandle, _ float64, all ...string) {
	l.note(all)
}

// quoter is a server that quotes the token that it is sent in everything that it says.
func quoter(t *testing.T, calls codes.Code, opts ...lbtest.Option) *lbtest.Cluster {
	say := func(ctx context.Context, method string, set func(metadata.MD) error, trailer func(metadata.MD)) error {
		token := strings.TrimPrefix(strings.Join(metadataOf(ctx, "authorization"), " "), "Bearer ")
		if token == "" {
			token = "none-was-sent"
		}
		text := strings.Join(quoted(token), ", ")
		_ = set(metadata.Pairs("x-quote", token))
		trailer(metadata.Pairs("x-quote", token))
		code := codes.Unauthenticated
		if strings.HasPrefix(method, "/lbtest.") {
			code = calls
		}
		s, err := status.New(code, "bad credentials: "+text).WithDetails(
			&errdetails.ErrorInfo{Reason: text, Domain: token, Metadata: map[string]string{"token": text}},
			&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: token, Description: text}}},
		)
		if err != nil {
			return err
		}
		return s.Err()
	}
	return lbtest.NewCluster(t, 1, lbtest.RegisterEcho, append(opts, lbtest.WithServerOptions(
		grpc.ChainUnaryInterceptor(func(ctx context.Context, _ any, info *grpc.UnaryServerInfo, _ grpc.UnaryHandler) (any, error) {
			return nil, say(ctx, info.FullMethod, func(md metadata.MD) error { return grpc.SetHeader(ctx, md) }, func(md metadata.MD) { _ = grpc.SetTrailer(ctx, md) })
		}),
		grpc.ChainStreamInterceptor(func(_ any, s grpc.ServerStream, info *grpc.StreamServerInfo, _ grpc.StreamHandler) error {
			return say(s.Context(), info.FullMethod, s.SetHeader, s.SetTrailer)
		})))...)
}

// proxyThatQuotes answers each request with its password.
func proxyThatQuotes(t *testing.T) string {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = lis.Close() })
	go func() {
		for {
			conn, err := lis.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				r, err := http.ReadRequest(bufio.NewReader(conn))
				if err != nil {
					return
				}
				basic := r.Header.Get("Proxy-Authorization")
				_, password, _ := r.BasicAuth()
				_, _ = fmt.Fprintf(conn, "HTTP/1.1 407 bad %s %s\r\nX: %s\r\nContent-Length: 0\r\n\r\n", basic, password, basic)
			}()
		}
	}()
	return lis.Addr().String()
}

// lockedBuffer is safe for concurrent use.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// lookEverywhere makes calls on a client of an endpoint and returns all that is shown.
func lookEverywhere(t *testing.T, cfg cantonlb.Config, opts ...grpc.DialOption) places {
	t.Helper()
	var log lockedBuffer
	metrics := labels{mu: new(sync.Mutex), seen: new(strings.Builder)}
	cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg.Idempotent = echoIsIdempotent
	client, err := cantonlb.NewClient(cfg, append(opts, grpc.WithStatsHandler(metrics))...)
	if err != nil {
		return places{"the error of NewClient": fmt.Sprintf("%v %+v", err, err)}
	}
	defer client.Close()
	page := statuspage.Handler(client)
	defer page.Close()
	found := places{}
	for range 4 {
		ctx := testkit.Within(t, time.Second)
		_, err := lbtest.ServedBy(ctx, client)
		found["call errors"] += fmt.Sprintf("%v %+v %v\n", err, err, status.Convert(err).Details())
		stream, err := lbtest.Ticks(ctx, client, time.Second)
		if err == nil {
			_, err = stream.Recv()
		}
		found["stream errors"] += fmt.Sprintf("%v %+v %v\n", err, err, status.Convert(err).Details())
		found["wait errors"] += fmt.Sprint(client.WaitHealthy(testkit.Within(t, 100*time.Millisecond), 1))
		<-testkit.Within(t, 200*time.Millisecond).Done() // probes are made meanwhile
	}
	for _, query := range []string{"", "?show=all", "?format=json", "?format=text", "?explain=a", "?explain=a&format=json"} {
		answer := httptest.NewRecorder()
		page.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/page"+query, nil))
		found["page "+query] = answer.Body.String()
	}
	s, events := client.Status(), client.Events()
	asJSON, err := json.Marshal([]any{s, events})
	require.NoError(t, err)
	found["status"] = fmt.Sprintf("%v %+v %s", s, s, asJSON)
	found["events"] = fmt.Sprintf("%v %+v", events, events)
	_ = client.Close()
	found["log"] = log.String()
	metrics.mu.Lock()
	found["metrics"] = metrics.seen.String()
	metrics.mu.Unlock()
	for _, place := range []string{"log", "metrics", "status", "events", "call errors"} {
		assert.NotEmpty(t, found[place], place)
	}
	return found
}

const (
	quotedToken    = "tok/en+of=server.SIGN4711ature"
	quotedPassword = "pass-w0rd&4711%of/proxy"
)

func TestASecretThatIsQuotedBackIsShownNowhere(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: left out with -short")
	}
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := r.Header.Get("Authorization")
		w.Header().Set("X-Quote", token)
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, strings.Join(quoted(token), " "))
	}))
	defer page.Close()
	proxy := proxyThatQuotes(t)
	endpoint := func(address string) cantonlb.Endpoint {
		return cantonlb.Endpoint{Name: "a", Address: address, AllowInsecureTokens: true, Token: cantonlb.NewSecret(quotedToken)}
	}
	text := strings.Join(append(quoted(quotedToken), quoted(quotedPassword)...), " ")
	for name, look := range map[string]func(t *testing.T) places{
		"a server that denies": func(t *testing.T) places {
			c := quoter(t, codes.Unauthenticated)
			return lookEverywhere(t, cantonlb.Config{Endpoints: []cantonlb.Endpoint{endpoint(c.URLs()[0])}}, c.DialOptions()...)
		},
		"a server that is unavailable, and no health checks": func(t *testing.T) places {
			c := quoter(t, codes.Unavailable)
			cfg := cantonlb.Config{Endpoints: []cantonlb.Endpoint{endpoint(c.URLs()[0])}}
			cfg.HealthCheck.Disabled = true
			return lookEverywhere(t, cfg, c.DialOptions()...)
		},
		"a token in a file": func(t *testing.T) places {
			c := quoter(t, codes.Internal)
			e := endpoint(c.URLs()[0])
			e.Token, e.TokenFile = cantonlb.Secret{}, put(t, "token", quotedToken+"\n")
			cfg := cantonlb.Config{Endpoints: []cantonlb.Endpoint{e}, Policy: cantonlb.ActivePassive}
			cfg.HealthCheck.Disabled = true
			return lookEverywhere(t, cfg, c.DialOptions()...)
		},
		"credentials of the endpoint": func(t *testing.T) places {
			c := quoter(t, codes.Internal)
			e := endpoint(c.URLs()[0])
			e.Token, e.Credentials = cantonlb.Secret{}, bearer("Bearer "+quotedToken)
			return lookEverywhere(t, cantonlb.Config{Endpoints: []cantonlb.Endpoint{e}}, c.DialOptions()...)
		},
		"an issuer": func(t *testing.T) places {
			c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.WithTLS())
			creds, err := oauthtoken.NewOf(oauthtoken.Issuer{Name: "idp", Token: func(context.Context) (*oauth2.Token, error) {
				return nil, errors.New("no token for client_secret=" + quotedPassword + " " + text)
			}})
			require.NoError(t, err)
			_, _ = cantonlb.NewSecret(quotedPassword), cantonlb.NewSecret(quotedToken)
			e := cantonlb.Endpoint{Name: "a", Address: c.URLs()[0], TLS: cantonlb.TLS{RootCAPEM: c.Server(0).CA().PEM()}, Credentials: creds}
			return lookEverywhere(t, cantonlb.Config{Endpoints: []cantonlb.Endpoint{e}}, c.DialOptions()...)
		},
		"a health page": func(t *testing.T) places {
			c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.OnTCP())
			e := endpoint("http://" + c.Addrs()[0])
			e.Health = cantonlb.HealthTarget{HTTP: page.URL, SendToken: true}
			return lookEverywhere(t, cantonlb.Config{Endpoints: []cantonlb.Endpoint{e}})
		},
		"a dialer": func(t *testing.T) places {
			_ = cantonlb.NewSecret(quotedPassword)
			return lookEverywhere(t, cantonlb.Config{Endpoints: []cantonlb.Endpoint{endpoint("http://a.example:1")}},
				grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return nil, errors.New("dial: " + text) }))
		},
		"a proxy": func(t *testing.T) places {
			t.Setenv("HTTPS_PROXY", "http://"+url.UserPassword("joe", quotedPassword).String()+"@"+proxy)
			t.Setenv("NO_PROXY", "")
			return lookEverywhere(t, cantonlb.Config{Endpoints: []cantonlb.Endpoint{endpoint("http://a.example.test:1")}})
		},
		"a validator": func(t *testing.T) places {
			_ = cantonlb.NewSecret(quotedPassword)
			c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
			return lookEverywhere(t, cantonlb.Config{
				Endpoints: []cantonlb.Endpoint{endpoint(c.URLs()[0])},
				Validate: func(context.Context, grpc.ClientConnInterface, cantonlb.Endpoint) cantonlb.Validation {
					return cantonlb.Validation{Result: cantonlb.ValidationMismatch, Detail: text}
				},
			}, c.DialOptions()...)
		},
		"an address with a password": func(t *testing.T) places {
			return lookEverywhere(t, cantonlb.Config{Endpoints: []cantonlb.Endpoint{endpoint("https://joe:" + url.QueryEscape(quotedPassword) + "@a.example:1")}})
		},
		"a file": func(*testing.T) places {
			found := places{}
			for i, file := range []string{
				"endpoints:\n- {name: a, address: \"https://joe:%[1]s@a:1\", token: %[1]q}\n",
				"endpoints:\n- {name: %[1]q, address: %[1]q, token: %[1]q}\n",
				"endpoints:\n- {name: a, address: 'https://a:1', token: %[1]q, weight: %[1]q}\n",
				"endpoints:\n- {name: a, address: 'https://a:1', token: [%[1]q]}\n",
				"endpoints:\n- {name: a, address: 'https://a:1', token: %[1]q, %[1]q: 1}\n",
				"endpoints:\n- {name: a, address: 'https://a:1', token: {%[1]q: }\n",
				"role: %[1]q\nendpoints:\n- {name: a, address: 'https://a:1', token: %[1]q}\n",
				"endpoints:\n- {name: a, address: 'https://a:1', token: *%[2]s}\n",
			} {
				_, err := configfile.Parse([]byte(fmt.Sprintf(file, quotedToken, "tok")))
				found[fmt.Sprint("file ", i)] = fmt.Sprintf("%v %+v", err, err)
			}
			return found
		},
	} {
		t.Run(name, func(t *testing.T) {
			found := look(t)
			assert.Empty(t, found.find(quotedToken, quotedPassword))
			for place := range found { // the search finds what is there
				for _, s := range []string{quotedToken, quotedPassword} {
					for _, q := range quoted(s) {
						planted := places{place: found[place] + "planted: " + q}
						assert.NotEmpty(t, planted.find(s), "%s: %s", place, q)
					}
				}
			}
		})
	}
}

// Tokens of single calls are not known before they are sent: those of call options
// and of the metadata that the program sets.
func TestATokenOfACallThatIsQuotedBackIsNotInItsError(t *testing.T) {
	c := quoter(t, codes.Internal)
	cfg := cantonlb.Config{Endpoints: []cantonlb.Endpoint{{Name: "a", Address: c.URLs()[0]}}}
	cfg.HealthCheck.Disabled = true
	client, err := cantonlb.NewClient(cfg, c.DialOptions()...)
	require.NoError(t, err)
	defer client.Close()
	for i, with := range []func(token string) (context.Context, []grpc.CallOption){
		func(token string) (context.Context, []grpc.CallOption) {
			return testkit.Context(t), []grpc.CallOption{grpc.PerRPCCredentials(bearer("Bearer " + token))}
		},
		func(token string) (context.Context, []grpc.CallOption) {
			return metadata.AppendToOutgoingContext(testkit.Context(t), "authorization", "Bearer "+token), nil
		},
	} {
		token := func(kind string) string { return fmt.Sprintf("%s%d/of+a=call.SIGN4711ature", kind, i) }
		ctx, opts := with(token("unary"))
		_, err := lbtest.ServedBy(ctx, client, opts...)
		shown := places{"unary": fmt.Sprintf("%v %+v %v", err, err, status.Convert(err).Details())}
		assert.Contains(t, shown["unary"], "[redacted]")
		ctx, opts = with(token("stream"))
		stream, err := lbtest.Ticks(ctx, client, time.Second, opts...)
		if err == nil {
			_, err = stream.Recv()
		}
		shown["stream"] = fmt.Sprintf("%v %+v %v", err, err, status.Convert(err).Details())
		assert.Contains(t, shown["stream"], "[redacted]")
		assert.Empty(t, shown.find(token("unary"), token("stream")))
	}
}
