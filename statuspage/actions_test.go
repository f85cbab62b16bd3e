package statuspage_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/statuspage"
)

// post presses a button.
func post(page http.Handler, form url.Values, headers map[string]string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodPost, "/page", strings.NewReader(form.Encode()))
	request.Host = "localhost"
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	answer := httptest.NewRecorder()
	page.ServeHTTP(answer, request)
	return answer
}

func tokenOf(t *testing.T, page http.Handler) string {
	t.Helper()
	found := regexp.MustCompile(`name="token" value="([A-Z2-7]{26})"`).FindStringSubmatch(get(page, "").Body.String())
	require.Len(t, found, 2)
	return found[1]
}

func TestAButtonDrainsAndLeadsBackToThePage(t *testing.T) {
	d := new(deeds)
	page := open(t, newFake("seq1", "seq2"), statuspage.WithActions(d))
	form := url.Values{"token": {tokenOf(t, page)}, "endpoint": {"seq2"}}
	for _, action := range []string{"drain", "undrain", "switch"} {
		form.Set("action", action)
		answer := post(page, form, map[string]string{"Sec-Fetch-Site": "same-origin"})
		assert.Equal(t, http.StatusSeeOther, answer.Code)
		assert.Equal(t, "?", answer.Header().Get("Location"))
	}
	assert.Equal(t, []string{"drain seq2", "undrain seq2", "switch seq2"}, d.done)
}

func TestNoOtherOriginCanPressAButton(t *testing.T) {
	d := new(deeds)
	page := open(t, newFake("seq1"), statuspage.WithActions(d))
	other := open(t, newFake("seq1"), statuspage.WithActions(d))
	good := tokenOf(t, page)
	for name, attempt := range map[string]struct {
		token   string
		headers map[string]string
	}{
		"another site, with the token":          {good, map[string]string{"Sec-Fetch-Site": "cross-site"}},
		"another origin, in an older browser":   {good, map[string]string{"Origin": "https://evil.example"}},
		"a browser that says nothing, no token": {"", nil},
		"a wrong token":                         {"AAAA", map[string]string{"Sec-Fetch-Site": "same-origin"}},
		"the token of another page":             {tokenOf(t, other), map[string]string{"Sec-Fetch-Site": "same-origin"}},
	} {
		form := url.Values{"token": {attempt.token}, "endpoint": {"seq1"}, "action": {"drain"}}
		assert.Equal(t, http.StatusForbidden, post(page, form, attempt.headers).Code, name)
	}
	assert.Empty(t, d.done)
}

func TestAnActionByGETDoesNothing(t *testing.T) {
	d := new(deeds)
	page := open(t, newFake("seq1"), statuspage.WithActions(d))
	get(page, "?action=drain&endpoint=seq1&token="+tokenOf(t, page))
	assert.Empty(t, d.done)
}

func TestABadActionSaysWhatWouldBeRight(t *testing.T) {
	page := open(t, newFake("seq1"), statuspage.WithActions(refusing{}))
	token := tokenOf(t, page)
	for want, form := range map[string]url.Values{
		`action "explode": want drain, undrain or switch`: {"token": {token}, "action": {"explode"}},
		`no endpoint "seq9" in the list`:                  {"token": {token}, "action": {"drain"}, "endpoint": {"seq9"}},
		"want at most 4096 bytes":                         {"token": {strings.Repeat("x", 5000)}},
	} {
		answer := post(page, form, nil)
		assert.GreaterOrEqual(t, answer.Code, 400, want)
		assert.Contains(t, answer.Body.String(), want)
	}
}

type refusing struct{}

func (refusing) Drain(name string) error              { return errors.New(`no endpoint "` + name + `" in the list`) }
func (refusing) Switch(context.Context, string) error { return errors.New("refused") }

func (refusing) Undrain(name string) error {
	return errors.New(`no endpoint "` + name + `" in the list`)
}
