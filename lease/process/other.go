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
func Run(context.Context, Config) error { return supported() }

func supported() error {
	return fmt.Errorf("process: %w: a program is supervised on Unix only", errors.ErrUnsupported)
}
