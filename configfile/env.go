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

// variable is ${NAME}, or the $$ that stands for one $, or a $ that is neither.
var variable = regexp.MustCompile(`\$(\{([A-Za-z_][A-Za-z0-9_]*)\}|\$)?`)

// expand puts the values of environment variables in the place of ${NAME} in text,
// and $ in that of $$. A variable that is not set, and a $ before anything else, is
// an error; the error names the variable and shows nothing else of the text, which
// may be a secret. What has been put in is not looked at again.
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

// expanded decodes a string of 1 to limit bytes in which expand puts the values of
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
		if text == "" || len(text) > limit { // empty would be as if it had been left out
			return hidden(limit)
		}
		*dst = text
		return nil
	}
}

func hidden(limit int) error {
	return &configerr.Error{Want: fmt.Sprintf("a string of 1 to %d bytes of valid Unicode", limit)}
}
