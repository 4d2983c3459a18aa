package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wasiftp/cmd/wasiftpd/admin"
)

// steered starts a server with an admin socket, and dials it.
func steered(t *testing.T, args ...string) (*running, *admin.Client) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "admin.sock")
	s := start(t, append([]string{"--admin-socket", socket}, args...)...)
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the socket is %v, %v", info, err)
	}
	return s, admin.Dial(socket)
}

func TestAdminSocket(t *testing.T) {
	t.Parallel()
	s, c := steered(t, "--root", t.TempDir(), "--user", "ann:secret:rw")
	ctx := t.Context()
	d := s.dial()
	d.login("ann", "secret")
	status, err := c.Status(ctx)
	if err != nil || status.State != admin.Serving || status.LoggedIn != 1 || len(status.Disks) != 1 || status.Disks[0].Free == 0 {
		t.Errorf("%+v, %v", status, err)
	}
	all, err := c.Sessions(ctx)
	if err != nil || len(all) != 1 || all[0].User != "ann" {
		t.Fatalf("%+v, %v", all, err)
	}
	if _, err := c.Kick(ctx, "77", ""); err == nil || err.Error() != "there is no session 77" {
		t.Error(err)
	}
	if _, err := c.Kick(ctx, "1", "Go away."); err != nil {
		t.Error(err)
	}
	if text := d.expect(421); text != "Go away." {
		t.Error(text)
	}
	if l, err := c.Lock(ctx, "ann", true); err != nil || !l.Changed {
		t.Error(l, err)
	}
	d = s.dial()
	d.do(331, "USER ann")
	d.do(530, "PASS secret")
	if r, err := c.Reload(ctx); err != nil || r.Loaded == nil || len(r.Faults) != 0 {
		t.Error(r, err)
	}
	d.login("ann", "secret")
	if all, err := c.Ban(ctx, "192.0.2.0/24", 1e12); err != nil || len(all) != 1 {
		t.Error(all, err)
	}
	if e, err := c.Unban(ctx, admin.Everybody); err != nil || e.Ended != 1 {
		t.Error(e, err)
	}
	if _, err := c.Drain(ctx, "1m"); err != nil {
		t.Error(err)
	}
	d.expect(421)
	if code := s.wait(); code != 0 {
		t.Error(code)
	}
}

// The tokens of servers that [administered] starts.
const (
	adminToken = "aaaaaaaaaaaaaaaaaaaaaaaa"
	readToken  = "bbbbbbbbbbbbbbbbbbbbbbbb"
)

// administered starts a server with the admin API on TCP, at base, and a client that trusts it. dir
// gets the file tokens.
func administered(t *testing.T, dir string, args ...string) (s *running, base string, client *http.Client) {
	t.Helper()
	ca := newAuthority(t)
	cert, key := ca.files(dir, "localhost")
	tokens := write(t, dir, "tokens", "# who\nann:admin:"+adminToken+"\nprom:read:"+readToken+"\n")
	s = start(t, append(args, "--tls-cert", cert, "--tls-key", key, "--admin-listen", "127.0.0.1:0", "--admin-tokens", tokens)...)
	_, addr, _ := strings.Cut(s.log.until("msg=\"listening for administrators\""), "address=")
	config := ca.client("localhost")
	return s, "https://" + strings.Fields(addr)[0], &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
}

func TestAdminByTLS(t *testing.T) {
	t.Parallel()
	_, base, client := administered(t, t.TempDir(), "--root", t.TempDir())
	for _, try := range []struct {
		method, path, token string
		want                int
	}{
		{"GET", "/v1/status", "", 401}, {"GET", "/v1/status", "aaaaaaaaaaaaaaaaaaaaaaa", 401},
		{"GET", "/v1/status", readToken, 200}, {"POST", "/v1/reload", readToken, 403},
		{"POST", "/v1/reload", adminToken, 200}, {"GET", "/healthz", "", 200}, {"GET", "/readyz", "", 200},
		{"GET", "/v1/none", readToken, 404}, {"POST", "/v1/status", adminToken, 404},
	} {
		request, _ := http.NewRequest(try.method, base+try.path, nil)
		request.Header.Set("Authorization", "Bearer "+try.token)
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		var any any
		wrong := json.NewDecoder(response.Body).Decode(&any)
		response.Body.Close()
		if response.StatusCode != try.want || wrong != nil {
			t.Errorf("%+v: %d, %v", try, response.StatusCode, wrong)
		}
	}
}

// The socket of a server that was killed is taken over, that of one that runs is not, and no
// file is lost. The usual place is made.
func TestAdminSocketPlaces(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := program{environment: []string{"XDG_RUNTIME_DIR=" + dir}}
	first := p.start(t, "--listen", "127.0.0.1:0", "--root", dir)
	socket := filepath.Join(dir, "wasiftpd", socketName)
	if _, err := admin.Dial(socket).Status(t.Context()); err != nil {
		t.Errorf("%v\n%s", err, first.log)
	}
	second := p.start(t, "--listen", "127.0.0.1:0", "--root", dir)
	second.log.until("another server uses it")
	code, _, message := run(t, nil, "--listen", "127.0.0.1:0", "--root", dir, "--admin-socket", socket)
	if code != exitFailure || !strings.Contains(message, "another server uses it; choose another with --admin-socket") {
		t.Error(message)
	}
	first.interrupt()
	first.wait()
	third := p.start(t, "--listen", "127.0.0.1:0", "--root", dir)
	if status, err := admin.Dial(socket).Status(t.Context()); err != nil || status.Listeners[0] != third.addr {
		t.Errorf("%+v, %v\n%s", status, err, third.log)
	}
	file := write(t, dir, "file", "content")
	if code, _, message = run(t, nil, "--root", dir, "--admin-socket", file); !strings.Contains(message, "no socket") {
		t.Error(code, message)
	}
	for _, args := range [][]string{
		{"--admin-listen", "127.0.0.1:0"}, {"--admin-tokens", file},
		{"--admin-listen", "127.0.0.1:0", "--admin-tokens", file},
		{"--tls", "self-signed", "--admin-listen", "127.0.0.1:0", "--admin-tokens", file},
	} {
		_, message = exits(t, exitUsage, nil, append([]string{"check", "--root", dir}, args...)...)
		if !strings.Contains(message, "--admin-") {
			t.Error(message)
		}
	}
}
