package configfile

import (
	"slices"

	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/follow"
)

// NewClient makes a client of a config file (see Load) and follows the file from
// then on, until the client is closed: each time that it changes it is read and
// checked whole, and its list of endpoints is put in force as by Client.Update. It
// may be changed in place or replaced by renaming another file, and symbolic links
// on the way to it may be swapped, as Kubernetes does.
//
// A file that cannot be read or is not valid changes nothing; Status and the
// events say so. Only the endpoints are followed: a change of any other key takes
// effect at the next start, and Status has a note of it. A list that is set by
// Client.Update stays until the list in the file changes. A file that is changed in
// place may be read while it is being written, and part of a list can be a valid
// list: it is better to write another file and rename it.
//
// opts are those of cantonlb.NewClient. Fields of Config that a file cannot have,
// such as Logger, are set by NewClientWith. Errors are those of Load, and of
// cantonlb.NewClient with the place in the file.
func NewClient(path string, opts ...grpc.DialOption) (*cantonlb.Client, error) {
	return NewClientWith(path, nil, opts...)
}

// NewClientWith is NewClient for a program that sets in Go what a file cannot hold:
// Logger, OnAttempt, Validate, DNS, IdempotentFunc, TransportCredentials and
// Endpoint.Credentials. complete, if not nil, is called with what the file says
// before the client is made, and again, from one goroutine, with each new content of
// the file; then only the Endpoints that it leaves behind count. It is not called
// for a content that is not valid, nor after the client is closed.
func NewClientWith(path string, complete func(*cantonlb.Config), opts ...grpc.DialOption) (*cantonlb.Client, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	cfg, document, err := parseConfig(path, data)
	if err != nil {
		return nil, err
	}
	following := follow.Option{Start: func(client follow.Client) follow.Follower {
		return newFollower(client, path, data, cfg, complete)
	}}
	client, err := cantonlb.NewClient(completed(cfg, complete), append(slices.Clip(opts), following)...)
	if err != nil {
		return nil, document.locate(err)
	}
	return client, nil
}

// completed returns a Config with what the program adds. cfg stays as it is.
func completed(cfg cantonlb.Config, complete func(*cantonlb.Config)) cantonlb.Config {
	if complete != nil {
		cfg.Endpoints = slices.Clone(cfg.Endpoints)
		complete(&cfg)
	}
	return cfg
}
