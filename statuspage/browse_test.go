package statuspage_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/report"
	"github.com/cantonlb/cantonlb/statuspage"
)

// served is a client of three servers, whose page is served.
type served struct {
	cluster *lbtest.Cluster
	client  *cantonlb.Client
	url     string
}

func serve(t *testing.T, options ...func(*cantonlb.Client) statuspage.Option) served {
	t.Helper()
	cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho, lbtest.OnTCP())
	var list []cantonlb.Endpoint
	for i, address := range cluster.Addrs() {
		list = append(list, cantonlb.Endpoint{Name: []string{"seq1", "seq2", "seq3"}[i], Address: address})
	}
	client, err := cantonlb.NewClient(cantonlb.Config{Endpoints: list}, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, client.Close()) })
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	require.NoError(t, client.WaitHealthy(ctx, 3))

	var all []statuspage.Option
	for _, o := range options {
		all = append(all, o(client))
	}
	page := statuspage.Handler(client, all...)
	mux := http.NewServeMux()
	mux.Handle("/debug/endpoints", page)
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		page.Close()
		server.Close()
	})
	return served{cluster, client, server.URL + "/debug/endpoints"}
}

// call makes calls until the test ends, so that there is something to see.
func (s served) call(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for tick := time.NewTicker(10 * time.Millisecond); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
				_, _ = lbtest.Echo(ctx, s.client, "hello")
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
}

// state is the script that returns the word that the page shows for an endpoint.
func state(name string) string {
	return `([...document.querySelectorAll("#rows tr")].find(r => r.querySelector("strong").textContent === "` + name +
		`")?.querySelector(".state").textContent ?? "")`
}

const live = `document.body.dataset.live === "live"`

func TestABrowserSeesAnEndpointTurnRedWithoutReloading(t *testing.T) {
	b := startBrowser(t)
	s := serve(t)
	s.call(t)
	b.open(s.url, command{Scheme: "light"})
	b.wait(live)
	b.wait(state("seq2") + ` === "healthy"`)
	b.do(command{Do: "eval", Script: "window.marked = true"})
	bars := `[...document.querySelectorAll("#rows tr")][1].querySelectorAll(".strip .s-unhealthy").length`
	b.wait(bars + " === 0")

	began := time.Now()
	s.cluster.SetServing(1, "", false)
	b.wait(state("seq2") + ` === "unhealthy"`)
	t.Logf("the page shows it after %v", time.Since(began))
	b.wait(bars + " === 1")
	b.wait("window.marked") // it is still the same page
	b.wait(`document.getElementById("events").textContent.includes("not_serving")`)
	b.wait(`document.getElementById("say").textContent === "2 of 3 endpoints eligible; seq2 unhealthy"`)
	assert.Equal(t, "2 of 3 endpoints eligible", b.text(`document.querySelector(".sum strong").textContent`))
	colour := `getComputedStyle([...document.querySelectorAll("#rows tr")][1].querySelector(".state")).color`
	assert.Equal(t, "rgb(179, 22, 29)", b.text(colour), "it is red")

	var document report.Status
	getJSON(t, s.url+"?format=json", &document)
	assert.Equal(t, 2, document.Eligible())
	assert.Equal(t, report.StateUnhealthy, document.Endpoints[1].State)
	assert.Equal(t, report.ReasonNotServing, document.Endpoints[1].Reason)
	b.accessible()
	b.shoot("light")

	b.open(s.url, command{Scheme: "dark"})
	b.wait(live)
	b.accessible()
	b.shoot("dark")
	b.open(s.url, command{Scheme: "light", Width: 390, Height: 844})
	b.wait(live)
	b.wait("document.documentElement.scrollWidth <= innerWidth") // nothing to scroll to the side
	b.accessible()
	b.shoot("narrow")
	b.open(s.url+"?explain=seq2", command{Scheme: "dark"})
	b.wait(live)
	b.wait(`document.querySelector("#explain h2").textContent === "Why seq2 is not picked"`)
	b.accessible()
	b.shoot("explain")

	s.cluster.SetServing(1, "", true)
	b.wait(`document.querySelector("#explain h2").textContent === "Why seq2 is picked"`)
}

func TestTheKeyboardDrainsAnEndpointAndKeepsItsPlace(t *testing.T) {
	b := startBrowser(t)
	s := serve(t, func(c *cantonlb.Client) statuspage.Option { return statuspage.WithActions(c) })
	b.open(s.url, command{Scheme: "light"})
	b.wait(live)
	b.accessible()
	focused := `(document.activeElement.textContent ?? "")`
	b.do(command{Do: "press", Key: "Tab"})
	assert.Equal(t, "Skip to the endpoints", b.text(focused))
	tabTo := func(want string) {
		for b.text(focused) != want {
			require.NotEqual(t, "JSON", b.text(focused), "the end of the page")
			b.do(command{Do: "press", Key: "Tab"})
		}
	}
	tabTo("Drain seq2")
	b.do(command{Do: "press", Key: "Enter"})
	b.wait(state("seq2") + ` === "drained"`)
	b.wait(live)
	require.Eventually(t, func() bool { return s.client.Status().Endpoints[1].Drained }, testkit.Patience, time.Millisecond)

	tabTo("Undrain seq2")
	require.NoError(t, s.client.Undrain("seq2")) // by another user
	b.wait(state("seq2") + ` === "healthy"`)
	assert.Equal(t, "Drain seq2", b.text(focused), "the focus stays on the button")
	assert.Empty(t, b.do(command{Do: "complaints"}))
}

