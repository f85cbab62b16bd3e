// Package child runs a part of an example in a process of its own.
//
// # Why
//
// A server can only be killed or stopped for real if it is a process. So that an
// example is still one program to build and run, it starts itself again: a part is
// told by its environment that it is one, and serves.
//
// A child is spoken to by lines: the parent writes to its standard input, and reads
// its standard output. A child should end when its standard input does, so that it
// never outlives its parent. A child that has not ended two seconds after Close
// asked it to is killed.
package child
