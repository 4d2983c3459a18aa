package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"wasiftp/host"
)

// rfcKey is the secret of RFC 6238, appendix B, and rfcCodes are the last six digits of its
// codes at times in seconds.
const rfcKey = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"

var rfcCodes = map[int64]string{59: "287082", 1111111109: "081804", 1234567890: "005924", 20000000000: "353130"}

// configured makes the roster of a configuration file in dir.
func configured(t *testing.T, dir, text string) *roster {
	t.Helper()
	c := &configFile{path: filepath.Join(dir, "wasiftpd.toml")}
	o, _, err := c.parse([]byte("root = '.'\n"+text), nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := o.roster(t.Context(), &follower{logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// loginFrom logs in from an address.
func (r *roster) loginFrom(t *testing.T, from, user, password string) error {
	t.Helper()
	a, err := r.Authenticate(t.Context(), host.Login{
		User: user, Password: host.Password(password), Client: netip.AddrPortFrom(netip.MustParseAddr(from), 4711),
	})
	if err == nil {
		a.Close()
	}
	return err
}

func TestTOTP(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "users", "ann:"+bcryptHash4+"::ro:charset=Big5:totp="+rfcKey+"\n")
	r := configured(t, dir, "users = 'users'\n[defaults]\nrights = 'ro'\n[[user]]\nname = 'bob'\npasswords = ['"+
		argonHash+"', '"+bcryptHash4+"']\ntotp = 'gezd gnbv gy3t qojq gezd gnbv gy3t qojq'\n"+userTable("cat", ""))
	for at, code := range rfcCodes {
		r.codes.now = func() time.Time { return time.Unix(at, 0) }
		for password, ok := range map[string]bool{
			"secret" + code: true, "secret": false, code: false, "": false, "secret" + code[:5]: false, "secre" + code: false,
			"secret" + code + "0": false, "secret" + code + code: false, code + "secret": false, "secret" + rfcKey: false,
			"secret000000": false, "secret " + code: false,
		} {
			for _, user := range []string{"ann", "bob"} {
				err := r.loginFrom(t, "192.0.2.1", user, password)
				if ok != (err == nil) || !ok && !errors.Is(err, host.ErrDenied) {
					t.Errorf("%s with %q: %v", user, password, err)
				}
				if err != nil && (strings.Contains(err.Error(), code) || strings.Contains(err.Error(), rfcKey)) {
					t.Errorf("the log tells a secret: %v", err)
				}
			}
		}
		if err := r.loginFrom(t, "192.0.2.1", "bob", "password"+code); err != nil {
			t.Errorf("bob by the other password: %v", err)
		}
		if err := r.loginFrom(t, "192.0.2.1", "cat", "secret"); err != nil {
			t.Errorf("who needs no code: %v", err)
		}
	}
	r.codes.now = func() time.Time { return time.Unix(1111111109, 0) } // the code below is that of another time
	if err := r.loginFrom(t, "192.0.2.1", "ann", "secret287082"); err == nil || !strings.Contains(err.Error(), "the code") {
		t.Errorf("who knows the password is not logged so: %v", err)
	}
	if err := r.loginFrom(t, "192.0.2.1", "ann", "wrong287082"); err == nil || strings.Contains(err.Error(), "the code") {
		t.Errorf("who does not know the password: %v", err)
	}
}

// A code counts a period early and late, and again for the same client alone.
func TestTOTPWindow(t *testing.T) {
	t.Parallel()
	now := time.Unix(1111111109, 0)
	uses := newTOTPUses()
	uses.now = func() time.Time { return now }
	try := func(ok bool, user, code, from string) {
		t.Helper()
		err := uses.check(rfcKey, code, user, netip.MustParseAddr(from))
		if ok != (err == nil) || !ok && !errors.Is(err, host.ErrDenied) {
			t.Errorf("%s with %s from %s at %v: %v", user, code, from, now.Unix(), err)
		}
	}
	const first = "081804" // of the period that ends after this second
	try(true, "ann", first, "192.0.2.1")
	try(true, "ann", first, "::ffff:192.0.2.1")
	try(false, "ann", first, "192.0.2.2")
	try(true, "bob", first, "2001:db8::1")
	try(true, "bob", first, "2001:db8::2")
	try(false, "bob", first, "2001:db8:0:1::1")
	now = now.Add(30 * time.Second)
	try(true, "ann", first, "192.0.2.1")
	try(false, "ann", first, "192.0.2.2")
	try(true, "cat", first, "192.0.2.2")
	second, err := totp.GenerateCode(rfcKey, now)
	if err != nil {
		t.Fatal(err)
	}
	try(true, "ann", second, "192.0.2.2")
	try(true, "ann", first, "192.0.2.1") // another machine of the user has begun meanwhile
	try(false, "ann", second, "192.0.2.1")
	now = now.Add(30 * time.Second)
	try(false, "ann", first, "192.0.2.1")
	now = time.Unix(1111111109, 0).Add(-totpPeriod * time.Second)
	try(true, "dan", first, "192.0.2.1")
	now = now.Add(-totpPeriod * time.Second)
	try(false, "dan", first, "192.0.2.1")

	now = time.Unix(1111111109, 0).Add(time.Hour)
	later, err := totp.GenerateCode(rfcKey, now)
	if err != nil {
		t.Fatal(err)
	}
	try(true, "ann", later, "192.0.2.1")
	if n := len(uses.used); n != 1 {
		t.Errorf("%d codes are remembered", n)
	}
}

func TestTOTPFaults(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for secret, want := range map[string]string{
		"": "too short", "GEZDGNBVGY3TQOJQ": "26 letters or digits", "1EZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ0": "base32",
	} {
		text := userTable("ann", "rights = 'ro'") + fmt.Sprintf("totp = %q\n", secret)
		file := write(t, dir, "wasiftpd.toml", text)
		_, errs := exits(t, 2, nil, "check", "--config", file)
		if place := file + ":5:8: totp: "; !strings.Contains(errs, place) || !strings.Contains(errs, want) ||
			secret != "" && strings.Contains(errs, secret) {
			t.Errorf("%q: %s", secret, errs)
		}
	}
	users := write(t, dir, "users", "# ours\nann:*::ro:totp=x\nbob:*::ro:totp="+rfcKey+":totp="+rfcKey+"\n")
	_, errs := exits(t, 2, nil, "check", "--users", users)
	if !strings.Contains(errs, users+":2: the secret is too short") || !strings.Contains(errs, users+":3: totp= is given twice") {
		t.Error(errs)
	}
}

// totp makes a secret. passwd leaves it in the line.
func TestTOTPCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	code, out, _ := run(t, nil, "totp", "ann", "--issuer", "our files")
	_, secret, _ := strings.Cut(out, `totp = "`)
	secret, _, _ = strings.Cut(secret, `"`)
	if code != 0 || !strings.HasPrefix(out, "otpauth://totp/our%20files:ann?") || !strings.Contains(out, "secret="+secret) ||
		!strings.Contains(out, ":totp="+secret+"\n") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	if key, err := parseTOTP(secret); err != nil || string(key) != secret {
		t.Errorf("%q: %v", secret, err)
	}
	const before = "# ours\r\nann:" + bcryptHash4 + ":C:\\data:rw:charset=Big5\r\nbob:" + bcryptHash4 + "::ro\r\n"
	file := write(t, dir, "users", before)
	code, out, _ = run(t, nil, "totp", "ann", "--users", file)
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(content), "\r\n")
	line, secret, _ := strings.Cut(lines[1], ":totp=")
	if code != 0 || line != strings.Split(before, "\r\n")[1] || lines[0] != "# ours" || lines[2] != "bob:"+bcryptHash4+"::ro" ||
		!strings.Contains(out, "secret="+secret) || len(secret) < 26 {
		t.Errorf("exit code %d, %q, %s", code, content, out)
	}
	setPassword(t, file, "ann", "new")
	if e := usersOf(t, file, map[string]string{"ann": "new", "bob": "secret"})["ann"]; string(e.totp) != secret {
		t.Errorf("passwd has changed the secret to %q", e.totp)
	}
	for _, args := range [][]string{{"totp", "zoe", "--users", file}, {"totp", "zoe", "--users", filepath.Join(dir, "missing")}} {
		if code, _, errs := run(t, nil, args...); code != 1 || !strings.Contains(errs, `no user "zoe"`) {
			t.Errorf("%q: %d, %s", args, code, errs)
		}
	}
	for _, args := range [][]string{{"totp"}, {"totp", "a:b"}, {"totp", "ann", "--issuer", ""}} {
		if code, _, errs := run(t, nil, args...); code != 2 {
			t.Errorf("%q: %d, %s", args, code, errs)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "missing")); err == nil {
		t.Error("a file was made for a user who is not there")
	}
}

// curl logs in by password and code, twice by the same; without a code, or from elsewhere,
// it does not.
func TestTOTPWithCurl(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	users := write(t, dir, "users", "ann:"+bcryptHash4+"::ro:totp="+rfcKey+"\n")
	s := start(t, "--root", dir, "--users", users, "--ban-after", "off")
	code, err := totp.GenerateCode(rfcKey, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if exit := s.curl("secret"+code, ""); exit != 0 {
			t.Errorf("curl ends with %d\n%s", exit, s.log)
		}
	}
	for _, password := range []string{"secret", "secret" + "/" + code[1:]} {
		if exit := s.curl(password, ""); exit != 67 {
			t.Errorf("without the code curl ends with %d", exit)
		}
	}
	if exit := s.curl("secret"+code, "127.0.0.78"); exit != 67 && exit != 45 { // 45: no such address here
		t.Errorf("from elsewhere curl ends with %d", exit)
	}
	if log := s.log.until("the code behind the password is wrong"); strings.Contains(log, code) || strings.Contains(log, rfcKey) {
		t.Errorf("the log tells a secret:\n%s", log)
	}
}

// A client certificate stands in for the password, and not for the code.
func TestTOTPWithCertificate(t *testing.T) {
	t.Parallel()
	dir, ca := t.TempDir(), newAuthority(t)
	cert, key := ca.files(dir, "a.example.org")
	file := write(t, dir, "wasiftpd.toml", fmt.Sprintf("tls-cert = %q\ntls-key = %q\ntls-client-ca = %q\n"+
		"tls-client-auth = 'login'\nlisten = '127.0.0.1:0'\nimplicit-listen = '127.0.0.1:0'\n[[user]]\nname = 'ann'\n"+
		"rights = 'ro'\ncertificate = 'device'\ntotp = %q\n", cert, key, write(t, dir, "ca", ca.pem()), rfcKey))
	s := program{}.start(t, "--config", file, "--root", dir)
	code, err := totp.GenerateCode(rfcKey, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s.dialTLS(ca.client("a.example.org", "device")).login("ann", code)
	for _, password := range []string{"anything", "000000" + code[:5]} {
		d := s.dialTLS(ca.client("a.example.org", "device"))
		d.do(331, "USER ann")
		d.do(530, "PASS "+password)
	}
}
