package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// commanded starts a server, and returns a function that runs a command for it.
func commanded(t *testing.T, args ...string) (*running, func(code int, args ...string) string) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), socketName)
	s := start(t, append([]string{"--admin-socket", socket}, args...)...)
	return s, func(code int, args ...string) string {
		t.Helper()
		got, out, errs := run(t, nil, append(args, "--admin-socket", socket)...)
		if got != code {
			t.Errorf("%q exits with %d:\n%s%s", args, got, out, errs)
		}
		return out + errs
	}
}

// has looks for parts in what a command prints.
func has(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in\n%s", part, text)
		}
	}
}

// Each command speaks to the server that runs, and prints what it says as text and as JSON.
func TestCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, command := commanded(t, "--root", folder(t, filepath.Join(dir, "srv")), "--user", "ann:secret:rw", "--state-dir", t.TempDir(),
		"--quota-per-user", "1G")
	d := s.dial()
	d.do(200, "CLNT evil\x1b[2J")
	d.login("ann", "secret")
	data := d.data(s.addr)
	d.do(150, "STOR up\x1b]0;load")
	if _, err := data.Write([]byte("content")); err != nil {
		t.Fatal(err)
	}
	for strings.Contains(command(0, "sessions"), "0 B") && !strings.Contains(command(0, "sessions"), "7 B") { // until it has them
	}

	has(t, command(0, "status"), "serving since", "1, 1 of them logged in, 1 transfer", s.addr, "free")
	table := command(0, "sessions")
	has(t, table, "USER", "ann", "upload", `"/up\x1b]0;load"`)
	for _, args := range [][]string{{"status"}, {"sessions"}, {"users"}, {"bans"}, {"quota", "show"}} {
		var any any
		text := command(0, append(args, "--json")...)
		if err := json.Unmarshal([]byte(text), &any); err != nil || strings.Contains(text, "\x1b") {
			t.Errorf("%q: %v\n%s", args, err, text)
		}
	}
	if strings.Contains(table, "\x1b") {
		t.Errorf("the terminal would obey %q", table)
	}
	data.Close()
	d.expect(226)

	has(t, command(0, "users"), "ann", "rw", filepath.Join(dir, "srv"))
	has(t, command(0, "quota", "show"), "of 1073741824", "files", "of -", "ann") // what it counts is told half a second late
	has(t, command(0, "bans", "add", "192.0.2.0/24", "--for", "1h"), "")
	has(t, command(0, "bans"), "192.0.2.0/24", "by hand")
	has(t, command(0, "bans", "clear", "all"), "bans ended: 1")
	for !strings.Contains(command(0, "events"), "msg=uploaded") { // events come a little late
	}
	has(t, command(0, "events"), "msg=uploaded", `path="/up\x1b]0;load"`)
	has(t, command(0, "events", "--json", "--text", "logged in"), `"user":"ann"`)
	has(t, command(1, "kick", "77"), "there is no session 77; wasiftpd sessions lists")
	has(t, command(2, "kick"), "an argument is missing")
	has(t, command(0, "kick", "1", "--reason", "Go away."), "Session 1 of ann at 127.0.0.1:")
	if text := d.expect(421); text != "Go away." {
		t.Error(text)
	}
	command(0, "users", "lock", "ann")
	has(t, command(0, "users"), "locked")
	d = s.dial()
	d.do(331, "USER ann")
	d.do(530, "PASS secret")
	command(0, "users", "unlock", "ann")
	d.login("ann", "secret")
	command(0, "reload")
	has(t, command(0, "drain", "--for", "1m"), "takes no new sessions", "has ended")
	if code := s.wait(); code != 0 {
		t.Error(code)
	}
	has(t, command(1, "status"), "no server answers", "does the server run?")
}

// A reload tells the faults of files, and ends with exit code 1.
func TestReloadCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := write(t, dir, "wasiftpd.toml", "greeting = 'One.'\n")
	_, command := commanded(t, "--root", dir, "--config", config)
	write(t, dir, "wasiftpd.toml", "greeting = 'Two.'\n")
	has(t, command(0, "reload"), "configuration")
	write(t, dir, "wasiftpd.toml", "greetings = 'Two.'\n")
	has(t, command(1, "reload"), config+":1:1: there is no key \"greetings\"")
}

