// Package ledger reads the update streams of a Canton participant so that they go on, and submits
// commands so that each ends in one known outcome.
package ledger
