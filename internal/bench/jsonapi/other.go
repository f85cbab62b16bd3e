//go:build !unix

package jsonapi

import (
	"context"
	"errors"
	"fmt"
)

var (
	faults []struct{ name, text string }
	peers  []struct{ name string }
)

// Child reports that this process is no server: there are none on this system.
func Child() (code int, is bool) { return 0, false }

// Run returns errors.ErrUnsupported on this system: it cannot stop processes.
func Run(context.Context, Options) (*Report, error) {
	return new(Report), fmt.Errorf("jsonapi: %w: processes can be stopped and continued on Unix only", errors.ErrUnsupported)
}
