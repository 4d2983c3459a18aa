package script

import (
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
)

// ports is where FreePorts searches: below the ports that the system assigns for port 0.
// It begins at a port that depends on the process, to stay clear of other tests.
var ports = struct {
	sync.Mutex
	next int
}{next: 10000 + os.Getpid()*1009%15000}

// FreePorts finds n consecutive unused ports and returns the first. It finds no port
// twice.
func FreePorts(t testing.TB, n int) int {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	for ports.next+n < 32000 {
		first := ports.next
		ports.next += n
		if free(first, n) {
			return first
		}
	}
	t.Fatal("there are no ports left")
	return 0
}

func free(first, n int) bool {
	for i := range n {
		l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", first+i))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}
