package shard

import (
	"fmt"
	"strings"

	"github.com/cantonlb/cantonlb/report"
)

// Standing is where a party or a user stands at one shard.
type Standing = report.ShardStanding

// The standings.
const (
	// StandingUnknown: the shard has not been asked, or has not answered.
	StandingUnknown = report.ShardUnknown
	// StandingAbsent: the shard does not host the party, or has no such user.
	StandingAbsent = report.ShardAbsent
	// StandingHosted: the shard hosts the party, or has the user.
	StandingHosted = report.ShardHosted
)

// Permission is what a participant may do for a party that it hosts.
type Permission = report.ShardPermission

// The permissions of Canton's topology, of which each includes those before it.
const (
	// PermissionUnknown: the participant has not said. It may submit as far as is known.
	PermissionUnknown      = report.ShardPermissionUnknown
	PermissionObservation  = report.ShardObservation
	PermissionConfirmation = report.ShardConfirmation
	PermissionSubmission   = report.ShardSubmission
)

// Answer is what one shard has said about a party or a user.
type Answer = report.ShardAnswer

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
