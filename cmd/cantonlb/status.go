package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/report"
)

func newStatus(environ []string) *cobra.Command {
	var (
		output  string
		timeout time.Duration
	)
	cmd := &cobra.Command{
		Use:   "status URL",
		Short: "Show the status page of a running process as text",
		Long: "status shows what a running process sees: it reads the status page that the process serves (see package\n" +
			"statuspage). The exit code is 0 if the page could be read, and 3 if not.",
		Example: "  cantonlb status http://localhost:8080/debug/endpoints",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("arguments %q: want one URL, such as http://localhost:8080/debug/endpoints", args)
			}
			if timeout <= 0 {
				return fmt.Errorf("--timeout %v: want a duration above zero", timeout)
			}
			show, ok := outputs[output]
			if !ok {
				return fmt.Errorf("--output %q: want json, table or wide", output)
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			documents, err := fetch(ctx, args[0])
			if err != nil {
				return err
			}
			for i, d := range documents {
				if i > 0 && output != "json" {
					if _, err := fmt.Fprintln(cmd.OutOrStdout()); err != nil {
						return err
					}
				}
				if err := show(coloured(cmd, environ), d); err != nil {
					return err
				}
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	addOutput(cmd, &output)
	cmd.Flags().DurationVar(&timeout, "timeout", defaultTimeout, "how long to wait for the page")
	return cmd
}

// maxPage bounds what is read of a page.
const maxPage = 64 << 20

// mostShown bounds each text of a page that is shown, in bytes.
const mostShown = 16 << 10

// printable returns JSON whose texts consist of printable characters, since they go to a
// terminal, which others could control. What is not JSON is returned as it is.
func printable(body []byte) []byte {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var content any
	if decoder.Decode(&content) != nil {
		return body
	}
	clean, err := json.Marshal(cleaned(content))
	if err != nil {
		return body
	}
	return clean
}

// cleaned returns a value of JSON with printable texts.
func cleaned(value any) any {
	switch x := value.(type) {
	case string:
		return cleantext.Line(x, mostShown)
	case []any:
		for i := range x {
			x[i] = cleaned(x[i])
		}
	case map[string]any:
		out := make(map[string]any, len(x))
		for key, inner := range x {
			out[cleantext.Line(key, mostShown)] = cleaned(inner)
		}
		return out
	}
	return value
}

// fetch reads a status page, which has one client or several.
func fetch(ctx context.Context, page string) ([]report.Document, error) {
	address, err := url.Parse(page)
	if err != nil || address.Host == "" {
		return nil, fmt.Errorf("page %q: want a URL such as http://localhost:8080/debug/endpoints", page)
	}
	query := address.Query() // it may name a client of the page
	for _, view := range []string{"explain", "party"} {
		query.Del(view)
	}
	query.Set("format", "json")
	address.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK { // then its body may have no end
		return nil, fmt.Errorf("page %q: HTTP %s", page, cleantext.Detail(response.Status))
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxPage))
	if err != nil {
		return nil, err
	}
	body = printable(body)
	var several struct {
		Clients []report.Document `json:"clients"`
	}
	documents := make([]report.Document, 1)
	if json.Unmarshal(body, &several) == nil && len(several.Clients) > 0 {
		documents = several.Clients
	} else if err := json.NewDecoder(bytes.NewReader(body)).Decode(&documents[0]); err != nil {
		return nil, fmt.Errorf("page %q: no status page of cantonlb: %w", page, err)
	}
	if slices.ContainsFunc(documents, func(d report.Document) bool { return d.Status.At.IsZero() }) {
		return nil, fmt.Errorf("page %q: no status page of cantonlb: its JSON has no time \"now\"", page)
	}
	return documents, nil
}
