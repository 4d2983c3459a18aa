package script

import (
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
)

var addresses atomic.Uint32

// Address is an IPv4 loopback address; on Linux, one that hardly any other test has. A test
// that connects to a port which was closed then does not reach another test's server.
func Address() string {
	if runtime.GOOS != "linux" {
		return "127.0.0.1"
	}
	pid := os.Getpid()
	return fmt.Sprintf("127.%d.%d.%d", 64+pid>>8%128, pid%256, 1+addresses.Add(1)%254)
}
