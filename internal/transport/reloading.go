package transport

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/grpclog"
)

var logger = grpclog.Component("cantonlb-transport")

// reloading is a value made from the content of files, which are checked again when
// the value is requested. Unusable content is reported, and the last good value
// stays in use. It is safe for concurrent use.
type reloading[T any] struct {
	paths []string
	most  int           // bytes in a file
	every time.Duration // the least time between two checks
	parse func(contents [][]byte) (T, error)

	// mu guards the fields below, and is held while the files are read.
	mu       sync.Mutex
	value    T
	contents [][]byte // from which value was made; nil if there is none yet
	looked   time.Time
	err      error // why the current files are not in use
}

// get returns the current value. It returns an error only if there has never been a
// usable value.
func (r *reloading[T]) get() (T, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lookAgainLocked(r.every)
	if r.contents == nil {
		return r.value, r.err
	}
	return r.value, nil
}

func (r *reloading[T]) lookLocked() {
	err := r.loadLocked()
	was := r.err
	r.err = err
	switch {
	case err == nil && was != nil && r.contents != nil:
		logger.Infof("%s: valid again", strings.Join(r.paths, ", "))
	case err != nil && r.contents != nil && (was == nil || was.Error() != err.Error()):
		logger.Warningf("%v; the previous content stays in use", r.problemLocked())
	}
}

// loadLocked reads the files, and replaces the value if their content has changed
// and is usable.
func (r *reloading[T]) loadLocked() error {
	contents := make([][]byte, 0, len(r.paths))
	for _, path := range r.paths {
		content, err := readFile(path, r.most)
		if err != nil {
			return err
		}
		contents = append(contents, content)
	}
	if same(contents, r.contents) {
		return nil
	}
	value, err := r.parse(contents)
	if err != nil {
		return err
	}
	if r.contents != nil {
		logger.Infof("%s: has changed; the new content takes effect", strings.Join(r.paths, ", "))
	}
	r.value, r.contents = value, contents
	return nil
}

func same(a, b [][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

// problem returns why the content of the files is not in use, nil if it is. It checks
// them again once a second. A file that is gone has no content: see package filestate.
// problem may be called on nil.
func (r *reloading[T]) problem() error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lookAgainLocked(lookEvery)
	if errors.Is(r.err, fs.ErrNotExist) {
		return nil
	}
	return r.problemLocked()
}

// lookAgainLocked checks the files if the last check was so long ago.
func (r *reloading[T]) lookAgainLocked(every time.Duration) {
	now := time.Now()
	if r.contents == nil || every == 0 || now.Sub(r.looked) >= every {
		r.looked = now
		r.lookLocked()
	}
}

func (r *reloading[T]) problemLocked() error {
	if r.err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", strings.Join(r.paths, ", "), r.err)
}

// readFile reads a regular file of at most so many bytes.
func readFile(path string, most int) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	file, err := os.Open(path) //nolint:gosec // the path is the program's own configuration
	if err != nil {
		return nil, withoutPath(err)
	}
	defer func() { _ = file.Close() }() // it was only read
	content, err := io.ReadAll(io.LimitReader(file, int64(most)+1))
	if err != nil {
		return nil, withoutPath(err)
	}
	if len(content) > most {
		return nil, fmt.Errorf("larger than %d bytes", most)
	}
	return content, nil
}

// withoutPath removes the path from an error, since the path is shown next to it
// already.
func withoutPath(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
