package resolver

import (
	"strings"

	grpcresolver "google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/configerr"
)

func init() { grpcresolver.Register(targetBuilder{}) }

// NewTargetBuilder returns a builder like the one that is registered with grpc, for
// targets that hold the whole list, with options for one channel. Pass it to
// grpc.WithResolvers.
func NewTargetBuilder(options ...Option) grpcresolver.Builder {
	return targetBuilder{options: options}
}

// targetBuilder is the builder that is registered with grpc: each channel's list is in
// its target and never changes.
type targetBuilder struct{ options []Option }

var _ grpcresolver.AuthorityOverrider = targetBuilder{}

func (targetBuilder) Scheme() string { return Scheme }

func (b targetBuilder) Build(target grpcresolver.Target, cc grpcresolver.ClientConn, opts grpcresolver.BuildOptions) (grpcresolver.Resolver, error) {
	if err := checkURL(target); err != nil {
		return nil, err
	}
	list, err := ParseTarget(target.Endpoint())
	if err != nil {
		return nil, err
	}
	return newStatic(list, fromTarget, b.options...).Build(target, cc, opts)
}

// OverrideAuthority returns the authority of the first endpoint. For a bad target it
// returns "", since such a target fails in Build.
func (targetBuilder) OverrideAuthority(target grpcresolver.Target) string {
	first, _, _ := strings.Cut(target.Endpoint(), ",")
	return Endpoint{Address: first}.Authority()
}

// checkURL returns an error if a target has other parts than its list. The error shows
// nothing of them, since they may hold a password.
func checkURL(target grpcresolver.Target) error {
	u := &target.URL
	var problem string
	switch {
	case u.Opaque != "":
		problem = "no /// after the scheme"
	case u.Host != "" || u.User != nil:
		problem = "has an authority part (between the second and the third slash)"
	case u.RawQuery != "" || u.ForceQuery:
		problem = "has a query"
	case u.Fragment != "" || u.RawFragment != "":
		problem = "has a fragment"
	default:
		return nil
	}
	return &configerr.Error{Field: string(fromTarget), Problem: problem, Want: Scheme + ":///host:port,host:port"}
}
