package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/configfile"
	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/jsonapi"
	"github.com/cantonlb/cantonlb/report"
	"github.com/cantonlb/cantonlb/resolver"
)

// target holds the flags that select the endpoints.
type target struct {
	config                  string
	plaintext               bool
	ca, cert, key           string
	tokenFile               string
	headers                 []string
	serverName              string
	role, service           string
	healthPort              int
	healthHTTP              string
	healthFlags, trustFlags []string
	several                 bool // all arguments are targets
}

// client is what the commands need of a client, of whatever kind.
type client interface {
	io.Closer
	Status() report.Status
	Subscribe(ctx context.Context) iter.Seq[report.EventBatch]
	SubscribeFrom(ctx context.Context, number uint64) iter.Seq[report.EventBatch]
}

var (
	_ client = (*cantonlb.Client)(nil)
	_ client = (*jsonapi.Client)(nil)
)

// quiet is the logger of all clients: the command shows what happens itself.
var quiet = slog.New(slog.DiscardHandler)

var roles = []string{
	string(cantonlb.Sequencer), string(cantonlb.ParticipantLedger), string(cantonlb.ParticipantAdmin),
	string(cantonlb.Mediator), string(cantonlb.DomainManager),
	string(jsonapi.JSONAPI), string(jsonapi.JSONAPI2), string(jsonapi.TriggerService), string(jsonapi.OAuth2Middleware), string(jsonapi.HTTP),
}

const targetHelp = `

TARGET is a list of addresses, static:///host1:port,host2:port or host1:port. An address may be a URL: http:// is plaintext,
https:// is TLS; a list with both has one of them before each address. unix:///path and unix-abstract:name are Unix domain
sockets, in plaintext unless a flag asks for TLS. Or --config names a file as programs have it, see docs/config.md. With the
roles of HTTP services, which are json_api, json_api_2, trigger_service, oauth2_middleware and http, TARGET is a list of base
URLs, https://host1:port,https://host2:port/path. With a file of shards all endpoints of all their clients are shown, by the names
of the client and of the endpoint, such as p1/seq1.`

// addTo adds the flags to a command, whose first argument is the target.
func (t *target) addTo(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&t.config, "config", "", "config `file`, YAML or JSON, in place of TARGET")
	f.BoolVar(&t.plaintext, "plaintext", false, "no TLS; not for a list with https:// in it")
	f.StringVar(&t.ca, "ca", "", "PEM `file` of the authorities to trust, in place of the system's")
	f.StringVar(&t.cert, "cert", "", "PEM `file` of the client's certificate (mTLS)")
	f.StringVar(&t.key, "key", "", "PEM `file` of the client's key (mTLS)")
	f.StringVar(&t.tokenFile, "token-file", "", "`file` whose content is sent as the bearer token of each probe")
	f.StringArrayVarP(&t.headers, "header", "H", nil, "`name: value` of a header of each probe; may be repeated")
	f.StringVar(&t.serverName, "server-name", "", "`name` that the servers' certificates must have, in place of the host")
	f.StringVar(&t.role, "role", "", "`role` of the endpoints, which are one kind of Canton node: "+strings.Join(roles, ", "))
	f.StringVar(&t.service, "service", "", "service `name` for gRPC health checks; default by the role")
	f.IntVar(&t.healthPort, "health-port", 0, "`port` of the gRPC health service, if it is not that of the API")
	f.StringVar(&t.healthHTTP, "health-http", "", "`URL` to GET instead, such as http://{host}:8080/health")
	t.trustFlags = []string{"plaintext", "ca", "cert", "key", "server-name"}
	t.healthFlags = []string{"role", "service", "health-port", "health-http"}
	complete(cmd, "header", cobra.NoFileCompletions)
	complete(cmd, "role", cobra.FixedCompletions(roles, cobra.ShellCompDirectiveNoFileComp))
	complete(cmd, "config", files("yaml", "yml", "json"))
	for _, name := range []string{"ca", "cert", "key"} {
		complete(cmd, name, files("pem", "crt", "key"))
	}
	for _, name := range []string{"server-name", "service", "health-port", "health-http"} {
		complete(cmd, name, cobra.NoFileCompletions)
	}
	cmd.ValidArgsFunction = cobra.NoFileCompletions
}

