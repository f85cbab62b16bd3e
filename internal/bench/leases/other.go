//go:build !unix

package leases

import (
	"context"
	"errors"
	"fmt"
)

// Child reports that this process is none of this package: there are none on this
// system.
func Child() (code int, is bool) { return 0, false }

// Peers returns nothing on this system.
func Peers() []string { return nil }

// Run returns errors.ErrUnsupported on this system: it cannot stop processes.
func Run(context.Context, Options) (*Report, error) {
	return new(Report), fmt.Errorf("leases: %w: processes can be stopped and continued on Unix only", errors.ErrUnsupported)
}
