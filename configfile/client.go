package configfile

import (
	"slices"

	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/follow"
)

// NewClient returns a client that is configured by a config file (see Load). It follows
// the file until the client is closed: each time that the file changes, it is read and
// checked as a whole, and its list of endpoints takes effect as by Client.Update. The
// file may be changed in place or replaced by renaming another file, and symbolic links
// on the path to it may be swapped, as Kubernetes does.
//
// A file that cannot be read or is not valid changes nothing; Status and the events
// report it. Only endpoints and handover are followed. A change of any other key takes
// effect at the next start, and Status has a note about it. A list that is set by Client.Update
// stays until the list in the file changes. A file that is changed in place may be read
// while it is being written, and part of a list can be a valid list: it is better to
// write another file and rename it.
//
// opts are those of cantonlb.NewClient. NewClientWith sets the fields of Config that a
// file cannot have, such as Logger. Errors are those of Load, and those of
// cantonlb.NewClient with the position in the file.
func NewClient(path string, opts ...grpc.DialOption) (*cantonlb.Client, error) {
	return NewClientWith(path, nil, opts...)
}

// NewClientWith is like NewClient, for a program that sets in Go what a file cannot
// hold: Logger, OnAttempt, OnAttemptInline, Validate, DNS, IdempotentFunc, TransportCredentials and
// Endpoint.Credentials. complete, if not nil, is called with the Config of the file
// before the client is made. It is called again, from one goroutine, with each new
// content of the file; then only the Endpoints and the Handover that it leaves in the
// Config are used.
// It is not called for content that is not valid, nor after the client is closed. If it
// does not return within 5 s, or panics, the new content is refused, and no other
// content takes effect before it has returned.
func NewClientWith(path string, complete func(*cantonlb.Config), opts ...grpc.DialOption) (*cantonlb.Client, error) {
	var client *cantonlb.Client
	err := ofGRPC.make(path, complete, func(cfg cantonlb.Config, following follow.Option) (err error) {
		client, err = cantonlb.NewClient(cfg, append(slices.Clip(opts), following)...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return client, nil
}

// ofGRPC are the clients of gRPC services.
var ofGRPC = clients[cantonlb.Config]{
	parse:     parseConfig,
	endpoints: func(c *cantonlb.Config) *[]cantonlb.Endpoint { return &c.Endpoints },
	handover:  func(c cantonlb.Config) string { return string(c.Handover) },
}
