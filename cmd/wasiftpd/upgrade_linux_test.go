package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// upgrade asks a process for the nth upgrade that its log tells of, and returns the number of
// the process that takes over. The test ends that too.
func (s *running) upgrade(of *os.Process, nth int) *os.Process {
	s.t.Helper()
	if err := of.Signal(syscall.SIGUSR2); err != nil {
		s.t.Fatal(err)
	}
	const took = "a new process takes over"
	text := s.log.untilTimes(took, nth)
	parts := strings.Split(text, took)
	var pid int
	if len(parts) <= nth {
		s.t.Fatalf("no process takes over:\n%s", text)
	}
	_, number, _ := strings.Cut(parts[nth], "pid=")
	if _, err := fmt.Sscan(number, &pid); err != nil {
		s.t.Fatal(err)
	}
	next, err := os.FindProcess(pid)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { next.Kill() })
	s.out.untilTimes("Ctrl-C stops it.\n", nth+1)
	return next
}

// over waits until a child of the test has ended.
func over(t *testing.T, child *os.Process) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !errors.Is(child.Signal(syscall.Signal(0)), os.ErrProcessDone); {
		if time.Now().After(deadline) {
			t.Fatal("a process does not end")
		}
		time.Sleep(time.Millisecond)
	}
}

// served connects, and returns an error unless it is greeted and, if it logs in, served.
func served(addr string, logsIn bool) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	c.SetDeadline(time.Now().Add(time.Minute))
	t := textproto.NewConn(c)
	defer t.Close()
	if _, _, err := t.ReadResponse(220); err != nil || !logsIn {
		return err
	}
	for _, step := range []struct {
		command string
		code    int
	}{{"USER ftp", 331}, {"PASS x", 230}, {"TYPE I", 200}, {"EPSV", 229}} {
		if err := t.PrintfLine("%s", step.command); err != nil {
			return err
		}
		_, text, err := t.ReadResponse(step.code)
		if err != nil {
			return fmt.Errorf("%s: %w", step.command, err)
		}
		if step.code == 229 {
			var port int
			fmt.Sscanf(text[strings.Index(text, "(|||"):], "(|||%d|)", &port)
			data, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", fmt.Sprint(port)))
			if err != nil {
				return err
			}
			defer data.Close()
			t.PrintfLine("RETR small")
			if got, err := io.ReadAll(data); string(got) != "content" || err != nil {
				return fmt.Errorf("%q came, %v", got, err)
			}
		}
	}
	_, _, first := t.ReadResponse(150)
	_, _, second := t.ReadResponse(226)
	return errors.Join(first, second)
}

// connects makes connections at addr until event returns and another hundred have been made,
// at least n. Every fifth transfers a file.
func connects(t *testing.T, addr string, n int, event func()) {
	t.Helper()
	var clients sync.WaitGroup
	places := make(chan struct{}, 50)
	happened := make(chan struct{})
	clients.Go(func() {
		defer close(happened)
		event()
	})
	for i := 0; i < n; i++ {
		select {
		case <-happened:
		default:
			n = max(n, i+100)
		}
		places <- struct{}{}
		clients.Go(func() {
			if err := served(addr, i%5 == 0); err != nil {
				t.Errorf("client %d: %v", i, err)
			}
			<-places
		})
	}
	clients.Wait()
	t.Logf("%d clients came", n)
}

// TestUpgrade: while clients come, new processes take over, twice in a row. No client is
// refused or hung up on, a session of before goes on, and each process ends with its last one.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	for name, as := range map[string][]string{
		"as it is": nil, "as nobody": {"--run-as", "nobody", "--cache-dir", filepath.Join(wallFolder(t), "cache")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if as != nil && os.Geteuid() != 0 {
				t.Skip("only root can become another user")
			}
			root := wallFolder(t)
			write(t, root, "small", "content")
			if err := os.Chmod(filepath.Join(root, "small"), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(root, "big"), make([]byte, 32<<20), 0o644); err != nil {
				t.Fatal(err)
			}
			s := startProcess(t, nil, nil, append([]string{"--listen", "127.0.0.1:0", "--root", root, "--max-sessions-per-address", "0",
				"--max-sessions", "0"}, as...)...)
			d := s.dial()
			d.login("ftp", "x")
			d.do(200, "TYPE I")
			data := d.data(s.addr)
			d.do(150, "RETR big")
			var last *os.Process
			connects(t, s.addr, 1000, func() { last = s.upgrade(s.upgrade(s.process, 1), 2) })
			if n, err := io.Copy(io.Discard, data); n != 32<<20 || err != nil {
				t.Errorf("%d bytes came, %v", n, err)
			}
			d.expect(226)
			d.data(s.addr)
			d.do(150, "RETR small")
			d.expect(226)
			d.do(221, "QUIT")
			over(t, s.process)
			if err := served(s.addr, true); err != nil {
				t.Error(err)
			}
			s.log.untilTimes("(Landlock)", 3)
			if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", last.Pid)); err != nil ||
				strings.Contains(string(status), "Uid:\t0\t") != (as == nil && os.Geteuid() == 0) {
				t.Errorf("%v; the new process is\n%s", err, status)
			}
			last.Signal(syscall.SIGTERM)
			if code := s.wait(); code != 0 {
				t.Errorf("the first process ended with %d\n%s", code, s.log)
			}
		})
	}
}