// watching runs a command that ends at Ctrl-C, or with the server.
func watching(args ...string) (out *output, interrupt chan os.Signal, exit chan int) {
	out, interrupt, exit = newOutput(), make(chan os.Signal, 1), make(chan int, 1)
	p := program{stdin: strings.NewReader(""), stdout: out, stderr: out, interrupts: func() <-chan os.Signal { return interrupt }}
	go func() {
		exit <- p.run(args...)
		out.Write([]byte(ended))
	}()
	return out, interrupt, exit
}

func TestWatchedSessions(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), socketName)
	s := start(t, "--root", t.TempDir(), "--user", "ann:secret", "--admin-socket", socket)
	s.dial().login("ann", "secret")
	first, interrupt, code := watching("sessions", "--watch", "--admin-socket", socket)
	first.untilTimes("ann", 2)
	interrupt <- os.Interrupt
	if got := <-code; got != 0 {
		t.Errorf("Ctrl-C ends it with %d:\n%s", got, first)
	}
	second, _, code := watching("sessions", "--watch", "--admin-socket", socket)
	third, _, others := watching("events", "--follow", "--admin-socket", socket)
	second.until("ann")
	for !strings.Contains(third.String(), "msg=\"login failed\"") { // it may not have begun yet
		d := s.dial()
		d.do(331, "USER eve")
		d.do(530, "PASS wrong")
		d.Close()
	}
	s.interrupt()
	s.wait()
	if got := <-code; got != 1 || !strings.Contains(second.until("ended"), "the server has ended") {
		t.Errorf("the server's end ends it with %d:\n%s", got, second)
	}
	if got := <-others; got != 1 || !strings.Contains(third.until("ended"), "the server has ended") {
		t.Errorf("the server's end ends events with %d:\n%s", got, third)
	}
}

// The command for a server elsewhere needs its token and its certificate.
func TestCommandsByTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca := newAuthority(t)
	cert, key := ca.files(dir, "localhost")
	tokens := write(t, dir, "tokens", "ann:read:aaaaaaaaaaaaaaaaaaaaaaaa\n")
	s := start(t, "--root", dir, "--tls-cert", cert, "--tls-key", key, "--admin-listen", "127.0.0.1:0", "--admin-tokens", tokens)
	_, addr, _ := strings.Cut(s.log.until(`msg="listening for administrators"`), "listening for administrators\" address=")
	_, port, err := net.SplitHostPort(strings.Fields(addr)[0])
	if err != nil {
		t.Fatal(err)
	}
	good, bad := write(t, dir, "good", "aaaaaaaaaaaaaaaaaaaaaaaa\n"), write(t, dir, "bad", "bbbbbbbbbbbbbbbbbbbbbbbb\n")
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"--token-file " + good + " --insecure", 0, "serving"},
		{"--token-file " + good, 1, "give the certificate of its issuer with --ca"},
		{"--token-file " + bad + " --insecure", 1, "the server knows no such token"},
		{"", 2, "--url needs a token"},
		{"--token-file " + good + " --admin-socket x", 2, "give one of them"},
	} {
		args := append([]string{"status", "--url", "https://127.0.0.1:" + port}, strings.Fields(test.args)...)
		code, out, errs := run(t, nil, args...)
		if code != test.code || !strings.Contains(out+errs, test.want) {
			t.Errorf("%q: %d\n%s%s", test.args, code, out, errs)
		}
	}
	code, _, errs := run(t, nil, "reload", "--url", "https://127.0.0.1:"+port, "--token-file", good, "--insecure")
	if code != 1 || !strings.Contains(errs, "may only read") {
		t.Error(code, errs)
	}
}

// A server that hangs does not hang the command.
func TestCommandOfAServerThatHangs(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), socketName)
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	code, _, errs := run(t, nil, "status", "--admin-socket", socket, "--within", "50ms")
	if code != 1 || !strings.Contains(errs, "has not answered within 50ms") {
		t.Error(code, errs)
	}
}

// bans and quota show read the state folder when no server answers, and when it is given.
func TestKeptWithoutAServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, args := range [][]string{{"bans", "add", "192.0.2.7"}, {"bans"}} {
		var out, errs bytes.Buffer
		p := program{stdin: strings.NewReader(""), stdout: &out, stderr: &errs}
		if code := p.run(append(args, "--state-dir", dir)...); code != 0 {
			t.Error(code, errs.String())
		}
		if args[len(args)-1] == "bans" {
			has(t, out.String(), "192.0.2.7/32")
		}
	}
	if code, _, errs := run(t, nil, "bans", "--state-dir", dir, "--url", "https://a"); code != 2 {
		t.Error(code, errs)
	}
}

