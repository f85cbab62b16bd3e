// Package settings implements the configuration of the load-balancing policies, as
// Go values and as the JSON of a service config.
//
// # Why
//
// A misspelt key must not switch health checking off, so the JSON is read strictly,
// and every error names the key, the value and what would be valid. This is
// independent of how a set of endpoints behaves, and is therefore a separate
// package.
package settings
