package lease_test

import (
	"context"
	"fmt"

	"github.com/cantonlb/cantonlb/lease"
	"github.com/cantonlb/cantonlb/lease/leasetest"
)

func Example() {
	store := leasetest.NewStore() // in earnest, that of package pglease or etcdlease
	err := lease.Run(context.Background(), lease.Config{Store: store, Name: "pink"},
		func(ctx context.Context, l lease.Lease) error {
			for action := 1; action <= 3 && ctx.Err() == nil; action++ {
				if l.Valid() {
					fmt.Printf("action %d with token %d\n", action, l.Token)
				}
			}
			return nil // the lease is given up
		})
	fmt.Println(err)
	// Output:
	// action 1 with token 1
	// action 2 with token 1
	// action 3 with token 1
	// <nil>
}

func ExampleCandidate_Subscribe() {
	c, err := lease.NewCandidate(lease.Config{Store: leasetest.NewStore(), Name: "pink", Holder: "machine1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	news := c.Subscribe(context.Background())
	_ = c.Run(context.Background(), func(context.Context, lease.Lease) error { return nil })
	for n := range news {
		for _, e := range n.Events {
			fmt.Println(e.Kind, e.Reason)
		}
	}
	// Output:
	// acquired free
	// released work_returned
}
