package transport

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/grpclog"
)

var logger = grpclog.Component("cantonlb-transport")

// reloading is a value made of the content of files, which are looked at again
// when it is asked for. What cannot be used is reported and leaves the last good
// value in force. It is safe for concurrent use.
type reloading[T any] struct {
	paths []string
	most  int           // bytes in a file
	every time.Duration // the least time from one look to the next
	parse func(contents [][]byte) (T, error)

	// mu guards what follows, and is held while the files are read.
	mu       sync.Mutex
	value    T
	contents [][]byte // that value was made of; nil if there is none yet
	looked   time.Time
	err      error // why the files as they are now are not in force
}

// get gives the value as of now. It is an error only if there has never been one.
func (r *reloading[T]) get() (T, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if r.contents == nil || r.every == 0 || now.Sub(r.looked) >= r.every {
		r.looked = now
		r.lookLocked()
	}
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
		logger.Infof("%s: in force again", strings.Join(r.paths, ", "))
	case err != nil && r.contents != nil && (was == nil || was.Error() != err.Error()):
		logger.Warningf("%v; what it held before stays in force", r.problemLocked())
	}
}

// loadLocked reads the files, and puts their content in force if it is another one
// and can be used.
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
		logger.Infof("%s: has changed; the new content is in force", strings.Join(r.paths, ", "))
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

// problem tells why the files as they were at the last look are not in force; nil
// if they are. It may be asked of none.
func (r *reloading[T]) problem() error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.problemLocked()
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

// withoutPath leaves out the path, which stands beside the error already.
func withoutPath(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
