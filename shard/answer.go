package shard

import (
	"fmt"
	"strings"
)

// Standing is where a party or a user stands at one shard.
type Standing string

// The standings.
const (
	// StandingUnknown: the shard has not been asked, or has not answered.
	StandingUnknown Standing = "unknown"
	// StandingAbsent: the shard does not host the party, or has no such user.
	StandingAbsent Standing = "absent"
	// StandingHosted: the shard hosts the party, or has the user.
	StandingHosted Standing = "hosted"
)

// Permission is what a participant may do for a party that it hosts.
type Permission string

// The permissions of Canton's topology, of which each includes those before it.
const (
	// PermissionUnknown: the participant has not said. It may submit as far as is known.
	PermissionUnknown      Permission = ""
	PermissionObservation  Permission = "observation"
	PermissionConfirmation Permission = "confirmation"
	PermissionSubmission   Permission = "submission"
)

// Answer is what one shard has said about a party or a user.
type Answer struct {
	Shard      string
	Standing   Standing
	Permission Permission
	// Detail is why there is no answer: one line, printable, which may contain text of a
	// server.
	Detail string

	// listed is true if the shard has only listed the party.
	listed bool
}

func (a Answer) String() string {
	text := quoted(a.Shard) + " " + string(a.Standing)
	if a.Permission != PermissionUnknown {
		text += " with " + string(a.Permission)
	}
	if a.Detail != "" {
		text += " (" + a.Detail + ")"
	}
	return text
}

// mostListed bounds what an error's text lists.
const mostListed = 8

// listed joins the texts of a list, as far as that is readable.
func listed[T any](list []T, text func(T) string) string {
	var parts []string
	for i, one := range list {
		if i == mostListed {
			parts = append(parts, fmt.Sprintf("%d more", len(list)-i))
			break
		}
		parts = append(parts, text(one))
	}
	return strings.Join(parts, ", ")
}
