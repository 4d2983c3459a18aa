package main

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wasiftp/tests/script"
)

// balancer is an HAProxy at 127.0.0.1 before a server at 127.0.0.2.
type balancer struct {
	*running
	addr string
}

// balance starts both. send is how HAProxy tells of its clients. Passive ports have the same
// numbers on both sides.
func balance(t *testing.T, send string, args ...string) balancer {
	t.Helper()
	haproxy := tool(t, "haproxy")
	const size = 8
	at := script.FreePorts(t, size+1)
	ports := fmt.Sprintf("%d-%d", at+1, at+size)
	s := program{}.start(t, append([]string{"--listen", "127.0.0.2:0", "--passive-ports", ports}, args...)...)
	b := balancer{s, fmt.Sprintf("127.0.0.1:%d", at)}
	config := write(t, t.TempDir(), "haproxy.cfg", fmt.Sprintf(`defaults
	mode tcp
	timeout connect 1m
	timeout client 1m
	timeout server 1m
listen control
	bind %s
	server ftp %s %s
listen data
	bind 127.0.0.1:%s
	server ftp 127.0.0.2 %s
`, b.addr, s.addr, send, ports, send))
	cmd := exec.Command(haproxy, "-db", "-f", config)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	deadline := time.Now().Add(script.Patience)
	for {
		c, err := net.Dial("tcp", b.addr)
		if err == nil {
			c.Close()
			return b
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// curl runs curl at an address of this machine.
func (b balancer) curl(client string, args ...string) string {
	b.t.Helper()
	args = append([]string{"--silent", "--show-error", "--max-time", "60", "--interface", client}, args...)
	out, err := exec.Command(tool(b.t, "curl"), args...).CombinedOutput()
	if err != nil {
		b.t.Errorf("curl %q: %v\n%s\n%s", args, err, out, b.log)
	}
	return string(out)
}

// Behind HAProxy each client has its own address, to the log and to its data connections.
func TestHAProxy(t *testing.T) {
	t.Parallel()
	for _, send := range []string{"send-proxy", "send-proxy-v2"} {
		t.Run(send, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, "hello.txt", "Hello, world.\n")
			s := balance(t, send, "--root", dir, "--user", "alice:secret:rw", "--proxy-protocol", "127.0.0.1",
				"--max-sessions-per-address", "2", "--tls", "self-signed", "--tls-dir", filepath.Join(t.TempDir(), "tls"))
			from := filepath.Join(dir, "hello.txt")
			for _, client := range []string{"127.0.0.5", "127.0.0.6"} {
				for how, flag := range map[string]string{"epsv": "--ftp-pasv", "pasv": "--disable-epsv", "tls": "--ssl-reqd"} {
					url := "ftp://alice:secret@" + s.addr + "/"
					if got := s.curl(client, "--insecure", flag, url+"hello.txt"); got != "Hello, world.\n" {
						t.Errorf("%s, %s: %q", client, how, got)
					}
					s.curl(client, "--insecure", flag, "--upload-file", from, url+how)
				}
				s.log.until("client=" + client + ":")
			}
			if log := s.log.String(); strings.Contains(log, "data connection refused") {
				t.Errorf("a data connection was refused:\n%s", log)
			}
		})
	}
}

// A client can be told to come around the proxy: PASV names the server itself.
func TestHAProxyForControlAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "hello.txt", "Hello, world.\n")
	s := balance(t, "send-proxy", "--root", dir, "--proxy-protocol", "127.0.0.1", "--public-address", "127.0.0.0/8=127.0.0.2")
	got := s.curl("127.0.0.5", "--verbose", "--disable-epsv", "--no-ftp-skip-pasv-ip", "ftp://"+s.addr+"/hello.txt")
	if !strings.Contains(got, "(127,0,0,2,") || !strings.Contains(got, "Hello, world.\n") {
		t.Errorf("curl says\n%s", got)
	}
}

// A proxy that sends no header is told so in the log, and its clients get no session.
func TestProxyWithoutHeader(t *testing.T) {
	t.Parallel()
	s := start(t, "--proxy-protocol", "127.0.0.0/8")
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "USER anonymous\r\nPASS guest\r\n")
	if log := s.log.until("refused"); !strings.Contains(log, "client=127.0.0.1:") || !strings.Contains(log, "PROXY header") {
		t.Errorf("the log is\n%s", log)
	}
}
