// Package oauthtoken makes an oauth2.TokenSource the credentials of an endpoint.
//
// # Why
//
// Each organisation that runs a node has an issuer of tokens of its own. A
// TokenSource asks the issuer, but it knows no deadline: while the issuer hangs,
// every call that wants a token hangs with it, whatever its own deadline says; and
// an issuer that fails is asked again by every call. Here one question is under way
// at a time, calls wait for it only as long as they may, and a failure counts for a
// second. Errors leave out what the issuer's answer says, as it may hold secrets.
//
//	endpoint := cantonlb.Endpoint{
//		Address:     "https://seq1.example.com:5001",
//		Credentials: oauthtoken.New(config.TokenSource(ctx)),
//	}
//
// It is a package of its own, so that a program without OAuth2 does not link
// golang.org/x/oauth2. It works with any grpc channel, as grpc.WithPerRPCCredentials.
//
// # Defaults
//
// A token is used until ten seconds before it expires. It goes over connections
// that are encrypted and verified only.
package oauthtoken
