package main

import (
	"crypto/tls"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// notifications is where a service manager hears of a service.
type notifications struct {
	t      *testing.T
	socket *net.UnixConn
	path   string
}

func notificationSocket(t *testing.T) notifications {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return notifications{t, c, path}
}

// expect waits for a message that has all parts, and returns it.
func (n notifications) expect(parts ...string) string {
	n.t.Helper()
	b := make([]byte, 4096)
	for {
		n.socket.SetReadDeadline(time.Now().Add(time.Minute))
		size, err := n.socket.Read(b)
		if err != nil {
			n.t.Fatalf("no message with %q: %v", parts, err)
		}
		missing := false
		for _, part := range parts {
			missing = missing || !strings.Contains("\n"+string(b[:size])+"\n", "\n"+part)
		}
		if !missing {
			return string(b[:size])
		}
	}
}

// startProcess starts the program in a process of its own, as a service manager does: with
// variables, and with sockets that it has opened. The shell tells the process its number.
func startProcess(t *testing.T, environment []string, sockets []*os.File, args ...string) *running {
	t.Helper()
	warmUp(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &running{t: t, out: newOutput(), log: newOutput(), exit: make(chan int, 1)}
	command := exec.Command("sh", append([]string{"-c", `LISTEN_PID=$$ exec "$0" "$@"`, self, "--cache-dir", cacheDir}, args...)...)
	command.Env = append(append(os.Environ(), asProgram+"=1"), environment...)
	command.ExtraFiles = sockets
	command.Stdout, command.Stderr = s.out, s.log
	command.WaitDelay = time.Minute // for processes that took over, and write there too
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	s.process = command.Process
	go func() {
		command.Wait()
		s.out.Write([]byte(ended))
		s.log.Write([]byte(ended))
		s.exit <- command.ProcessState.ExitCode()
	}()
	t.Cleanup(func() {
		command.Process.Kill()
		s.wait()
	})
	s.findAddresses()
	return s
}

// A service manager hears when the server is ready, of reloads, of signs of life and of the end.
// That holds behind the wall too, which lets no new connection to the manager through.
func TestNotify(t *testing.T) {
	t.Parallel()
	manager := notificationSocket(t)
	dir := t.TempDir()
	config := write(t, dir, "wasiftpd.toml", "anonymous = \"ro\"\nlisten = [\"127.0.0.1:0\"]\n")
	s := startProcess(t, []string{"NOTIFY_SOCKET=" + manager.path, "WATCHDOG_USEC=300000"}, nil,
		"--config", config, "--root", t.TempDir())
	manager.expect("READY=1\n", "STATUS=Listening on "+s.addr)
	s.dial()
	manager.expect("WATCHDOG=1\n")
	manager.expect("WATCHDOG=1\n")
	if err := s.process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	manager.expect("RELOADING=1\n", "MONOTONIC_USEC=")
	manager.expect("READY=1\n")
	s.process.Signal(os.Interrupt)
	manager.expect("STOPPING=1\n", "STATUS=", "EXTEND_TIMEOUT_USEC=90000000")
	if code := s.wait(); code != 0 {
		t.Errorf("it ends with %d\n%s", code, s.log)
	}
}

func TestNotifyFaults(t *testing.T) {
	t.Parallel()
	for variable, want := range map[string]string{
		"NOTIFY_SOCKET=" + filepath.Join(t.TempDir(), "nobody"): "cannot reach the service manager of NOTIFY_SOCKET",
		"WATCHDOG_USEC=soon": `WATCHDOG_USEC, the service manager's, is no number of microseconds`,
	} {
		manager := notificationSocket(t)
		s := startProcess(t, []string{"NOTIFY_SOCKET=" + manager.path, variable}, nil, "--listen", "127.0.0.1:0", "--root", t.TempDir())
		if code := s.wait(); code != exitFailure || !strings.Contains(s.log.String(), want) {
			t.Errorf("with %s it ends with %d, and says\n%s", variable, code, s.log)
		}
	}
}

// socket opens a listening socket for a process.
func socket(t *testing.T) (f *os.File, addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if f, err = l.(*net.TCPListener).File(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, l.Addr().String()
}

// The server listens on the sockets of the service manager, by their names, and on no other.
func TestSocketActivation(t *testing.T) {
	t.Parallel()
	plain, addr := socket(t)
	implicit, implicitAddr := socket(t)
	spare, spareAddr := socket(t)
	spare.Close()
	s := startProcess(t, []string{"LISTEN_FDS=2", "LISTEN_FDNAMES=wasiftpd.socket:implicit-listen"}, []*os.File{plain, implicit},
		"--listen", spareAddr, "--root", t.TempDir(), "--tls", "self-signed", "--tls-dir", t.TempDir())
	if s.addr != addr || s.implicit != implicitAddr {
		t.Fatalf("it listens on %q and %q, not %s and %s\n%s", s.addr, s.implicit, addr, implicitAddr, s.log)
	}
	if c, err := net.Dial("tcp", spareAddr); err == nil {
		c.Close()
		t.Error("it listens on --listen too")
	}
	s.log.until("listen and implicit-listen count for nothing")
	if !strings.Contains(s.log.String(), "listen and implicit-listen count for nothing") {
		t.Errorf("nothing is said of --listen:\n%s", s.log)
	}
	s.dial()
	s.dialTLS(&tls.Config{InsecureSkipVerify: true})
	if out, err := exec.Command("curl", "-sS", "--noproxy", "*", "--fail", "ftp://"+addr+"/").CombinedOutput(); err != nil {
		t.Errorf("curl: %v, %s", err, out)
	}
}

func TestSocketActivationFaults(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"implicit-listen": "give a certificate with --tls-cert",
		"ftps":            `a socket named "ftps"; write FileDescriptorName=listen or FileDescriptorName=implicit-listen`,
	} {
		f, _ := socket(t)
		s := startProcess(t, []string{"LISTEN_FDS=1", "LISTEN_FDNAMES=" + name}, []*os.File{f}, "--root", t.TempDir())
		if code := s.wait(); code != exitFailure || !strings.Contains(s.log.String(), want) {
			t.Errorf("with a socket named %s it ends with %d, and says\n%s", name, code, s.log)
		}
	}
	pipe, _, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	s := startProcess(t, []string{"LISTEN_FDS=1"}, []*os.File{pipe}, "--root", t.TempDir())
	if code := s.wait(); code != exitFailure || !strings.Contains(s.log.String(), "give one by ListenStream=PORT") {
		t.Errorf("with a pipe it ends with %d, and says\n%s", code, s.log)
	}
}
