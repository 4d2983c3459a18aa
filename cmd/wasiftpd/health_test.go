package main

import (
	"net"
	"strings"
	"testing"
)

// The server of a configuration is healthy while it greets at each of its addresses.
func TestHealth(t *testing.T) {
	t.Parallel()
	args := []string{"--root", t.TempDir(), "--tls", "self-signed", "--tls-dir", t.TempDir()}
	s := start(t, append(args, "--implicit-listen", "127.0.0.1:0")...)
	healthy := append([]string{"health", "--listen", s.addr, "--implicit-listen", s.implicit}, args...)
	if out, errs := exits(t, 0, nil, healthy...); out+errs != "" {
		t.Errorf("of a healthy server it says %q", out+errs)
	}
	exits(t, 0, []string{"WASIFTPD_LISTEN=" + s.addr}, "health")
	_, port, _ := net.SplitHostPort(s.addr)
	for _, every := range []string{":", "0.0.0.0:"} { // the machine's own address, on which it listens
		exits(t, 0, nil, "health", "--listen", every+port)
	}

	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--listen", s.implicit}, "there was no greeting with code 220"},
		{[]string{"--implicit-listen", s.addr}, "there was no greeting with code 220"},
		{[]string{"--listen", unused(t)}, "no connection: "},
	} {
		_, errs := exits(t, 1, nil, append([]string{"health", "--within", "1s"}, c.args...)...)
		if !strings.Contains(errs, c.want) || !strings.Contains(errs, c.args[1]) {
			t.Errorf("%q says %q", c.args, errs)
		}
	}
	exits(t, 2, nil, "health", "--within", "soon")
}

// unused is an address where nobody listens.
func unused(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
