// Package jsonread reads what matters of a JSON text, and skips the rest.
//
// # Why
//
// Whether a request may be sent again, and to which participant service it belongs, is
// said by a few fields of its body, which can have any size and come from anyone. A body is
// therefore read token by token: nothing is kept that was not asked for, nesting is
// bounded, and a key that is repeated where it matters is an error, since servers differ in
// which of the values counts.
package jsonread
