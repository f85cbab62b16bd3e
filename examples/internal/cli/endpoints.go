package cli

import (
	"fmt"
	"strings"

	"github.com/cantonlb/cantonlb"
)

// Endpoints is a flag.Value: a list of endpoints, separated by commas, each
// "name=address" or only "address", where an address is host:port,
// http://host:port or https://host:port.
type Endpoints []cantonlb.Endpoint

// String returns the list in the form that Set accepts.
func (e *Endpoints) String() string {
	items := make([]string, 0, len(*e))
	for _, endpoint := range *e {
		item := endpoint.Address
		if endpoint.Name != "" {
			item = endpoint.Name + "=" + item
		}
		items = append(items, item)
	}
	return strings.Join(items, ",")
}

// Set parses the list. It checks only the syntax of the list; cantonlb.NewClient
// checks the addresses.
func (e *Endpoints) Set(text string) error {
	var list Endpoints
	for i, item := range strings.Split(text, ",") {
		name, address, named := strings.Cut(item, "=")
		if !named {
			name, address = "", item
		}
		name, address = strings.TrimSpace(name), strings.TrimSpace(address)
		if address == "" || named && name == "" {
			return fmt.Errorf("item %d of the list: want name=address, such as seq1=https://seq1.example.com:5001", i+1)
		}
		list = append(list, cantonlb.Endpoint{Name: name, Address: address})
	}
	*e = list
	return nil
}
