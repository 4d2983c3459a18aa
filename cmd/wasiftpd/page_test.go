package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// browser asks as a browser does, with a jar for cookies.
type browser struct {
	t    *testing.T
	base string
	http http.Client
}

func newBrowser(t *testing.T, base string, client *http.Client) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t, base, *client}
	b.http.Jar = jar
	b.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return b
}

// ask makes a request, by POST if there is a form, from a page of a site that Sec-Fetch-Site
// tells of. It returns the status and the page.
func (b *browser) ask(path string, form url.Values, site string) (*http.Response, string) {
	b.t.Helper()
	method, body := http.MethodGet, ""
	if form != nil {
		method, body = http.MethodPost, form.Encode()
	}
	request, err := http.NewRequest(method, b.base+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	request.Header.Set("Accept", "text/html")
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Sec-Fetch-Site", site)
	response, err := b.http.Do(request)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return response, string(page)
}

// shows asks for a page, and checks its status and that it has a part.
func (b *browser) shows(path string, form url.Values, status int, part string) string {
	b.t.Helper()
	response, page := b.ask(path, form, "same-origin")
	if response.StatusCode != status || !strings.Contains(page+response.Header.Get("Location"), part) {
		b.t.Errorf("%s %v: %d, want %d with %q in\n%s", path, form, response.StatusCode, status, part, page)
	}
	return page
}

func (b *browser) logIn(token string) {
	b.t.Helper()
	b.shows("/login", url.Values{"token": {token}}, 303, "/")
}

// All that the page does, it does without a script.
func TestPageWithoutScript(t *testing.T) {
	t.Parallel()
	s, base, client := administered(t, t.TempDir(), "--root", t.TempDir(), "--user", "bob:secret:rw",
		"--quota-per-user", "1M", "--state-dir", t.TempDir())
	b := newBrowser(t, base, client)
	b.shows("/", nil, 303, "/login")
	b.shows("/login", nil, 200, `type="password"`)
	b.logIn(adminToken)
	s.log.until(`msg="an administrator logged in" by=ann`)

	d := s.dial()
	d.login("bob", "secret")
	d.do(331, "USER mallory")
	d.do(530, "PASS wrong")
	d.login("bob", "secret")
	b.until("/", `<th scope="row" class="path">bob</th>`)
	page := b.until("/", "mallory")
	for _, part := range []string{
		">serving<", "<td data-label=\"User\" data-is=\"user\">bob</td>", "Nobody is banned", "localhost",
		" of <span title=\"1,048,576 bytes\">1.0 MiB</span>",
		"login failed", "0, renew soon", "/confirm?do=ban&amp;network=127.0.0.1", "<svg viewBox",
	} {
		if !strings.Contains(page, part) {
			t.Errorf("there is no %q in\n%s", part, page)
		}
	}
	if page := b.shows("/?level=warn&user=bob", nil, 200, "None of the last"); strings.Contains(page, "logged in</th>") {
		t.Error(page)
	}
	b.shows("/?level=all", nil, 200, "level=all is none of debug")

	b.shows("/confirm?do=lock&name=bob", nil, 200, "Lock bob?")
	b.shows("/confirm", url.Values{"do": {"lock"}, "name": {"bob"}}, 200, "bob is locked.")
	b.shows("/", nil, 200, `do=unlock&amp;name=bob`)
	b.shows("/confirm", url.Values{"do": {"unlock"}, "name": {"bob"}}, 200, "bob is not locked.")
	b.shows("/confirm", url.Values{"do": {"lock"}, "name": {""}}, 400, "no user is named")
	b.shows("/confirm", url.Values{"do": {"ban"}, "network": {"192.0.2.0/33"}}, 400, `is no network such as`)
	b.shows("/confirm", url.Values{"do": {"ban"}, "network": {"192.0.2.0/24"}, "for": {"1h"}}, 200, "The ban has begun.")
	b.shows("/", nil, 200, "192.0.2.0/24")
	b.shows("/confirm", url.Values{"do": {"unban"}, "network": {"192.0.2.0/24"}}, 200, "Bans that have ended: 1.")
	b.shows("/confirm", url.Values{"do": {"reload"}}, 200, "Nothing had changed.")
	b.shows("/confirm?do=kick&id=99", nil, 404, "there is no session 99")
	b.shows("/confirm?do=dance", nil, 400, "do=dance is nothing")

	e := s.dial()
	e.login("bob", "secret")
	b.shows("/confirm?do=kick&id=2", nil, 200, "bob from 127.0.0.1")
	b.shows("/confirm", url.Values{"do": {"kick"}, "id": {"2"}, "reason": {"Good night."}}, 200, "Session 2 has ended.")
	if text := e.expect(421); text != "Good night." {
		t.Error(text)
	}
	s.log.until(`request="POST /confirm?do=kick&id=2&reason=Good+night."`)
	b.shows("/confirm", url.Values{"do": {"drain"}, "for": {"1s"}}, 200, "The server stops.")
	s.wait()
}

// until asks until the page has a part: events come a moment after what they tell of.
func (b *browser) until(path, part string) string {
	for {
		if _, page := b.ask(path, nil, "same-origin"); strings.Contains(page, part) || b.t.Context().Err() != nil {
			return page
		}
	}
}

// A visit begins by a token, and ends when somebody logs out or the token is gone.
func TestPageLogin(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, base, client := administered(t, dir, "--root", t.TempDir())
	b := newBrowser(t, base, client)
	b.shows("/login", url.Values{"token": {"wrong"}}, 401, "the token is none of the file")
	s.log.until(`msg="a wrong token for administrators" client=127.0.0.1:`)
	response, _ := b.ask("/login", url.Values{"token": {adminToken}}, "same-origin")
	cookie := response.Header.Get("Set-Cookie")
	for _, part := range []string{"__Host-wasiftpd=", "; Path=/;", "; HttpOnly", "; Secure", "; SameSite=Strict", "Max-Age=43200"} {
		if !strings.Contains(cookie, part) {
			t.Errorf("%q is not in %s", part, cookie)
		}
	}
	b.shows("/", nil, 200, "Log out")
	for path := range map[string]bool{"/": true, "/login": true, "/script.js": true, "/v1/status": true} {
		response, _ := b.ask(path, nil, "same-origin")
		policy := response.Header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'; ") || strings.Contains(policy, "unsafe") ||
			response.Header.Get("X-Content-Type-Options") != "nosniff" || response.Header.Get("Referrer-Policy") != "no-referrer" ||
			response.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", path, response.Header)
		}
	}
	for path, form := range map[string]url.Values{
		"/confirm": {"do": {"drain"}}, "/v1/drain": {}, "/logout": {}, "/login": {"token": {adminToken}},
	} {
		if response, page := b.ask(path, form, "cross-site"); response.StatusCode != 403 {
			t.Errorf("another site: POST %s: %d\n%s", path, response.StatusCode, page)
		}
	}
	b.shows("/logout", url.Values{}, 303, "/login")
	b.shows("/", nil, 303, "/login")

	b.logIn(adminToken)
	live, err := b.http.Get(base + "/v1/live")
	if err != nil {
		t.Fatal(err)
	}
	defer live.Body.Close()
	write(t, dir, "tokens", "prom:read:"+readToken+"\n")
	s.log.until(`msg="tokens file loaded"`)
	b.shows("/", nil, 303, "/login")
	if _, err := io.Copy(io.Discard, live.Body); err != nil { // it ends
		t.Error(err)
	}

	b.logIn(readToken)
	if page := b.shows("/", nil, 200, "prom (reads only)"); strings.Contains(page, "/confirm") {
		t.Errorf("there is a button in\n%s", page)
	}
	b.shows("/confirm?do=drain", nil, 403, "may only read")
	b.shows("/confirm", url.Values{"do": {"drain"}}, 403, "may only read")
}

