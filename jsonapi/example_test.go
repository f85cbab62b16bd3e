package jsonapi_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/cantonlb/cantonlb/jsonapi"
)

func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/version" {
			_, _ = fmt.Fprint(w, `{"version":"3.4.11"}`)
		}
	}))
	defer server.Close()

	client, err := jsonapi.New(jsonapi.Config{
		Endpoints: []jsonapi.Endpoint{{Name: "json1", Address: server.URL}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = client.Close() }()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://ledger/v2/version", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	resp, err := client.HTTP().Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	fmt.Println(resp.Status, string(body), err)
	// Output: 200 OK {"version":"3.4.11"} <nil>
}
