package resolver

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/internal/fault"
	"github.com/cantonlb/cantonlb/internal/turns"
)

// MaxEndpoints is the greatest number of endpoints in one list or target.
const MaxEndpoints = 10_000

// source is the source of a list: the word that its errors begin with.
type source string

const (
	fromEndpoints source = "endpoints"
	fromTarget    source = "target"
)

// entry returns the name of the i-th endpoint.
func (s source) entry(i int) string { return fmt.Sprintf("%s[%d]", s, i) }

// field returns the name of a part of the i-th endpoint. Endpoints of a target have one
// part.
func (s source) field(i int, part string) string {
	if s == fromTarget {
		return s.entry(i)
	}
	return s.entry(i) + "." + part
}

// place returns an error about a part of the i-th endpoint with its whole field.
func (s source) place(i int, err error) error {
	e, ok := err.(*configerr.Error) //nolint:errorlint // only the outermost error is inspected
	if !ok {
		return fmt.Errorf("%s: %w", s.entry(i), err)
	}
	c := *e
	c.Field = s.field(i, e.Field)
	return &c
}

func (s source) checkCount(n int) error {
	switch {
	case n == 0:
		return &configerr.Error{Field: string(s), Problem: "empty list", Want: "at least one endpoint"}
	case n > MaxEndpoints:
		return &configerr.Error{
			Field:   string(s),
			Problem: fmt.Sprintf("%d endpoints", n),
			Want:    fmt.Sprintf("at most %d", MaxEndpoints),
		}
	}
	return nil
}

// Normalize checks a list as a whole and returns a copy in normal form: names are set,
// addresses and server names are in lower case, and IPv6 addresses are shortened. The
// order does not change. The normal form of a list in normal form is an equal list.
//
// Normalize reads no file. It returns an error if the list is empty or has more than
// MaxEndpoints entries, if a field is not valid, if two endpoints have the same name, if
// two have the same host, port and authority, or if the weights need more than MaxTurns.
// Each fault is a *configerr.Error, and all are joined.
func Normalize(endpoints []Endpoint) ([]Endpoint, error) {
	return normalize(endpoints, fromEndpoints, false)
}

// ParseTarget reads the list of endpoints of a target: the text after static:///, as
// grpc passes it to a resolver, with percent-encoding decoded. It is a list of
// addresses, as in Endpoint.Address, with commas between them and nowhere else. The
// result is in normal form. Errors are those of Normalize.
func ParseTarget(list string) ([]Endpoint, error) {
	if list == "" {
		return nil, fromTarget.checkCount(0)
	}
	if limit := MaxEndpoints * (MaxAddressLength + 1); len(list) > limit {
		return nil, &configerr.Error{
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
	// A password may have a comma in it, so that one half of it is in an element
	// without an @.
	return normalize(endpoints, fromTarget, mayHoldSecret(list))
}

// place is what no two endpoints may share besides the name.
type place struct{ hostPort, authority string }

// normalizer collects the faults of a list of any source. If secret is true, no fault
// shows a value.
type normalizer struct {
	from   source
	secret bool
	faults fault.List
}

// normalize is like Normalize, for a list of any source.
func normalize(endpoints []Endpoint, from source, secret bool) ([]Endpoint, error) {
	if err := from.checkCount(len(endpoints)); err != nil {
		return nil, err
	}
	n := normalizer{from: from, secret: secret}
	out := make([]Endpoint, 0, len(endpoints))
	names := make(map[string]int, len(endpoints))
	places := make(map[place]int, len(endpoints))
	for i := range endpoints {
		e, hasPlace, hasName := n.one(i, endpoints[i])
		out = append(out, e) // a bad one too, so that indexes stay right
		if at := (place{e.HostPort(), e.Authority()}); hasPlace {
			if j, taken := places[at]; taken {
				n.add(i, "address", bad(endpoints[i].Address, "each address once",
					"the same address and server name as %s, named %s", from.entry(j), shown(out[j].Name)))
				continue // by default the names are the same too
			}
			places[at] = i
		}
		if hasName {
			if j, taken := names[e.Name]; taken {
				n.add(i, "name", bad(e.Name, "each name once", "also the name of %s, at %q", from.entry(j), out[j].HostPort()))
				continue
			}
			names[e.Name] = i
		}
	}
	if err := n.faults.Err(); err != nil {
		return nil, err
	}
	if err := checkTurns(out, from); err != nil {
		return nil, err
	}
	return out, nil
}

// one returns the i-th endpoint in normal form, as far as it is valid, and whether its
// place and name are valid and so must be unique.
func (n *normalizer) one(i int, given Endpoint) (e Endpoint, hasPlace, hasName bool) {
	hasPlace, hasName = true, true
	e = normalizeOne(given, func(part string, err *configerr.Error) bool {
		if err == nil {
			return false
		}
		switch part {
		case "address":
			hasPlace, hasName = false, false
		case "serverName":
			hasPlace = false
		case "name":
			hasName = false
		}
		if n.from == fromTarget && given.Address == "" {
			err.Want += " on both sides of every comma, and no comma at the end"
		}
		n.add(i, part, err)
		return true
	})
	return e, hasPlace, hasName
}

func (n *normalizer) add(i int, part string, err *configerr.Error) {
	err.Field = n.from.field(i, part)
	if n.secret {
		hideValue(err)
	}
	n.faults.Add(err)
}

// checkTurns returns an error for weights with which it would take too many calls until
// each endpoint has received its share.
func checkTurns(list []Endpoint, from source) error {
	weights := make([]int, len(list))
	for i, e := range list {
		weights[i] = max(1, e.Weight)
	}
	n := turns.Count(weights)
	if n <= MaxTurns {
		return nil
	}
	return &configerr.Error{
		Field:   string(from),
		Problem: fmt.Sprintf("the weights, divided by their greatest common divisor, add up to %d", n),
		Want:    fmt.Sprintf("at most %d: coarser weights", MaxTurns),
	}
}

// hideValue removes from an error everything that it quotes of the value.
func hideValue(err *configerr.Error) {
	if err.Value != "" {
		err.Value = fault.Hidden
	}
	if before, _, quotes := strings.Cut(err.Problem, " \""); quotes {
		err.Problem = before
	}
}

// normalizeOne returns an endpoint in normal form, and reports each field that is not
// valid.
func normalizeOne(e Endpoint, fail report) Endpoint {
	a, err := parseAddress(e.Address)
	wrongAddress := fail("address", err)
	if !wrongAddress {
		e.Address = a.String()
		e.Name = cmp.Or(e.Name, a.defaultName())
	}
	fail("name", checkName(e.Name, MaxNameLength))
	if e.Weight < 0 || e.Weight > MaxWeight {
		fail("weight", bad(e.Weight, fmt.Sprintf("a whole number from 1 to %d", MaxWeight), "out of range"))
	}
	fail("zone", checkName(e.Zone, MaxZone))
	if e.Priority < 0 || e.Priority > MaxPriority {
		fail("priority", bad(e.Priority, fmt.Sprintf("a whole number from 0 to %d", MaxPriority), "out of range"))
	}
	if e.ServerName != "" {
		name, err := parseServerName(e.ServerName)
		if !fail("serverName", err) {
			e.ServerName = name
		}
	}
	if !wrongAddress { // the check of the settings depends on the address
		e.checkSettings(fail)
	}
	return e
}
