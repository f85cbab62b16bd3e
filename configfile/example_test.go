package configfile_test

import (
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/configfile"
)

// The list of the client follows that of the file until the client is closed.
func ExampleNewClient() {
	client, err := configfile.NewClient("/etc/lb.yaml")
	if err != nil {
		log.Fatal(err) // one line for each fault of the file
	}
	defer client.Close()
}

// The program sets in Go what a file cannot hold.
func ExampleNewClientWith() {
	client, err := configfile.NewClientWith("/etc/lb.yaml", func(c *cantonlb.Config) {
		c.Logger = slog.New(slog.NewJSONHandler(os.Stderr, nil))
	})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
}

// A file whose role is that of an HTTP service is for a client of package jsonapi.
func ExampleNewJSONAPIClient() {
	client, err := configfile.NewJSONAPIClient("/etc/json.yaml")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close() }()
}

// Every fault is reported at once, with its position.
func ExampleParse() {
	_, err := configfile.Parse([]byte(`
endpoints:
  - {name: seq1, address: "http://seq1.example.com:5001", weight: 200}
maxAttempts: 0
`))
	fmt.Println(err)
	var first *configfile.Error
	if errors.As(err, &first) {
		fmt.Println("the first is in line", first.Line)
	}
	// Output:
	// line 3, column 67: endpoints[0].weight 200: want a whole number from 1 to 100
	// line 4, column 14: maxAttempts 0: want a whole number from 1 to 100
	// the first is in line 3
}
