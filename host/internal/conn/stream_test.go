package conn

import (
	"bytes"
	"compress/zlib"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"wasiftp/wasi"
)

// guest is an Owner that keeps the events.
type guest struct {
	mu     sync.Mutex
	events []uint16
}

func (g *guest) Post(kind uint16) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.events = append(g.events, kind)
}

func (*guest) Parts(*Stream)   {}
func (*guest) Lingers(*Stream) {}
func (*guest) Closed(*Stream)  {}

// turn returns the events since the last turn.
func (g *guest) turn() []uint16 {
	g.mu.Lock()
	defer g.mu.Unlock()
	events := g.events
	g.events = nil
	return events
}

// streamOn makes a stream on a connection in memory, and returns the client's end too.
func streamOn(t *testing.T) (*Stream, *guest, net.Conn) {
	t.Helper()
	here, there := net.Pipe()
	g := &guest{}
	t.Cleanup(func() { there.Close() })
	return New(here, nil, g), g, there
}

// text makes bytes that differ with their offset.
func text(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i * 31 >> 3)
	}
	return b
}

// fill writes p until there is no more room, and returns how many bytes were taken.
func fill(t *testing.T, s *Stream, p []byte) (n int) {
	t.Helper()
	for n < len(p) {
		took, errno := s.Write(p[n:])
		n += took
		if errno == wasi.EAGAIN {
			return n
		}
		if errno != wasi.OK {
			t.Fatal(errno)
		}
		synctest.Wait()
	}
	return n
}

func TestStreamKeepsLittleForASlowClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, g, client := streamOn(t)
		p := text(1 << 20)
		n := fill(t, s, p)
		if n == 0 || n > MaxUnsent {
			t.Errorf("%d bytes are kept; %d at most may be", n, MaxUnsent)
		}
		if events := g.turn(); len(events) > 0 {
			t.Errorf("there is no room, and yet %+v", events)
		}
		got := make([]byte, n)
		if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, p[:n]) {
			t.Errorf("the client got something else, %v", err)
		}
		synctest.Wait()
		events := g.turn()
		if len(events) != 1 || events[0] != wasi.EventWritable {
			t.Errorf("there is room again: %+v", events)
		}
		if took, errno := s.Write([]byte("more")); took != 4 || errno != wasi.OK {
			t.Errorf("it takes %d, %v", took, errno)
		}
		s.Close(time.Second, time.Minute)
		if rest, err := io.ReadAll(client); string(rest) != "more" || err != nil {
			t.Errorf("the client got %q, %v", rest, err)
		}
	})
}

// A guest whose writes were all taken gets no EventWritable.
func TestStreamTellsOnlyTheStarved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, g, client := streamOn(t)
		s.Write([]byte("hello"))
		io.ReadFull(client, make([]byte, 5))
		synctest.Wait()
		if events := g.turn(); len(events) > 0 {
			t.Errorf("%+v", events)
		}
		if n, errno := s.Write(nil); n != 0 || errno != wasi.OK {
			t.Errorf("nothing to write: %d, %v", n, errno)
		}
		s.Close(time.Second, time.Minute)
	})
}

func TestStreamDeliversBeforeItCloses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, _, client := streamOn(t)
		s.Receive()
		p := text(MaxUnsent)
		fill(t, s, p)
		s.Close(time.Hour, time.Minute)
		s.Close(time.Hour, time.Minute)
		if got, err := io.ReadAll(client); !bytes.Equal(got, p) || err != nil {
			t.Errorf("%d bytes of %d came, %v", len(got), len(p), err)
		}
	})
}

func TestStreamDeliversBeforeItClosesTCP(t *testing.T) {
	t.Parallel()
	here, there := tcpPair(t)
	s := New(here, nil, &guest{})
	s.Receive()
	p := text(16 << 20)
	sent := 0
	for {
		n, errno := s.Write(p[sent:])
		if sent += n; errno == wasi.EAGAIN || sent == len(p) {
			break
		}
	}
	there.Write([]byte("what nobody reads"))
	s.Close(time.Minute, time.Minute)
	there.SetReadDeadline(time.Now().Add(20 * time.Second))
	if got, err := io.ReadAll(there); !bytes.Equal(got, p[:sent]) || err != nil {
		t.Errorf("%d bytes of %d came, %v", len(got), sent, err)
	}
}

