// Package pgtest runs PostgreSQL and pgbouncer for tests.
//
// # Why
//
// What a lease in a database promises can only be seen with a database that is stopped,
// killed and continued. This package starts the programs that are installed, with a
// database in a temporary folder, and ends them with the test. It works on Unix, and as
// root too, which PostgreSQL refuses to run as.
package pgtest
