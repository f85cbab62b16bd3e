package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/lease"
	"github.com/cantonlb/cantonlb/lease/leasetest"
	"github.com/cantonlb/cantonlb/statuspage"
)

func TestStatusShowsThePageOfARunningProcess(t *testing.T) {
	c := cluster(t, 2)
	client, err := cantonlb.NewClient(cantonlb.Config{
		Endpoints: []cantonlb.Endpoint{{Name: "seq1", Address: "http://" + c.Addrs()[0]}, {Name: "seq2", Address: "http://" + c.Addrs()[1]}},
	})
	require.NoError(t, err)
	defer client.Close()
	require.NoError(t, client.WaitHealthy(t.Context(), 2))
	page := statuspage.Handler(client)
	defer page.Close()
	server := httptest.NewServer(page)
	defer server.Close()
	r := command(t, "status", server.URL+"/debug/endpoints?show=all")
	assert.Equal(t, codeAll, r.code, r.errs)
	assert.Contains(t, r.out, "2 of 2 endpoints eligible")
	assert.Regexp(t, `(?m)^seq1 .* healthy `, r.out)
	assert.Equal(t, codeUsage, command(t, "status", "no-url").code)
	server.Close()
	assert.Equal(t, codeUsage, command(t, "status", server.URL).code)
}

func TestStatusShowsTheClientOfThePageThatTheURLNames(t *testing.T) {
	one := func(name string) *cantonlb.Client {
		client, err := cantonlb.NewClient(cantonlb.Config{Name: name, Endpoints: []cantonlb.Endpoint{{Name: name + "-1", Address: "http://127.0.0.1:1"}}})
		require.NoError(t, err)
		t.Cleanup(func() { _ = client.Close() })
		return client
	}
	page := statuspage.Handler(one("first"), statuspage.WithClients(one("second")))
	defer page.Close()
	server := httptest.NewServer(page)
	defer server.Close()
	both := command(t, "status", server.URL+"?explain=first-1")
	assert.Contains(t, both.out, "first-1")
	assert.Contains(t, both.out, "second-1")
	r := command(t, "status", server.URL+"?client=second&explain=second-1")
	assert.Equal(t, codeAll, r.code, r.errs)
	assert.Contains(t, r.out, "second-1")
	assert.NotContains(t, r.out, "first-1")
	r = command(t, "status", server.URL+"?client=third")
	assert.Equal(t, codeUsage, r.code, r.out)
	assert.Contains(t, r.errs, "404")
}

// Health pages of other programs are JSON, too.
func TestStatusRefusesWhatIsNoStatusPage(t *testing.T) {
	for _, body := range []string{`{}`, `null`, `{"status":"UP"}`, `{"clients":[]}`, `{"clients":[{}]}`, `{"endpoints":[]}`, `[]`, `<html>`, ``} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }))
		r := command(t, "status", server.URL)
		server.Close()
		assert.Equal(t, codeUsage, r.code, body)
		assert.Contains(t, r.errs, "no status page of cantonlb", body)
		assert.Empty(t, r.out, body)
	}
}

func TestStatusShowsLeases(t *testing.T) {
	candidate, err := lease.NewCandidate(lease.Config{Store: leasetest.NewStore(), Name: "pink"})
	require.NoError(t, err)
	page := statuspage.Handler(nil, statuspage.WithLeases(candidate))
	defer page.Close()
	server := httptest.NewServer(page)
	defer server.Close()
	r := command(t, "status", server.URL)
	assert.Equal(t, codeAll, r.code, r.errs)
	assert.Contains(t, r.out, "0 of 1 lease held by this process\n")
	assert.Regexp(t, `(?m)^pink +idle `, r.out)
	assert.NotContains(t, r.out, "endpoint")
	assert.Contains(t, command(t, "status", "-o", "json", server.URL).out, `"leases": [`)
}

// A page may come from anyone, and its texts go to a terminal.
func TestStatusShowsOnlyPrintableText(t *testing.T) {
	const page = `{"now":"2026-01-02T03:04:05Z","policy":"p\u001b[2J","notes":["\u009b2J","two\nlines"],"endpoints":[` +
		`{"name":"seq1\u001b]0;x\u0007","state":"healthy\r","detail":"\u202eabc","calls":{"picked":18446744073709551615}}]}`
	answers := make(chan string, 1)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer lis.Close()
	go func() {
		for answer := range answers {
			c, err := lis.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, answer)
			_ = c.Close()
		}
	}()
	defer close(answers)
	for _, output := range []string{"table", "wide", "json"} {
		answers <- "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + page
		r := command(t, "status", "-o", output, "http://"+lis.Addr().String())
		require.Equal(t, codeAll, r.code, r.errs)
		assert.Contains(t, r.out, "seq1?]0;x?")
		assertPrintable(t, r.out)
		if output != "table" {
			assert.Contains(t, r.out, "18446744073709551615")
		}
	}
	answers <- "HTTP/1.1 503 \x1b[2J\r\nContent-Length: 0\r\n\r\n"
	r := command(t, "status", "http://"+lis.Addr().String())
	assert.Contains(t, r.errs, "HTTP 503 ?[2J")
	assertPrintable(t, r.errs)
}

func assertPrintable(t *testing.T, text string) {
	t.Helper()
	for line := range strings.SplitSeq(text, "\n") {
		assert.NotContains(t, strings.Map(func(r rune) rune {
			if unicode.IsPrint(r) {
				return 'p'
			}
			return 'x'
		}, line), "x", "%q", line)
	}
}

func TestStatusDoesNotReadAnswersWithoutAnEnd(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer lis.Close()
	go func() {
		c, err := lis.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = c.Read(make([]byte, 4096))
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		_, _ = io.Copy(io.Discard, c)
	}()
	done := make(chan result, 1)
	go func() { done <- command(t, "status", "http://"+lis.Addr().String()) }()
	select {
	case r := <-done:
		assert.Contains(t, r.errs, "HTTP 101")
	case <-time.After(30 * time.Second):
		t.Fatal("the command reads a body without an end")
	}
}
