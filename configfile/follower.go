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
	"github.com/cantonlb/cantonlb/internal/follow"
	"github.com/cantonlb/cantonlb/internal/guard"
	"github.com/cantonlb/cantonlb/report"
	"github.com/cantonlb/cantonlb/resolver"
)

// kind is what there is to know of a kind of clients, whose config is a C.
type kind[C any] struct {
	parse     func(file string, data []byte) (C, *document, error)
	endpoints func(*C) *[]resolver.Endpoint
	handover  func(C) string // "" for none
}

// completePatience bounds how long new content waits for the program to complete it.
const completePatience = 5 * time.Second

// follower keeps the list of a client equal to that of a file.
type follower[C any] struct {
	kind     kind[C]
	client   follow.Client
	start    C // the file's config when the client was made
	complete func(*C)
	watcher  *watcher
	ctx      context.Context //nolint:containedctx // ends with Close
	cancel   context.CancelFunc
	left     guard.Left // calls of complete that have not returned in time

	// The watcher calls changed from one goroutine, which alone uses this field.
	endpoints []resolver.Endpoint // the list in effect, as in the file

	mu     sync.Mutex // guards status; nothing else is locked or called under it
	status report.FileStatus
}

// make reads a file, and makes a client by newClient, which starts to follow the file
// with the option.
func (k kind[C]) make(path string, complete func(*C), newClient func(C, follow.Option) error) error {
	data, err := readFile(path)
	if err != nil {
		return err
	}
	cfg, document, err := k.parse(path, data)
	if err != nil {
		return err
	}
	following := follow.Option{Start: func(client follow.Client) follow.Follower {
		f := &follower[C]{
			kind: k, client: client, start: cfg, complete: complete, endpoints: *k.endpoints(&cfg),
			status: report.FileStatus{Path: path, LoadedAt: time.Now()},
		}
		f.ctx, f.cancel = context.WithCancel(context.Background()) //nolint:gosec // Close calls it
		f.watcher = watch(path, data, f.changed)
		return f
	}}
	return document.locate(newClient(k.completed(cfg, complete), following))
}

// completed returns a copy of cfg with what the program adds. It does not change cfg.
func (k kind[C]) completed(cfg C, complete func(*C)) C {
	if complete != nil {
		list := k.endpoints(&cfg)
		*list = slices.Clone(*list)
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
		f.client.Refused(err)
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
	s.Pending = changedKeys(f.start, cfg)
}

// apply makes the list of the content take effect if it differs from the previous one.
// What happens to those that are not in it follows the content too, so that an operator
// who has to get away from an endpoint can say so in the file.
func (f *follower[C]) apply(cfg C) error {
	all, err := f.completed(cfg)
	if err != nil {
		return err
	}
	f.client.SetHandover(f.kind.handover(all))
	list := *f.kind.endpoints(&cfg)
	same := func(a, b resolver.Endpoint) bool { return a.Equal(b) }
	if slices.EqualFunc(f.endpoints, list, same) {
		f.client.Kept()
		return nil
	}
	if err := f.client.Update(*f.kind.endpoints(&all)); err != nil {
		return err
	}
	f.endpoints = list
	return nil
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
			f.client.Refused(err)
		}
	}
	return all, err
}

// changedKeys returns the keys of a config file by which b differs from a, other than
// those that take effect at once.
func changedKeys[C any](a, b C) []string {
	var keys []string
	was, is := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range was.NumField() {
		name := was.Type().Field(i).Name
		if name != "Endpoints" && name != "Handover" && !reflect.DeepEqual(was.Field(i).Interface(), is.Field(i).Interface()) {
			keys = append(keys, strings.ToLower(name[:1])+name[1:])
		}
	}
	slices.Sort(keys)
	return keys
}

// maxFileError bounds the text of an error about a file, in bytes. The error of a list
// with many bad entries has one line for each of the first few.
const maxFileError = 4096
