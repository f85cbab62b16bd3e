package jsonapi

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"slices"
	"strconv"
	"strings"
	"time"
)

func newJar() (http.CookieJar, error) { return cookiejar.New(nil) }

// behindProxy is the server of the conformance table behind a proxy, which decides by
// itself whether it knows the length of a body in time.
func behindProxy() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.ContentLength, r.TransferEncoding = 0, nil
		r.Header.Del("Content-Length")
		shapeHandler().ServeHTTP(w, r)
	})
}

// shapeHandler is the server of the conformance table, over net/http.
func shapeHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/readyz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/livez", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/echo", echo)
	mux.HandleFunc("/echo/", echo)
	mux.HandleFunc("/status/{code}", func(w http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.PathValue("code"))
		w.WriteHeader(code)
		if code >= 400 {
			_, _ = fmt.Fprintf(w, "status %d", code)
		}
	})
	mux.HandleFunc("/gzip", func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			_, _ = fmt.Fprint(w, "plain")
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = fmt.Fprint(z, strings.Repeat("zip", 100))
		_ = z.Close()
	})
	mux.HandleFunc("/pieces", func(w http.ResponseWriter, _ *http.Request) {
		for range 5 {
			_, _ = fmt.Fprintln(w, "piece")
			_ = http.NewResponseController(w).Flush()
		}
	})
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.CopyN(w, zeros{}, 5<<20)
	})
	mux.HandleFunc("/trailers", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-After")
		_, _ = fmt.Fprint(w, "body")
		w.Header().Set("X-After", "1")
	})
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = fmt.Fprint(w, "part")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	mux.HandleFunc("/redirect/{code}", func(w http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.PathValue("code"))
		http.Redirect(w, r, "/echo?redirected="+r.PathValue("code"), code)
	})
	mux.HandleFunc("/absolute", func(w http.ResponseWriter, r *http.Request) {
		scheme := "http"
		if r.TLS != nil {
			scheme = "https"
		}
		http.Redirect(w, r, scheme+"://"+r.Host+"/echo?absolute", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/endless", http.StatusFound) })
	mux.HandleFunc("/cookie", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b", Path: "/"})
		http.Redirect(w, r, "/echo", http.StatusFound)
	})
	mux.HandleFunc("/early", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	mux.HandleFunc("/duplex", func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		_ = control.EnableFullDuplex()
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			_, _ = fmt.Fprintln(w, "got", lines.Text())
			_ = control.Flush()
		}
	})
	mux.HandleFunc("/never", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // and not an answer that comes before the client has ended
	})
	mux.HandleFunc("/half", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, "half")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		case <-time.After(10 * time.Second):
		}
	})
	mux.HandleFunc("/upgrade", func(w http.ResponseWriter, r *http.Request) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			w.WriteHeader(http.StatusHTTPVersionNotSupported)
			return
		}
		defer conn.Close()
		_, _ = fmt.Fprint(buffered, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_ = buffered.Flush()
		line, _ := buffered.ReadString('\n')
		_, _ = buffered.WriteString(line)
		_ = buffered.Flush()
	})
	return mux
}

// echo describes the request that the server got.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if r.Method == http.MethodHead {
		w.Header().Set("X-Method", "HEAD")
		return
	}
	_, _ = fmt.Fprintf(w, "%s %s %s host %s length %d encoding %q body %d %x err %v\n", r.Method, r.RequestURI, r.Proto, r.Host, r.ContentLength,
		r.TransferEncoding, len(body), sha256.Sum256(body), err)
	for _, key := range slices.Sorted(maps.Keys(r.Header)) {
		if key != "Referer" { // it has the address, which differs
			_, _ = fmt.Fprintf(w, "%s: %q\n", key, r.Header[key])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(r.Trailer)) {
		_, _ = fmt.Fprintf(w, "trailer %s: %q\n", key, r.Trailer[key])
	}
}
