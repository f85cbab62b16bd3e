// Package oauthtoken makes an oauth2.TokenSource the credentials of an endpoint.
//
// # Why
//
// Each organisation that runs a node has an issuer of tokens of its own. A
// TokenSource asks the issuer, but it knows no deadline: while the issuer hangs,
// every call that wants a token hangs with it, whatever its own deadline says; and
// an issuer that fails is asked again by every call. Here one question is under way
// at a time, calls wait for it only as long as they may, and a failure counts for a
// second. Errors leave out what the issuer's answer says, as it may hold secrets. An
// issuer is often replicated, or there are several that the server trusts: with [NewOf]
// any of them will do, so that one that hangs or fails holds no call up.
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
// It is a package of its own, so that a program without OAuth2 does not link
// golang.org/x/oauth2. It works with any grpc channel, as grpc.WithPerRPCCredentials.
//
// # Defaults
//
// A token is replaced at a random time between 70 % and 80 % of its life, by the first call after
// it; meanwhile calls use the old one, until it expires. A source that keeps its own token, as that
// of an oauth2.Config does, hands out another one ten seconds before it expires. The next issuer is
// asked after two seconds, each is given thirty. A failure counts for a second, or for a tenth of
// what the token that there is has left, up to thirty seconds. An issuer that cannot be asked is
// UNAVAILABLE, one that refuses UNAUTHENTICATED. Tokens go over connections that are encrypted and
// verified only.
package oauthtoken
