package hostile

import (
	"context"
	"crypto/tls"
	"net"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"wasiftp/host"
	"wasiftp/wasi"
	"wasiftp/wasi/hosttest/kit"
)

// requiring is a stage that requires TLS, and the number of logins that its authenticator
// has been asked about.
func requiring(t *testing.T, require host.TLSRequirement) (*stage, *atomic.Int32) {
	t.Helper()
	var asked atomic.Int32
	return newGuestStage(t, func(c *host.Config) {
		c.TLS.Require = require
		inner := c.Authenticator
		c.Authenticator = host.AuthenticatorFunc(func(ctx context.Context, l host.Login) (*host.Account, error) {
			asked.Add(1)
			return inner.Authenticate(ctx, l)
		})
	}), &asked
}

// each runs a test under each of some requirements.
func each(t *testing.T, test func(*testing.T, host.TLSRequirement), requirements ...host.TLSRequirement) {
	for _, require := range requirements {
		t.Run(strconv.Itoa(int(require)), func(t *testing.T) {
			t.Parallel()
			test(t, require)
		})
	}
}

// securePuppet is a session under implicit TLS.
func (s *stage) securePuppet() *puppet {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	go s.server.ServeTLS(l)
	conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return &puppet{Puppet: kit.NewPuppet(withLog{s.t, s.log}, conn), t: s.t, stage: s}
}

// refuses checks that an import answers with the errno want.
func (p *puppet) refuses(want wasi.Errno, what string, n int, args ...uint64) {
	p.t.Helper()
	if errno := p.Call(n, args...); errno != want {
		p.t.Errorf("%s: %s says %v, not %v", what, wasi.Table[n].Name, errno, want)
	}
}

// Where a login needs TLS, no password goes to the authenticator without it.
func TestThreat46LoginInTheClear(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, require host.TLSRequirement) {
		s, asked := requiring(t, require)
		if errno := s.puppet().Login("user", "secret"); errno != wasi.EACCES || asked.Load() != 0 {
			t.Errorf("auth_login says %v, and the authenticator was asked %d times", errno, asked.Load())
		}
		s.securePuppet().login()
	}, host.TLSForLogin, host.TLSForControl, host.TLSForTransfer)
}

// Where data need TLS, none crosses a connection without it.
func TestThreat46DataInTheClear(t *testing.T) {
	t.Parallel()
	s, _ := requiring(t, host.TLSForTransfer)
	s.put("file", "content")
	p := s.securePuppet()
	p.login()
	for _, deflates := range []bool{false, true} {
		conn, client := p.Data()
		if deflates {
			p.Must(wasi.NetDeflate, conn, 0)
		}
		p.refuses(wasi.EACCES, "in the clear", wasi.NetWrite, conn, p.At(kit.TextAt), 4, p.At(kit.ResultAt))
		p.refuses(wasi.EACCES, "in the clear", wasi.TransferStart, p.Open("file", 0, 0), conn, 0, 0)
		p.Must(wasi.HandleClose, conn)
		if !deflates {
			nothingCame(t, client)
		}
	}
}

// nothingCame checks that a connection ends without a byte of the file.
func nothingCame(t *testing.T, client net.Conn) {
	t.Helper()
	client.SetDeadline(time.Now().Add(patience))
	var buf [64]byte
	if n, _ := client.Read(buf[:]); n > 0 {
		t.Errorf("the client got %q", buf[:n])
	}
}

// During a TLS handshake nothing else crosses its connection, whatever is required.
func TestThreat46DataBesideAHandshake(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, require host.TLSRequirement) {
		s, _ := requiring(t, require)
		s.put("file", "content")
		p := s.securePuppet()
		p.login()
		for _, begin := range []func(conn uint64){
			func(conn uint64) { p.Must(wasi.NetTLS, conn, wasi.TLSServer, p.At(kit.TextAt), 0) },
			func(conn uint64) { p.Must(wasi.NetTLS, conn, wasi.TLSClient, p.At(kit.TextAt), 0) },
		} {
			conn, client := p.Data()
			begin(conn)
			p.refuses(wasi.EBUSY, "beside a handshake", wasi.NetWrite, conn, p.At(kit.TextAt), 4, p.At(kit.ResultAt))
			p.refuses(wasi.EBUSY, "beside a handshake", wasi.TransferStart, p.Open("file", 0, 0), conn, 0, 0)
			p.refuses(wasi.EINVAL, "beside a handshake", wasi.NetDeflate, conn, 0)
			client.Close()
			p.Must(wasi.HandleClose, conn)
		}
	}, host.TLSOptional, host.TLSForTransfer)
}

