package host_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"wasiftp/host"
)

// Sessions that are there keep the configuration that they began with, and new ones have the
// new one. A configuration with a fault changes nothing.
func TestSetConfig(t *testing.T) {
	t.Parallel()
	for name, perInstance := range map[string]int{"shared instances": 0, "an instance a session": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := host.Config{Greeting: "one", SessionsPerInstance: perInstance}
			server, err := host.New(config)
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			l, err := host.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			go server.Serve(l)
			dial := func(want string) *textproto.Conn {
				t.Helper()
				c, err := textproto.Dial("tcp", l.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { c.Close() })
				if _, text, err := c.ReadResponse(220); err != nil || text != want {
					t.Fatalf("a session begins with %q, %v; want %q", text, err, want)
				}
				return c
			}
			say := func(c *textproto.Conn, command string, code int) {
				t.Helper()
				c.PrintfLine("%s", command)
				if _, text, err := c.ReadResponse(code); err != nil {
					t.Fatal(command, text, err)
				}
			}
			old := dial("one")
			say(old, "NOOP", 200)

			config.Greeting, config.Limits.Sessions = "two", 2
			config.SessionsPerInstance, config.Instances = 7, 9 // which stay
			if err := server.SetConfig(config); err != nil {
				t.Fatal(err)
			}
			next := dial("two")
			say(next, "NOOP", 200)
			say(old, "NOOP", 200)
			full, err := textproto.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer full.Close()
			if _, text, err := full.ReadResponse(421); err != nil {
				t.Errorf("a third session begins with %q, %v", text, err)
			}

			bad := config
			bad.Greeting, bad.Limits.IdleTime, bad.Bans.After = "a\nb", -time.Second, -1
			err = server.SetConfig(bad)
			for _, want := range []string{"Greeting", "Limits.IdleTime", "Bans"} {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%v does not tell of %s", err, want)
				}
			}
			say(old, "QUIT", 221)
			if _, err := old.ReadLine(); err == nil {
				t.Error("something follows QUIT")
			}
			say(next, "QUIT", 221)
		})
	}
}

// A configuration without TLS is refused while a listener begins with TLS.
func TestSetConfigKeepsImplicitTLS(t *testing.T) {
	t.Parallel()
	site := httptest.NewTLSServer(nil) // for its certificate
	defer site.Close()
	server, err := host.New(host.Config{TLS: host.TLS{Config: &tls.Config{Certificates: site.TLS.Certificates}}})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	l, err := host.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.ServeTLS(l)
	c, err := tls.Dial("tcp", l.Addr().String(), site.Client().Transport.(*http.Transport).TLSClientConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := server.SetConfig(host.Config{}); err == nil {
		t.Error("a listener begins with TLS, and the server has none")
	}
	if err := server.SetConfig(host.Config{TLS: host.TLS{Config: &tls.Config{Certificates: site.TLS.Certificates}}}); err != nil {
		t.Error(err)
	}
}
