package cantonlb

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/configfile"
)

// NewClientFromFile makes a client of a config file (see LoadConfig) and follows
// the file from then on, until Close: each time that it changes it is read and
// checked whole, and its list of endpoints is put in force as by Client.Update. It
// may be changed in place or replaced by renaming another file, and symbolic links
// on the way to it may be swapped, as Kubernetes does.
//
// A file that cannot be read or is not valid changes nothing; Status and the
// events tell so. Only the endpoints are followed: a change of any other key takes
// effect at the next start, and Status has a note of it. A list that is set by
// Client.Update stays until the list in the file changes. A file that is changed in
// place may be read while it is being written, and part of a list can be a valid
// list: better write another file and rename it.
func NewClientFromFile(path string, opts ...grpc.DialOption) (*Client, error) {
	data, err := configfile.Read(path)
	if err != nil {
		return nil, err
	}
	cfg, document, err := parseConfig(path, data)
	if err != nil {
		return nil, err
	}
	c, err := NewClient(cfg, opts...)
	if err != nil {
		return nil, document.Locate(err)
	}
	c.file = follow(c, path, data, cfg)
	return c, nil
}

// follower keeps a client's list that of a file.
type follower struct {
	client  *Client
	start   Config // what the client was made of
	watcher *configfile.Watcher

	// The watcher calls changed from one goroutine, which alone uses what follows.
	endpoints []Endpoint // in force

	mu     sync.Mutex // guards status; nothing else is locked or called under it
	status FileStatus
}

func follow(c *Client, path string, data []byte, cfg Config) *follower {
	f := &follower{client: c, start: cfg, endpoints: cfg.Endpoints, status: FileStatus{Path: path, LoadedAt: time.Now()}}
	c.set.CountReloads(0, 0)
	f.watcher = configfile.Watch(path, data, f.changed)
	return f
}

func (f *follower) close() { f.watcher.Close() }

// changed takes in a new content of the file, or hears that there is none.
func (f *follower) changed(data []byte, err error) {
	var cfg Config
	var document *configfile.Document
	if err == nil {
		cfg, document, err = parseConfig(f.status.Path, data)
	}
	if err != nil {
		f.client.set.ListRefused(err)
	} else {
		err = document.Locate(f.apply(cfg.Endpoints))
	}
	if err != nil {
		f.client.set.CountReloads(0, 1)
	} else {
		f.client.set.CountReloads(1, 0)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s := &f.status
	if err != nil {
		s.Failures++
		s.Error, s.FailedAt = bounded(err.Error()), time.Now()
		return
	}
	s.Reloads++
	s.LoadedAt, s.Error, s.FailedAt = time.Now(), "", time.Time{}
	s.Pending = changedKeys(f.start, cfg)
}

// apply puts a list in force if it is another one.
func (f *follower) apply(list []Endpoint) error {
	same := func(a, b Endpoint) bool { return a.Equal(b) }
	if slices.EqualFunc(f.endpoints, list, same) {
		return nil
	}
	if err := f.client.update(list); err != nil {
		return err
	}
	f.endpoints = list
	return nil
}

// snapshot gives what there is to know of the file, nil if there is none.
func (f *follower) snapshot() *FileStatus {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.status
	s.Pending = slices.Clone(s.Pending)
	return &s
}

func addFile(s *Status, file *FileStatus) {
	s.File = file
	if file == nil {
		return
	}
	if file.Error != "" {
		s.Notes = append(s.Notes, "the newest content of the config file is not in force: "+cleantext.Detail(file.Error))
	}
	if len(file.Pending) > 0 {
		s.Notes = append(s.Notes, fmt.Sprintf("the config file has changed beside the endpoints, which takes effect at the next start: %s",
			strings.Join(file.Pending, ", ")))
	}
}

// changedKeys gives the keys of a config file, but for the endpoints, by which b
// differs from a.
func changedKeys(a, b Config) []string {
	var keys []string
	was, is := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range was.NumField() {
		name := was.Type().Field(i).Name
		if name != "Endpoints" && !reflect.DeepEqual(was.Field(i).Interface(), is.Field(i).Interface()) {
			keys = append(keys, strings.ToLower(name[:1])+name[1:])
		}
	}
	slices.Sort(keys)
	return keys
}

// maxFileError bounds the text of an error about a file, in bytes. A list with
// many bad entries has one line for each of the first few.
const maxFileError = 4096

func bounded(text string) string {
	if len(text) <= maxFileError {
		return text
	}
	return strings.ToValidUTF8(text[:maxFileError], "") + "…"
}