// complete defines how a shell completes a flag.
func complete(cmd *cobra.Command, flag string, how cobra.CompletionFunc) {
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc(flag, how)) // an error: there is no such flag
}

// files completes to files with these extensions.
func files(extensions ...string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return extensions, cobra.ShellCompDirectiveFilterFileExt
	}
}

// connect returns the client and the arguments after the target.
func (t *target) connect(cmd *cobra.Command, args []string) (client, []string, error) {
	if t.config != "" {
		client, err := t.fromFile(cmd)
		if err != nil {
			return nil, nil, err
		}
		return client, args, nil
	}
	if len(args) == 0 {
		return nil, nil, errors.New("no endpoints: want a TARGET, such as static:///host1:port,host2:port, or --config FILE")
	}
	targets, rest := args[:1], args[1:]
	if t.several {
		targets, rest = args, nil
	}
	if t.service != "" && t.healthHTTP != "" {
		return nil, nil, errors.New("--service and --health-http: want one or the other, since a page has no services")
	}
	if t.role != "" && !slices.Contains(roles, t.role) {
		return nil, nil, fmt.Errorf("role %q: want one of %s", t.role, strings.Join(roles, ", "))
	}
	if slices.Contains(jsonapi.Roles(), jsonapi.Role(t.role)) {
		client, err := t.overHTTP(targets)
		if err != nil {
			return nil, nil, err
		}
		return client, rest, nil
	}
	var endpoints []cantonlb.Endpoint
	var err error
	for _, text := range targets {
		more, failed := parseTarget(text)
		endpoints, err = append(endpoints, more...), errors.Join(err, failed)
	}
	if err != nil {
		return nil, nil, err
	}
	if err := t.authenticate(endpoints); err != nil {
		return nil, nil, err
	}
	trust, err := t.trust(cmd, endpoints)
	if err != nil {
		return nil, nil, err
	}
	client, err := cantonlb.NewClient(cantonlb.Config{
		Endpoints:   endpoints,
		Role:        cantonlb.Role(t.role),
		Logger:      quiet,
		HealthCheck: healthcheck.Config{Service: t.service, GRPCPort: t.healthPort, HTTP: t.healthHTTP},
	}, trust...)
	if err != nil {
		return nil, nil, err // an interface that is nil
	}
	return client, rest, nil
}

// refuseHeaders returns an error if a flag sets a header of the probes of an HTTP service.
func (t *target) refuseHeaders() error {
	if t.tokenFile != "" || len(t.headers) > 0 {
		return errors.New("--token-file and --header: want neither for an HTTP service, whose health pages get no token")
	}
	return nil
}

// overHTTP returns a client of the HTTP servers of all lists.
func (t *target) overHTTP(lists []string) (*jsonapi.Client, error) {
	if err := t.refuseHeaders(); err != nil {
		return nil, err
	}
	if t.service != "" || t.healthPort != 0 {
		return nil, fmt.Errorf("--service and --health-port: want neither with the role %s, which is asked by HTTP", t.role)
	}
	if t.plaintext && (t.ca != "" || t.cert != "" || t.key != "" || t.serverName != "") {
		return nil, errTrust
	}
	var addresses []string
	for _, list := range lists {
		addresses = append(addresses, strings.Split(strings.TrimPrefix(list, resolver.Scheme+":///"), ",")...)
	}
	cfg := jsonapi.Config{Role: jsonapi.Role(t.role), HealthCheck: healthcheck.Config{HTTP: t.healthHTTP}, Logger: quiet}
	for _, address := range addresses {
		if !strings.Contains(address, "://") {
			scheme := "https://"
			if t.plaintext {
				scheme = "http://"
			}
			address = scheme + address
		}
		e := jsonapi.Endpoint{Address: address, ServerName: t.serverName}
		if !strings.HasPrefix(address, "http://") {
			e.TLS = resolver.TLS{RootCAFile: t.ca, CertFile: t.cert, KeyFile: t.key}
		}
		cfg.Endpoints = append(cfg.Endpoints, e)
	}
	return jsonapi.New(cfg)
}

