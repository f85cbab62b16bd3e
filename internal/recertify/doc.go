// Package recertify follows the files of client certificates.
//
// # Why
//
// A connection keeps the client certificate that it was made with, and may last for
// months, while the certificate expires or is revoked. So what is connected with a
// certificate that is not the one in its files any more is renewed. The server may not
// accept the new one yet: then it is tried again, after pauses that grow.
package recertify
