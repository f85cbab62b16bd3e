package socket

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAddressesOfSocketsAreTold(t *testing.T) {
	for address, path := range map[string]string{
		"unix:///run/a.sock": "/run/a.sock", "unix:/run/a.sock": "/run/a.sock", "unix:a.sock": "a.sock", "unix:@name": "@name",
		"unix:": "", "unix://": "", "unix-abstract:name": "", "host:1": "", "unixes:1": "", "[::1]:1": "", "": "",
	} {
		got, ok := Path(address)
		assert.Equal(t, path != "", ok, address)
		if ok {
			assert.Equal(t, path, got)
			again, _ := Path(Address(path))
			assert.Equal(t, path, again)
			network, at := Network(address)
			assert.Equal(t, []string{"unix", path}, []string{network, at})
		} else {
			network, at := Network(address)
			assert.Equal(t, []string{"tcp", address}, []string{network, at})
		}
	}
}