func TestAPageThatLostItsServerSaysSoAndComesBack(t *testing.T) {
	b := startBrowser(t)
	f := newFake("seq1")
	page := statuspage.Handler(f)
	var handler atomic.Pointer[statuspage.Page]
	handler.Store(page)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.Load().ServeHTTP(w, r) }))
	defer server.Close()
	b.open(server.URL, command{Scheme: "light"})
	b.wait(live)
	page.Close()
	b.wait(`document.getElementById("live").textContent.startsWith("Ended")`)
	b.wait(`document.querySelector(".banner").textContent.includes("The client is closed")`)
	again := statuspage.Handler(f)
	defer again.Close()
	handler.Store(again)
	b.wait(live) // within the ten seconds after which it tries again
	b.wait(`!document.querySelector(".banner")`)
	server.Listener.Close()
	server.CloseClientConnections()
	b.wait(`document.getElementById("live").textContent.startsWith("Not live")`)
}

func getJSON(t *testing.T, url string, into any) {
	t.Helper()
	answer, err := http.Get(url)
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.NoError(t, json.NewDecoder(answer.Body).Decode(into))
}

func TestAPageWithAllThatItCanShowIsAccessible(t *testing.T) {
	b := startBrowser(t)
	f := replicas(0, names(12)...)
	f.turn(1, report.StateUnhealthy, report.ReasonNotServing, "<script>a server's words</script>")
	f.turn(2, report.StateEjected, report.ReasonCallsFailing, "")
	f.turn(3, report.StateDrained, report.ReasonDrained, "")
	f.turn(4, report.StateUnreachable, report.ReasonConnectFailed, "refused")
	f.turn(5, report.StateSuspect, report.ReasonSilence, "")
	f.turn(6, report.StateUnknown, "", "")
	f.switchTo(7, report.ReasonByHand)
	f.change(func(s *report.Status) {
		s.Notes = []string{"a note"}
		s.NoneEligibleSince = time.Now()
		s.Failover.Pinned = "e7"
	})
	page := open(t, f, statuspage.WithActions(new(deeds)))
	server := httptest.NewServer(page)
	defer server.Close()
	for _, c := range []command{
		{Scheme: "light"}, {Scheme: "dark"}, {Scheme: "light", Width: 390, Height: 844}, {Scheme: "dark", Width: 390, Height: 844},
	} {
		b.open(server.URL, c)
		b.wait(live)
		b.wait("document.documentElement.scrollWidth <= innerWidth")
		b.accessible()
	}
	page.Close()
	b.wait(`document.querySelector(".banner").textContent.includes("The client is closed")`)
	b.accessible()
}

// host serves a page until the end of the test, to a browser that stays connected.
func host(t *testing.T, page *statuspage.Page) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(page)
	t.Cleanup(func() {
		page.Close() // or the server waits for its viewers
		server.CloseClientConnections()
		server.Close()
	})
	return server
}

func TestARowOpensInPlaceAndTheSearchFindsIt(t *testing.T) {
	b := startBrowser(t)
	f := replicas(0, names(50)...)
	f.turn(3, report.StateUnreachable, report.ReasonConnectFailed, "dial tcp 10.0.0.4:5001: connect: connection refused")
	f.change(func(s *report.Status) {
		e := &s.Endpoints[4]
		e.State, e.Phase, e.PhaseSince = report.StateConnecting, report.PhaseTLS, time.Now()
		s.Handover = &report.HandoverStatus{Since: time.Now(), Reason: report.ReasonNoneEligible, Detail: "e3 unreachable"}
		old := s.Endpoints[5]
		old.Name, old.LeavingSince = "old", time.Now()
		s.Leaving = []report.EndpointStatus{old}
	})
	server := host(t, open(t, f))
	for _, c := range []command{
		{Scheme: "light", Width: 1440, Height: 900}, {Scheme: "dark", Width: 1440, Height: 900},
		{Scheme: "light", Width: 1024, Height: 768}, {Scheme: "dark", Width: 1024, Height: 768},
		{Scheme: "light", Width: 390, Height: 844}, {Scheme: "dark", Width: 390, Height: 844},
	} {
		b.open(server.URL, c)
		b.wait(live)
		b.wait("document.documentElement.scrollWidth <= innerWidth")
		b.shoot(fmt.Sprintf("fifty-%d-%s", c.Width, c.Scheme))
		b.do(command{Do: "eval", Script: `document.querySelectorAll("a.why")[3].click()`})
		b.wait(`document.querySelector(".opened")?.textContent.includes("Why e3 is not picked")`)
		b.wait(`document.querySelector(".opened").previousElementSibling.querySelector("strong").textContent === "e3"`)
		b.wait(`document.body.textContent.includes("waiting for the TLS handshake for ")`)
		b.wait(`document.body.textContent.includes("that left the list still serve")`)
		b.wait("document.documentElement.scrollWidth <= innerWidth")
		b.accessible()
		b.shoot(fmt.Sprintf("opened-%d-%s", c.Width, c.Scheme))
		search := func(text string) {
			b.do(command{Do: "eval", Script: `document.getElementById("query").value = "` + text + `"; ` +
				`document.getElementById("query").dispatchEvent(new Event("input"))`})
		}
		search("refused")
		b.wait(`document.getElementById("found").textContent === "1 of 51"`)
		b.wait(`[...document.querySelectorAll("#rows > tr[id]")].filter((r) => !r.hidden).length === 1`)
		b.accessible()
		search("")
		b.wait(`[...document.querySelectorAll("#rows > tr[id]")].every((r) => !r.hidden)`)
	}
}

