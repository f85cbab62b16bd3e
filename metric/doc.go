// Package metric lists the metrics: what each is called, what it means, and which
// labels it has.
//
// # Why
//
// The same metrics are exported in two ways: through grpc's own recorder, and
// through the collector of package otelmetrics. A dashboard or an alert must not
// depend on which. So both take names, units and labels from here, and tests
// compare the documentation, the dashboard and the alerts with this list. A
// program can use it to generate its own dashboards, or to export a Status to
// another system under the same names.
//
// The values of every label are bounded: endpoints are those of the list, and the
// others are constants of this module. None ever holds what a server says.
package metric