// Where the control connection needs TLS, the guest cannot end TLS on it.
func TestThreat46TLSTakenOff(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, require host.TLSRequirement) {
		s, _ := requiring(t, require)
		p := s.securePuppet()
		p.login()
		p.refuses(wasi.EACCES, "CCC", wasi.NetTLS, p.Session, wasi.TLSEnd, p.At(kit.TextAt), 4)
	}, host.TLSForControl, host.TLSForTransfer)
}

// The host counts failed logins too: an engine that does not count them gets no more
// guesses.
func TestThreat46Guesses(t *testing.T) {
	t.Parallel()
	const limit = 3
	s := newGuestStage(t, func(c *host.Config) { c.Limits.LoginFailures = limit })
	p := s.puppet()
	for range limit {
		if errno := p.Login("user", "wrong!"); errno != wasi.EACCES {
			t.Fatalf("a wrong password: %v", errno)
		}
	}
	if errno := p.Login("user", "secret"); errno != wasi.EACCES {
		t.Errorf("after %d failures the right password: %v", limit, errno)
	}
	s.puppet().login()
}

// A call without its right is refused, whatever other rights the account has.
func TestThreat46EachRight(t *testing.T) {
	t.Parallel()
	const all = host.ReadWrite | host.RightAdmin
	write := []uint64{wasi.OpenWrite, wasi.OpenWrite | wasi.OpenTruncate, wasi.OpenWrite | wasi.OpenAppend,
		wasi.OpenWrite | wasi.OpenExclusive}
	for without, tries := range map[host.Rights]func(p *puppet){
		host.RightRead: func(p *puppet) {
			p.namedRefused(wasi.FileOpen, "file", 0, 0, p.At(kit.ResultAt), p.At(kit.Result2At))
			p.copyRefused()
		},
		host.RightList: func(p *puppet) {
			p.namedRefused(wasi.FileOpen, ".", wasi.OpenDir, 0, p.At(kit.ResultAt), p.At(kit.Result2At))
		},
		host.RightWrite: func(p *puppet) {
			for _, flags := range write {
				p.namedRefused(wasi.FileOpen, "new", flags, 0, p.At(kit.ResultAt), p.At(kit.Result2At))
			}
			p.namedRefused(wasi.FileSet, "file", wasi.SetTime, 1)
			p.namedRefused(wasi.FileSet, "file", wasi.SetMode, 0o600)
			p.refuses(wasi.EACCES, "without the right", wasi.SessionUmask, p.Session, 0)
			p.copyRefused()
		},
		host.RightDelete: func(p *puppet) {
			for kind := range uint64(3) {
				p.namedRefused(wasi.FileRemove, "file", kind)
			}
			p.namedRefused(wasi.FileOpen, "file", wasi.OpenWrite|wasi.OpenTruncate, 0, p.At(kit.ResultAt), p.At(kit.Result2At))
			p.namedRefused(wasi.FileOpen, "file", wasi.OpenWrite, 1, p.At(kit.ResultAt), p.At(kit.Result2At))
		},
		host.RightMkdir: func(p *puppet) { p.namedRefused(wasi.FileMake, "dir", 0, 0) },
		host.RightRename: func(p *puppet) {
			text := p.Text("filenew")
			p.refuses(wasi.EACCES, "without the right", wasi.FileRename, p.Session, text[0], 4, text[0]+4, 3)
		},
		host.RightAdmin: func(p *puppet) {
			p.refuses(wasi.EACCES, "without the right", wasi.SessionList, p.Session, 0, p.At(kit.BufferAt), 4096, p.At(kit.ResultAt))
			p.refuses(wasi.EACCES, "without the right", wasi.SessionKick, p.Session, 1, p.At(kit.TextAt), 0)
		},
	} {
		t.Run(strconv.Itoa(int(without)), func(t *testing.T) {
			t.Parallel()
			s := newGuestStage(t, func(c *host.Config) { c.Authenticator = withRights(c.Authenticator, all&^without) })
			s.put("file", "content")
			p := s.puppet()
			p.login()
			tries(p)
		})
	}
}

func (p *puppet) namedRefused(n int, name string, rest ...uint64) {
	p.t.Helper()
	if errno := p.Named(n, name, rest...); errno != wasi.EACCES {
		p.t.Errorf("%s %v without the right: %v", wasi.Table[n].Name, rest, errno)
	}
}

func (p *puppet) copyRefused() {
	p.t.Helper()
	if errno := p.copies("file", "copy"); errno != wasi.EACCES {
		p.t.Errorf("file_copy without the right: %v", errno)
	}
}
