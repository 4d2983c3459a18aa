package tests

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"reflect"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/tests/script"
)

// inBothWays runs a test twice: with a function that panics, and with one that does not
// return until the test has ended.
func inBothWays(t *testing.T, test func(t *testing.T, hangs bool)) {
	t.Parallel()
	for kind, hangs := range map[string]bool{"panics": false, "hangs": true} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			test(t, hangs)
		})
	}
}

// newArmedTrap is a trap that is armed until the test ends.
func newArmedTrap(t *testing.T, method string, hangs bool) *trap {
	tr := newTrap(method, hangs)
	tr.arm(true)
	if hangs {
		t.Cleanup(func() { close(tr.gate) })
	}
	return tr
}

// TestThreat39Observer: an Observer that panics loses the event, and one that hangs loses
// the events for which there is no room. The sessions go on. The log tells of panics, and
// the event Dropped of lost events.
func TestThreat39Observer(t *testing.T) {
	inBothWays(t, func(t *testing.T, hangs bool) {
		log, seen, tr := &text{}, &events{}, newTrap("Observer.Observe", hangs)
		server, network := serve(t, host.Config{
			Authenticator: accounts(fsbridge.NewMemory()), Instances: 1, Logger: log.logger(),
			Observer: host.ObserverFunc(func(e host.Event) {
				tr.pass("Observer.Observe")
				seen.Observe(e)
			}),
		})
		tr.arm(true)
		fine(t, network)
		tr.sprung(t)
		tr.arm(false)
		const lines = 6000
		c := login(t, network, "u")
		if !hangs {
			eventually(t, "it is not logged", func() bool { return strings.Contains(log.String(), "panic=Observer.Observe") })
			assert.Equal(t, 200, c.do("SITE CHMOD 600 f"))
			assert.Equal(t, 221, c.do("QUIT"))
			require.NoError(t, server.Close())
			assert.Len(t, seen.of(host.Changed), 1, "what came later")
			return
		}
		go io.WriteString(c.control, strings.Repeat("SITE CHMOD 600 f\r\n", lines))
		for range lines {
			require.Equal(t, 200, c.reply().Code)
		}
		close(tr.gate)
		assert.Equal(t, 221, c.do("QUIT"))
		require.NoError(t, server.Close())
		missing, last := 0, time.Time{}
		for _, e := range seen.of(host.Dropped) {
			assert.Positive(t, e.Count)
			missing += e.Count - 1 // the event Dropped is itself in seen.list
		}
		assert.Positive(t, missing, "nothing was dropped")
		assert.Equal(t, 5+2+lines+1, len(seen.list)+missing, "each event is told or counted")
		for _, e := range seen.of(host.Changed) {
			assert.False(t, e.Time.Before(last), "out of order")
			last = e.Time
		}
	})
}

// TestThreat39SyncObserver: with SyncObserver no event is missed, and panics are caught
// as well.
func TestThreat39SyncObserver(t *testing.T) {
	t.Parallel()
	log, count := &text{}, atomic.Int32{}
	_, network := serve(t, host.Config{
		Authenticator: accounts(fsbridge.NewMemory()), SyncObserver: true, Instances: 1, Logger: log.logger(),
		Observer: host.ObserverFunc(func(e host.Event) {
			count.Add(1)
			panic("always")
		}),
	})
	others := login(t, network, "u")
	fine(t, network)
	others.alive()
	eventually(t, "something was missed", func() bool { return count.Load() == 2+5 })
	eventually(t, "it is not logged", func() bool { return strings.Contains(log.String(), "panic=always") })
}

// trappedHandler is a slog.Handler with a trap.
type trappedHandler struct {
	slog.Handler
	*trap
}

func (h trappedHandler) Enabled(context.Context, slog.Level) bool {
	h.pass("Handler.Enabled")
	return true
}

func (h trappedHandler) Handle(ctx context.Context, r slog.Record) error {
	h.pass("Handler.Handle")
	return h.Handler.Handle(ctx, r)
}

