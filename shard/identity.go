package shard

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/cantonlb/cantonlb/jsonapi"
)

// identify asks a shard for its participant's ID, which must stay the same, and its JSON
// API servers for theirs, which must be the same. A user that may not ask for it is no
// failure.
func (r *Router) identify(ctx context.Context, m *member) error {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.LookUpTimeout)
	defer cancel()
	id, err := m.source().participant(ctx)
	switch {
	case err != nil && denied(err):
		return nil
	case err != nil:
		return err
	}
	r.mu.Lock()
	want, from := m.Participant, "as configured"
	if want == "" {
		want, from = m.discovery.participant, "as it said first"
	}
	r.mu.Unlock()
	why := ""
	switch {
	case want == "":
		want = id
	case id != want:
		why = fmt.Sprintf("participant id %s; want %s, %s", quoted(id), quoted(want), from)
	}
	if why == "" {
		why = m.otherJSON(ctx, want)
	}
	r.identified(m, id, want, why)
	return nil
}

// identified notes what a shard has said of its participant. why is why it gets no
// requests, "" if it does.
func (r *Router) identified(m *member, id, want, why string) {
	var told []Event
	r.mu.Lock()
	if m.discovery.participant == "" {
		for name, other := range r.list.Load().byName {
			if other != m && other.discovery.participant == id {
				told = append(told, r.eventLocked(EventSameParticipant, m.name, fmt.Sprintf(
					"participant id %s, as shard %s: its parties are on both", quoted(id), quoted(name))))
			}
		}
	}
	m.discovery.participant = want
	switch was := m.distrusted.Load(); {
	case why != "":
		m.distrusted.Store(&why)
		if was == nil || *was != why {
			told = append(told, r.eventLocked(EventIdentityMismatch, m.name, why))
		}
	case was != nil:
		m.distrusted.Store(nil)
		told = append(told, r.eventLocked(EventIdentityRestored, m.name, ""))
	}
	r.mu.Unlock()
	r.tell(told...)
}

// otherJSON asks each eligible JSON API server of the shard for the ID of its participant.
// It returns which one has another than want, or had it when it last said so; "" if none. A
// server that has never said it, as those of Canton 2 or if the user of its token may not
// ask, is trusted. At most as many are asked at a time as there may be look-ups. Only the
// goroutine of the look-ups calls it.
func (m *member) otherJSON(ctx context.Context, want string) (why string) {
	if m.JSON == nil {
		return ""
	}
	endpoints := m.JSON.Status().Endpoints
	ids := make([]string, len(endpoints))
	var all sync.WaitGroup
	slots := make(chan struct{}, slotsOfShard)
	for i, e := range endpoints { // at the same time: one that does not answer delays no other
		if !e.Eligible {
			continue
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			continue
		}
		all.Go(func() {
			defer func() { <-slots }()
			ids[i] = participantOf(jsonapi.WithEndpoint(ctx, e.Name), m.JSON)
		})
	}
	all.Wait()
	said := make(map[string]string)
	for i, e := range endpoints {
		id := cmp.Or(ids[i], m.said[e.Name])
		if id == "" {
			continue
		}
		said[e.Name] = id
		if id != want && why == "" {
			why = fmt.Sprintf("participant id %s of JSON API server %s; want %s, that of the gRPC endpoints",
				quoted(id), quoted(e.Name), quoted(want))
		}
	}
	m.said = said
	return why
}

// participantOf returns the participant's ID that a JSON API server says, "" if it does not.
func participantOf(ctx context.Context, c *jsonapi.Client) string {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.BaseURL()+"/v2/parties/participant-id", http.NoBody)
	if err != nil {
		return ""
	}
	response, err := c.RoundTrip(request)
	if err != nil {
		return ""
	}
	defer func() { _ = response.Body.Close() }() // what matters has been read
	var answer struct {
		ID string `json:"participantId"`
	}
	err = json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(&answer)
	if response.StatusCode != http.StatusOK || err != nil || checkName(answer.ID) != nil {
		return ""
	}
	return answer.ID
}
