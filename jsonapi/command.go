package jsonapi

import (
	"encoding/json"
	"math"
	"strings"
	"time"

	"github.com/cantonlb/cantonlb/internal/jsonread"
)

// maxCommandID bounds the length of the texts that matter in a body.
const maxCommandID = 4 << 10

// submission is what the body of a command says about its deduplication.
type submission struct {
	id, user string
	parties  bool // it names at least one party to act as
	// period is the deduplication period. It is 0 if the body sets none, so that it is
	// the participant's maximum.
	period time.Duration
	// unclear says that the body is not what is known, or has a period that is no
	// duration: then the command is sent at most once.
	unclear bool
}

// resubmittable reports whether the command may be sent again, and for how long. own says
// that the request has its own Authorization, which is the same at every endpoint.
func (x command) resubmittable(s submission, own bool) (time.Duration, bool) {
	switch {
	case s.unclear, s.id == "":
		return 0, false
	case !own && (s.user == "" || x.user == ""): // the endpoint's token says the user
		return 0, false
	case x.actAs != "" && !s.parties:
		return 0, false
	case s.period > 0:
		return s.period - s.period/10, true // clocks differ
	default:
		return math.MaxInt64, true
	}
}

// read reads the body of a command. It accepts any bytes, and takes time and memory in
// proportion to them.
func (x command) read(body []byte) submission {
	r := bodyReader{jsonread.New(body)}
	var s submission
	err := r.Object("", func(path string) error {
		switch path {
		case x.id:
			return r.text(&s.id)
		case x.user:
			return r.text(&s.user)
		case x.actAs:
			return r.parties(&s)
		case x.deduplication:
			return r.period(&s)
		}
		if x.leadsTo(path) {
			return jsonread.ErrInside
		}
		return r.Skip()
	})
	if err != nil {
		return submission{unclear: true}
	}
	if r.End() != nil { // something comes after the object
		return submission{unclear: true}
	}
	return s
}

// leadsTo reports whether a path is the beginning of one that matters.
func (x command) leadsTo(path string) bool {
	for _, p := range []string{x.id, x.user, x.actAs, x.deduplication} {
		if strings.HasPrefix(p, path+".") {
			return true
		}
	}
	return false
}

// bodyReader reads the values of a body.
type bodyReader struct{ jsonread.Reader }

// text reads a string, or null.
func (r bodyReader) text(dst *string) error { return r.Text(dst, maxCommandID) }

// parties reads a list of strings.
func (r bodyReader) parties(s *submission) error {
	if err := r.Delim('['); err != nil {
		return err
	}
	for r.More() {
		var party string
		if err := r.text(&party); err != nil {
			return err
		}
		s.parties = s.parties || party != ""
	}
	return r.Delim(']')
}

// period reads a deduplication period: nothing, {"Empty":{}}, or
// {"DeduplicationDuration":{"value":{"seconds":n,"nanos":n}}}. Any other, such as an
// offset, makes the submission unclear.
func (r bodyReader) period(s *submission) error {
	var raw json.RawMessage
	if err := r.Decode(&raw); err != nil {
		return err
	}
	if string(raw) == "null" {
		return nil
	}
	inner := bodyReader{jsonread.New(raw)}
	var seconds, nanos int64
	set := false
	err := inner.Object("", func(path string) error {
		switch path {
		case "Empty":
			return inner.Skip()
		case "DeduplicationDuration":
			set = true // a number that is missing in it is 0
			return jsonread.ErrInside
		case "DeduplicationDuration.value":
			return jsonread.ErrInside
		case "DeduplicationDuration.value.seconds":
			return inner.number(&seconds, math.MaxInt32)
		case "DeduplicationDuration.value.nanos":
			return inner.number(&nanos, int64(time.Second)-1)
		case "DeduplicationDuration.value.unknownFields":
			return inner.Skip()
		default:
			return jsonread.ErrUnexpected
		}
	})
	if err == nil && set {
		s.period = max(time.Duration(seconds)*time.Second+time.Duration(nanos), 1)
	}
	return err
}

// number reads a whole number from 0 to most.
func (r bodyReader) number(dst *int64, most int64) error {
	token, err := r.Token()
	if err != nil {
		return err
	}
	n, ok := token.(float64)
	if !ok || n < 0 || n > float64(most) || n != math.Trunc(n) {
		return jsonread.ErrUnexpected
	}
	*dst = int64(n)
	return nil
}
