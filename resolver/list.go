package resolver

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cantonlb/cantonlb/internal/turns"
)

// MaxEndpoints is the greatest number of endpoints in one list or target.
const MaxEndpoints = 10_000

// source is what a list was read from: the word that its errors begin with.
type source string

const (
	fromEndpoints source = "endpoints"
	fromTarget    source = "target"
)

// entry names the i-th endpoint.
func (s source) entry(i int) string { return fmt.Sprintf("%s[%d]", s, i) }

// field names a part of the i-th endpoint. Endpoints of a target have one part.
func (s source) field(i int, part string) string {
	if s == fromTarget {
		return s.entry(i)
	}
	return s.entry(i) + "." + part
}

func (s source) checkCount(n int) error {
	switch {
	case n == 0:
		return &ConfigError{Field: string(s), Problem: "empty list", Want: "at least one endpoint"}
	case n > MaxEndpoints:
		return &ConfigError{
			Field:   string(s),
			Problem: fmt.Sprintf("%d endpoints", n),
			Want:    fmt.Sprintf("at most %d", MaxEndpoints),
		}
	}
	return nil
}

// Normalize checks a list whole and returns a copy in normal form: names filled
// in; addresses and server names in lower case, IPv6 addresses shortened. The
// order stays. Of a copy in normal form it returns an equal one.
//
// It looks at no file. It is an error, joined of at most ten *ConfigError, if the list is empty or has
// more than MaxEndpoints, if a field is not valid, if two endpoints have the same
// name, if two have the same host, port and authority, or if the weights make
// more than MaxTurns.
func Normalize(endpoints []Endpoint) ([]Endpoint, error) {
	return normalize(endpoints, fromEndpoints, false)
}

// ParseTarget reads the list of endpoints out of a target: what stands behind
// static:///, as grpc hands it to a resolver, with its percent-encoding undone.
// Its form is a list of addresses, as in Endpoint.Address, with commas between
// and nowhere else. The result is in normal form; errors are those of Normalize.
func ParseTarget(list string) ([]Endpoint, error) {
	if list == "" {
		return nil, fromTarget.checkCount(0)
	}
	if limit := MaxEndpoints * (MaxAddressLength + 1); len(list) > limit {
		return nil, &ConfigError{
			Field:   string(fromTarget),
			Problem: fmt.Sprintf("is %d bytes long", len(list)),
			Want:    fmt.Sprintf("at most %d bytes and %d endpoints", limit, MaxEndpoints),
		}
	}
	if err := fromTarget.checkCount(strings.Count(list, ",") + 1); err != nil {
		return nil, err
	}
	addresses := strings.Split(list, ",")
	endpoints := make([]Endpoint, len(addresses))
	for i, a := range addresses {
		endpoints[i].Address = a
	}
	// A password may have a comma in it, so that one half of it stands in an
	// element without an @.
	return normalize(endpoints, fromTarget, mayHoldSecret(list))
}

// place is what no two endpoints may share beside the name.
type place struct{ hostPort, authority string }

// normalize is Normalize for a list from anywhere. If secret, no error shows a
// value.
func normalize(endpoints []Endpoint, from source, secret bool) ([]Endpoint, error) {
	if err := from.checkCount(len(endpoints)); err != nil {
		return nil, err
	}
	var failed failures
	fail := func(i int, part string, err *ConfigError) {
		err.Field = from.field(i, part)
		if secret {
			hideValue(err)
		}
		failed.add(err)
	}
	out := make([]Endpoint, 0, len(endpoints))
	names := make(map[string]int, len(endpoints))
	places := make(map[place]int, len(endpoints))
	for i, e := range endpoints {
		e, part, err := normalizeOne(e)
		out = append(out, e) // also a bad one, so that indexes hold
		if err != nil {
			if from == fromTarget && endpoints[i].Address == "" {
				err.Want += " on both sides of every comma, and no comma at the end"
			}
			fail(i, part, err)
			continue
		}
		at := place{e.HostPort(), e.Authority()}
		if j, taken := places[at]; taken {
			fail(i, "address", bad(endpoints[i].Address, "each address once",
				"the same address and server name as %s, named %q", from.entry(j), shown(out[j].Name)))
			continue
		}
		places[at] = i
		if j, taken := names[e.Name]; taken {
			fail(i, "name", bad(e.Name, "each name once", "also the name of %s, at %q", from.entry(j), out[j].HostPort()))
			continue
		}
		names[e.Name] = i
	}
	if err := failed.err(); err != nil {
		return nil, err
	}
	if err := checkTurns(out, from); err != nil {
		return nil, err
	}
	return out, nil
}

// checkTurns refuses weights with which it would take too many calls until each
// endpoint has had its share.
func checkTurns(list []Endpoint, from source) error {
	weights := make([]int, len(list))
	for i, e := range list {
		weights[i] = max(1, e.Weight)
	}
	n := turns.Count(weights)
	if n <= MaxTurns {
		return nil
	}
	return &ConfigError{
		Field:   string(from),
		Problem: fmt.Sprintf("the weights, divided by their greatest common divisor, add up to %d", n),
		Want:    fmt.Sprintf("at most %d: coarser weights", MaxTurns),
	}
}

// hideValue takes out of an error all that it quotes of the value.
func hideValue(err *ConfigError) {
	if err.Value != "" {
		err.Value = hidden
	}
	if before, _, quotes := strings.Cut(err.Problem, " \""); quotes {
		err.Problem = before
	}
}

// normalizeOne returns an endpoint in normal form, or the part of it that is not
// valid and an error without a field.
func normalizeOne(e Endpoint) (_ Endpoint, part string, _ *ConfigError) {
	a, err := parseAddress(e.Address)
	if err != nil {
		return e, "address", err
	}
	e.Address = a.String()
	if e.Name == "" {
		e.Name = a.hostPort()
	}
	if err := checkName(e.Name, MaxNameLength); err != nil {
		return e, "name", err
	}
	if e.Weight < 0 || e.Weight > MaxWeight {
		return e, "weight", bad(strconv.Itoa(e.Weight), fmt.Sprintf("a whole number from 1 to %d", MaxWeight), "out of range")
	}
	if err := checkName(e.Zone, MaxZone); err != nil {
		return e, "zone", err
	}
	if e.Priority < 0 || e.Priority > MaxPriority {
		return e, "priority", bad(strconv.Itoa(e.Priority), fmt.Sprintf("a whole number from 0 to %d", MaxPriority), "out of range")
	}
	if e.ServerName != "" {
		if e.ServerName, err = parseServerName(e.ServerName); err != nil {
			return e, "serverName", err
		}
	}
	if field, err := e.checkSettings(); err != nil {
		return e, field, err
	}
	return e, "", nil
}
