package quorum

import (
	"bytes"
	"encoding/json"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// canonicalVectors follow the rules of RFC 8785, sections 3.2.2 to 3.2.4, and where it
// differs, the rule that numbers are exact.
var canonicalVectors = map[string]string{
	// Literals, white space and structure.
	" \t\r\n null ":         `null`,
	`[ true , false,null ]`: `[true,false,null]`,
	`{ }`:                   `{}`,
	`[ ]`:                   `[]`,
	`[[],{},"",0]`:          `[[],{},"",0]`,
	`{"b":{"d":1,"c":2},"a":[{"z":1,"y":2}]}`: `{"a":[{"y":2,"z":1}],"b":{"c":2,"d":1}}`,
	// Strings: the shortest escapes, lower case hexadecimal, nothing else escaped.
	`"\u0000\u0001\u000b\u001F\u007f"`:             "\"\\u0000\\u0001\\u000b\\u001f\x7f\"",
	`"\u0008\u0009\u000a\u000c\u000d\u0022\u005c"`: `"\b\t\n\f\r\"\\"`,
	`"\/\u002f"`:           `"//"`,
	`"\u20ac\u2028\u00e9"`: "\"\u20ac\u2028\u00e9\"",
	`"\uD83D\uDE02"`:       `"😂"`,
	`"A\u030a"`:            "\"A\u030a\"", // not normalised
	`"Å"`:                  `"Å"`,
	`"<>&'"`:               `"<>&'"`,
	// Keys are sorted by UTF-16 code units: a character beyond U+FFFF comes before U+E000.
	`{"\uffff":1,"\ud83d\ude02":2,"\ue000":3,"z":4}`:   "{\"z\":4,\"😂\":2,\"\ue000\":3,\"\uffff\":1}",
	`{"10":1,"1":2,"":3,"a":4,"A":5,"\r":6}`:           `{"":3,"\r":6,"1":2,"10":1,"A":5,"a":4}`,
	`{"\u20ac":1,"\u0080":2,"\u00f6":3,"</script>":4}`: "{\"</script>\":4,\"\u0080\":2,\"\u00f6\":3,\"\u20ac\":1}",
	// Numbers as ECMAScript writes them.
	`0`: `0`, `-0`: `0`, `0.0`: `0`, `-0e5`: `0`, `0.000e-999999999`: `0`,
	`1`: `1`, `1.0`: `1`, `10e-1`: `1`, `0.1e1`: `1`, `1E0`: `1`, `1e+0`: `1`, `-1.50`: `-1.5`,
	`4.50`: `4.5`, `2e-3`: `0.002`, `1E30`: `1e+30`, `0.000000000000000000000000001`: `1e-27`,
	`1e20`: `100000000000000000000`, `1e21`: `1e+21`, `123e19`: `1.23e+21`, `12300e16`: `123000000000000000000`,
	`0.000001`: `0.000001`, `0.0000001`: `1e-7`, `0.00000123`: `0.00000123`, `0.000000123`: `1.23e-7`,
	`1.7976931348623157e308`: `1.7976931348623157e+308`, `5e-324`: `5e-324`,
	`9007199254740992`: `9007199254740992`, `295147905179352830000`: `295147905179352830000`,
	// Numbers that no float64 holds stay what they are.
	`9007199254740993`:          `9007199254740993`,
	`333333333.33333329`:        `333333333.33333329`,
	`1e400`:                     `1e+400`,
	`1e-400`:                    `1e-400`,
	`1e0000000000000000000005`:  `100000`,
	`1234567890123456789012345`: `1.234567890123456789012345e+24`,
}

func TestCanonicalJSONFollowsTheRules(t *testing.T) {
	for in, want := range canonicalVectors {
		got, err := CanonicalJSON([]byte(in))
		require.NoError(t, err, in)
		assert.Equal(t, want, string(got), in)
		again, err := CanonicalJSON(got)
		require.NoError(t, err, in)
		assert.Equal(t, want, string(again), "the canonical form is its own")
	}
}

var badJSON = map[string]string{
	"": "ends too early", " ": "ends too early", "[": "ends too early", "{": "ends too early", `{"a"`: "ends too early", `{"a":`: "ends too early",
	`"`: "ends too early", `"\`: "ends too early", `"\u12`: "ends too early", "-": "ends too early", "1.": "ends too early", "1e": "ends too early",
	"tru": "ends too early", "[1": "ends too early", `{"a":1`: "ends too early",
	"[1,]": "unexpected byte at offset 3", `{"a":1,}`: "unexpected byte at offset 7", `{a:1}`: "unexpected byte at offset 1", "[,1]": "unexpected",
	"nul1": "unexpected", "True": "unexpected", "01": "unexpected byte at offset 1", "-01": "unexpected byte at offset 2", "+1": "unexpected",
	".5": "unexpected", "1.e3": "unexpected", "0x1": "unexpected", "NaN": "unexpected", "1 2": "unexpected", "[1 2]": "unexpected", `{"a" 1}`: "unexpected",
	`{"a":1 "b":2}`: "unexpected", "'a'": "unexpected", "\"\n\"": "unexpected", `"\x"`: "unexpected", `"\u12g4"`: "unexpected", "\ufeff1": "unexpected",
	"\"\xff\"": "invalid UTF-8", "\"\xed\xa0\x80\"": "invalid UTF-8", "{\"\xc0\x80\":1}": "invalid UTF-8",
	`"\ud83d"`: "half a surrogate", `"\ud83d\n"`: "half a surrogate", `"\ud83d\ud83d"`: "half a surrogate", `"\ude02"`: "half a surrogate",
	`"\ud83d\u12"`:                "unexpected",
	`{"a":1,"a":1}`:               "same key twice",
	`{"a":1,"\u0061":2}`:          "same key twice",
	`[{"x":{"b":1,"c":2,"b":3}}]`: "same key twice",
	"1e1000000001":                "exponent", "1e99999999999999999999999": "exponent", "1e-1000000001": "exponent",
	strings.Repeat("[", 1000):      "more than 128 levels",
	strings.Repeat(`{"a":`, 1<<20): "more than 128 levels",
}

func TestWhatIsNoJSONIsRefused(t *testing.T) {
	for in, want := range badJSON {
		_, err := CanonicalJSON([]byte(in))
		assert.ErrorContains(t, err, want, "%.40q", in)
	}
}

// A number's form depends on its value alone, and is the one that ECMAScript and so
// encoding/json give wherever a float64 is written in full.
func TestTheFormOfANumberIsThatOfItsFloat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.Float64().Filter(func(f float64) bool { return !math.IsInf(f, 0) && !math.IsNaN(f) && f != 0 }).Draw(t, "f")
		want, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		// encoding/json writes e-7 and e+21 as ECMAScript does.
		for _, verb := range []byte{'e', 'g', 'f'} {
			got, err := CanonicalJSON(strconv.AppendFloat(nil, f, verb, -1, 64))
			if err != nil || string(got) != string(want) {
				t.Fatalf("%s, %v; want %s", got, err, want)
			}
		}
	})
}

