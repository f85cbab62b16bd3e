// Package same compares values of any type.
//
// # Why
//
// The programs that use this module supply connections, credentials and transports of
// types that are theirs. To compare two values with == panics if their type cannot be
// compared.
package same

import "reflect"

// Value reports whether two values are equal. Those that cannot be compared are not.
func Value(a, b any) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}
