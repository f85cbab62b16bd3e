package jsonapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strings"
	"time"
)

// maxDepth bounds the nesting of a body that is read, and maxCommandID the length of the
// texts in it that matter.
const (
	maxDepth     = 64
	maxCommandID = 4 << 10
)

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
	r := bodyReader{json.NewDecoder(bytes.NewReader(body))}
	var s submission
	err := r.object("", func(path string) error {
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
			return errInside
		}
		return r.skip()
	})
	if err != nil {
		return submission{unclear: true}
	}
	if _, err := r.d.Token(); !errors.Is(err, io.EOF) { // something comes after the object
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

var (
	errInside   = errors.New("the value is an object that matters")
	errUnclear  = errors.New("not what the API's documents say")
	errTooDeep  = errors.New("nested too deeply")
	errRepeated = errors.New("a key is repeated")
)

// bodyReader reads JSON token by token, so that what does not matter is not kept.
type bodyReader struct{ d *json.Decoder }

// object reads an object. value is called for each key, with its path, and reads the
// value; if it returns errInside, the value is read as an object.
func (r bodyReader) object(path string, value func(path string) error) error {
	if err := r.delim('{'); err != nil {
		return err
	}
	seen := make(map[string]bool)
	for r.d.More() {
		token, err := r.d.Token()
		if err != nil {
			return err
		}
		key, _ := token.(string) // a key is a string, or Token has returned an error
		if seen[key] {
			return errRepeated // servers differ in which one counts
		}
		seen[key] = true
		inner := key
		if path != "" {
			inner = path + "." + key
		}
		err = value(inner)
		if errors.Is(err, errInside) {
			err = r.object(inner, value)
		}
		if err != nil {
			return err
		}
	}
	return r.delim('}')
}

func (r bodyReader) delim(want json.Delim) error {
	token, err := r.d.Token()
	if err != nil {
		return err
	}
	if token != want {
		return errUnclear
	}
	return nil
}

// text reads a string, or null.
func (r bodyReader) text(dst *string) error {
	token, err := r.d.Token()
	if err != nil || token == nil {
		return err
	}
	s, ok := token.(string)
	if !ok || len(s) > maxCommandID {
		return errUnclear
	}
	*dst = s
	return nil
}

// parties reads a list of strings.
func (r bodyReader) parties(s *submission) error {
	if err := r.delim('['); err != nil {
		return err
	}
	for r.d.More() {
		var party string
		if err := r.text(&party); err != nil {
			return err
		}
		s.parties = s.parties || party != ""
	}
	return r.delim(']')
}

// period reads a deduplication period: nothing, {"Empty":{}}, or
// {"DeduplicationDuration":{"value":{"seconds":n,"nanos":n}}}. Any other, such as an
// offset, makes the submission unclear.
func (r bodyReader) period(s *submission) error {
	var raw json.RawMessage
	if err := r.d.Decode(&raw); err != nil {
		return err
	}
	if string(raw) == "null" {
		return nil
	}
	inner := bodyReader{json.NewDecoder(bytes.NewReader(raw))}
	var seconds, nanos int64
	set := false
	err := inner.object("", func(path string) error {
		switch path {
		case "Empty":
			return inner.skip()
		case "DeduplicationDuration", "DeduplicationDuration.value":
			return errInside
		case "DeduplicationDuration.value.seconds":
			set = true
			return inner.number(&seconds, math.MaxInt32)
		case "DeduplicationDuration.value.nanos":
			return inner.number(&nanos, int64(time.Second)-1)
		case "DeduplicationDuration.value.unknownFields":
			return inner.skip()
		default:
			return errUnclear
		}
	})
	if err == nil && set {
		s.period = max(time.Duration(seconds)*time.Second+time.Duration(nanos), 1)
	}
	return err
}

// number reads a whole number from 0 to most.
func (r bodyReader) number(dst *int64, most int64) error {
	token, err := r.d.Token()
	if err != nil {
		return err
	}
	n, ok := token.(float64)
	if !ok || n < 0 || n > float64(most) || n != math.Trunc(n) {
		return errUnclear
	}
	*dst = int64(n)
	return nil
}

// skip reads one value of any kind.
func (r bodyReader) skip() error {
	for depth := 0; ; {
		token, err := r.d.Token()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			if depth++; depth > maxDepth {
				return errTooDeep
			}
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}