// Guesses end in a ban, which visits outlive.
func TestPageGuesses(t *testing.T) {
	t.Parallel()
	_, base, client := administered(t, t.TempDir(), "--root", t.TempDir())
	b := newBrowser(t, base, client)
	b.logIn(readToken)
	for range 11 {
		b.shows("/login", url.Values{"token": {"guess"}}, 401, "the token is none of the file")
	}
	b.shows("/login", url.Values{"token": {readToken}}, 429, "too many wrong tokens came from your address")
	b.shows("/", nil, 200, "prom (reads only)")
}

// hostile is a name that clients can send as a user, a path and more.
const hostile = "\"'><img src=x onerror=\"document.title='owned'\">\u202egpj.\xff"

// No name of a client becomes markup.
func TestPageHostileNames(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "admin.sock")
	s := start(t, "--root", t.TempDir(), "--user", "bob:secret:rw", "--admin-socket", socket, "--rate-per-session", "300k")
	d := s.hostileSession()
	b := &browser{t: t, base: "http://wasiftpd", http: http.Client{Transport: &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", socket) },
	}}}
	b.until("/", "login failed")
	page := b.until("/", `class="path">/`)
	for _, part := range []string{"<img", "\u202e", "\xff", "onerror=\""} {
		if strings.Contains(page, part) {
			t.Errorf("%q is in\n%s", part, page)
		}
	}
	if n := strings.Count(page, "&lt;img src=x onerror="); n < 3 {
		t.Errorf("the names are there %d times", n)
	}
	d.Close()
}

// hostileSession begins an upload, with hostile names wherever a client can choose them. It
// goes on until the dialogue is closed.
func (s *running) hostileSession() dialogue {
	d := s.dial()
	d.do(331, "USER "+hostile)
	d.do(530, "PASS "+hostile)
	d.login("bob", "secret")
	d.do(200, "CLNT "+hostile)
	data := d.data(s.addr)
	d.do(150, "STOR "+hostile)
	go func() {
		piece := make([]byte, 64<<10)
		for _, err := data.Write(piece); err == nil; {
			_, err = data.Write(piece)
		}
	}()
	return d
}

// The page in Chromium, as people use it.
func TestPageInChromium(t *testing.T) {
	t.Parallel()
	node, chromium := tool(t, "node"), tool(t, "chromium")
	if _, err := os.Stat("../../tests/node/node_modules/playwright-core"); err != nil {
		t.Skip("npm ci in tests/node")
	}
	s, base, _ := administered(t, t.TempDir(), "--root", t.TempDir(), "--user", "bob:secret:rw", "--user", "eve:secret:ro",
		"--quota-per-user", "1G", "--state-dir", t.TempDir(), "--rate-per-session", "300k")
	d := s.hostileSession()
	s.dial().login("eve", "secret")
	shots := os.Getenv("WASIFTPD_SCREENSHOTS") // where somebody looks at them
	if shots == "" {
		shots = t.TempDir()
	}
	use := exec.Command(node, "../../tests/node/status.js", chromium, base, adminToken, shots)
	if out, err := use.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if text := d.expect(421); text != "Enough." {
		t.Error(text)
	}
}
