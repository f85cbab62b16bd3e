package cantonlb_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb"
)

func endpoint(s cantonlb.Status, name string) cantonlb.EndpointStatus {
	for _, e := range s.Endpoints {
		if e.Name == name {
			return e
		}
	}
	return cantonlb.EndpointStatus{}
}

// noneEligible asserts that err is a NoEligibleError, and returns it.
func noneEligible(t *testing.T, err error) *cantonlb.NoEligibleError {
	t.Helper()
	var none *cantonlb.NoEligibleError
	require.ErrorAs(t, err, &none)
	return none
}
