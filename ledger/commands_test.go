package ledger

import (
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

type submitted struct{}

type commands struct{ node *fakeNode }

func newCommands(n *fakeNode) *commands { return &commands{node: n} }

func (c *commands) handle(method string, _ grpc.ServerStream) error {
	return status.Error(codes.Unimplemented, method)
}
