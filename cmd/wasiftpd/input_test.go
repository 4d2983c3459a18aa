package main

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each fault is one sentence, with a name for what is wrong and no more.
func TestBadInput(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	file := write(t, dir, "file", "not a module")
	users := write(t, dir, "users", "alice:secret::ro\n")
	ca := newAuthority(t)
	cert, key := ca.files(dir, "a")
	_, otherKey := ca.files(dir, "b")
	open := filepath.Join(dir, "open")
	if err := errors.Join(os.MkdirAll(filepath.Join(open, "of others"), 0o755), os.Chmod(open, 0o777)); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing")

	for _, test := range []struct {
		args []string
		code int
		want string // parts of the line
	}{
		{[]string{"--listen", taken.Addr().String()}, 1, "cannot listen on " + taken.Addr().String() + "|--listen"},
		{[]string{"--listen", "192.0.2.1:0"}, 1, "cannot listen on 192.0.2.1:0|--listen"},
		{[]string{"--root", missing}, 1, "there is no folder " + missing + "|--root"},
		{[]string{"--root", file}, 1, file + " is a file|--root"},
		{[]string{"--users", missing}, 1, "users file|" + missing + "|--users"},
		{[]string{"--users", users}, 1, users + ":1: |argon2id|passwd"},
		{[]string{"--listen", "127.0.0.1:0", "--module", missing}, 1, "cannot read the module|--module|" + missing},
		{[]string{"--listen", "127.0.0.1:0", "--module", file, "--cache-dir", "off"}, 1, "cannot run the engine in " + file +
			"|--module"},
		{[]string{"module", filepath.Join(missing, "x.wasm")}, 1, "cannot write the module|" + missing},

		{[]string{"--implicit-listen", taken.Addr().String(), "--tls-cert", cert, "--tls-key", key}, 1, "cannot listen on " +
			taken.Addr().String() + "|--implicit-listen"},
		{[]string{"--tls-cert", missing, "--tls-key", key}, 1, "cannot read the certificate|" + missing},
		{[]string{"--tls-cert", cert, "--tls-key", missing}, 1, "cannot read the key|" + missing},
		{[]string{"--tls-cert", cert, "--tls-key", otherKey}, 1, "cannot use|" + cert + "|" + otherKey + "|does not match"},
		{[]string{"--tls-cert", file, "--tls-key", key}, 1, "cannot use|" + file},
		{[]string{"--tls", "self-signed", "--tls-dir", open}, 1, "private folder|" + open + "|--tls-dir"},
		{[]string{"--tls-acme", "a.example.org", "--tls-dir", open}, 1, "private folder|" + open + "|--tls-dir"},
		{[]string{"--tls-cert", cert, "--tls-key", key, "--tls-client-ca", missing}, 1, "cannot read the clients' CA|" +
			missing + "|--tls-client-ca"},
		{[]string{"--tls-cert", cert, "--tls-key", key, "--tls-client-ca", file}, 1, "no certificate in " + file + "|--tls-client-ca"},

		{[]string{"--auth-program", missing}, 1, "cannot run " + missing + "|--auth-program"},
		{[]string{"--auth-program", file}, 1, "cannot run " + file + "|--auth-program"},
		{[]string{"--auth-http", "ftp://example.org"}, 2, "--auth-http|https://"},
		{[]string{"--auth-ldap", "https://example.org"}, 2, "--auth-ldap|https://example.org|ldaps://"},
		{[]string{"--auth-ldap", "ldaps://example.org/dc=org"}, 2, "--auth-ldap|--auth-ldap-dn"},
		{[]string{"--auth-ldap", "ldaps://example.org"}, 2, "--auth-ldap needs --auth-ldap-dn"},
		{[]string{"--auth-ldap-dn", "uid=ann"}, 2, "--auth-ldap-dn|%u"},
		{[]string{"--auth-ldap-dn", "%u"}, 2, "--auth-ldap-dn|%u"},
		{[]string{"--auth-sql", "mysql://a:b@example.org/c"}, 2, "--auth-sql|postgres://|sqlite:FILE"},
		{[]string{"--auth-sql", "sqlite:"}, 2, "--auth-sql|sqlite:FILE"},
		{[]string{"--auth-rights", "all"}, 2, "--auth-rights|\"all\""},
		{[]string{"--auth-timeout", "0"}, 2, "--auth-timeout|\"0\""},
		{[]string{"--auth-cache", "-1s"}, 2, "--auth-cache|\"-1s\""},
		{[]string{"--allow-from", "10.0.0.0/8,example.org"}, 2, "--allow-from|\"example.org\"|192.0.2.0/24"},
		{[]string{"--deny-from", "10.0.0.0/33"}, 2, "--deny-from|10.0.0.0/33"},
		{[]string{"--ban-after", "20"}, 2, "--ban-after|\"20\"|20/1m|off"},
		{[]string{"--ban-after", "0/1m"}, 2, "--ban-after|\"0/1m\""},
		{[]string{"--ban-after", "20/0s"}, 2, "--ban-after|\"20/0s\""},
		{[]string{"--ban-time", "0"}, 2, "--ban-time|\"0\""},
		{[]string{"--max-connection-rate", "-1"}, 2, "--max-connection-rate|\"-1\""},

		{[]string{"--tls", "on"}, 2, "--tls|\"on\"|off, self-signed"},
		{[]string{"--tls-cert", cert}, 2, cert + " has no key|--tls-key"},
		{[]string{"--tls-cert", cert, "--tls-key", key, "--tls-key", otherKey}, 2, otherKey + " has no certificate|--tls-cert"},
		{[]string{"--tls", "off", "--tls-cert", cert, "--tls-key", key}, 2, "--tls|--tls-cert|exclude each other"},
		{[]string{"--tls", "self-signed", "--tls-acme", "a.example.org"}, 2, "--tls|--tls-acme|exclude each other"},
		{[]string{"--tls-acme", "a.example.org", "--tls-cert", cert, "--tls-key", key}, 2, "--tls-acme|exclude each other"},
		{[]string{"--tls-acme", "*.example.org"}, 2, "--tls-acme|\"*.example.org\"|ftp.example.org"},
		{[]string{"--tls-acme-ca", "localhost"}, 2, "--tls-acme-ca|\"localhost\"|https://"},
		{[]string{"--tls-acme-ca", "https://localhost/"}, 2, "--tls-acme-ca|needs --tls-acme"},
		{[]string{"--implicit-listen", ":990"}, 2, "--implicit-listen needs TLS|--tls-cert"},
		{[]string{"--implicit-listen", "990"}, 2, "--implicit-listen|\"990\""},
		{[]string{"--tls", "off", "--tls-require", "login"}, 2, "--tls-require needs TLS|--tls-cert"},
		{[]string{"--tls-require", "yes"}, 2, "--tls-require|\"yes\"|off, login, control, data"},
		{[]string{"--tls-min", "1.1"}, 2, "--tls-min|\"1.1\"|1.2, 1.3"},
		{[]string{"--tls-data-resumption", "on"}, 2, "--tls-data-resumption|\"on\"|prefer, require, off"},
		{[]string{"--tls-client-ca", cert}, 2, "--tls-client-ca needs TLS|--tls-cert"},
		{[]string{"--tls-client-auth", "login"}, 2, "--tls-client-auth needs --tls-client-ca"},
		{[]string{"--tls-client-auth", "maybe"}, 2, "--tls-client-auth|\"maybe\"|require, login"},
		{[]string{"--behaviour", "make-parents,follow"}, 2, "--behaviour|\"follow\"|--help"},
		{[]string{"--charset", "UTF-16"}, 2, "--charset|UTF-16|ASCII"},
		{[]string{"--charset", "klingon"}, 2, "--charset|klingon|Windows-1252"},
		{[]string{"--list-time-zone", "Mars"}, 2, "--list-time-zone|Mars|Europe/Berlin"},
		{[]string{"--host", "root=/"}, 2, "--host|\"root=/\"|ftp.example.org"},
		{[]string{"--host", "*.example.org"}, 2, "--host|ftp.example.org"},
		{[]string{"--host", "a.example.org,folder=/"}, 2, "--host|\"folder=/\"|root=DIR"},
		{[]string{"--host", "a.example.org,root="}, 2, "--host|root|nothing"},
		{[]string{"--host", "a.example.org,anonymous=yes"}, 2, "--host|anonymous|off, ro, rw"},
		{[]string{"--host", "a.example.org", "--host", "A.example.org"}, 2, "--host|a.example.org is given twice"},
		{[]string{"--host", "a.example.org,cert=f"}, 2, "--host|needs cert and key"},
		{[]string{"--host", "a.example.org,anonymous=off"}, 2, "--host a.example.org|nobody could log in"},
		{[]string{"--host", "a.example.org,cert=" + missing + ",key=" + key}, 1, "cannot read the certificate|" + missing},
		{[]string{"--tls", "off", "--host", "a.example.org,cert=" + cert + ",key=" + key}, 2, "--tls off|--host"},
		{[]string{"--run-as", "no-such-user"}, 2, "--run-as|no user no-such-user"},
		{[]string{"--run-as", "0:12321"}, 2, "--run-as|root"},
		{[]string{"--run-as", "nobody:"}, 2, "--run-as|\"nobody:\"|ftp:www-data"},
		{[]string{"--landlock", ""}, 2, "--landlock|nothing"},
		{[]string{"--allow", "site-copy,everything"}, 2, "--allow|\"everything\"|--help"},
		{[]string{"--owner", "me:"}, 2, "--owner|\"me:\"|OWNER:GROUP"},
		{[]string{"--max-sessions-per-user", "-1"}, 2, "--max-sessions-per-user|\"-1\""},
		{[]string{"--listen", "2121"}, 2, "--listen|\"2121\"|127.0.0.1:2121"},
		{[]string{"--listen", "127.0.0.1:99999"}, 2, "--listen|99999"},
		{[]string{"--anonymous", "yes"}, 2, "--anonymous|\"yes\"|off, ro, rw"},
		{[]string{"--anonymous", "off"}, 2, "nobody could log in|--user"},
		{[]string{"--user", ":secret"}, 2, "--user|name is missing"},
		{[]string{"--user", "alice"}, 2, "--user|password is empty|NAME:PASSWORD"},
		{[]string{"--user", "alice:pass:secret"}, 2, "--user|\"alice\"|NAME:PASSWORD:RIGHTS|wo|mkdir|colon"},
		{[]string{"--user", "alice:secret:"}, 2, "--user|\"alice\"|NAME:PASSWORD:RIGHTS"},
		{[]string{"--user", "alice:secret:RW"}, 2, "--user|\"alice\"|NAME:PASSWORD:RIGHTS"},
		{[]string{"--user", "alice::rw"}, 2, "--user|password is empty"},
		{[]string{"--user", "#alice:secret"}, 2, "--user|begin with #"},
		{[]string{"--user", "alice:a:ro", "--user", "alice:b:rw"}, 2, "--user|\"alice\" is given twice"},
		{[]string{"--passive-ports", "50000"}, 2, "--passive-ports|50000-50099"},
		{[]string{"--passive-ports", "2-1"}, 2, "--passive-ports|\"2-1\""},
		{[]string{"--passive-ports", "0-70000"}, 2, "--passive-ports"},
		{[]string{"--public-address", "300.1.1.1"}, 2, "--public-address|\"300.1.1.1\"|IPv4|ftp.example.org"},
		{[]string{"--public-address", "a b"}, 2, "--public-address|\"a b\"|ftp.example.org"},
		{[]string{"--public-address", "0.0.0.0"}, 2, "--public-address|\"0.0.0.0\"|IPv4"},
		{[]string{"--public-address", "10.0.0.0/8="}, 2, "--public-address|\"\"|IPv4"},
		{[]string{"--public-address", "10.0.0.0=::1"}, 2, "--public-address|\"::1\"|IPv4"},
		{[]string{"--public-address", "lan=10.0.0.1"}, 2, "--public-address|\"lan\"|192.0.2.0/24"},
		{[]string{"--public-address", "2001:db8::/32=10.0.0.1"}, 2, "--public-address|IPv4 network"},
		{[]string{"--public-address", "192.0.2.1", "--public-address", "a.example.org"}, 2, "--public-address|a.example.org|second"},
		{[]string{"--public-address", "10.0.0.0/8=192.0.2.1", "--public-address", "10.0.0.0/8=192.0.2.2"}, 2,
			"--public-address|second"},
		{[]string{"--public-address", "::1"}, 2, "--public-address|IPv4"},
		{[]string{"--proxy-protocol", "10.0.0.0/8,proxy"}, 2, "--proxy-protocol|\"proxy\"|192.0.2.0/24"},
		{[]string{"--proxy-protocol", "10.0.0.0/33"}, 2, "--proxy-protocol|\"10.0.0.0/33\""},
		{[]string{"--proxy-protocol", "fe80::1%eth0"}, 2, "--proxy-protocol|\"fe80::1%eth0\""},
		{[]string{"--proxy-protocol", "::ffff:10.0.0.0/104"}, 2, "--proxy-protocol|192.0.2.0/24"},
		{[]string{"--proxy-protocol", ""}, 2, "--proxy-protocol|nothing|NETWORKS"},
		{[]string{"--max-sessions", "-1"}, 2, "--max-sessions|\"-1\""},
		{[]string{"--max-sessions-per-address", "many"}, 2, "--max-sessions-per-address|\"many\""},
		{[]string{"--max-startups", "60"}, 2, "--max-startups|\"60\"|100:30:1000"},
		{[]string{"--max-startups", "1:2:3:4"}, 2, "--max-startups|100:30:1000"},
		{[]string{"--max-startups", "10:101:60"}, 2, "--max-startups|100:30:1000"},
		{[]string{"--max-startups", "10:30:"}, 2, "--max-startups|100:30:1000"},
		{[]string{"--max-startups", "0:30:60"}, 2, "--max-startups|100:30:1000"},
		{[]string{"--max-startups", "61:30:60"}, 2, "--max-startups|above"},
		{[]string{"--sessions-per-instance", "1.5"}, 2, "--sessions-per-instance|\"1.5\""},
		{[]string{"--idle-timeout", "5"}, 2, "--idle-timeout|\"5\"|5m"},
		{[]string{"--idle-timeout", "-5m"}, 2, "--idle-timeout"},
		{[]string{"--login-timeout", "60"}, 2, "--login-timeout|\"60\"|30s"},
		{[]string{"--data-timeout", "0"}, 2, "--data-timeout|\"0\"|30s"},
		{[]string{"--stall-timeout", "-1s"}, 2, "--stall-timeout|\"-1s\"|5m"},
		{[]string{"--stop-timeout", "30"}, 2, "--stop-timeout|\"30\"|30s"},
		{[]string{"--stop-timeout", "-1s"}, 2, "--stop-timeout|30s"},
		{[]string{"--greeting", "a\r\n220 b"}, 2, "--greeting"},
		{[]string{"--log-format", "xml"}, 2, "--log-format|\"xml\"|text, json"},
		{[]string{"--nonsense"}, 2, "--nonsense|--help"},
		{[]string{"--root"}, 2, "--root|--help"},
		{[]string{"nonsense"}, 2, "no command \"nonsense\"|--help"},
		{[]string{"serve", "nonsense"}, 2, "\"nonsense\"|--help"},
		{[]string{"version", "nonsense"}, 2, "\"nonsense\"|--help"},
		{[]string{"passwd"}, 2, "name is missing"},
		{[]string{"passwd", "a:b"}, 2, "colon"},
		{[]string{"passwd", "alice", "--rights", "all"}, 2, "--rights|\"all\"|ro, rw"},
		{[]string{"passwd", "alice"}, 1, "password is empty"},
	} {
		t.Run(strings.Join(test.args, " "), func(t *testing.T) {
			code, stdout, stderr := run(t, strings.NewReader(""), test.args...)
			if code != test.code || stdout != "" {
				t.Errorf("exit code %d, stdout %q; want %d and nothing", code, stdout, test.code)
			}
			if !strings.HasPrefix(stderr, "wasiftpd: ") || strings.Count(stderr, "\n") != 1 || !strings.HasSuffix(stderr, "\n") {
				t.Errorf("stderr is not one line: %q", stderr)
			}
			for part := range strings.SplitSeq(test.want, "|") {
				if !strings.Contains(stderr, part) {
					t.Errorf("stderr %q does not say %q", stderr, part)
				}
			}
			if strings.Contains(stderr, "secret") {
				t.Errorf("stderr %q tells a password", stderr)
			}
		})
	}
}
