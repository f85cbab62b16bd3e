package configerr_test

import (
	"fmt"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/configerr"
)

// A program's test of its own settings.
func ExampleAll() {
	config := cantonlb.Config{
		Endpoints:   []cantonlb.Endpoint{{Address: "https://seq1.example.com"}, {Address: "https://seq2.example.com:5001", Weight: 200}},
		MaxAttempts: -1,
	}
	for _, fault := range configerr.All(config.Check()) {
		fmt.Println(fault.Field)
	}
	// Output:
	// endpoints[0].address
	// endpoints[1].weight
	// maxAttempts
}
