package configfile

import (
	"bytes"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// The times of a watcher; see the package's documentation.
const (
	quiet    = 50 * time.Millisecond
	mostWait = 500 * time.Millisecond
	lookEach = 10 * time.Second
)

// watcher tells of each new content of a file.
type watcher struct {
	path    string
	changed func(data []byte, err error)
	notify  *fsnotify.Watcher // nil if the system has none to give
	watched []string

	seen    []byte // the content that was told of last
	failure string // the error that was told of since, empty if none

	stop    chan struct{}
	stopped sync.Once
	running sync.WaitGroup
}

// watch begins to watch a file of which seen is the content that is known. It
// calls changed, from one goroutine, with each content that differs from the last
// one, or with an error if the file cannot be read any more. Contents between
// which there is less time than the file takes to come to rest are passed over.
// Close it in the end.
func watch(path string, seen []byte, changed func(data []byte, err error)) *watcher {
	w := &watcher{path: path, changed: changed, seen: seen, stop: make(chan struct{})}
	// Without notifications, such as where there are too many watchers already, the
	// file is still looked at from time to time.
	w.notify, _ = fsnotify.NewWatcher()
	w.rewatch()
	w.running.Go(w.run)
	return w
}

// close ends the watching, and waits for a call of changed that is under way. It
// may be called more than once, but not by changed.
func (w *watcher) close() {
	w.stopped.Do(func() { close(w.stop) })
	w.running.Wait()
}

func (w *watcher) run() {
	var events chan fsnotify.Event
	var failures chan error
	if w.notify != nil {
		events, failures = w.notify.Events, w.notify.Errors
		defer func() { _ = w.notify.Close() }() // nobody listens any more
	}
	look := time.NewTicker(lookEach)
	defer look.Stop()
	rest := time.NewTimer(quiet) // it may have changed since it was read
	defer rest.Stop()
	var first time.Time // when the file became restless, zero if it is not
	for {
		select {
		case <-w.stop:
			return
		case <-events:
			now := time.Now()
			if first.IsZero() {
				first = now
			}
			rest.Reset(min(quiet, first.Add(mostWait).Sub(now)))
		case err := <-failures:
			if err != nil { // as when events have been lost
				rest.Reset(quiet)
			}
		case <-rest.C:
			first = time.Time{}
			w.look()
		case <-look.C:
			w.look()
		}
	}
}

// look reads the file, and tells of it if there is news.
func (w *watcher) look() {
	w.rewatch() // first, so that no later change is missed
	data, err := readFile(w.path)
	switch {
	case err != nil:
		if text := err.Error(); text != w.failure {
			w.failure = text
			w.changed(nil, err)
		}
	case !bytes.Equal(data, w.seen) || w.failure != "":
		w.seen, w.failure = data, ""
		w.changed(data, nil)
	}
}

// rewatch watches the directories that lead to the file now, and no others. One
// that cannot be watched is tried again at the next look.
func (w *watcher) rewatch() {
	if w.notify == nil {
		return
	}
	dirs := directories(w.path)
	for _, dir := range w.watched {
		if !slices.Contains(dirs, dir) {
			_ = w.notify.Remove(dir) // it may be gone already
		}
	}
	w.watched = dirs
	for _, dir := range dirs {
		_ = w.notify.Add(dir) // adding one twice does nothing
	}
}
