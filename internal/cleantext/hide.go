package cleantext

import (
	"encoding/base64"
	"encoding/json"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Redacted is shown in place of a secret.
const Redacted = "[redacted]"

const (
	// minSecret is the least length of a secret that is looked for, in bytes: a
	// shorter one would be found in ordinary words.
	minSecret = 4
	// minPart is the least length of the beginning of a secret that is hidden, too: a
	// peer may cut what it quotes.
	minPart = 12
	// maxSecrets bounds how many secrets are kept. The oldest ones are forgotten first.
	maxSecrets = 8192
	// maxPassing bounds how many passing secrets are kept.
	maxPassing = 1024
	// maxScrubbed bounds the text that is searched, in bytes.
	maxScrubbed = 64 << 10
)

// hidden are the secrets of this process. A peer or a parser may quote a secret back
// in any text, and the places that show texts are many; so all of them, in all
// clients, look for all secrets.
var hidden = secrets{most: maxSecrets}

// passing are secrets of single calls, of which there may be any number. They are kept
// apart so that they do not displace those of the configuration.
var passing = secrets{most: maxPassing}

// secrets are the secrets that are known, at first none. It is safe for concurrent use.
type secrets struct {
	most  int                 // how many are kept
	mu    sync.RWMutex        // a leaf
	forms map[string][]string // of each secret, by the secret
	order []string            // the secrets, oldest first
	index map[string][]string // the forms by their first minSecret bytes
}

// Hide makes all functions of this package replace a secret by Redacted from now on:
// as it is and in base64 (also as a part of a longer text), each of them also escaped as
// in a URL, in HTML, or in a string of Go or JSON. A secret of fewer than four bytes is
// not hidden.
func Hide(secret string) { hidden.add(secret, formsOf(secret)) }

// HidePassing is Hide for a secret of a single call, such as the token of a user. The
// newest 1,024 of them are hidden.
func HidePassing(secret string) {
	if !passing.has(secret) && !hidden.has(secret) {
		passing.add(secret, formsOf(secret))
	}
}

// HideLogin hides a password, and the name and the password as HTTP's Basic
// authentication sends them.
func HideLogin(user, password string) {
	if password == "" {
		return
	}
	Hide(password)
	Hide(user + ":" + password)
}

// IsHidden reports whether Hide has been called for the secret.
func IsHidden(secret string) bool { return hidden.has(secret) }

func (s *secrets) has(secret string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, ok := s.forms[secret]
	return ok
}

// formsOf returns the forms in which a secret may be quoted.
func formsOf(secret string) []string {
	forms := escapesOf(secret)
	for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before, start := range []int{0, 2, 3} { // how many bytes precede it, such as "user:", modulo 3
			text := e.EncodeToString(append(make([]byte, before), secret...))
			forms = append(forms, escapesOf(text[start:max(start, (before+len(secret))*8/6)])...)
		}
	}
	slices.Sort(forms)
	return slices.DeleteFunc(slices.Compact(forms), func(f string) bool { return len(f) < minSecret })
}

// percents are escapes as in a URL.
var percents = regexp.MustCompile(`%[0-9A-F]{2}`)

// plain reports whether nothing in a text is escaped anywhere, as in most tokens.
func plain(text string) bool {
	return strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._") == ""
}

// escapesOf returns a text as it is, and as it is escaped in URLs, in strings of Go and of
// JSON, and in HTML.
func escapesOf(text string) []string {
	if plain(text) {
		return []string{text}
	}
	quoted := strconv.Quote(text)
	inJSON, _ := json.Marshal(text) //nolint:errchkjson // a string can always be encoded
	forms := []string{
		text, quoted[1 : len(quoted)-1], string(inJSON[1 : len(inJSON)-1]), html.EscapeString(text),
		strings.ReplaceAll(quoted[1:len(quoted)-1], "/", `\/`),
	}
	for _, escaped := range []string{
		url.QueryEscape(text), strings.ReplaceAll(url.QueryEscape(text), "+", "%20"), url.PathEscape(text), url.UserPassword("", text).String()[1:],
	} {
		forms = append(forms, escaped, percents.ReplaceAllStringFunc(escaped, strings.ToLower))
	}
	return forms
}

