package host

import (
	"bytes"
	"compress/zlib"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"wasiftp/wasi"
)

// streamOn is a stream on a connection in memory, and the client's end.
func streamOn(t *testing.T) (*stream, *shard, net.Conn) {
	t.Helper()
	here, there := net.Pipe()
	sh := newStill(t, Config{})
	s := newStream(sh, here)
	s.owner(7, 7)
	t.Cleanup(func() { there.Close() })
	return s, sh, there
}

// text is bytes of which each is at its place only.
func text(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i * 31 >> 3)
	}
	return b
}

// fill writes until there is no more room, and returns how much went.
func fill(t *testing.T, s *stream, p []byte) (n int) {
	t.Helper()
	for n < len(p) {
		took, errno := s.write(p[n:])
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
		s, sh, client := streamOn(t)
		p := text(1 << 20)
		n := fill(t, s, p)
		if n == 0 || n > maxUnsent {
			t.Errorf("%d bytes are kept; %d at most may be", n, maxUnsent)
		}
		if events := sh.turn(); len(events) > 0 {
			t.Errorf("there is no room, and yet %+v", events)
		}
		got := make([]byte, n)
		if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, p[:n]) {
			t.Errorf("the client got something else, %v", err)
		}
		synctest.Wait()
		events := sh.turn()
		if len(events) != 1 || events[0].Kind != wasi.EventWritable || events[0].Session != 7 || events[0].Handle != 7 {
			t.Errorf("there is room again: %+v", events)
		}
		if took, errno := s.write([]byte("more")); took != 4 || errno != wasi.OK {
			t.Errorf("it takes %d, %v", took, errno)
		}
		s.close(time.Second)
		if rest, err := io.ReadAll(client); string(rest) != "more" || err != nil {
			t.Errorf("the client got %q, %v", rest, err)
		}
	})
}

// A guest that was never turned away hears nothing of room.
func TestStreamTellsOnlyTheStarved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, sh, client := streamOn(t)
		s.write([]byte("hello"))
		io.ReadFull(client, make([]byte, 5))
		synctest.Wait()
		if events := sh.turn(); len(events) > 0 {
			t.Errorf("%+v", events)
		}
		if n, errno := s.write(nil); n != 0 || errno != wasi.OK {
			t.Errorf("nothing to write: %d, %v", n, errno)
		}
		s.close(time.Second)
	})
}

func TestStreamDeliversBeforeItCloses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, _, client := streamOn(t)
		s.receive()
		p := text(maxUnsent)
		fill(t, s, p)
		s.close(time.Hour)
		s.close(time.Hour)
		if got, err := io.ReadAll(client); !bytes.Equal(got, p) || err != nil {
			t.Errorf("%d bytes of %d came, %v", len(got), len(p), err)
		}
	})
}

func TestStreamDeliversBeforeItClosesTCP(t *testing.T) {
	t.Parallel()
	here, there := tcpPair(t)
	s := newStream(newStill(t, Config{}), here)
	s.receive()
	p := text(16 << 20)
	sent := 0
	for {
		n, errno := s.write(p[sent:])
		if sent += n; errno == wasi.EAGAIN || sent == len(p) {
			break
		}
	}
	there.Write([]byte("what nobody reads"))
	s.close(time.Minute)
	there.SetReadDeadline(time.Now().Add(20 * time.Second))
	if got, err := io.ReadAll(there); !bytes.Equal(got, p[:sent]) || err != nil {
		t.Errorf("%d bytes of %d came, %v", len(got), sent, err)
	}
}

// tcpPair is a connection through the system.
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

// twoWay is a connection in memory of which each way can be closed alone.
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

// A client that has said all it had to say still hears the rest.
func TestStreamDeliversToAClientThatSaysNoMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fromClient, clientWrites := io.Pipe()
		clientReads, toClient := io.Pipe()
		s := newStream(newStill(t, Config{}), twoWay{fromClient, toClient})
		s.receive()
		p := text(maxUnsent)
		fill(t, s, p)
		s.close(time.Hour)
		clientWrites.Close()
		synctest.Wait()
		if got, err := io.ReadAll(clientReads); !bytes.Equal(got, p) || err != nil {
			t.Errorf("%d bytes of %d came, %v", len(got), len(p), err)
		}
	})
}