// tcpPair makes a TCP connection, and returns both ends.
func tcpPair(t *testing.T) (here, there *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return b.(*net.TCPConn), a.(*net.TCPConn)
}

// twoWay is a connection in memory whose directions can be closed one by one.
type twoWay struct {
	*io.PipeReader
	*io.PipeWriter
}

func (c twoWay) Close() error                     { c.PipeReader.Close(); return c.PipeWriter.Close() }
func (c twoWay) CloseWrite() error                { return c.PipeWriter.Close() }
func (twoWay) LocalAddr() net.Addr                { return nil }
func (twoWay) RemoteAddr() net.Addr               { return nil }
func (twoWay) SetDeadline(time.Time) error        { return nil }
func (twoWay) SetReadDeadline(at time.Time) error { return nil }
func (twoWay) SetWriteDeadline(time.Time) error   { return nil }

// A client that has ended its side still gets the rest.
func TestStreamDeliversToAClientThatSaysNoMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fromClient, clientWrites := io.Pipe()
		clientReads, toClient := io.Pipe()
		s := New(twoWay{fromClient, toClient}, nil, &guest{})
		s.Receive()
		p := text(MaxUnsent)
		fill(t, s, p)
		s.Close(time.Hour, time.Minute)
		clientWrites.Close()
		synctest.Wait()
		if got, err := io.ReadAll(clientReads); !bytes.Equal(got, p) || err != nil {
			t.Errorf("%d bytes of %d came, %v", len(got), len(p), err)
		}
	})
}

// A client that reads nothing loses the connection after the time given to Close.
func TestStreamEndsWhenTheClientStalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, _, client := streamOn(t)
		s.Receive()
		fill(t, s, text(MaxUnsent))
		s.Close(time.Minute, time.Minute)
		time.Sleep(time.Minute - time.Second)
		if _, err := client.Write([]byte("x")); err != nil {
			t.Errorf("before: %v", err)
		}
		time.Sleep(time.Second + LingerTime)
		if _, err := client.Write([]byte("x")); err == nil {
			t.Error("it is still open")
		}
	})
}

// A client that is slow but takes something gets all, one that stops loses the rest.
func TestThreat34SlowClientGetsAll(t *testing.T) {
	t.Parallel()
	for _, stops := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s, _, client := streamOn(t)
			s.Receive()
			p := text(MaxUnsent)
			s.Write(p[:100])
			synctest.Wait()
			fill(t, s, p[100:])
			s.Close(10*time.Second, time.Minute)
			time.Sleep(9 * time.Second)
			got := make([]byte, len(p))
			if _, err := io.ReadFull(client, got[:100]); err != nil {
				t.Error(err)
			}
			if stops {
				time.Sleep(12 * time.Second)
			} else {
				time.Sleep(9 * time.Second)
			}
			n, err := io.ReadFull(client, got[100:])
			if stops != (err != nil) || stops && n > 0 {
				t.Errorf("%d bytes come, %v", n, err)
			}
		})
	}
}

// The host reads from a client only as fast as the guest takes the bytes.
func TestStreamHoldsBackAClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, g, client := streamOn(t)
		s.Receive()
		p := text(10_000)
		sent := make(chan error, 1)
		go func() {
			_, err := client.Write(p)
			sent <- err
		}()
		synctest.Wait()
		if events := g.turn(); len(events) != 1 || events[0] != wasi.EventReadable {
			t.Fatalf("%+v", events)
		}
		if len(s.arrived) > len(s.buf) {
			t.Errorf("%d bytes are kept", len(s.arrived))
		}
		var got []byte
		buf := make([]byte, 100)
		for len(got) < len(p) {
			n, errno := s.Read(buf)
			got = append(got, buf[:n]...)
			if errno != wasi.OK && errno != wasi.EAGAIN {
				t.Fatal(errno)
			}
			synctest.Wait()
		}
		if err := <-sent; err != nil || !bytes.Equal(got, p) {
			t.Errorf("something else came, %v", err)
		}
		if _, errno := s.Read(buf); errno != wasi.EAGAIN {
			t.Errorf("when there is nothing: %v", errno)
		}
		client.Close()
		synctest.Wait()
		for range 2 { // the end stays
			if n, errno := s.Read(buf); n != 0 || errno != wasi.OK {
				t.Errorf("at the end: %d, %v", n, errno)
			}
		}
		s.Close(time.Second, time.Minute)
	})
}

