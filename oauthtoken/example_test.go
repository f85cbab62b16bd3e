package oauthtoken_test

import (
	"log"

	"golang.org/x/oauth2/clientcredentials"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/oauthtoken"
)

// The token of either issuer is accepted, so an issuer that hangs or fails delays no call.
func ExampleNewOf() {
	config1 := clientcredentials.Config{ClientID: "me", TokenURL: "https://idp1.example.com/token"}
	config2 := clientcredentials.Config{ClientID: "me", TokenURL: "https://idp2.example.com/token"}
	creds, err := oauthtoken.NewOf(
		oauthtoken.Issuer{Name: "idp1", Token: config1.Token}, oauthtoken.Issuer{Name: "idp2", Token: config2.Token},
	)
	if err != nil {
		log.Fatal(err)
	}
	endpoint := cantonlb.Endpoint{Address: "https://participant1.example.com:5001", Credentials: creds}
	log.Print(endpoint.Address)
}
