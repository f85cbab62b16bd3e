package configfile

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/guard"
	"github.com/cantonlb/cantonlb/report"
)

// kind is what there is to know of a kind of config files, whose content is a C.
type kind[C any] struct {
	parse func(file string, data []byte) (C, *document, error)
	// clone returns a copy whose endpoints can be completed.
	clone func(C) C
}

// follows is what a follower changes: a client or a router.
type follows[C any] interface {
	// Apply puts a content into effect as far as it differs from the one before. all is the
	// content with what the program adds. An error means that nothing has changed.
	Apply(cfg, all C) error
	// Refused reports a content that is not in effect, and of which Apply does not know.
	Refused(err error)
	// Pending returns the keys of a content in effect that take effect at the next start.
	Pending(cfg C) []string
}

// completePatience bounds how long new content waits for the program to complete it.
const completePatience = 5 * time.Second

// follower keeps a client or a router equal to what a file says.
type follower[C any] struct {
	kind     kind[C]
	of       follows[C]
	complete func(*C)
	watcher  *watcher
	ctx      context.Context //nolint:containedctx // ends with Close
	cancel   context.CancelFunc
	left     guard.Left // calls of complete that have not returned in time

	mu     sync.Mutex // guards status; nothing else is locked or called under it
	status report.FileStatus
}

// read reads the file with which a client begins.
func (k kind[C]) read(path string) (data []byte, cfg C, d *document, err error) {
	if data, err = readFile(path); err == nil {
		cfg, d, err = k.parse(path, data)
	}
	return data, cfg, d, err
}

// follow starts to follow a file whose content was read.
func (k kind[C]) follow(path string, data []byte, complete func(*C), of follows[C]) *follower[C] {
	f := &follower[C]{kind: k, of: of, complete: complete, status: report.FileStatus{Path: path, LoadedAt: time.Now()}}
	f.ctx, f.cancel = context.WithCancel(context.Background()) //nolint:gosec // Close calls it
	f.watcher = watch(path, data, f.changed)
	return f
}

// completed returns a copy of cfg with what the program adds. It does not change cfg.
func (k kind[C]) completed(cfg C, complete func(*C)) C {
	if complete != nil {
		cfg = k.clone(cfg)
		complete(&cfg)
	}
	return cfg
}

// Close implements follow.Follower.
func (f *follower[C]) Close() (left string) {
	f.cancel() // ends the wait for complete
	f.watcher.close()
	return f.left.String()
}

// Status implements follow.Follower.
func (f *follower[C]) Status() report.FileStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.status
	s.Pending = slices.Clone(s.Pending)
	return s
}

// changed handles new content of the file, or the error of reading it.
func (f *follower[C]) changed(data []byte, err error) {
	var cfg C
	var document *document
	if err == nil {
		cfg, document, err = f.kind.parse(f.status.Path, data)
	}
	if err != nil {
		f.of.Refused(err)
	} else {
		err = document.locate(f.apply(cfg))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s := &f.status
	if err != nil {
		s.Failures++
		s.Error, s.FailedAt = cleantext.Cut(err.Error(), maxFileError), time.Now()
		return
	}
	s.Reloads++
	s.LoadedAt, s.Error, s.FailedAt = time.Now(), "", time.Time{}
	s.Pending = f.of.Pending(cfg)
}

// apply puts a content into effect.
func (f *follower[C]) apply(cfg C) error {
	all, err := f.completed(cfg)
	if err != nil {
		return err
	}
	return f.of.Apply(cfg, all)
}

// completed returns a copy of cfg with what the program adds. An error says that the
// program's function has not returned in time, or has panicked.
func (f *follower[C]) completed(cfg C) (C, error) {
	if f.complete == nil {
		return cfg, nil
	}
	ctx, cancel := context.WithTimeout(f.ctx, completePatience)
	defer cancel()
	complete := func() C { return f.kind.completed(cfg, f.complete) }
	all, err := guard.Await(ctx, &f.left, "the function that completes the config file", 1, complete, nil)
	if err != nil {
		err = fmt.Errorf("the content is not in effect: the function that completes it: %w", err)
		if f.ctx.Err() == nil {
			f.of.Refused(err)
		}
	}
	return all, err
}

// changedKeys returns the keys by which b differs from a, other than these.
func changedKeys[C any](a, b C, except ...string) []string {
	var keys []string
	was, is := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range was.NumField() {
		name := was.Type().Field(i).Name
		if !slices.Contains(except, name) && !reflect.DeepEqual(was.Field(i).Interface(), is.Field(i).Interface()) {
			keys = append(keys, strings.ToLower(name[:1])+name[1:])
		}
	}
	slices.Sort(keys)
	return keys
}

// maxFileError bounds the text of an error about a file, in bytes. The error of a list
// with many bad entries has one line for each of the first few.
const maxFileError = 4096
