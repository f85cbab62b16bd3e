package shard

import (
	"errors"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/cantonlb/cantonlb/internal/protopath"
)

// Read returns what a message of the Ledger API says about the shard that it belongs to,
// by a table of request types. It reads the documented fields of any generated copy of the
// API, and of dynamic messages. It never reads the arguments of commands, which name
// counterparties. A message that is not of the Ledger API says nothing; a request of the
// Ledger API that is not in the table is about the participant, since its parties would
// not be seen.
func Read(method string, message any) Request {
	q := Request{Method: method}
	m := protopath.Reflected(message)
	if m == nil {
		return q
	}
	f := formOf(m.Descriptor().FullName())
	q.ActAs = texts(m, f.actAs)
	q.Parties = texts(m, f.parties)
	if f.user != "" {
		if users := texts(m, []string{f.user}); len(users) == 1 {
			q.User = users[0]
		}
	}
	q.Kind = f.kind
	if len(q.ActAs) == 0 && len(q.Parties) == 0 {
		q.Kind = f.alone
	}
	if isSet(m, f.local) {
		q.Kind = KindLocal
	}
	return q
}

// formOf returns the form of a message.
func formOf(name protoreflect.FullName) form {
	if f, ok := forms[name]; ok {
		return f
	}
	full := string(name)
	for _, prefix := range []string{adminV2, adminV1} {
		if rest, ok := strings.CutPrefix(full, prefix); ok {
			if f, ok := adminForms[rest]; ok {
				return f
			}
			return ofLocal
		}
	}
	if strings.HasPrefix(full, "com.daml.ledger.api.") || strings.HasPrefix(full, "com.digitalasset.canton.") {
		return ofLocal
	}
	return plain
}

var errEnough = errors.New("enough")

// texts returns the texts that are not empty to which paths lead, each once, sorted. There
// are never many more than a request may have.
func texts(m protoreflect.Message, paths []string) []string {
	var list []string
	for _, path := range paths {
		_ = protopath.Each(m, path, func(v protoreflect.Value) error {
			if s, ok := v.Interface().(string); ok && s != "" {
				list = append(list, s)
			}
			if len(list) > maxParties {
				return errEnough
			}
			return nil
		})
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// isSet reports whether one of the paths leads to something that is not empty.
func isSet(m protoreflect.Message, paths []string) bool {
	for _, path := range paths {
		set := false
		_ = protopath.Each(m, path, func(v protoreflect.Value) error {
			switch x := v.Interface().(type) {
			case string:
				set = set || x != ""
			case []byte:
				set = set || len(x) > 0
			default:
				set = true
			}
			return nil
		})
		if set {
			return true
		}
	}
	return false
}
