//go:build linux

package bench

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestHangingDiskHurtsItsSessionOnly: while a disk hangs, those who use it wait, and nobody
// else does. When it is back they go on.
func TestHangingDiskHurtsItsSessionOnly(t *testing.T) {
	d := newDisk(t)
	d.makeFolders(t)
	p := d.startServer(t, smallRoot(t))
	p.endAfter(t, time.Minute, d)
	c := login(t, p.address)
	crowd := make([]*stuck, besideSessions)
	for i := range crowd {
		crowd[i] = prepare(t, p, i)
	}
	underWay := d.beginDownload(t, p)

	d.slow(0)
	ended := make(chan int64, 1)
	go func() { ended <- underWay.readOn() }()
	for _, s := range crowd {
		io.WriteString(s.conn, s.line+"\r\n")
	}
	d.await(t, besideSessions+1)
	useAll(c)
	useAll(login(t, p.address))
	for _, s := range crowd {
		s.checkSilent()
	}
	if n := d.waiting.Load(); n < besideSessions {
		t.Errorf("only %d operations still wait for the disk", n)
	}

	select {
	case n := <-ended:
		t.Fatalf("the download that was under way ended after %d bytes", n)
	default:
	}

	d.release()
	for _, s := range crowd {
		s.finish()
		s.command("NOOP", "200")
	}
	if n := <-ended; n != largeSize {
		t.Errorf("got %d bytes of the download that was under way", n)
	}
	underWay.expect("226")
	useAll(c)
}

// endAfter ends a test that takes longer than that, as it waits for a server that doesn't
// answer.
func (p *process) endAfter(t *testing.T, most time.Duration, d *disk) {
	timer := time.AfterFunc(most, func() {
		t.Errorf("the test did not end in %v", most)
		d.release()
		p.stdin.Close()
	})
	t.Cleanup(func() { timer.Stop() })
}

// useAll does what a client does with an ordinary folder, a smallRoot.
func useAll(c *client) {
	c.b.Helper()
	c.command("NOOP", "200")
	c.fetchSmall(1)
	c.storeFrom("upload", strings.NewReader("content"))
	if listing := string(c.list("LIST")); !strings.Contains(listing, "sparse") || !strings.Contains(listing, "upload") {
		c.b.Errorf("the listing is %q", listing)
	}
}

// stuck is a session that has sent one command to a disk that hangs.
type stuck struct {
	*client
	line string
	data net.Conn // nil if the command needs none
}

// prepare logs in a session with a folder of its own on the disk. A quarter of the sessions
// each will send RETR, STOR, LIST and SIZE.
func prepare(t *testing.T, p *process, number int) *stuck {
	s := &stuck{client: loginAs(t, p.address, "slow")}
	s.line = fmt.Sprintf([]string{"RETR %d/sparse", "STOR %d/upload", "LIST %d", "SIZE %d/sparse"}[number%4], number)
	s.command("TYPE I", "200")
	if !strings.HasPrefix(s.line, "SIZE") {
		s.data = s.passive()
	}
	return s
}

// largeSize is that of a file that passiveNarrow's buffers cannot hold.
const largeSize = 64 << 20

// beginDownload starts a download from the disk, whose data readOn reads.
func (d *disk) beginDownload(t *testing.T, p *process) *stuck {
	sparse(t, filepath.Join(d.below, "large"), largeSize)
	s := &stuck{client: loginAs(t, p.address, "slow"), line: "RETR large/sparse"}
	s.command("TYPE I", "200")
	s.data = s.passiveNarrow()
	s.command(s.line, "150")
	return s
}

// readOn reads the data to their end, and tells how many bytes came.
func (s *stuck) readOn() int64 {
	defer s.data.Close()
	n, _ := io.Copy(io.Discard, s.data) // the reply tells whether these are all
	return n
}

// checkSilent checks that the server has not answered the command.
func (s *stuck) checkSilent() {
	s.b.Helper()
	s.conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, err := s.in.Peek(1); !errors.Is(err, os.ErrDeadlineExceeded) {
		s.b.Errorf("%s on a disk that hangs: %v", s.line, err)
	}
	s.conn.SetReadDeadline(time.Time{})
}

// finish does the client's part of the command and checks that it succeeds.
func (s *stuck) finish() {
	s.b.Helper()
	if s.data == nil {
		s.expect("213")
		return
	}
	s.expect("150")
	if strings.HasPrefix(s.line, "STOR") {
		if _, err := io.WriteString(s.data, "content"); err != nil {
			s.b.Errorf("%s: %v", s.line, err)
		}
		s.data.Close()
	} else {
		s.readOn()
	}
	s.expect("226")
}
