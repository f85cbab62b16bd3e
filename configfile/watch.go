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

// watcher reports each new content of a file.
type watcher struct {
	path    string
	changed func(data []byte, err error)
	notify  *fsnotify.Watcher // nil if the system provides none
	watched []string

	seen    []byte // the content that was reported last
	failure string // the error that was reported since, or empty

	stop    chan struct{}
	stopped sync.Once
	running sync.WaitGroup
}

// watch starts to watch a file of which seen is the known content. It calls changed,
// from one goroutine, with each content that differs from the last one, or with an
// error if the file can no longer be read. A content that is replaced before the file
// stops changing is skipped. The caller must close the watcher.
func watch(path string, seen []byte, changed func(data []byte, err error)) *watcher {
	w := &watcher{path: path, changed: changed, seen: seen, stop: make(chan struct{})}
	// Without notifications, for example if there are too many watchers already, the
	// file is still read from time to time.
	w.notify, _ = fsnotify.NewWatcher()
	w.rewatch()
	w.running.Go(w.run)
	return w
}

// close ends the watch and waits for a running call of changed. It may be called more
// than once, but not by changed.
func (w *watcher) close() {
	w.stopped.Do(func() { close(w.stop) })
	w.running.Wait()
}

func (w *watcher) run() {
	var events chan fsnotify.Event
	var failures chan error
	if w.notify != nil {
		events, failures = w.notify.Events, w.notify.Errors
		defer func() { _ = w.notify.Close() }() // the events are no longer used
	}
	look := time.NewTicker(lookEach)
	defer look.Stop()
	rest := time.NewTimer(quiet) // the file may have changed since it was read
	defer rest.Stop()
	var first time.Time // when the file began to change, or zero if it is unchanged
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
			if err != nil { // for example if events were lost
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

// look reads the file and reports a change.
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

// rewatch watches the directories that lead to the file now, and no others. A directory
// that cannot be watched is tried again at the next look.
func (w *watcher) rewatch() {
	if w.notify == nil {
		return
	}
	dirs := directories(w.path)
	for _, dir := range w.watched {
		if !slices.Contains(dirs, dir) {
			_ = w.notify.Remove(dir) // the directory may no longer exist
		}
	}
	w.watched = dirs
	for _, dir := range dirs {
		_ = w.notify.Add(dir) // adding a directory twice does nothing
	}
}
