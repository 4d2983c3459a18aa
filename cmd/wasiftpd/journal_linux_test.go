package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestJournal: the real program, whose stderr is a stream of the journal, sends records with
// priority and fields there. What a client writes makes no field of its own.
func TestJournal(t *testing.T) {
	t.Parallel()
	goTool := tool(t, "go")
	dir, err := os.MkdirTemp("", "j") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "socket")
	journal, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	binary := filepath.Join(dir, "wasiftpd")
	outputOf(t, goTool, "build", "-ldflags", "-X github.com/coreos/go-systemd/v22/journal.journalSocket="+socket, "-o", binary, ".")

	stderr, err := os.Create(filepath.Join(dir, "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	info, err := stderr.Stat()
	if err != nil {
		t.Fatal(err)
	}
	is := info.Sys().(*syscall.Stat_t)
	out := newOutput()
	server := exec.Command(binary, "--listen", "127.0.0.1:0", "--cache-dir", cacheDir, "--root", t.TempDir(), "--user", "ann:secret",
		"--landlock", dir)
	server.Env = append(os.Environ(), fmt.Sprintf("JOURNAL_STREAM=%d:%d", is.Dev, is.Ino))
	server.Stdout, server.Stderr = out, stderr
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait(); out.Write([]byte("\x00")) }()
	defer func() { server.Process.Kill(); <-ended }()
	_, addr, _ := strings.Cut(out.until("Ctrl-C stops it.\n"), "ftp://ann@")
	addr, _, _ = strings.Cut(addr, "/")
	s := &running{t: t, addr: addr}
	d := s.dial()
	d.do(331, "USER ann\rPRIORITY=0\rFTP_USER=root")
	d.do(530, "PASS x")
	buf := make([]byte, 64<<10)
	for {
		n, err := journal.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		record := string(buf[:n])
		if !strings.Contains(record, "FTP_EVENT=login failed\n") {
			continue
		}
		for _, want := range []string{
			"PRIORITY=4\n", "MESSAGE=msg=\"login failed\" session=1 client=127.0.0.1:", "\nFTP_SESSION=1\n", "\nFTP_CLIENT=127.0.0.1:",
			"\nFTP_ERR=wrong user name or password\n", "\nSYSLOG_IDENTIFIER=wasiftpd\n",
		} {
			if !strings.Contains(record, want) {
				t.Errorf("the record has no %q:\n%q", want, record)
			}
		}
		if strings.Count(record, "\nPRIORITY=")+strings.Count(record, "\nFTP_USER=root") > 0 {
			t.Errorf("a client has made a field: %q", record)
		}
		break
	}
	if text := content(t, stderr.Name()); text != "" {
		t.Errorf("stderr has\n%s", text)
	}
}

// TestLogsWithinWall: behind the wall the logs still follow a rename.
func TestLogsWithinWall(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log, transfers := filepath.Join(dir, "log"), filepath.Join(dir, "xferlog")
	behind := behindWalls(t, trial{Args: []string{"--root", t.TempDir(), "--anonymous", "rw", "--log-file", log,
		"--transfer-log", transfers}})
	s := &running{t: t, addr: behind.addr}
	d := s.admitted("ftp", "x")
	for _, name := range []string{"before", "after"} {
		data := d.data(s.addr)
		d.do(150, "STOR "+name)
		data.Close()
		d.expect(226)
		d.do(250, "DELE "+name)
		awaited(t, log, "msg=deleted")
		awaited(t, log, "path=/"+name)
		awaited(t, transfers, "/"+name+" b _ d a anonymous ftp")
		for _, file := range []string{log, transfers} {
			if err := os.Rename(file, file+"."+name); err != nil {
				t.Fatal(err)
			}
		}
	}
}
