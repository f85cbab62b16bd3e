package lease

import (
	"context"
	"errors"
	"fmt"

	"github.com/cenkalti/backoff/v4"

	"github.com/cantonlb/cantonlb/internal/sleep"
	"github.com/cantonlb/cantonlb/lease/internal/machine"
	"github.com/cantonlb/cantonlb/lease/store"
)

// ask sends one request to the store, and passes its answer on.
func (r *run) ask(request machine.Request) {
	ctx, cancel := context.WithTimeout(r.requests, request.Deadline-request.Sent)
	defer cancel()
	a := answer{number: request.Number}
	s, name := r.cfg.Store, r.cfg.Name
	switch request.Kind {
	case machine.Read:
		a.record, a.err = s.Read(ctx, name)
	case machine.Acquire:
		a.record, a.err = s.Acquire(ctx, name, r.params.Holder, r.params.TTL, request.Record)
	case machine.Renew:
		a.record, a.err = s.Renew(ctx, name, request.Record)
	case machine.Release:
		a.err = s.Release(ctx, name, request.Record)
	}
	select {
	case r.answers <- a:
	case <-r.over:
	}
}

// watch watches the store for changes, and restarts the watch when it ends.
func (r *run) watch(w store.Watcher) {
	longest := max(r.params.Poll, r.params.Renew)
	pause := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(r.params.Poll), backoff.WithMaxInterval(longest), backoff.WithMaxElapsedTime(0))
	send := func(news watched) {
		select {
		case r.watched <- news:
		case <-r.watching.Done():
		}
	}
	failing := false // the last watch has not lasted
	for {
		began, notified := r.cfg.Clock(), false
		err := w.Watch(r.watching, r.cfg.Name, func(now *store.Record) {
			notified = true
			send(watched{record: now})
		})
		if r.watching.Err() != nil || errors.Is(err, errors.ErrUnsupported) {
			return
		}
		if notified && r.cfg.Clock()-began >= longest {
			failing = false
			pause.Reset()
		}
		if notified || !failing {
			send(watched{err: fmt.Errorf("watching: %w", orEnded(err)), known: failing})
		}
		failing = true
		if !sleep.For(r.watching, pause.NextBackOff()) {
			return
		}
	}
}

func orEnded(err error) error {
	if err == nil {
		return errors.New("it ended")
	}
	return err
}