// TestThreat39Logger: a Logger that panics or hangs stops nobody. One that hung learns
// how many records were dropped.
func TestThreat39Logger(t *testing.T) {
	for _, method := range []string{"Handler.Enabled", "Handler.Handle"} {
		t.Run(method, func(t *testing.T) {
			inBothWays(t, func(t *testing.T, hangs bool) {
				log, tr := &text{}, newTrap(method, hangs)
				server, network := serve(t, host.Config{
					Authenticator: host.AuthenticatorFunc(func(ctx context.Context, login host.Login) (*host.Account, error) {
						if login.User == "broken" {
							return nil, errors.New("out of order")
						}
						return accounts(fsbridge.NewMemory())(ctx, login)
					}),
					Instances: 1, Logger: slog.New(trappedHandler{log.logger().Handler(), tr}),
				})
				c := connect(t, network)
				fail := func() {
					require.Equal(t, 331, c.do("USER broken"))
					require.Equal(t, 530, c.do("PASS p"))
				}
				tr.arm(true)
				fail()
				tr.sprung(t)
				fail()
				fine(t, network)
				c.alive()
				tr.arm(false)
				if hangs {
					close(tr.gate)
				}
				fail()
				require.NoError(t, server.Close())
				assert.Contains(t, log.String(), "out of order")
				assert.Equal(t, !hangs, strings.Contains(log.String(), "records="))
			})
		})
	}
}

// TestThreat39TLS: the functions of a TLS configuration panic or hang, for a control
// connection and for a data connection.
func TestThreat39TLS(t *testing.T) {
	inBothWays(t, func(t *testing.T, hangs bool) {
		log, current, files := &text{}, &atomic.Pointer[trap]{}, fsbridge.NewMemory()
		current.Store(newTrap("", hangs))
		require.NoError(t, putFile(files, "f", []byte("content"), past))
		_, network := serve(t, host.Config{
			Authenticator: accounts(files), Instances: 1, Logger: log.logger(), TLS: host.TLS{Config: trappedTLS(current)},
		})
		for _, method := range []string{"GetCertificate", "GetConfigForClient", "VerifyPeerCertificate", "VerifyConnection", "picked"} {
			for _, data := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, data %t", method, data), func(t *testing.T) {
					tr := newTrap(method, hangs)
					current.Store(tr)
					trappedHandshake(t, tr, network, data)
					if !hangs {
						eventually(t, "it is not logged", func() bool { return strings.Contains(log.String(), "panic="+method) })
					}
				})
			}
		}
	})
}

// trappedTLS is a configuration whose functions have traps. With the trap "picked",
// GetConfigForClient picks another configuration that has the trap.
func trappedTLS(current *atomic.Pointer[trap]) *tls.Config {
	return &tls.Config{
		ClientAuth: tls.RequestClientCert,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			current.Load().pass("GetCertificate")
			return &serverTLS().Certificates[0], nil
		},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			current.Load().pass("GetConfigForClient")
			if current.Load().method != "picked" {
				return nil, nil
			}
			picked := serverTLS()
			picked.VerifyConnection = func(tls.ConnectionState) error { current.Load().pass("picked"); return nil }
			return picked, nil
		},
		VerifyPeerCertificate: func([][]byte, [][]*x509.Certificate) error { current.Load().pass("VerifyPeerCertificate"); return nil },
		VerifyConnection:      func(tls.ConnectionState) error { current.Load().pass("VerifyConnection"); return nil },
	}
}

// trappedHandshake springs a trap in a handshake.
func trappedHandshake(t *testing.T, tr *trap, network script.Network, data bool) {
	hangs := tr.gate != nil
	if hangs {
		t.Cleanup(func() { close(tr.gate) })
	}
	client := clientTLS(tls.VersionTLS13)
	client.ClientSessionCache = nil
	client.Certificates = []tls.Certificate{ours().certificate}
	others := loginTLS(t, network, client)
	if data {
		c := loginTLS(t, network, client)
		d := c.data()
		tr.arm(true)
		require.Equal(t, 150, c.do("RETR f"))
		go d.Handshake()
		tr.sprung(t)
		if !hangs {
			assert.GreaterOrEqual(t, c.reply().Code, 400)
			tr.arm(false)
			c.alive()
		}
	} else {
		c := connect(t, network)
		require.Equal(t, 234, c.do("AUTH TLS"))
		tr.arm(true)
		handshake := over(c.control, client)
		go handshake.Handshake()
		tr.sprung(t)
	}
	tr.arm(false)
	others.alive()
	fine(t, network)
	require.Equal(t, 226, loginTLS(t, network, client).store("STOR g", "content"))
}

// trappedConn is an embedder's connection with a trap.
type trappedConn struct {
	*net.TCPConn
	*trap
}

