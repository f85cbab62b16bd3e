// Package child runs a part of an example in a separate process.
//
// # Why
//
// Only a separate process can really be killed or stopped. To remain one program to
// build and run, an example starts itself again; the environment tells the new
// process which part to run.
//
// Parent and child communicate by lines: the parent writes to the child's standard
// input, and reads its standard output. A child should end when its standard input
// does, so that it never outlives its parent. A child that has not ended two
// seconds after Close asked it to is killed.
package child
