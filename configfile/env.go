package configfile

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/internal/fault"
	"github.com/cantonlb/cantonlb/internal/strictjson"
)

// variable matches ${NAME}, or the $$ that means one $, or a $ that is neither.
var variable = regexp.MustCompile(`\$(\{([A-Za-z_][A-Za-z0-9_]*)\}|\$)?`)

// expand replaces each ${NAME} in text by the value of the environment variable, and
// each $$ by $. A variable that is not set, and a $ before anything else, is an error.
// The error names the variable and shows nothing else of the text, which may be a
// secret. Inserted values are not expanded again.
func expand(text string) (string, error) {
	var problem error
	expanded := variable.ReplaceAllStringFunc(text, func(found string) string {
		if found == "$$" {
			return "$"
		}
		name := strings.TrimSuffix(strings.TrimPrefix(found, "${"), "}")
		value, set := os.LookupEnv(name)
		switch {
		case found == "$":
			problem = &configerr.Error{Want: "${NAME} for an environment variable, or $$ for one $"}
		case !set:
			problem = &configerr.Error{Want: fmt.Sprintf("the environment variable %s to be set", fault.Show(name))}
		}
		return value
	})
	if problem != nil {
		return "", problem
	}
	return expanded, nil
}

// expanded returns a reader of a string of 1 to limit bytes, in which it expands
// environment variables. It is for the keys that are documented to take them. Its
// errors do not show the value, which may be a secret.
func expanded(dst *string, limit int) func(json.RawMessage) error {
	return func(value json.RawMessage) error {
		var text string
		if err := strictjson.String(&text, maxSize)(value); err != nil { // names may be longer than values
			return hidden(limit)
		}
		text, err := expand(text)
		if err != nil {
			return err
		}
		if text == "" || len(text) > limit { // an empty value would be the same as no value
			return hidden(limit)
		}
		*dst = text
		return nil
	}
}

func hidden(limit int) error {
	return &configerr.Error{Want: fmt.Sprintf("a string of 1 to %d bytes of valid Unicode", limit)}
}
