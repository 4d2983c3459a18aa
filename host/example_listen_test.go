package host_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"
	"sync"
	"testing/fstest"

	"wasiftp/host"
)

// harbour is a network in memory. Its connections are pipes.
type harbour struct {
	mu    sync.Mutex
	berth map[int]*berth
}

// berth is a listener of a harbour.
type berth struct {
	number  int
	arrived chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func (h *harbour) listen() *berth {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := &berth{number: len(h.berth) + 1, arrived: make(chan net.Conn), closed: make(chan struct{})}
	h.berth[b.number] = b
	return b
}

func (h *harbour) dial(number int) net.Conn {
	h.mu.Lock()
	b := h.berth[number]
	h.mu.Unlock()
	here, there := net.Pipe()
	b.arrived <- there
	return here
}

func (b *berth) Accept() (net.Conn, error) {
	select {
	case c := <-b.arrived:
		return c, nil
	case <-b.closed:
		return nil, net.ErrClosed
	}
}

func (b *berth) Close() error {
	b.once.Do(func() { close(b.closed) })
	return nil
}

// Addr has the port that EPSV tells the client.
func (b *berth) Addr() net.Addr { return &net.TCPAddr{Port: b.number} }

// Serve without the system's network: control and data connections are in memory.
func ExampleConfig_listenData() {
	network := &harbour{berth: map[int]*berth{}}
	files := fstest.MapFS{"hello.txt": {Data: []byte("Hello, world.")}}
	server, err := host.New(host.Config{
		Authenticator: host.AuthenticatorFunc(func(context.Context, host.Login) (*host.Account, error) {
			return &host.Account{FS: files, Rights: host.ReadOnly}, nil
		}),
		ListenData: func(context.Context, host.DataRequest) (net.Listener, error) { return network.listen(), nil },
	})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	listener := network.listen()
	go server.Serve(listener)

	control := network.dial(listener.number)
	replies := bufio.NewScanner(control)
	say := func(command string) string {
		if command != "" {
			fmt.Fprintf(control, "%s\r\n", command)
		}
		replies.Scan()
		return replies.Text()
	}
	for _, command := range []string{"", "USER anyone", "PASS anything"} {
		say(command)
	}
	var port int
	fmt.Sscanf(say("EPSV"), "229 Entering Extended Passive Mode (|||%d|)", &port)
	data := network.dial(port)
	say("RETR hello.txt")
	content, err := io.ReadAll(data)
	fmt.Println(string(content), err)
	// Output: Hello, world. <nil>
}

// Active data connections leave by a network of one's own, too: here by a dialer that says where
// they go. The server has checked before that this is the client.
func ExampleConfig_dialData() {
	files := fstest.MapFS{"hello.txt": {Data: []byte("Hello, world.")}}
	server, address := serve(host.Config{
		Authenticator: accounts{"u": {"p", host.Account{FS: files, Rights: host.ReadOnly}}},
		DialData: func(ctx context.Context, of host.DataRequest, to netip.AddrPort) (net.Conn, error) {
			fmt.Println("to", to.Addr(), "for", of.User)
			var d net.Dialer
			return d.DialContext(ctx, "tcp", to.String())
		},
	})
	defer server.Close()
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer port.Close()

	client := dial(address)
	defer client.Close()
	for _, command := range []string{
		"USER u", "PASS p", fmt.Sprintf("EPRT |1|127.0.0.1|%d|", port.Addr().(*net.TCPAddr).Port), "RETR hello.txt",
	} {
		client.Cmd("%s", command)
	}
	data, err := port.Accept()
	if err != nil {
		log.Fatal(err)
	}
	content, err := io.ReadAll(data)
	fmt.Println(string(content), err)
	// Output:
	// to 127.0.0.1 for u
	// Hello, world. <nil>
}
