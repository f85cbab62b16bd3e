package endpointset

import "iter"

// pageSize is how many connections a page of a roster holds. It is a power of two.
const pageSize = 128

// page is a part of a roster. It is changed only by the roster, and only while no
// row has it.
type page struct {
	conns [pageSize]*conn
	// since is the number of rows that the roster had given when the page was made:
	// none of those has it.
	since uint64
}

// roster is a list of connections of which immutable copies are taken, rows,
// again and again while it changes little in between. A row shares with it the
// pages that do not change: so among thousands of connections a change and a copy
// cost about as much as among a hundred. The order means nothing. Its zero value
// is empty.
type roster struct {
	pages []*page
	n     int
	rows  uint64 // given so far
}

func (r *roster) len() int { return r.n }

func (r *roster) at(i int) *conn { return r.pages[i/pageSize].conns[i%pageSize] }

// add appends a connection, and gives its place.
func (r *roster) add(c *conn) int {
	if r.n%pageSize == 0 {
		r.pages = append(r.pages, &page{since: r.rows})
	}
	r.put(r.n, c)
	r.n++
	return r.n - 1
}

// remove takes out the connection at i, and puts the last one in its place. It
// gives that one, which may be the same.
func (r *roster) remove(i int) *conn {
	last := r.at(r.n - 1)
	r.put(i, last)
	r.n--
	r.put(r.n, nil)
	if r.n%pageSize == 0 {
		end := len(r.pages) - 1
		r.pages[end] = nil
		r.pages = r.pages[:end]
	}
	return last
}

// put sets the place i. A page that a row may have is replaced by a copy.
func (r *roster) put(i int, c *conn) {
	p := r.pages[i/pageSize]
	if p.since != r.rows {
		p = &page{conns: p.conns, since: r.rows}
		r.pages[i/pageSize] = p
	}
	p.conns[i%pageSize] = c
}

// row gives a copy of the roster as it is now.
func (r *roster) row() row {
	if r.n <= pageSize {
		flat := make([]*conn, r.n)
		for i := range flat {
			flat[i] = r.at(i)
		}
		return rowOf(flat)
	}
	r.rows++
	return row{pages: append([]*page(nil), r.pages...), n: r.n}
}

// all gives the connections.
func (r *roster) all() iter.Seq[*conn] {
	return func(yield func(*conn) bool) {
		for i := range r.n {
			if !yield(r.at(i)) {
				return
			}
		}
	}
}

// row is an immutable list of connections: a slice, or pages where it is long.
type row struct {
	flat  []*conn
	pages []*page
	n     int
}

// rowOf makes a row of a slice, which must not change any more.
func rowOf(conns []*conn) row { return row{flat: conns, n: len(conns)} }

func (r *row) at(i int) *conn {
	if r.pages == nil {
		return r.flat[i]
	}
	return r.pages[uint(i)/pageSize].conns[uint(i)%pageSize]
}
