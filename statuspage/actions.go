package statuspage

import (
	"crypto/subtle"
	"fmt"
	"net/http"
)

// maxForm bounds the body of an action's request, in bytes.
const maxForm = 4 << 10

// crossOrigin refuses requests that a browser marks as coming from another origin.
var crossOrigin http.CrossOriginProtection

// act drains an endpoint, undrains it, or switches to it, and redirects to the
// page.
func (p *Page) act(w http.ResponseWriter, r *http.Request) {
	if err := p.checkHost(r); err != nil {
		refuse(w, http.StatusForbidden, err.Error())
		return
	}
	if err := crossOrigin.Check(r); err != nil {
		refuse(w, http.StatusForbidden, err.Error())
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		refuse(w, http.StatusBadRequest, fmt.Sprintf("form: %v; want at most %d bytes, URL-encoded", err, maxForm))
		return
	}
	if subtle.ConstantTimeCompare([]byte(r.PostForm.Get("token")), []byte(p.token)) != 1 {
		refuse(w, http.StatusForbidden, "token: not the one of this page, which has perhaps been restarted; want that of the form: reload the page")
		return
	}
	name := r.PostForm.Get("endpoint")
	var err error
	switch action := r.PostForm.Get("action"); action {
	case "drain":
		err = p.actions.Drain(name)
	case "undrain":
		err = p.actions.Undrain(name)
	case "switch":
		err = p.actions.Switch(r.Context(), name)
	default:
		refuse(w, http.StatusBadRequest, fmt.Sprintf("action %q: want drain, undrain or switch", clip(action)))
		return
	}
	if err != nil {
		refuse(w, http.StatusConflict, err.Error())
		return
	}
	p.look() // so that the page shows the result
	// A URL that consists only of a query refers to the page itself, wherever it is
	// mounted.
	w.Header().Set("Location", p.link("", ""))
	w.WriteHeader(http.StatusSeeOther)
}
