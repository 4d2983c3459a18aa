package conn

import (
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestListenersAccept: both kinds of Listener give every connection once, however many come
// before anybody asks, and Close refuses the others.
func TestListenersAccept(t *testing.T) {
	t.Parallel()
	for name, polls := range map[string]bool{"by a goroutine": false, "by a poll": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var poll *Poll
			if polls {
				poll = pollFor(t)
			}
			socket, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			address, came, ended := socket.Addr().String(), make(chan struct{}, 1), make(chan struct{})
			l := Listen(socket, poll, func() {
				select {
				case came <- struct{}{}:
				default:
				}
			}, func(l net.Listener, take func(*Arrival) bool) {
				go func() {
					defer close(ended)
					for {
						c, err := l.Accept()
						if err != nil || !take(Arrived(c)) {
							return
						}
					}
				}()
			})
			const clients = 3 * mostArrived
			want := map[string]bool{}
			for range clients {
				c, err := net.Dial("tcp", address)
				require.NoError(t, err)
				defer c.Close()
				want[c.LocalAddr().String()] = true
			}
			for len(want) > 1 {
				a, err := l.Accept()
				require.NoError(t, err)
				if a == nil {
					<-came
					continue
				}
				require.Contains(t, want, a.From.String())
				delete(want, a.From.String())
				a.Close()
			}
			l.Close()
			if !polls {
				<-ended
			}
			_, err = net.Dial("tcp", address)
			assert.Error(t, err)
		})
	}
}
