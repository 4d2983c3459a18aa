package host

import (
	"bytes"
	"compress/zlib"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wasiftp/host/internal/conn"
	"wasiftp/host/turns"
	"wasiftp/wasi"
	"wasiftp/wasi/digest"
)

// crew is some sessions that share the processors of a server.
type crew struct {
	shard *shard
	turns []string    // the accounts whose files were read, in order
	reads chan []byte // each value lets one Read return
}

func newCrew(t *testing.T, processors int) *crew {
	t.Helper()
	sh := newStill(t, Config{})
	sh.server.processors = turns.Queue[party]{Places: processors}
	return &crew{shard: sh, reads: make(chan []byte)}
}

func (c *crew) session(account string) *session {
	s := &session{shard: c.shard, server: c.shard.server, config: c.shard.server.current(), seat: c.shard.seat()}
	s.login.Store(&login{session: s, name: account})
	return s
}

// endless is a file whose Reads return when the test lets them.
type endless struct {
	fs.File
	crew    *crew
	account string
}

func (e endless) Read(p []byte) (int, error) {
	e.crew.turns = append(e.crew.turns, e.account)
	return copy(p, <-e.crew.reads), nil
}

// hash begins to hash an endless file for an account.
func (c *crew) hash(account string) *transfer {
	s := c.session(account)
	f := hold(&openFile{session: s, user: account, name: "endless", reader: endless{crew: c, account: account}})
	t := f.begin(1, wasi.DoingHash)
	t.hash, t.labour = digest.New(wasi.HashSHA256), s.labour(t.ctx)
	go t.run(1)
	synctest.Wait()
	return t
}

// end gives transfers up, and lets all Reads return.
func (c *crew) end(transfers ...*transfer) {
	for _, t := range transfers {
		t.giveUp()
	}
	close(c.reads)
	synctest.Wait()
}

func TestThreat35HashesTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 1)
		var all []*transfer
		for _, account := range strings.Split("crowd crowd crowd crowd crowd bob", " ") {
			all = append(all, c.hash(account))
		}
		for range 6 {
			c.reads <- []byte("a piece")
			synctest.Wait()
		}
		if got := strings.Join(c.turns, " "); got != "crowd bob crowd bob crowd bob crowd" {
			t.Errorf("the turns are %s", got)
		}
		c.end(all...)
	})
}

// No more work goes on at a time than Limits.Processors allows.
func TestThreat35HashesLeaveAProcessor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		var all []*transfer
		for range 10 {
			all = append(all, c.hash("crowd"))
		}
		if len(c.turns) != 3 {
			t.Errorf("%d files are read at a time, not 3", len(c.turns))
		}
		c.end(all...)
	})
}

// A transfer that waits for its turn can be given up at once, and takes no turn later.
func TestThreat35HashesThatWaitAreAborted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 1)
		first, waits := c.hash("crowd"), c.hash("bob")
		waits.giveUp()
		synctest.Wait()
		select {
		case <-waits.finished:
		default:
			t.Error("it still waits")
		}
		if !errors.Is(waits.err, errGivenUp) || len(c.turns) != 1 {
			t.Errorf("it ends with %v; the turns are %v", waits.err, c.turns)
		}
		c.end(first)
	})
}

// A read that hangs does not keep its processor from others.
func TestThreat35HashesOfADiskThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 1)
		all := []*transfer{c.hash("crowd"), c.hash("bob")}
		time.Sleep(diskTime)
		synctest.Wait()
		if got := strings.Join(c.turns, " "); got != "crowd bob" {
			t.Errorf("the turns are %s", got)
		}
		c.end(all...)
	})
}