// drain tells what is left until the server has ended. Ctrl-C ends only the command.
func TestDrainWaits(t *testing.T) {
	t.Parallel()
	s, command := commanded(t, "--root", t.TempDir(), "--user", "ann:secret:rw")
	socket := adminSocketOf(t, s)
	d := s.dial()
	d.login("ann", "secret")
	data := d.data(s.addr)
	d.do(150, "STOR up")
	interrupted, interrupt, code := watching("drain", "--admin-socket", socket, "--for", "10m")
	interrupted.until("1 session, 1 transfer left")
	interrupt <- os.Interrupt
	if got := <-code; got != 1 || !strings.Contains(interrupted.String(), "interrupted; the server goes on draining") {
		t.Errorf("Ctrl-C ends it with %d:\n%s", got, interrupted)
	}
	has(t, command(0, "status"), "draining since", "no: the server is draining")
	if text := command(0, "drain", "--no-wait"); strings.Contains(text, "left") {
		t.Error(text)
	}
	waiting, _, code := watching("drain", "--admin-socket", socket)
	waiting.until("1 session, 1 transfer left")
	data.Close()
	d.expect(226)
	if got := <-code; got != 0 || !strings.Contains(waiting.String(), "The server has ended.") {
		t.Errorf("the server's end ends it with %d:\n%s", got, waiting)
	}
}

// adminSocketOf is the admin socket that a server has told of in its log.
func adminSocketOf(t *testing.T, s *running) string {
	t.Helper()
	_, path, _ := strings.Cut(s.log.until(`msg="listening for administrators"`), `msg="listening for administrators" address=`)
	return strings.Fields(path)[0]
}

// Without a flag, a command looks for the server by the variable and at the usual places. What is
// no server of ours is told apart from none.
func TestWhereCommandsLook(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	own := program{environment: []string{"XDG_RUNTIME_DIR=" + dir}}
	socket := filepath.Join(folder(t, filepath.Join(dir, "wasiftpd")), socketName)
	s := own.start(t, "--listen", "127.0.0.1:0", "--root", dir, "--admin-socket", socket)
	adminSocketOf(t, s)
	out, _ := exits(t, 0, own.environment, "status")
	has(t, out, s.addr)
	out, _ = exits(t, 0, []string{variable("admin-socket") + "=" + socket}, "status")
	has(t, out, s.addr)
	out, _ = exits(t, 0, own.environment, "bans", "add", "192.0.2.7")
	bans, _ := exits(t, 0, own.environment, "bans") // of the server's memory
	has(t, out+bans, "192.0.2.7/32")

	none := filepath.Join(dir, "none")
	for _, test := range []struct {
		environment, args string
		code              int
		wants             []string
	}{
		{"", "status --admin-socket " + none, 1, []string{none + ": connect: no such file", "does the server run?"}},
		{"WASIFTPD_ADMIN_SOCKET=off", "status", 1, []string{"--url"}},
		{"", "bans --admin-socket " + none, 1, []string{none, "does the server run?"}},
		{"", "status --url http://a", 2, []string{"https://ftp.example.org:8443"}},
		{"", "status --token-file x", 2, []string{"need --url"}},
		{"FTP_ADMIN_TOKEN=x", "status --url https://" + s.addr, 1, []string{"is not the admin API"}},
		{"", "status --admin-socket " + answering(t, "220 Ready.\r\n"), 1, []string{"is not the admin API"}},
		{"", "status --admin-socket " + answering(t, "HTTP/1.0 404 No\r\n\r\nNo"), 1, []string{"is not the admin API"}},
		{"", "status --admin-socket " + answering(t, "HTTP/1.0 200 OK\r\n\r\nNo"), 1, []string{"is not the admin API"}},
	} {
		_, errs := exits(t, test.code, []string{test.environment}, strings.Fields(test.args)...)
		has(t, errs, test.wants...)
	}
	denied := noServer{[]error{&os.PathError{Op: "connect", Path: systemSocket, Err: os.ErrPermission}}}
	has(t, denied.Error(), systemSocket, "try sudo")
}