// A new process that fails changes nothing, and the log has what it said. The next one listens
// where its configuration says, and at the admin socket. Sessions of before end after
// --upgrade-timeout.
func TestUpgradeConfiguration(t *testing.T) {
	t.Parallel()
	spare, addr := socket(t)
	spare.Close()
	dir := t.TempDir()
	const first = "anonymous = \"ro\"\nupgrade-timeout = \"10ms\"\n"
	config := write(t, dir, "wasiftpd.toml", first+"listen = [\"127.0.0.1:0\"]\n")
	admin := filepath.Join(dir, "admin.sock")
	s := startProcess(t, nil, nil, "--config", config, "--root", wallFolder(t), "--admin-socket", admin)
	d := s.dial()
	d.login("ftp", "x")
	write(t, dir, "wasiftpd.toml", first+"listn = [\""+addr+"\"]\n")
	s.process.Signal(syscall.SIGUSR2)
	_, fault, _ := strings.Cut(s.log.until("the upgrade failed"), "the upgrade failed")
	if log := s.log.String(); !strings.Contains(fault, "did you mean listen?") {
		t.Errorf("the log is\n%s", log)
	}
	d.do(200, "NOOP")
	s.dial()

	write(t, dir, "wasiftpd.toml", first+"listen = [\""+addr+"\"]\n")
	next := s.upgrade(s.process, 1)
	d.expect(421)
	over(t, s.process)
	if err := served(addr, false); err != nil {
		t.Error(err)
	}
	if c, err := net.Dial("unix", admin); err != nil {
		t.Error(err)
	} else {
		c.Close()
	}
	if err := served(s.addr, false); err == nil {
		t.Error("it listens at the old address too")
	}
	next.Signal(os.Interrupt)
	if code := s.wait(); code != 0 {
		t.Errorf("the first process ended with %d\n%s", code, s.log)
	}
}

// While a new process is not ready there is no other upgrade. If the old one is stopped
// meanwhile, the new one does not go on.
func TestUpgradeUnderWay(t *testing.T) {
	t.Parallel()
	engine, err := os.ReadFile("../../host/wasiftp.wasm")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	module, pipe := write(t, dir, "module", string(engine)), filepath.Join(dir, "pipe")
	s := startProcess(t, nil, nil, "--listen", "127.0.0.1:0", "--module", module, "--root", wallFolder(t))
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.Rename(pipe, module)); err != nil {
		t.Fatal(err)
	}
	s.process.Signal(syscall.SIGUSR2)
	writer, err := os.OpenFile(module, os.O_WRONLY, 0) // waits for the new process
	if err != nil {
		t.Fatal(err)
	}
	s.process.Signal(syscall.SIGUSR2)
	s.log.until("an upgrade is under way")
	s.dial()
	s.process.Signal(syscall.SIGTERM)
	over(t, s.process)
	writer.Write(engine)
	writer.Close()
	if log := s.log.until("take over from has ended"); !strings.Contains(log, "take over from has ended") {
		t.Errorf("the log is\n%s", log)
	}
	if code := s.wait(); code != 0 {
		t.Errorf("the first process ended with %d\n%s", code, s.log)
	}
}