// Strangers who share an account take turns by address, as do sessions that are not logged
// in.
func TestThreat35Parties(t *testing.T) {
	t.Parallel()
	of := func(account string, shared bool, client string) party {
		s := &session{client: netip.AddrPortFrom(netip.MustParseAddr(client), 2000)}
		if account != "" {
			s.login.Store(&login{session: s, name: account, shared: shared})
		}
		return s.party()
	}
	for _, c := range []struct {
		name string
		a, b party
		same bool
	}{
		{"a user at two addresses", of("bob", false, "192.0.2.1"), of("bob", false, "192.0.2.2"), true},
		{"two users at one", of("bob", false, "192.0.2.1"), of("carol", false, "192.0.2.1"), false},
		{"two strangers", of("anonymous", true, "192.0.2.1"), of("anonymous", true, "192.0.2.2"), false},
		{"one subscriber", of("anonymous", true, "2001:db8::1"), of("anonymous", true, "2001:db8::2"), true},
		{"before the login", of("", false, "192.0.2.1"), of("", false, "192.0.2.2"), false},
	} {
		if (c.a == c.b) != c.same {
			t.Errorf("%s: %v and %v", c.name, c.a, c.b)
		}
	}
}

// deflatedFor is a connection in MODE Z, and the client's end of it.
func (c *crew) deflatedFor(account string) (*conn.Deflated, net.Conn) {
	here, client := net.Pipe()
	work := c.session(account).labour(context.Background())
	return &conn.Deflated{Conn: here, Level: defaultLevel, Stall: time.Minute, Labour: work}, client
}

// A client that does not read or write does not keep a processor from others.
func TestThreat35CompressionWaitsForNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 1)
		unread, one := c.deflatedFor("crowd")
		unwritten, other := c.deflatedFor("crowd")
		go unread.Write(make([]byte, 2*conn.WorkPiece))
		go unwritten.Read(make([]byte, 100))
		io.ReadFull(one, make([]byte, 2)) // and no more
		other.Write([]byte{0x78, 0x9c})
		synctest.Wait()

		d, client := c.deflatedFor("bob")
		go func() {
			d.Write([]byte("a listing"))
			d.Close()
		}()
		got, err := expand(client)
		if string(got) != "a listing" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		one.Close()
		other.Close()
	})
}

func expand(r io.Reader) ([]byte, error) {
	z, err := zlib.NewReader(r)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// Compression takes turns as hashing does, and its wait ends with the transfer.
func TestThreat35CompressionTakesTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 1)
		if !c.shard.server.processors.Try(party{account: "crowd"}) {
			t.Fatal("the processor is taken")
		}
		d, client := c.deflatedFor("bob")
		go io.Copy(io.Discard, client)
		ctx, cancel := context.WithCancel(t.Context())
		d.Labour = c.session("bob").labour(ctx)
		var failed error
		go func() { _, failed = d.Write(make([]byte, conn.WorkPiece)) }()
		synctest.Wait()
		if failed != nil {
			t.Errorf("it did not wait: %v", failed)
		}
		cancel()
		synctest.Wait()
		if !errors.Is(failed, context.Canceled) {
			t.Errorf("given up it is told %v", failed)
		}
		c.shard.server.processors.Leave(party{account: "crowd"})
		client.Close()
	})
}

// Bytes that are compressed in pieces are one stream to the client.
func TestDeflatedPieces(t *testing.T) {
	t.Parallel()
	c := newCrew(t, 1)
	random := rand.New(rand.NewPCG(1, 2))
	for _, level := range []int{1, 6, 9} {
		for _, size := range []int{0, 1, conn.WorkPiece, 2*conn.WorkPiece + 77} {
			want := make([]byte, size)
			for i := range want {
				want[i] = byte(random.IntN(7)) * byte(random.IntN(40))
			}
			d, client := c.deflatedFor("bob")
			d.Level = level
			go func() {
				for rest := want; len(rest) > 0; {
					n := min(len(rest), 1+random.IntN(100_000))
					d.Write(rest[:n])
					rest = rest[n:]
				}
				d.Close()
			}()
			if got, err := expand(client); !bytes.Equal(got, want) || err != nil {
				t.Errorf("level %d, %d bytes: %d came, %v", level, size, len(got), err)
			}
		}
	}
}
