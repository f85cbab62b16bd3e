package configfile_test

import (
	"errors"
	"runtime/metrics"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/configfile"
)

// allocated returns how many bytes the program has allocated so far.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// The memory that a file may take, in bytes: a fixed part, and a part for each byte of
// the file.
const (
	costOfAFile = 8 << 20
	costOfAByte = 4 << 10
)

func FuzzParse(f *testing.F) {
	for _, c := range badConfigs {
		if len(c.text) < 10_000 {
			f.Add([]byte(c.text))
		}
	}
	f.Add([]byte(everyKey))
	f.Fuzz(func(t *testing.T, data []byte) {
		before := allocated()
		cfg, err := configfile.Parse(data)
		require.Less(t, allocated()-before, uint64(costOfAFile+costOfAByte*len(data)), "what it takes is bounded by what is given")
		if err != nil {
			require.Empty(t, cfg.Endpoints)
			typed := errors.As(err, new(*configfile.Error))
			require.True(t, typed, "%T: %v", err, err)
			require.Less(t, len(err.Error()), 100_000)
			require.NotContains(t, strings.ReplaceAll(err.Error(), "\n", ""), "\x00")
			return
		}
		_, err = cantonlb.DialOptions(cfg)
		require.NoError(t, err, "what the loader takes is valid")
		again, err := configfile.Parse(data)
		require.NoError(t, err)
		require.Equal(t, cfg, again)
	})
}