func TestNumbersAreTheSameExactlyIfTheirValuesAre(t *testing.T) {
	number := rapid.StringMatching(`-?(0|[1-9][0-9]{0,3})(\.[0-9]{1,4})?(e[+-]?[0-9])?`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := number.Draw(t, "a"), number.Draw(t, "b")
		x, ok := new(big.Rat).SetString(a)
		y, ok2 := new(big.Rat).SetString(b)
		if !ok || !ok2 {
			t.Skip()
		}
		ca, err := CanonicalJSON([]byte(a))
		cb, err2 := CanonicalJSON([]byte(b))
		if err != nil || err2 != nil || (x.Cmp(y) == 0) != bytes.Equal(ca, cb) {
			t.Fatalf("%s %v, %s %v", ca, err, cb, err2)
		}
		if back, ok := new(big.Rat).SetString(string(ca)); !ok || back.Cmp(x) != 0 {
			t.Fatalf("%s is not %s", ca, a)
		}
	})
}

// FuzzCanonicalJSON checks that whatever is taken is JSON by encoding/json too, means
// the same, and is its own canonical form, and that what encoding/json refuses is refused.
func FuzzCanonicalJSON(f *testing.F) {
	for in := range canonicalVectors {
		f.Add([]byte(in))
	}
	for in := range badJSON {
		if len(in) < 100 {
			f.Add([]byte(in))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		out, err := CanonicalJSON(in)
		if err != nil {
			return
		}
		if !json.Valid(in) {
			t.Fatalf("taken, and no JSON: %q", in)
		}
		again, err := CanonicalJSON(out)
		if err != nil || !bytes.Equal(again, out) {
			t.Fatalf("%q, %v; want %q", again, err, out)
		}
		if greatExponent.Match(in) {
			return
		}
		a, b := decoded(t, in), decoded(t, out)
		if !assert.ObjectsAreEqual(a, b) {
			t.Fatalf("%q means %v; want %v", out, b, a)
		}
		if len(out) > 2*len(in)+21 && !bytes.ContainsAny(in, "eE") {
			t.Fatalf("%d bytes of %d", len(out), len(in))
		}
	})
}

// greatExponent is what math/big would take too long for.
var greatExponent = regexp.MustCompile(`[eE][+-]?[0-9]{4,}`)

// decoded is what encoding/json reads, with numbers as exact values.
func decoded(t *testing.T, text []byte) any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return exact(v)
}

func exact(v any) any {
	switch v := v.(type) {
	case json.Number:
		r, _ := new(big.Rat).SetString(string(v))
		return r.RatString()
	case []any:
		for i := range v {
			v[i] = exact(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = exact(v[k])
		}
	}
	return v
}
