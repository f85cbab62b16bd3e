//go:build !unix

package main

import "context"

// postgresServer is not to be had here.
type postgresServer struct{}

func startPostgresServer(context.Context) (*postgresServer, error) { return nil, errNotInstalled }

func (*postgresServer) connString() string { return "" }
func (*postgresServer) close() error       { return nil }
