package metric_test

import (
	"fmt"

	"github.com/cantonlb/cantonlb/metric"
)

func ExampleAll() {
	for _, d := range metric.All() {
		if d.Kind == metric.Histogram {
			fmt.Println(d.Name, d.Unit, d.Labels)
		}
	}
	// Output: cantonlb.probe.duration s [cantonlb.endpoint cantonlb.probe.kind]
}