// connectOnly is connect for a command whose only argument is a target.
func (t *target) connectOnly(cmd *cobra.Command, args []string) (client, error) {
	client, rest, err := t.connect(cmd, args)
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		client.Close()
		return nil, fmt.Errorf("argument %q: want no TARGET with --config", rest[0])
	}
	return client, nil
}

func (t *target) fromFile(cmd *cobra.Command) (client, error) {
	for _, flag := range t.healthFlags {
		if cmd.Flags().Changed(flag) {
			return nil, fmt.Errorf("--%s and --config: want it in the file", flag)
		}
	}
	if t.ofShards() {
		return t.shardsFromFile(cmd)
	}
	if t.ofHTTP() {
		return t.httpFromFile(cmd)
	}
	config, err := configfile.Load(t.config)
	if err != nil {
		return nil, err
	}
	trust, err := t.trust(cmd, config.Endpoints)
	if err != nil {
		return nil, err
	}
	if err := t.authenticate(config.Endpoints); err != nil {
		return nil, err
	}
	client, err := configfile.NewClientWith(t.config, func(c *cantonlb.Config) {
		c.Logger = quiet
		_ = t.authenticate(c.Endpoints) // as above
	}, trust...)
	if err != nil {
		return nil, err // an interface that is nil
	}
	return client, nil
}

// ofHTTP reports whether the config file is that of an HTTP service, by its role.
func (t *target) ofHTTP() bool {
	_, err := configfile.LoadJSONAPI(t.config)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	faults := configerr.All(err)
	return err == nil || len(faults) > 0 && !slices.ContainsFunc(faults, func(e *configerr.Error) bool { return e.Field == "role" })
}

// httpFromFile returns a client of HTTP servers.
func (t *target) httpFromFile(cmd *cobra.Command) (client, error) {
	for _, flag := range t.trustFlags {
		if cmd.Flags().Changed(flag) {
			return nil, fmt.Errorf("--%s and --config of an HTTP service: want it in the file", flag)
		}
	}
	if err := t.refuseHeaders(); err != nil {
		return nil, err
	}
	client, err := configfile.NewJSONAPIClientWith(t.config, func(c *jsonapi.Config) { c.Logger = quiet })
	if err != nil {
		return nil, err // an interface that is nil
	}
	return client, nil
}

// trust returns the channel's credentials, unless every endpoint specifies its own
// security and no flag does.
func (t *target) trust(cmd *cobra.Command, endpoints []cantonlb.Endpoint) ([]grpc.DialOption, error) {
	asked := slices.ContainsFunc(t.trustFlags, cmd.Flags().Changed)
	open := slices.ContainsFunc(endpoints, func(e cantonlb.Endpoint) bool {
		return e.Security() == resolver.SecurityUnset && e.TLS.IsZero() && e.UnixSocket() == ""
	})
	if !asked && !open {
		return nil, nil
	}
	creds, err := t.credentials()
	if err != nil {
		return nil, err
	}
	return []grpc.DialOption{grpc.WithTransportCredentials(creds)}, nil
}

// parseTarget parses a target as grpc does, where characters that a URL may not
// contain are percent-encoded. The scheme may be left out; percent signs are then
// taken literally.
func parseTarget(text string) ([]cantonlb.Endpoint, error) {
	const scheme = resolver.Scheme + ":///"
	list, isURL := strings.CutPrefix(text, scheme)
	if isURL {
		var err error
		if list, err = url.PathUnescape(list); err != nil {
			return nil, fmt.Errorf("target %q: %w", text, err)
		}
	}
	return resolver.ParseTarget(list)
}
