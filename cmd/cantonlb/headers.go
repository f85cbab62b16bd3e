package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/configfile"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/resolver"
)

// headers are the credentials of probes that flags define: a token and further headers.
// They are sent in plaintext if the connection is plaintext, since a flag asks for that.
type headers struct {
	tokenFile string
	fixed     map[string]string
}

// GetRequestMetadata implements credentials.PerRPCCredentials. The token is read each
// time, since it may be renewed.
func (h *headers) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	if h.tokenFile == "" {
		return h.fixed, nil
	}
	token, err := readToken(h.tokenFile)
	if err != nil {
		return nil, err
	}
	all := map[string]string{"authorization": "Bearer " + token}
	maps.Copy(all, h.fixed)
	return all, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials.
func (*headers) RequireTransportSecurity() bool { return false }

func readToken(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("--token-file: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > resolver.MaxToken+64 { // a pipe can be read only once
		return "", fmt.Errorf("--token-file %q: want a regular file with the token alone", path)
	}
	content, err := os.ReadFile(path) //nolint:gosec // the user names the file
	if err != nil {
		return "", fmt.Errorf("--token-file: %w", err)
	}
	token := strings.TrimSpace(string(content))
	if err := resolver.CheckToken(token); err != nil {
		return "", fmt.Errorf("--token-file %q: want a file with the token alone, in printable ASCII", path)
	}
	return token, nil
}

// authenticate adds the token and the headers of the flags to endpoints, which it
// changes.
func (t *target) authenticate(endpoints []cantonlb.Endpoint) error {
	if t.tokenFile == "" && len(t.headers) == 0 {
		return nil
	}
	h := &headers{tokenFile: t.tokenFile, fixed: make(map[string]string)}
	for _, text := range t.headers {
		name, value, ok := strings.Cut(text, ":")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		if !ok || !transport.CanSend(name, value) {
			return fmt.Errorf("--header %q: want \"name: value\", the value in printable ASCII, the name of a-z, 0-9, \"-\", \"_\" and \".\"", name)
		}
		if isReserved(name) {
			return fmt.Errorf("--header %q: want another name; gRPC sets this one itself, or HTTP/2 does not have it", name)
		}
		h.fixed[name] = value
	}
	if t.tokenFile != "" {
		if _, err := readToken(t.tokenFile); err != nil {
			return err
		}
	}
	for i := range endpoints {
		e := &endpoints[i]
		e.Token, e.TokenFile, e.Credentials, e.AllowInsecureTokens = resolver.Secret{}, "", h, true
	}
	return nil
}

// isReserved reports whether a header is one that gRPC sets, which another value makes
// ambiguous, or that HTTP/2 forbids.
func isReserved(name string) bool {
	switch name {
	case "host", "te", "content-type", "content-length", "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade":
		return true
	default:
		return strings.HasPrefix(name, "grpc-") && !strings.HasSuffix(name, "-bin")
	}
}

// names completes the names of the endpoints of the config file.
func (t *target) names(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	if t.config == "" {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	if config, err := configfile.LoadShards(t.config); err == nil {
		for name := range config.Shards {
			names = append(names, name+"/")
		}
		slices.Sort(names)
		return names, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
	if config, err := configfile.LoadJSONAPI(t.config); err == nil {
		for _, e := range config.Endpoints {
			if e.Name != "" {
				names = append(names, e.Name)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
	config, err := configfile.Load(t.config)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	list, err := resolver.Normalize(config.Endpoints)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	for _, e := range list {
		names = append(names, e.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
