package ledger

import "fmt"

// witness is the last update that was delivered, by which a ledger is recognised that was too short for
// a while. It may have caught up since: with the same updates, such as a replica that was behind, or with
// other ones, after its database was restored from a backup. The offsets alone do not show that.
type witness struct {
	at Offset
	id string // empty if there is none

	wanted bool // the ledger was too short, and nothing new was delivered since
	asked  bool // the stream that is open was opened before it
	seen   bool // and has it
}

// note remembers an update that was delivered.
func (w *witness) note(at position) {
	w.wanted, w.asked = false, false
	// The offset before it has to be known, and is not where offsets are texts.
	if !at.checkpoint && at.id != "" && at.last.Int64() > 0 {
		w.at, w.id = at.last, at.id
	}
}

// begin returns the offset after which to open the stream. As long as the ledger is too short, that is where
// the stream continues, so that the server refuses it.
func (s *stream[M]) begin() Offset {
	w := &s.witness
	w.asked, w.seen = w.wanted && w.id != "", false
	if w.asked && s.o.Node.LedgerEnd != nil {
		end, err := s.reopener.ledgerEnd(s.ctx)
		w.asked = err != nil || end.Compare(s.at) >= 0
	}
	if !w.asked {
		return s.at
	}
	return At(w.at.Int64() - 1)
}

// check compares a message of a stream that was opened before the witness. It reports whether the message
// was delivered before. The error says in what the ledger is another one.
func (w *witness) check(m position, delivered Offset) (known bool, err error) {
	news := m.last.Compare(delivered) > 0
	switch {
	case m.empty:
		return true, nil
	case !m.checkpoint && m.last == w.at && m.id == w.id:
		w.seen = true
		return true, nil
	case !w.seen && (news || !m.checkpoint || m.last.Compare(w.at) >= 0):
		return false, fmt.Errorf("update %.100q is no longer at offset %s", w.id, w.at)
	case !news && !m.checkpoint:
		return false, fmt.Errorf("an update that was not there is at offset %s", m.last)
	}
	return !news, nil
}