// The service manager hears which process is the service, and the watchdog gets signs of life
// from that one. Its sockets go on.
func TestUpgradeService(t *testing.T) {
	t.Parallel()
	manager := notificationSocket(t)
	plain, _ := socket(t)
	s := startProcess(t, []string{"NOTIFY_SOCKET=" + manager.path, "WATCHDOG_USEC=300000", "LISTEN_FDS=1",
		"LISTEN_FDNAMES=wasiftpd.socket"},
		[]*os.File{plain}, "--root", wallFolder(t))
	manager.expect("READY=1\n")
	next := s.upgrade(s.process, 1)
	manager.expect(fmt.Sprintf("MAINPID=%d\n", next.Pid))
	manager.expect("READY=1\n", "STATUS=Listening on "+s.addr)
	over(t, s.process)
	manager.expect("WATCHDOG=1\n")
	s.dial()
	next.Signal(syscall.SIGTERM)
	manager.expect("STOPPING=1\n")
	if code := s.wait(); code != 0 || strings.Contains(s.log.String(), "count for nothing") {
		t.Errorf("the first process ended with %d\n%s", code, s.log)
	}
}

// While a server whose sockets the service manager holds is restarted, clients wait.
func TestRestartWithSocket(t *testing.T) {
	t.Parallel()
	plain, addr := socket(t)
	root := wallFolder(t)
	serve := func() *running {
		return startProcess(t, []string{"LISTEN_FDS=1", "LISTEN_FDNAMES=wasiftpd.socket"}, []*os.File{plain}, "--root", root,
			"--max-sessions-per-address", "0", "--max-sessions", "0")
	}
	s := serve()
	s.process.Signal(syscall.SIGTERM)
	s.wait()
	var clients sync.WaitGroup
	for i := range 1000 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatalf("client %d is refused: %v", i, err)
		}
		clients.Go(func() {
			defer c.Close()
			c.SetDeadline(time.Now().Add(time.Minute))
			if _, _, err := textproto.NewConn(c).ReadResponse(220); err != nil {
				t.Errorf("client %d: %v", i, err)
			}
		})
	}
	serve()
	clients.Wait()
}

// What both processes count, keep for hooks and ban is whole after an upgrade.
func TestUpgradeState(t *testing.T) {
	t.Parallel()
	in := newInbox(t)
	root, state := wallFolder(t), wallFolder(t)
	config := write(t, t.TempDir(), "wasiftpd.toml", "[[hook]]\non = [\"upload\"]\nurl = \""+in.URL+"\"\n")
	s := startProcess(t, nil, nil, "--config", config, "--listen", "127.0.0.1:0", "--root", root, "--state-dir", state,
		"--user=u:p:rw", "--user=v:p:rw", "--quota-per-user=1M", "--ban-after=1/1m")
	const files = 20 // of each of two processes
	old := s.dial()
	old.login("u", "p")
	old.store(s.addr, "STOR first", "x", 226)
	stranger, err := from127003(s.addr)
	if err != nil {
		t.Fatal(err)
	}
	next := s.upgrade(s.process, 1)
	for range 2 {
		stranger.PrintfLine("USER u\r\nPASS wrong")
		stranger.ReadResponse(331)
		stranger.ReadResponse(530)
	}
	stranger.Close()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if c, err := from127003(s.addr); err != nil {
			break // banned by the old process, shut out by the new one
		} else if c.Close(); time.Now().After(deadline) {
			t.Fatal("the new process does not know of the ban")
		}
	}
	current := s.dial()
	current.login("u", "p")
	var both sync.WaitGroup
	for name, d := range map[string]dialogue{"old": old, "new": current} {
		both.Go(func() {
			for i := range files {
				d.store(s.addr, fmt.Sprint("STOR ", name, i), "0123456789", 226)
			}
		})
	}
	both.Wait()
	in.until(2*files + 1)
	old.do(221, "QUIT")
	over(t, s.process)
	current.do(221, "QUIT")
	next.Signal(syscall.SIGTERM)
	s.wait()
	if got := in.until(2*files + 1); len(got) != 2*files+1 {
		t.Errorf("hooks were told of %d uploads", len(got))
	}
	code, out, stderr := run(t, nil, "quota", "show", "--state-dir", state)
	if want := fmt.Sprintf("%d bytes of - %d files of - u", 20*files+1, 2*files+1); code != 0 ||
		strings.Join(strings.Fields(out), " ") != want {
		t.Errorf("%d, %q, not %q; %s", code, out, want, stderr)
	}
}

// from127003 connects from another address than all else does, and waits for the greeting.
func from127003(addr string) (*textproto.Conn, error) {
	c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 3)}}).Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	text := textproto.NewConn(c)
	if _, _, err := text.ReadResponse(220); err != nil {
		return nil, errors.Join(err, text.Close())
	}
	return text, nil
}