// Bytes that are written after UpgradeTo wait for its end, also while bytes from before
// are unsent.
func TestStreamHoldsBackBehindAnUpgrade(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, _, client := streamOn(t)
		s.Receive()
		s.Write([]byte("one, "))
		synctest.Wait()
		s.Write([]byte("two, "))
		if errno := s.UpgradeTo(&Upgrade{Config: &tls.Config{}, Reply: []byte("the reply"), Guard: unguarded}); errno != wasi.OK {
			t.Fatal(errno)
		}
		s.Write([]byte("three"))
		const want = "one, two, the reply"
		got := make([]byte, len(want))
		if _, err := io.ReadFull(client, got); err != nil || string(got) != want {
			t.Errorf("the client gets %q, %v", got, err)
		}
		client.Close()
		synctest.Wait()
		s.Close(time.Second, time.Minute)
	})
}

// A stream that is closed before its upgrade has begun ends as any other.
func TestStreamIsGivenUpBeforeAnUpgrade(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, _, client := streamOn(t)
		s.Receive()
		s.Write([]byte("on its way"))
		synctest.Wait()
		s.UpgradeTo(&Upgrade{Config: &tls.Config{}, Guard: unguarded})
		s.Close(time.Second, time.Minute)
		synctest.Wait()
		if got, err := io.ReadAll(client); len(got) > 0 || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	})
}

func TestStreamOfABrokenConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, g, client := streamOn(t)
		client.Close()
		fill(t, s, []byte("lost"))
		synctest.Wait()
		if _, errno := s.Write([]byte("more")); errno != wasi.EPIPE {
			t.Errorf("write: %v", errno)
		}
		g.turn()
		s.Close(time.Hour, time.Minute)
	})
}

// A compressed connection still has bytes to send when it is closed, for which the client
// may have no room: Close does not wait for them.
func TestStreamGoodbyeKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		here, client := net.Pipe()
		defer client.Close()
		s := New(&Deflated{Conn: here, Level: 1, Stall: time.Minute, Labour: idle{}}, nil, &guest{})
		s.Write([]byte("a listing"))
		header := make([]byte, 2)
		io.ReadFull(client, header) // and no more
		synctest.Wait()
		began := time.Now()
		s.Close(time.Minute, time.Minute)
		if took := time.Since(began); took > 0 {
			t.Errorf("it took %v", took)
		}
		r, err := zlib.NewReader(io.MultiReader(bytes.NewReader(header), client))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); string(got) != "a listing" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	})
}

func unguarded(call func() error) error { return call() }

// idle is a Labour whose turn comes at once.
type idle struct{}

func (idle) Begin() error { return nil }
func (idle) End()         {}

// last is a connection whose end comes together with its last bytes, as under TLS.
type last struct {
	net.Conn
	bytes string
}

func (l *last) Read(p []byte) (int, error) { return copy(p, l.bytes), io.EOF }

// TestStreamTellsOfAnEndBehindBytes: a guest that took all bytes reads no more before an
// event.
func TestStreamTellsOfAnEndBehindBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		defer there.Close()
		g := &guest{}
		s := New(&last{here, "QUIT\r\n"}, nil, g)
		s.Receive()
		p := make([]byte, 4)
		for _, want := range []struct {
			text   string
			events int
		}{{"QUIT", 1}, {"\r\n", 0}, {"", 1}} {
			synctest.Wait()
			if events := g.turn(); len(events) != want.events {
				t.Errorf("before %q the events are %v", want.text, events)
			}
			if n, errno := s.Read(p); string(p[:n]) != want.text || errno != wasi.OK {
				t.Errorf("read %q, %v", p[:n], errno)
			}
		}
		s.Close(time.Second, time.Second)
		synctest.Wait()
	})
}