func (c trappedConn) Read(p []byte) (int, error)  { c.pass("Read"); return c.TCPConn.Read(p) }
func (c trappedConn) Write(p []byte) (int, error) { c.pass("Write"); return c.TCPConn.Write(p) }
func (c trappedConn) Close() error                { c.pass("Close"); return c.TCPConn.Close() }
func (c trappedConn) CloseWrite() error           { c.pass("CloseWrite"); return c.TCPConn.CloseWrite() }
func (c trappedConn) LocalAddr() net.Addr         { c.pass("LocalAddr"); return c.TCPConn.LocalAddr() }
func (c trappedConn) RemoteAddr() net.Addr        { c.pass("RemoteAddr"); return c.TCPConn.RemoteAddr() }
func (c trappedConn) SetDeadline(at time.Time) error {
	c.pass("SetDeadline")
	return c.TCPConn.SetDeadline(at)
}
func (c trappedConn) NetConn() net.Conn { c.pass("NetConn"); return c.TCPConn }
func (c trappedConn) SetReadDeadline(at time.Time) error {
	c.pass("SetReadDeadline")
	return c.TCPConn.SetReadDeadline(at)
}

func (c trappedConn) SetWriteDeadline(at time.Time) error {
	c.pass("SetWriteDeadline")
	return c.TCPConn.SetWriteDeadline(at)
}

func (c trappedConn) SyscallConn() (syscall.RawConn, error) {
	c.pass("SyscallConn")
	return c.TCPConn.SyscallConn()
}

// trappedListener accepts trappedConns, after as many failures as fails.
type trappedListener struct {
	net.Listener
	*trap
	fails *atomic.Int32
}

func (l trappedListener) Addr() net.Addr { l.pass("Listener.Addr"); return l.Listener.Addr() }
func (l trappedListener) Close() error   { l.pass("Listener.Close"); return l.Listener.Close() }

func (l trappedListener) Accept() (net.Conn, error) {
	if l.fails.Add(-1) >= 0 {
		l.pass("Listener.Accept")
		return nil, syscall.ENOBUFS
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return trappedConn{conn.(*net.TCPConn), l.trap}, nil
}

// TestThreat39Connections: a listener of an embedder and its connections panic or hang.
func TestThreat39Connections(t *testing.T) {
	methods := []string{"CloseWrite", "NetConn", "Listener.Addr", "Listener.Accept"}
	for method := range reflect.TypeFor[net.Conn]().Methods() {
		methods = append(methods, method.Name)
	}
	inBothWays(t, func(t *testing.T, hangs bool) {
		log := &text{}
		server, network := serve(t, host.Config{
			Authenticator: accounts(fsbridge.NewMemory()), Instances: 1, Logger: log.logger(), TLS: host.TLS{Config: serverTLS()},
		})
		others := login(t, network, "u")
		for _, method := range methods {
			t.Run(method, func(t *testing.T) {
				tr := newArmedTrap(t, method, hangs)
				l, err := net.Listen("tcp4", "127.0.0.1:0")
				require.NoError(t, err)
				t.Cleanup(func() { l.Close() })
				fails := &atomic.Int32{}
				if strings.HasPrefix(method, "Listener.") {
					fails.Store(2)
				}
				go server.Serve(trappedListener{l, tr, fails})
				for range 3 {
					go useBoth(l.Addr().String())
				}
				tr.sprung(t)
				others.alive()
				fine(t, network)
				tr.arm(false)
				if !hangs {
					eventually(t, "it is not logged", func() bool { return strings.Contains(log.String(), "panic="+method) })
					fine(t, script.Network{IPv4: address(l)})
				}
			})
		}
	})
}

// useBoth has a session in the clear and one under TLS, as far as they get.
func useBoth(address string) {
	plain, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer plain.Close()
	io.WriteString(plain, "NOOP\r\nQUIT\r\n")
	secret, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer secret.Close()
	io.WriteString(secret, "AUTH TLS\r\n")
	in := bufio.NewReader(secret)
	for range 2 {
		in.ReadString('\n')
	}
	under := tls.Client(secret, clientTLS(tls.VersionTLS13))
	io.WriteString(under, "QUIT\r\n")
	io.Copy(io.Discard, under)
	io.Copy(io.Discard, plain)
}

// TestThreat39Revoke: sessions go on while the function of Revoke hangs. If it panics for
// an account, that account is revoked.
func TestThreat39Revoke(t *testing.T) {
	inBothWays(t, func(t *testing.T, hangs bool) {
		tr := newArmedTrap(t, "gone", hangs)
		server, network := serve(t, host.Config{Authenticator: accounts(fsbridge.NewMemory()), Instances: 1})
		victim, other := login(t, network, "u"), login(t, network, "admin")
		revoked := make(chan int, 1)
		go func() {
			revoked <- server.Revoke(func(account string) bool {
				if account == "u" {
					tr.pass("gone")
				}
				return false
			})
		}()
		tr.sprung(t)
		other.alive()
		require.Equal(t, 226, login(t, network, "admin").store("STOR f", "content"))
		if hangs {
			victim.alive()
			return
		}
		assert.Equal(t, 1, <-revoked)
		assert.Equal(t, 421, victim.reply().Code)
	})
}