// A client that reads nothing keeps the connection no longer than it may.
func TestStreamEndsWhenTheClientStalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, _, client := streamOn(t)
		s.receive()
		fill(t, s, text(maxUnsent))
		s.close(time.Minute)
		time.Sleep(time.Minute - time.Second)
		if _, err := client.Write([]byte("x")); err != nil {
			t.Errorf("before: %v", err)
		}
		time.Sleep(time.Second + lingerTime)
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
			s.receive()
			p := text(maxUnsent)
			s.write(p[:100])
			synctest.Wait()
			fill(t, s, p[100:])
			s.close(10 * time.Second)
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

// The host takes no more from a client than the guest takes from it.
func TestStreamHoldsBackAClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, sh, client := streamOn(t)
		s.receive()
		p := text(10_000)
		sent := make(chan error, 1)
		go func() {
			_, err := client.Write(p)
			sent <- err
		}()
		synctest.Wait()
		if events := sh.turn(); len(events) != 1 || events[0].Kind != wasi.EventReadable {
			t.Fatalf("%+v", events)
		}
		if len(s.arrived) > len(s.buf) {
			t.Errorf("%d bytes are kept", len(s.arrived))
		}
		var got []byte
		buf := make([]byte, 100)
		for len(got) < len(p) {
			n, errno := s.read(buf)
			got = append(got, buf[:n]...)
			if errno != wasi.OK && errno != wasi.EAGAIN {
				t.Fatal(errno)
			}
			synctest.Wait()
		}
		if err := <-sent; err != nil || !bytes.Equal(got, p) {
			t.Errorf("something else came, %v", err)
		}
		if _, errno := s.read(buf); errno != wasi.EAGAIN {
			t.Errorf("when there is nothing: %v", errno)
		}
		client.Close()
		synctest.Wait()
		for range 2 { // the end stays
			if n, errno := s.read(buf); n != 0 || errno != wasi.OK {
				t.Errorf("at the end: %d, %v", n, errno)
			}
		}
		s.close(time.Second)
	})
}

// What is written behind an upgrade waits for it, also while something from before
// is still on its way.
func TestStreamHoldsBackBehindAnUpgrade(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, _, client := streamOn(t)
		s.receive()
		s.write([]byte("one, "))
		synctest.Wait()
		s.write([]byte("two, "))
		if errno := s.upgradeTo(&upgrade{config: &tls.Config{}, reply: []byte("the reply")}); errno != wasi.OK {
			t.Fatal(errno)
		}
		s.write([]byte("three"))
		const want = "one, two, the reply"
		got := make([]byte, len(want))
		if _, err := io.ReadFull(client, got); err != nil || string(got) != want {
			t.Errorf("the client gets %q, %v", got, err)
		}
		client.Close()
		synctest.Wait()
		s.close(time.Second)
	})
}

// A stream that is given up before its upgrade has begun ends as any other.
func TestStreamIsGivenUpBeforeAnUpgrade(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, _, client := streamOn(t)
		s.receive()
		s.write([]byte("on its way"))
		synctest.Wait()
		s.upgradeTo(&upgrade{config: &tls.Config{}})
		s.close(time.Second)
		synctest.Wait()
		if got, err := io.ReadAll(client); len(got) > 0 || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	})
}

func TestStreamOfABrokenConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, sh, client := streamOn(t)
		client.Close()
		fill(t, s, []byte("lost"))
		synctest.Wait()
		if _, errno := s.write([]byte("more")); errno != wasi.EPIPE {
			t.Errorf("write: %v", errno)
		}
		sh.turn()
		s.close(time.Hour)
	})
}

// Who compresses has a goodbye to say, for which a client may have no room: the
// shard does not wait for it.
func TestStreamGoodbyeKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		here, client := net.Pipe()
		defer client.Close()
		s := newStream(newStill(t, Config{}), &deflated{Conn: here, level: 1, stall: time.Minute})
		s.write([]byte("a listing"))
		header := make([]byte, 2)
		io.ReadFull(client, header) // and no more
		synctest.Wait()
		began := time.Now()
		s.close(time.Minute)
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
