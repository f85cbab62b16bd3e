package pick

import "iter"

// pageSize is the number of connections in a page of a roster. It is a power of two.
const pageSize = 128

// page is a part of a roster. Only the roster changes it, and only while no row
// shares it.
type page struct {
	conns [pageSize]*Conn
	// since is the number of rows that the roster had returned when the page was made.
	// None of those shares it.
	since uint64
}

// Roster is a list of connections of which immutable copies, rows, are often taken
// while it changes little in between. A row shares with it the pages that do not
// change, so that with thousands of connections a change and a copy cost about as
// much as with a hundred. The order has no meaning. The zero value is empty.
type Roster struct {
	pages []*page
	n     int
	rows  uint64 // returned so far
}

// Len returns how many connections there are.
func (r *Roster) Len() int { return r.n }

// At returns the connection at index i.
func (r *Roster) At(i int) *Conn { return r.pages[i/pageSize].conns[i%pageSize] }

// Add appends a connection that is not in the roster.
func (r *Roster) Add(c *Conn) {
	if r.n%pageSize == 0 {
		r.pages = append(r.pages, &page{since: r.rows})
	}
	c.slot = r.n
	r.put(r.n, c)
	r.n++
}

// Remove removes a connection that is in the roster, and moves the last one to its
// index.
func (r *Roster) Remove(c *Conn) {
	last := r.At(r.n - 1)
	last.slot = c.slot
	r.put(last.slot, last)
	r.n--
	r.put(r.n, nil)
	if r.n%pageSize == 0 {
		end := len(r.pages) - 1
		r.pages[end] = nil
		r.pages = r.pages[:end]
	}
}

// Has reports whether the connection is in the roster.
func (r *Roster) Has(c *Conn) bool { return c.slot < r.n && r.At(c.slot) == c }

// put sets the connection at index i. It replaces a page that a row may share by a
// copy.
func (r *Roster) put(i int, c *Conn) {
	p := r.pages[i/pageSize]
	if p.since != r.rows {
		p = &page{conns: p.conns, since: r.rows}
		r.pages[i/pageSize] = p
	}
	p.conns[i%pageSize] = c
}

// Row returns a copy of the roster as it is now.
func (r *Roster) Row() Row {
	if r.n <= pageSize {
		flat := make([]*Conn, r.n)
		for i := range flat {
			flat[i] = r.At(i)
		}
		return RowOf(flat)
	}
	r.rows++
	return Row{pages: append([]*page(nil), r.pages...), n: r.n}
}

// All returns the connections.
func (r *Roster) All() iter.Seq[*Conn] {
	return func(yield func(*Conn) bool) {
		for i := range r.n {
			if !yield(r.At(i)) {
				return
			}
		}
	}
}

// Row is an immutable list of connections: a slice, or pages if it is long.
type Row struct {
	flat  []*Conn
	pages []*page
	n     int
}

// RowOf returns a row of a slice, which must not change afterwards.
func RowOf(conns []*Conn) Row { return Row{flat: conns, n: len(conns)} }

// At returns the connection at index i.
func (r *Row) At(i int) *Conn {
	if r.pages == nil {
		return r.flat[i]
	}
	return r.pages[uint(i)/pageSize].conns[uint(i)%pageSize]
}

// Len returns how many connections there are.
func (r *Row) Len() int { return r.n }

// Slice returns the connections.
func (r *Row) Slice() []*Conn {
	out := make([]*Conn, 0, r.n)
	for i := range r.n {
		out = append(out, r.At(i))
	}
	return out
}
