package shard

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/cantonlb/cantonlb/internal/jsonread"
)

// bodyUse is what a value in a body is read for.
type bodyUse uint8

const (
	forNothing bodyUse = iota
	forActAs           // a party on whose behalf something is submitted, or a list of them
	forParty           // another party, or a list of them
	forKeys            // an object whose keys are parties
	forUser            // the user ID
	forLocal           // the request is about the participant if the value is there
)

// place is a place in a body, and what is below it. A list is transparent: its elements are
// at the place of the list. It does not change.
type place struct {
	use  bodyUse
	keys map[string]*place
}

// at adds a place, such as "rights.kind.CanActAs.value.party"; "" is the body itself.
func (n *place) at(path string, u bodyUse) {
	if path != "" {
		for key := range strings.SplitSeq(path, ".") {
			if n.keys == nil {
				n.keys = make(map[string]*place)
			}
			if n.keys[key] == nil {
				n.keys[key] = new(place)
			}
			n = n.keys[key]
		}
	}
	n.use = u
}

// bodyReader collects what a body says.
type bodyReader struct {
	jsonread.Reader

	actAs, parties []string
	user           string
	local          bool
}

var errManyParties = fmt.Errorf("more than %d parties", maxParties)

// read reads a body.
func (r *bodyReader) read(root *place) error {
	if err := r.value(root); err != nil {
		return err
	}
	return r.End()
}

// value reads one value.
func (r *bodyReader) value(n *place) error {
	token, err := r.Token()
	if err != nil {
		return err
	}
	if token == json.Delim('[') {
		return r.list(n)
	}
	return r.one(n, token)
}

// one reads a value that is no list, from its first token on. A null says nothing.
func (r *bodyReader) one(n *place, first json.Token) error {
	switch x := first.(type) {
	case nil:
		return nil
	case json.Delim:
		if x != '{' {
			return jsonread.ErrUnexpected
		}
		r.local = r.local || n.use == forLocal
		return r.object(n)
	case string:
		return r.text(n, x)
	default: // a number or a boolean
		if n.use == forLocal {
			r.local = true
			return nil
		}
		return jsonread.ErrUnexpected
	}
}

// object reads an object whose beginning was read.
func (r *bodyReader) object(n *place) error {
	switch {
	case n.use == forKeys:
		return r.Keys(func(key string) error {
			if err := r.add(&r.parties, key); err != nil {
				return err
			}
			return r.Skip()
		})
	case n.keys != nil:
		return r.Keys(func(key string) error {
			if inner := n.keys[key]; inner != nil {
				return r.value(inner)
			}
			return r.Skip()
		})
	case n.use == forLocal:
		return r.SkipRest()
	}
	return jsonread.ErrUnexpected
}

// list reads a list whose beginning was read. A list in a list is refused: the API has none,
// and a body could nest them without end.
func (r *bodyReader) list(n *place) error {
	if n.use == forLocal {
		r.local = true
		return r.SkipRest()
	}
	for r.More() {
		token, err := r.Token()
		if err == nil {
			err = r.one(n, token)
		}
		if err != nil {
			return err
		}
	}
	return r.Delim(']')
}

// text reads a text, of which an empty one says nothing.
func (r *bodyReader) text(n *place, text string) error {
	switch n.use {
	case forActAs:
		return r.add(&r.actAs, text)
	case forParty:
		return r.add(&r.parties, text)
	case forUser:
		if len(text) > maxName {
			return jsonread.ErrTooLong
		}
		r.user = text
	case forLocal:
		r.local = r.local || text != ""
	case forNothing, forKeys:
		return jsonread.ErrUnexpected
	}
	return nil
}

func (r *bodyReader) add(list *[]string, party string) error {
	switch {
	case party == "": // the server says what is wrong
		return nil
	case len(party) > maxName:
		return jsonread.ErrTooLong
	case len(r.actAs)+len(r.parties) >= maxParties:
		return errManyParties
	}
	*list = append(*list, party)
	return nil
}
