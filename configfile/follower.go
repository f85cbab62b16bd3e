package configfile

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/follow"
	"github.com/cantonlb/cantonlb/internal/guard"
	"github.com/cantonlb/cantonlb/report"
)

// completePatience bounds how long new content waits for the program to complete it.
const completePatience = 5 * time.Second

// follower keeps the list of a client equal to that of a file.
type follower struct {
	client   follow.Client
	start    cantonlb.Config // the file's Config when the client was made
	complete func(*cantonlb.Config)
	watcher  *watcher
	ctx      context.Context //nolint:containedctx // ends with Close
	cancel   context.CancelFunc
	left     guard.Left // calls of complete that have not returned in time

	// The watcher calls changed from one goroutine, which alone uses this field.
	endpoints []cantonlb.Endpoint // the list in effect, as in the file

	mu     sync.Mutex // guards status; nothing else is locked or called under it
	status report.FileStatus
}

func newFollower(client follow.Client, path string, data []byte, cfg cantonlb.Config, complete func(*cantonlb.Config)) *follower {
	f := &follower{
		client: client, start: cfg, complete: complete, endpoints: cfg.Endpoints,
		status: report.FileStatus{Path: path, LoadedAt: time.Now()},
	}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	f.watcher = watch(path, data, f.changed)
	return f
}

// Close implements follow.Follower.
func (f *follower) Close() (left string) {
	f.cancel() // ends the wait for complete
	f.watcher.close()
	return f.left.String()
}

// Status implements follow.Follower.
func (f *follower) Status() report.FileStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.status
	s.Pending = slices.Clone(s.Pending)
	return s
}

// changed handles new content of the file, or the error of reading it.
func (f *follower) changed(data []byte, err error) {
	var cfg cantonlb.Config
	var document *document
	if err == nil {
		cfg, document, err = parseConfig(f.status.Path, data)
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
func (f *follower) apply(cfg cantonlb.Config) error {
	all, err := f.completed(cfg)
	if err != nil {
		return err
	}
	f.client.SetHandover(string(all.Handover))
	same := func(a, b cantonlb.Endpoint) bool { return a.Equal(b) }
	if slices.EqualFunc(f.endpoints, cfg.Endpoints, same) {
		f.client.Kept()
		return nil
	}
	if err := f.client.Update(all.Endpoints); err != nil {
		return err
	}
	f.endpoints = cfg.Endpoints
	return nil
}

// completed returns a copy of cfg with what the program adds. An error says that the
// program's function has not returned in time, or has panicked.
func (f *follower) completed(cfg cantonlb.Config) (cantonlb.Config, error) {
	if f.complete == nil {
		return cfg, nil
	}
	ctx, cancel := context.WithTimeout(f.ctx, completePatience)
	defer cancel()
	all, err := guard.Await(ctx, &f.left, "the function complete of NewClientWith", 1, func() cantonlb.Config { return completed(cfg, f.complete) }, nil)
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
func changedKeys(a, b cantonlb.Config) []string {
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
