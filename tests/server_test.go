package tests

import (
	"cmp"
	"context"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"wasiftp/host"
	"wasiftp/tests/script"
)

// temporary is a folder for what all tests of this package share: the compiled engine and
// the program.
var temporary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "wasiftp-tests")
	if err != nil {
		panic(err)
	}
	temporary = dir
	os.Setenv("WASIFTPD_ADMIN_SOCKET", "off") // all that run as root have the same usual one
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// accounts are the accounts of the tests: u may read and write, ro may read, admin is u
// and an administrator, and anonymous may read with any password. The password of the
// others is p.
func accounts(files fs.FS) host.AuthenticatorFunc {
	return func(_ context.Context, login host.Login) (*host.Account, error) {
		switch {
		case login.User == "anonymous":
			return &host.Account{FS: files, Rights: host.ReadOnly}, nil
		case login.Password.Reveal() != "p":
		case login.User == "u":
			return &host.Account{FS: files, Rights: host.ReadWrite}, nil
		case login.User == "admin":
			return &host.Account{FS: files, Rights: host.ReadWrite | host.RightAdmin}, nil
		case login.User == "ro":
			return &host.Account{FS: files, Rights: host.ReadOnly}, nil
		}
		return nil, host.ErrDenied
	}
}

// allowed turns on all that is off by default, but for the commands of TLS.
var allowed = host.Allow{SiteCopy: true, SiteSymlink: true, SiteRmdir: true, Combine: true}

// events are what a server has observed.
type events struct {
	mu   sync.Mutex
	list []host.Event
}

func (e *events) Observe(event host.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, event)
}

// of are the events of one kind so far.
func (e *events) of(kind host.EventKind) (found []host.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, event := range e.list {
		if event.Kind == kind {
			found = append(found, event)
		}
	}
	return found
}

// serve runs a server with short delays until the test ends.
func serve(t testing.TB, config host.Config) (*host.Server, script.Network) {
	t.Helper()
	config.CacheDir = temporary
	config.Limits.FailureDelay = cmp.Or(config.Limits.FailureDelay, time.Millisecond)
	_, config.SyncObserver = config.Observer.(*events) // tests look at the events right after a reply
	server, err := host.New(config)
	require.NoError(t, err)
	t.Cleanup(func() { server.Close() })
	return server, listen(t, server)
}

// listen makes a server listen on a port of each family until the test ends.
func listen(t testing.TB, server *host.Server) script.Network {
	t.Helper()
	return listenBy(t, "127.0.0.1", server.Serve)
}

func listenBy(t testing.TB, ip string, serve func(net.Listener) error) script.Network {
	t.Helper()
	v4, err := host.Listen("tcp4", ip+":0") // and one of Go's below
	require.NoError(t, err)
	network := script.Network{IPv4: address(v4)}
	listeners := []net.Listener{v4}
	if v6, err := net.Listen("tcp6", "[::1]:0"); err == nil {
		network.IPv6 = address(v6)
		listeners = append(listeners, v6)
	}
	for _, l := range listeners {
		go serve(l)
		t.Cleanup(func() { l.Close() })
	}
	return network
}

func address(l net.Listener) netip.AddrPort { return l.Addr().(*net.TCPAddr).AddrPort() }

// common is one server for many tests, each with files and ports of its own: the address
// that a session came to decides its files.
type common struct {
	*host.Server
	mu    sync.Mutex
	files map[netip.AddrPort]fs.FS
}

var commonServer = sync.OnceValues(func() (*common, error) {
	c := &common{files: map[netip.AddrPort]fs.FS{}}
	var err error
	c.Server, err = host.New(host.Config{
		Authenticator: c,
		CacheDir:      temporary,
		Allow:         allowed,
		Limits:        host.Limits{FailureDelay: time.Millisecond},
	})
	return c, err
})

func (c *common) Authenticate(ctx context.Context, login host.Login) (*host.Account, error) {
	c.mu.Lock()
	files := c.files[login.Server]
	c.mu.Unlock()
	return accounts(files)(ctx, login)
}

// offer serves files at the addresses of the network until the test ends. It takes whole
// addresses as keys, since an IPv6 port may have the number of another test's IPv4 port.
func (c *common) offer(t testing.TB, network script.Network, files fs.FS) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files[network.IPv4], c.files[network.IPv6] = files, files
	t.Cleanup(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.files, network.IPv4)
		delete(c.files, network.IPv6)
	})
}

// serveFiles makes the common server serve files until the test ends.
func serveFiles(t testing.TB, files fs.FS) script.Network {
	t.Helper()
	c, err := commonServer()
	require.NoError(t, err)
	network := listenBy(t, script.Address(), c.Serve)
	c.offer(t, network, files)
	return network
}