func TestSeveralClientsHaveOnePage(t *testing.T) {
	b := startBrowser(t)
	first, second := newFake("seq1", "seq2"), replicas(0, "p1", "p2")
	first.change(func(s *report.Status) { s.Target = "static:///sequencers" })
	second.change(func(s *report.Status) { s.Target = "static:///participant" })
	second.turn(0, report.StateUnreachable, report.ReasonConnectFailed, "refused")
	page := open(t, first, statuspage.WithClients(second))
	server := host(t, page)
	var all struct{ Clients []report.Document }
	getJSON(t, server.URL+"?format=json", &all)
	require.Len(t, all.Clients, 2)
	assert.Equal(t, "static:///participant", all.Clients[1].Status.Target)
	text := get(page, "?format=text").Body.String()
	assert.Contains(t, text, "sequencers: 2 of 2 endpoints eligible")
	assert.Contains(t, text, "participant: 1 of 2 endpoints eligible")
	b.open(server.URL, command{Scheme: "light"})
	b.wait(live)
	b.wait(`document.querySelectorAll(".clients li").length === 2`)
	b.wait(`document.getElementById("rows").textContent.includes("seq1")`)
	b.accessible()
	b.shoot("several")
	b.open(server.URL+"?client=participant", command{Scheme: "dark"})
	b.wait(live)
	b.wait(`document.getElementById("rows").textContent.includes("p1")`)
	b.wait(`document.querySelector(".clients [aria-current]").textContent === "participant"`)
	b.wait(`document.querySelector("a.why").href.includes("client=participant")`)
	b.accessible()
}

// On a desk, a small screen and a phone, in light and dark, a handover that is held and a
// takeover can be read without scrolling sideways.
func TestAHandoverAndATakeoverFitEveryScreen(t *testing.T) {
	b := startBrowser(t)
	handover := newFake("seq1", "seq2", "seq3")
	for i, why := range []string{"refused", "dial tcp: lookup seq2.example.com: no such host", "handshake failed: the server did not answer in time"} {
		handover.turn(i, report.StateUnreachable, report.ReasonConnectFailed, why)
	}
	handover.change(func(s *report.Status) {
		s.Handover = &report.HandoverStatus{
			Since: time.Now().Add(-90 * time.Second), Reason: report.ReasonNoneEligible,
			Detail: "no eligible endpoint of 3: seq1 unreachable (refused), seq2 unreachable (no such host), seq3 unreachable (handshake failed)",
		}
		for i, name := range []string{"old1", "old2"} {
			old := s.Endpoints[i]
			old.Name, old.Address, old.State, old.Reason, old.Detail = name, name+".example.com:5001", report.StateHealthy, report.ReasonServing, ""
			old.Eligible, old.LeavingSince = true, time.Now().Add(-90*time.Second)
			s.Leaving = append(s.Leaving, old)
		}
	})
	takeover := replicas(0, "participant-a", "participant-b", "participant-c")
	takeover.turn(0, report.StateUnhealthy, report.ReasonProbeTimeout, "")
	takeover.switchTo(1, report.ReasonProbeTimeout)
	takeover.turn(2, report.StateUnhealthy, report.ReasonNotServing, "")
	for name, scene := range map[string]struct {
		of   *fake
		want string
	}{
		"handover": {handover, "that left the list still serve"}, "takeover": {takeover, "participant-b"},
	} {
		server := host(t, open(t, scene.of, statuspage.WithActions(new(deeds))))
		for _, c := range []command{
			{Scheme: "light", Width: 1440, Height: 900}, {Scheme: "dark", Width: 1440, Height: 900},
			{Scheme: "light", Width: 1024, Height: 768}, {Scheme: "dark", Width: 1024, Height: 768},
			{Scheme: "light", Width: 390, Height: 844}, {Scheme: "dark", Width: 390, Height: 844},
		} {
			b.open(server.URL, c)
			b.wait(live)
			b.wait(`document.body.textContent.includes("` + scene.want + `")`)
			b.wait("document.documentElement.scrollWidth <= innerWidth")
			if c.Width != 1024 {
				b.accessible()
			}
			b.shoot(fmt.Sprintf("%s-%d-%s", name, c.Width, c.Scheme))
		}
	}
}
