package shard

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/cantonlb/cantonlb/internal/jsonread"
	"github.com/cantonlb/cantonlb/jsonapi"
)

// MaxBody bounds the body of a request to the JSON API that has to be read to find its
// shard, in bytes. A larger one needs WithShard or WithProvider, with which it is not read.
const MaxBody = 16 << 20

var _ http.RoundTripper = (*Router)(nil)

// HTTP returns an http.Client that sends each request through the Shard.JSON client of the
// shard that it belongs to: see RoundTrip. It has no timeout: set one, or a deadline in
// each request's context.
func (r *Router) HTTP() *http.Client { return &http.Client{Transport: r} }

// RoundTrip implements http.RoundTripper for the requests of the JSON API, which are made
// to the logical host of the clients, such as "http://ledger/v2/updates". Parties and the
// user are read from the path, the query and, up to MaxBody bytes, the body: they say what
// the same request over gRPC says. A request that is not known goes where its context says,
// or to the default shard. There is no default for a websocket, whose parties are in a
// message that comes later. A path with a . or .. segment is refused.
//
// Config.Read gets the method and the path, such as "POST /v2/updates", and the
// *http.Request, whose body it must not read. The response, and all attempts, are those of
// the shard's client. Before a request is sent, errors are those of Route.
func (r *Router) RoundTrip(req *http.Request) (*http.Response, error) {
	next, t, err := r.routeHTTP(req)
	if err != nil {
		if next.Body != nil {
			_ = next.Body.Close() // as the transports of net/http do
		}
		return nil, err
	}
	resp, err := t.JSON.RoundTrip(next)
	if resp != nil {
		resp.Request = req
	}
	return resp, err
}

// routeHTTP returns the shard of a request, and the request to send in place of it.
func (r *Router) routeHTTP(req *http.Request) (next *http.Request, t Target, err error) {
	ctx := req.Context()
	q := Request{HTTP: true, Method: cmp.Or(req.Method, http.MethodGet)}
	next = req
	if req.URL != nil {
		q.Method += " " + req.URL.EscapedPath()
	}
	if c := choiceOf(ctx); c.shard == "" && c.provider == "" && req.URL != nil {
		q, next, err = r.readHTTP(req, q)
		if err != nil {
			return next, t, r.outcomes.refuse(err)
		}
	}
	t, err = r.Route(ctx, q)
	return next, t, err
}

// readHTTP adds what a request says.
func (r *Router) readHTTP(req *http.Request, q Request) (Request, *http.Request, error) {
	if r.cfg.Read != nil {
		if own, ok := r.cfg.Read(q.Method, req); ok {
			own.HTTP, own.Method = true, cmp.Or(own.Method, q.Method)
			return own, req, nil
		}
	}
	if req.Header.Get("Upgrade") != "" {
		q.Kind = KindLocal
		return q, req, nil
	}
	method := cmp.Or(req.Method, http.MethodGet)
	if method == http.MethodHead {
		method = http.MethodGet
	}
	u, path, problem := asServed(req.URL)
	if problem != "" {
		return q, req, &RequestError{Method: q.Method, Field: "path", Problem: problem}
	}
	route, segments, known := httpRoutes.Match(method, path)
	if !known {
		return q, req, nil
	}
	if err := route.readURL(&q, segments, u); err != nil {
		return q, req, err
	}
	local, next, err := route.readBody(&q, req)
	switch {
	case err != nil:
		return q, next, err
	case local:
		q.Kind = KindLocal
	case len(q.ActAs)+len(q.Parties) == 0:
		q.Kind = route.alone
	default:
		q.Kind = route.kind
	}
	return q, next, nil
}

// asServed returns the URL and the path of a request as a server may understand them. A
// request that a server takes for a known one must not be an unknown one here, which goes to
// the default shard: slashes that are repeated or at the end do not count, nor does it how
// characters are escaped. What . and .. mean depends on the server, so they are refused.
func asServed(u *url.URL) (served *url.URL, path, problem string) {
	if u.Opaque != "" { // as for a request by hand
		parsed, err := url.Parse(u.Scheme + ":" + u.Opaque)
		if err != nil || parsed.Opaque != "" {
			return u, "", "it cannot be read; want a URL with a Path"
		}
		parsed.RawQuery = cmp.Or(u.RawQuery, parsed.RawQuery)
		u = parsed
	}
	for segment := range strings.SplitSeq(u.EscapedPath(), "/") {
		name, err := url.PathUnescape(segment)
		switch {
		case err != nil:
			return u, "", err.Error()
		case name == "." || name == "..":
			return u, "", "a segment is . or ..; want a path without them"
		case name != "":
			path += "/" + url.PathEscape(name)
		}
	}
	return u, path, ""
}

// readURL adds what the path and the query say.
func (x *httpRoute) readURL(q *Request, segments []string, u *url.URL) error {
	for i, s := range segments {
		name, err := url.PathUnescape(s)
		if err != nil {
			return &RequestError{Method: q.Method, Field: "path", Problem: err.Error()}
		}
		switch x.path[i] {
		case isParty:
			q.Parties = append(q.Parties, name)
		case isUser:
			q.User = name
		case isNeither:
		}
	}
	if len(x.query) == 0 {
		return nil
	}
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return &RequestError{Method: q.Method, Field: "query", Problem: err.Error()}
	}
	for _, name := range x.query {
		for _, party := range values[name] {
			if party != "" {
				q.Parties = append(q.Parties, party)
			}
		}
	}
	return nil
}

// readBody adds what the body says, and reports whether it is about the participant. It
// returns the request to send in place of req, also with an error.
func (x *httpRoute) readBody(q *Request, req *http.Request) (local bool, next *http.Request, err error) {
	if x.body == nil || req.Body == nil || req.Body == http.NoBody {
		return false, req, nil
	}
	refuse := func(problem string) error {
		return &RequestError{Method: q.Method, Field: "body", Problem: problem}
	}
	if e := req.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return false, req, refuse("it is encoded, so its parties cannot be read; want it as it is, or WithShard")
	}
	body, next, err := jsonapi.Peek(req, MaxBody)
	switch {
	case errors.Is(err, jsonapi.ErrBodyTooLarge):
		return false, next, refuse(fmt.Sprintf("larger than %d bytes, so its parties are not read; want WithShard", MaxBody))
	case err != nil:
		return false, next, err
	case len(body) == 0:
		return false, next, nil // the server says what is wrong
	}
	said := bodyReader{Reader: jsonread.New(body)}
	if err := said.read(x.body); err != nil {
		return false, next, refuse(fmt.Sprintf("its parties cannot be read: %v; want JSON as the API's documents say, or WithShard", err))
	}
	q.ActAs, q.Parties = append(q.ActAs, said.actAs...), append(q.Parties, said.parties...)
	q.User = cmp.Or(q.User, said.user)
	return said.local, next, nil
}