// answering is a socket at which another program answers.
func answering(t *testing.T, text string) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			http.ReadRequest(bufio.NewReader(c)) // that a client who only looks never sends
			c.Write([]byte(text))
			c.Close()
		}
	}()
	return socket
}

// The program itself speaks to a server that is a process of its own.
func TestCommandsOfProcesses(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), socketName)
	s, process := spawn(t, "--root", t.TempDir(), "--admin-socket", socket)
	adminSocketOf(t, s)
	for _, test := range []struct{ command, want string }{{"status", s.addr}, {"drain", "The server has ended."}} {
		cmd := exec.Command(os.Args[0], test.command, "--admin-socket", socket)
		cmd.Env = append(os.Environ(), asProgram+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Error(err)
		}
		has(t, string(out), test.want)
	}
	if state, err := process.Wait(); err != nil || state.ExitCode() != 0 {
		t.Error(state, err)
	}
}

func TestShown(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"/a b.txt": "/a b.txt", "für": "für", "\x1b[2J": `"\x1b[2J"`, "a\tb\nc": `"a\tb\nc"`, "\u009b2J": `"\u009b2J"`,
		"\u202egpj": `"\u202egpj"`, "\xff": `"\xff"`, "": "",
	} {
		if got := shown(name); got != want {
			t.Errorf("%q is shown as %s, want %s", name, got, want)
		}
	}
	if got := string(escaped([]byte("[\n\"\u009b\u202e\U000e0001ü\"\n]"))); got != `[`+"\n"+`"\u009b\u202e\udb40\udc01ü"`+"\n]" {
		t.Errorf("%q", got)
	}
	for d, want := range map[time.Duration]string{
		10 * time.Second: "10s", time.Minute: "1m", 4*time.Minute + 50*time.Second: "4m50s", 3*time.Hour + 7*time.Minute + 9: "3h7m",
		50 * time.Hour: "2 days", 50 * time.Millisecond: "50ms",
	} {
		if got := lasting(d); got != want {
			t.Errorf("%v is %s, want %s", d, got, want)
		}
	}
}

// With --config a command finds the socket and the state folder of the server by its file.
func TestServerOfConfiguration(t *testing.T) {
	t.Parallel()
	needsModes(t) // where there are admin sockets too
	dir := t.TempDir()
	config := write(t, dir, "wasiftpd.toml", "admin-socket = 'admin'\nstate-dir = 'state'\nban-after = '20/1m'\n"+
		"[[hook]]\non = ['upload']\nurl = 'http://127.0.0.1:1/'\nname = 'told'\n")
	s := program{}.start(t, "--listen", "127.0.0.1:0", "--root", dir, "--user", "ann:secret:rw", "--quota-per-user", "1M",
		"--config", config)
	d := s.dial()
	d.login("ann", "secret")
	data := d.data(s.addr)
	d.do(150, "STOR up")
	data.Close()
	d.expect(226)
	command := func(code int, args ...string) string {
		t.Helper()
		out, errs := exits(t, code, nil, append(args, "--config", config)...)
		return out + errs
	}
	has(t, command(0, "status"), s.addr)
	has(t, command(0, "sessions"), "ann")
	command(0, "bans", "add", "192.0.2.0/24")
	has(t, command(0, "hooks"), "told", "1 events")
	d.do(221, "QUIT")
	s.interrupt()
	s.wait()

	has(t, command(1, "status"), filepath.Join(dir, "admin"), "no server answers")
	has(t, command(0, "bans"), "192.0.2.0/24")
	has(t, command(0, "quota", "show"), "ann")
	has(t, command(0, "hooks"), "told")
	has(t, command(0, "hooks", "drop", "told"), "1 events dropped")
	has(t, command(0, "hooks", "--state-dir", filepath.Join(dir, "state")), "All events were told.")
	has(t, command(2, "status", "--url", "https://127.0.0.1:1"), "name two servers")
	write(t, dir, "wasiftpd.toml", "admin-sock = 'admin'\n")
	for _, args := range [][]string{{"status"}, {"bans"}, {"quota", "show"}, {"hooks"}} {
		has(t, command(2, args...), config+":1:1: there is no key \"admin-sock\"")
	}
}
