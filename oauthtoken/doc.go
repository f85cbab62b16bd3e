// Package oauthtoken makes an oauth2.TokenSource the credentials of an endpoint.
//
// # Why
//
// Each organisation that runs a node has its own issuer of tokens. A TokenSource asks
// the issuer without a deadline: while the issuer hangs, every call that needs a token
// hangs too, whatever its own deadline is, and every call asks a failing issuer again.
// This package makes one request at a time, calls wait for it only until their own
// deadlines, and a failure is reused for a second. Errors omit the content of the
// issuer's answer, since it may hold secrets. An issuer is often replicated, or the
// server trusts several: [NewOf] takes a token of any of them, so an issuer that hangs
// or fails delays no call.
//
//	endpoint := cantonlb.Endpoint{
//		Address:     "https://seq1.example.com:5001",
//		Credentials: oauthtoken.New(config.TokenSource(ctx)),
//	}
//
//	creds, err := oauthtoken.NewOf(
//		oauthtoken.Issuer{Name: "idp1", Token: config1.Token}, // clientcredentials.Config
//		oauthtoken.Issuer{Name: "idp2", Token: config2.Token},
//	)
//
// It is a separate package, so that a program without OAuth2 does not link
// golang.org/x/oauth2. It works with any grpc channel, by grpc.WithPerRPCCredentials.
//
// # Defaults
//
// The first call after a random time between 70 % and 80 % of a token's life starts its
// replacement; until then, and until the old token expires, calls use the old one. A source
// that keeps its own token, such as that of an oauth2.Config, returns another one ten seconds
// before it expires. The next issuer is asked after two seconds, and each issuer has thirty
// seconds. A failure is reused for a second, or for a tenth of the remaining life of the
// present token, up to thirty seconds. If the issuer cannot be asked, the code is UNAVAILABLE;
// if it refuses, the code is UNAUTHENTICATED. Tokens are sent only over connections that are
// encrypted and verified.
package oauthtoken