func (s *secrets) add(secret string, forms []string) {
	if len(secret) < minSecret {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.forms[secret]; known {
		return
	}
	if s.forms == nil {
		s.forms, s.index = make(map[string][]string), make(map[string][]string)
	}
	if len(s.order) >= s.most {
		s.removeLocked(s.order[0])
		s.order = slices.Delete(s.order, 0, 1)
	}
	s.forms[secret], s.order = forms, append(s.order, secret)
	for _, f := range forms {
		s.index[f[:minSecret]] = append(s.index[f[:minSecret]], f)
	}
}

func (s *secrets) removeLocked(secret string) {
	for _, f := range s.forms[secret] {
		key := f[:minSecret]
		left := s.index[key]
		if i := slices.Index(left, f); i >= 0 {
			left = slices.Delete(left, i, i+1)
		}
		if len(left) == 0 {
			delete(s.index, key)
		} else {
			s.index[key] = left
		}
	}
	delete(s.forms, secret)
}

// scrub replaces the secrets in a text.
func (s *secrets) scrub(text string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.index) == 0 {
		return text
	}
	var b strings.Builder
	copied := 0
	for i := 0; i+minSecret <= len(text); {
		n := longest(text[i:], s.index[text[i:i+minSecret]])
		if n == 0 {
			i++
			continue
		}
		b.WriteString(text[copied:i])
		b.WriteString(Redacted)
		i += n
		copied = i
	}
	if copied == 0 {
		return text
	}
	return b.String() + text[copied:]
}

// longest returns how many bytes at the beginning of a text belong to one of the
// forms: all of it, or enough of its beginning.
func longest(text string, forms []string) int {
	most := 0
	for _, f := range forms {
		n := minSecret
		for n < len(f) && n < len(text) && f[n] == text[n] {
			n++
		}
		if n == len(f) || n >= minPart {
			most = max(most, n)
		}
	}
	return most
}

// patterns find secrets that are not known by what stands around them. The first
// group is kept.
var patterns = []*regexp.Regexp{
	regexp.MustCompile(`(?i)\b((?:bearer|basic)[ +:=]+|(?:bearer|basic)%20)[A-Za-z0-9\-._~+/%]{8,}=*`),
	regexp.MustCompile(`()\beyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?`),
	regexp.MustCompile(`(?i)\b((?:access_?token|id_?token|refresh_?token|token|password|passwd|pwd|client_?secret|secret|api_?key)=)[^\s&"'<>,;]+`),
}

// hints are what every text has that a pattern matches, so that others are not
// searched.
var hints = []string{"earer", "EARER", "asic", "ASIC", "eyJ", "@", "="}

// ScrubTokens returns s with every known secret replaced by Redacted, and with what
// follows "Bearer" or "Basic", and JSON Web Tokens. It is for texts that the program may
// read: it changes nothing else.
func ScrubTokens(s string) string {
	s = passing.scrub(hidden.scrub(s))
	if !slices.ContainsFunc(hints[:5], func(h string) bool { return strings.Contains(s, h) }) {
		return s
	}
	for _, p := range patterns[:2] {
		s = p.ReplaceAllString(s, "${1}"+Redacted)
	}
	return s
}

// Scrub returns s with every known secret replaced by Redacted, and with everything
// replaced that looks like a token, a password in a URL, or the value of a parameter
// such as "token=". Of a very long text it returns the beginning. It changes nothing
// else.
func Scrub(s string) string {
	s = cut(s, maxScrubbed)
	s = passing.scrub(hidden.scrub(s))
	if !slices.ContainsFunc(hints, func(h string) bool { return strings.Contains(s, h) }) {
		return s
	}
	for _, p := range patterns {
		s = p.ReplaceAllString(s, "${1}"+Redacted)
	}
	s = loginInURL.ReplaceAllStringFunc(s, func(login string) string {
		if login == "://...@" { // it has been removed already
			return login
		}
		return "://" + Redacted + "@"
	})
	return loginWithoutScheme.ReplaceAllString(s, "${1}:"+Redacted+"@")
}

// loginInURL is "://user:password@", and what follows up to the last "@".
var loginInURL = regexp.MustCompile(`://[^\s"'<>]*@`)

// loginWithoutScheme is "user:password@host".
var loginWithoutScheme = regexp.MustCompile(`([A-Za-z0-9._~%!$&()*+\-]+):[^\s"'<>@/,:\[\]]+@`)
