//go:build !unix

package process

import (
	"context"
	"errors"
	"fmt"
)

// Guard does nothing on this system.
func Guard() {}

// Run returns errors.ErrUnsupported on this system: it has no process groups.
func Run(context.Context, Config) error {
	return fmt.Errorf("process: %w: process groups are Unix's", errors.ErrUnsupported)
}
