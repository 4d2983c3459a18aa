package script

import (
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
)

var addresses atomic.Uint32

// Address is an IPv4 address of this machine at which hardly any other server of the
// tests listens, where the system has more than one. A test that connects to a port which
// has been closed does not meet another test's then.
func Address() string {
	if runtime.GOOS != "linux" {
		return "127.0.0.1"
	}
	pid := os.Getpid()
	return fmt.Sprintf("127.%d.%d.%d", 64+pid>>8%128, pid%256, 1+addresses.Add(1)%254)
}
