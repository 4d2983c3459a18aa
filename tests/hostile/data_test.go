package hostile

import (
	"math"
	"strings"
	"testing"

	"wasiftp/wasi"
	"wasiftp/wasi/hosttest/kit"
)

// All calls on a data connection and a file, at once and in many orders. The session's
// own transfer may fail; the race detector would find a fault of the host.
func TestThreat31DataConnectionAbused(t *testing.T) {
	t.Parallel()
	s := newGuestStage(t, nil)
	s.put("file", strings.Repeat("content\n", 1000))
	witness := s.puppet()
	const conn, file = "conn", "file"
	type step struct {
		n    int
		args []any
	}
	tls, deflate := step{wasi.NetTLS, []any{conn, wasi.TLSServer, 0, 0}}, step{wasi.NetDeflate, []any{conn, 9}}
	join := step{wasi.NetTLS, []any{conn, wasi.TLSClient, 0, 0}}
	start, write := step{wasi.TransferStart, []any{file, conn, 0, 0}}, step{wasi.NetWrite, []any{conn, "text", 1000, "result"}}
	hash := step{wasi.TransferHash, []any{file, 0, 0, "text", 64, "result"}}
	closeConn, closeFile := step{wasi.HandleClose, []any{conn}}, step{wasi.HandleClose, []any{file}}
	for _, steps := range [][]step{
		{tls, deflate}, {deflate, tls}, {deflate, deflate}, {tls, tls}, {tls, deflate, start}, {tls, start}, {deflate, start, deflate},
		{write, tls, write, deflate, write}, {write, deflate, write, start, write}, {write, closeConn, deflate}, {deflate,
			write, closeConn, tls},
		{tls, closeConn}, {deflate, closeConn}, {start, tls}, {start, start}, {start, hash}, {hash, start}, {hash, hash,
			closeFile, hash},
		{start, closeFile, closeConn}, {hash, closeFile}, {start, hash, closeFile}, {tls, write, start, closeFile},
		{join, tls}, {tls, join}, {join, deflate, start}, {write, join, write, closeConn}, {start, join, closeFile},
	} {
		p := s.puppet()
		p.login()
		data, client := p.Data()
		opened := p.Open("file", 0, 0)
		var lines []string
		for _, step := range steps {
			var args []uint64
			for _, a := range step.args {
				switch a {
				case conn:
					args = append(args, data)
				case file:
					args = append(args, opened)
				case "text":
					args = append(args, p.At(kit.TextAt))
				case "result":
					args = append(args, p.At(kit.ResultAt))
				default:
					args = append(args, uint64(a.(int)))
				}
			}
			lines = append(lines, "call "+kit.Numbers(step.n, args...))
		}
		p.Send("%s", strings.Join(lines, "\n"))
		for range lines {
			p.Errno(p.Reply())
		}
		client.Close()
		p.lives()
		p.Conn.Close()
	}
	witness.lives()
}

// A guest begins and ends TLS on its control connection at any time: only its own session
// may fail.
func TestThreat31ControlTLSAbused(t *testing.T) {
	t.Parallel()
	s := newGuestStage(t, nil)
	witness := s.puppet()
	p := s.puppet()
	text := p.At(kit.TextAt)
	start := kit.Numbers(wasi.NetTLS, p.Session, wasi.TLSServer, text, 4)
	stop := kit.Numbers(wasi.NetTLS, p.Session, wasi.TLSEnd, text, 4)
	p.Send("call %s", stop)
	if errno := p.Errno(p.Reply()); errno != wasi.EINVAL {
		t.Errorf("the end of TLS in the clear: %v, not EINVAL", errno)
	}
	p.Send("call %s\ncall %s\ncall %s\ncall %s\ncall %s", start, stop, start, stop, start)
	p.Conn.Close()
	witness.lives()
}

// Levels, algorithms and lengths that do not exist.
func TestThreat31DataNumbers(t *testing.T) {
	t.Parallel()
	c := newGuestStage(t, nil).cast()
	for _, level := range []uint64{10, 1 << 31, math.MaxUint32} {
		if errno := c.Raw(wasi.NetDeflate, c.handles["conn"], level); errno != wasi.EINVAL {
			t.Errorf("net_deflate with level %d: %v, not EINVAL", int32(level), errno)
		}
	}
	for _, algorithm := range []uint64{wasi.HashCount, 1 << 31, math.MaxUint32} {
		if errno := c.Raw(wasi.TransferHash, c.handles["file"], algorithm, 0, c.At(kit.BufferAt), 64,
			c.At(kit.ResultAt)); errno != wasi.EINVAL {
			t.Errorf("transfer_hash with algorithm %d: %v, not EINVAL", int32(algorithm), errno)
		}
	}
	for _, length := range []uint64{1 << 63, math.MaxUint64} {
		if errno := c.Raw(wasi.TransferHash, c.handles["file"], 0, length, c.At(kit.BufferAt), 64,
			c.At(kit.ResultAt)); errno != wasi.EINVAL {
			t.Errorf("transfer_hash of %d bytes: %v, not EINVAL", int64(length), errno)
		}
		if errno := c.Raw(wasi.TransferStart, c.handles["file"], c.handles["conn"], 0, length); errno != wasi.EINVAL {
			t.Errorf("transfer_start of %d bytes: %v, not EINVAL", int64(length), errno)
		}
	}
	c.lives()
}
