// Package settings is the configuration of the load-balancing policies: as Go values, and
// as the JSON of a service config.
//
// # Why
//
// A key that is misspelt must not switch health checking off, so the JSON is read strictly,
// and every error names the key, the value and what would be right. That has nothing to do
// with how a set of endpoints behaves, and so it is here by itself.
package settings
