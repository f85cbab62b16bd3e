package cantonlb_test

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/settings"
)

// documentedDefaults reads the table of the package's documentation.
func documentedDefaults(t *testing.T) (names []string, values map[string]string) {
	t.Helper()
	text, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(text), "the meaning of its zero value:\n//\n")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n//\n")
	values = map[string]string{}
	for _, row := range regexp.MustCompile(`(?m)^//\t([\w.]+) {2,}(.+)$`).FindAllStringSubmatch(table, -1) {
		names = append(names, row[1])
		values[row[1]] = row[2]
	}
	return names, values
}

// fieldsOf returns the names of the fields of a struct, in order. A field that is a
// struct of settings is replaced by its own fields.
func fieldsOf(typ reflect.Type, prefix string) []string {
	var names []string
	for i := range typ.NumField() {
		field := typ.Field(i)
		if field.Type.Kind() == reflect.Struct {
			names = append(names, fieldsOf(field.Type, field.Name+".")...)
		} else {
			names = append(names, prefix+field.Name)
		}
	}
	return names
}

func TestTheDocumentationHasTheDefaultOfEveryField(t *testing.T) {
	names, values := documentedDefaults(t)
	assert.Equal(t, fieldsOf(reflect.TypeFor[cantonlb.Config](), ""), names)

	var inForce struct{ HealthCheck, Ejection, Policy, Failover map[string]any }
	for _, part := range []struct {
		cfg settings.Config
		dst []any
	}{
		{settings.DefaultConfig(), []any{&inForce, &inForce.Policy}}, {settings.DefaultActivePassive(), []any{&inForce.Failover}},
	} {
		text, err := json.Marshal(part.cfg)
		require.NoError(t, err)
		for _, dst := range part.dst {
			require.NoError(t, json.Unmarshal(text, dst))
		}
	}
	checked := 0
	for prefix, settings := range map[string]map[string]any{
		"HealthCheck.": inForce.HealthCheck, "Ejection.": inForce.Ejection, "": inForce.Policy, "Failover.": inForce.Failover,
	} {
		for key, value := range settings {
			name := prefix + strings.ToUpper(key[:1]) + key[1:]
			want, documented := values[name]
			if !documented || want == "none" || strings.HasPrefix(want, "that of the role") || strings.HasPrefix(want, "follows") {
				continue
			}
			checked++
			if d, err := time.ParseDuration(want); err == nil {
				inForce, err := time.ParseDuration(fmt.Sprint(value))
				require.NoError(t, err, name)
				assert.Equal(t, d, inForce, name)
				continue
			}
			assert.Equal(t, want, fmt.Sprint(value), name)
		}
	}
	assert.Equal(t, 17, checked)
}
