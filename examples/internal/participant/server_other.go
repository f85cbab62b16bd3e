//go:build !unix

package participant

import "context"

// postgresServer is not available on this system.
type postgresServer struct{}

func startPostgresServer(context.Context) (*postgresServer, error) { return nil, ErrNotInstalled }

func (*postgresServer) connString() string { return "" }
func (*postgresServer) close() error       { return nil }

func postgresBinaries() (string, error) { return "", ErrNotInstalled }
