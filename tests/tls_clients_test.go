package tests

import (
	"bytes"
	"cmp"
	"crypto/tls"
	_ "embed"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jlaffaye/ftp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/tests/script"
)

// way is how a client transfers.
type way struct {
	security string // plain, explicit or implicit
	verb     string // that prepares the data connection
}

// client is a program, or a library, that can speak FTP.
type client struct {
	name       string
	binary     string // that must be here, "" for none
	from       string // where to get it
	securities []string
	verbs      []string // in the clear
	tlsVerbs   []string
	said       string // what stands before a verb in its log
	gets       bool   // it can only fetch
	once       bool   // its first data connection resumes the TLS session, but not each later one
	byFamily   bool   // it takes the verb that the family of addresses needs
	run        func(s *tlsSite, at netip.AddrPort, w way) (log string, err error)
}

var (
	allWays  = []string{"plain", "explicit", "implicit"}
	explicit = []string{"plain", "explicit"}
	plain    = []string{"plain"}
	allVerbs = []string{"EPSV", "PASV", "EPRT", "PORT"}
	passive  = []string{"EPSV", "PASV"}

	lftpVerbs = []string{"EPSV", "PASV", "PORT"}
)

var clients = []client{
	// curl 7.87 and 7.88 cannot use TLS in active mode (curl#10666).
	{name: "curl", binary: "curl", from: "Debian's curl", securities: allWays, verbs: allVerbs, tlsVerbs: passive,
		said: "> ", run: runCurl},
	// lftp 4.9 says EPRT |2|::|, which is nobody's address.
	{name: "lftp", binary: "lftp", from: "Debian's lftp", securities: allWays, verbs: lftpVerbs, tlsVerbs: lftpVerbs,
		said: "---> ", byFamily: true, run: runLftp},
	{name: "wget", binary: "wget", from: "Debian's wget", securities: allWays, verbs: allVerbs, tlsVerbs: allVerbs,
		said: "--> ", gets: true, byFamily: true, run: runWget},
	{name: "Python ftplib", binary: "python3", from: "Debian's python3", securities: explicit, verbs: allVerbs,
		tlsVerbs: allVerbs, said: `\*cmd\* '`, byFamily: true, run: runPython},
	{name: "Ruby Net::FTP", binary: "ruby", from: "Debian's ruby", securities: explicit, verbs: allVerbs, tlsVerbs: allVerbs,
		said: "put: ", byFamily: true, once: true, run: runRuby},
	{name: "Perl Net::FTP", binary: "perl", from: "Debian's libio-socket-ssl-perl", securities: allWays, verbs: allVerbs,
		tlsVerbs: allVerbs, said: ">>> ", byFamily: true, run: runPerl},
	{name: "basic-ftp", binary: "node", from: "npm ci in tests/node", securities: allWays, verbs: passive, tlsVerbs: passive,
		said: "> ", run: runBasicFTP},
	{name: "jlaffaye/ftp", securities: allWays, verbs: passive, tlsVerbs: passive, said: "^", run: runJlaffaye},
	{name: "rclone", binary: "rclone", from: "Debian's rclone", securities: allWays, verbs: passive, tlsVerbs: passive,
		said: `Tx: "`, run: runRclone},
	{name: "tnftp", binary: "tnftp", from: "Debian's tnftp", securities: plain, verbs: allVerbs, said: "---> ", run: runTnftp},
	{name: "ncftp", binary: "ncftpget", from: "Debian's ncftp", securities: plain, verbs: []string{"PASV", "PORT"},
		said: "Cmd: ", run: runNcftp},
}

// extended says whether the verb is EPSV or EPRT, which IPv6 needs. Many clients choose
// the verb by the family of the address.
func (w way) extended() bool { return w.verb[0] == 'E' }
func (w way) active() bool   { return w.verb == "EPRT" || w.verb == "PORT" }

// tlsSite is a site that servers with TLS serve, each on ports of its own.
type tlsSite struct {
	site
	dir *fsbridge.Dir
}

// tlsServer makes a common server for one version of TLS, once.
func tlsServer(version uint16, policy host.DataResumption) func() (*common, error) {
	return sync.OnceValues(func() (*common, error) {
		c := &common{files: map[netip.AddrPort]fs.FS{}}
		config := serverTLS()
		config.MinVersion, config.MaxVersion = version, version
		var err error
		c.Server, err = host.New(host.Config{
			Authenticator: c, CacheDir: temporary, TLS: host.TLS{Config: config, DataResumption: policy},
			Limits: host.Limits{FailureDelay: time.Millisecond},
		})
		return c, err
	})
}

var (
	preferring = map[string]func() (*common, error){
		"1.2": tlsServer(tls.VersionTLS12, host.PreferResumption), "1.3": tlsServer(tls.VersionTLS13, host.PreferResumption),
	}
	requiring = map[string]func() (*common, error){
		"1.2": tlsServer(tls.VersionTLS12, host.RequireResumption), "1.3": tlsServer(tls.VersionTLS13, host.RequireResumption),
	}
)

func newTLSSite(t testing.TB) *tlsSite {
	t.Helper()
	s := &tlsSite{site: site{t, folder{Root: t.TempDir()}, t.TempDir()}}
	var err error
	s.dir, err = fsbridge.OpenDir(s.Root, fsbridge.DirOptions{Atomic: true})
	require.NoError(t, err)
	t.Cleanup(func() { s.dir.Close() })
	s.put(s.local("ca.pem"), ours().pem)
	return s
}

// open makes a server serve this site at new ports of both families.
func (s *tlsSite) open(server func() (*common, error), implicit bool) script.Network {
	s.t.Helper()
	c, err := server()
	require.NoError(s.t, err)
	serve := c.Serve
	if implicit {
		serve = c.ServeTLS
	}
	network := listenBy(s.t, "127.0.0.1", serve)
	c.offer(s.t, network, s.dir)
	return network
}

// try runs a client that trusts the server's certificate.
func (s *tlsSite) try(stdin string, command ...string) (string, error) {
	return s.site.try(stdin, append([]string{"env", "SSL_CERT_FILE=" + s.local("ca.pem")}, command...)...)
}

func ftpURL(at netip.AddrPort, w way) string {
	if w.security == "implicit" {
		return "ftps://" + at.String() + "/"
	}
	return "ftp://" + at.String() + "/"
}

// curl begins a command line.
func curl(w way) []string {
	command := []string{"curl", "-sS", "-v", "--fail", "--user", "u:p", "--cacert", "ca.pem"}
	if w.security != "plain" {
		command = append(command, "--ssl-reqd")
	}
	return append(command, map[string][]string{
		"PASV": {"--disable-epsv"}, "EPRT": {"--ftp-port", "-"}, "PORT": {"--ftp-port", "-", "--disable-eprt"},
	}[w.verb]...)
}

func runCurl(s *tlsSite, at netip.AddrPort, w way) (string, error) {
	down := append(curl(w), ftpURL(at, w)+"down.bin", "-o", "down.bin", "--next")
	return s.try("", append(down, append(curl(w)[1:], "-T", "up.bin", ftpURL(at, w))...)...)
}

// lftp is the beginning of a script.
func lftp(at netip.AddrPort, w way) string {
	return strings.Join([]string{
		"debug 9", "set cmd:fail-exit true", "set net:max-retries 1", "set net:timeout 20", "set ssl:ca-file ca.pem",
		fmt.Sprintf("set ftp:ssl-allow %t; set ftp:ssl-force %[1]t; set ftp:ssl-protect-data %[1]t", w.security != "plain"),
		fmt.Sprintf("set ftp:passive-mode %t; set ftp:prefer-epsv %t", !w.active(), w.verb == "EPSV"),
		fmt.Sprintf("open -u u,p %s", ftpURL(at, w)),
	}, "\n") + "\n"
}

func runLftp(s *tlsSite, at netip.AddrPort, w way) (string, error) {
	return s.try(lftp(at, w)+"get down.bin\nput up.bin\n", "lftp", "--norc")
}

func runWget(s *tlsSite, at netip.AddrPort, w way) (string, error) {
	command := []string{"wget", "-d", "-t", "1", "-T", "20", "--user", "u", "--password", "p", "--ca-certificate", "ca.pem",
		"-O", "down.bin"}
	if w.active() {
		command = append(command, "--no-passive-ftp")
	}
	if w.security == "implicit" {
		command = append(command, "--ftps-implicit")
	}
	address := ftpURL(at, w)
	if w.security == "explicit" {
		address = strings.Replace(address, "ftp:", "ftps:", 1)
	}
	return s.try("", append(command, address+"down.bin")...)
}

//go:embed testdata/ftps.py
var pythonTLSProgram string

func runPython(s *tlsSite, at netip.AddrPort, w way) (string, error) {
	return s.try(pythonTLSProgram, append([]string{"python3", "-"}, arguments(at, w)...)...)
}

//go:embed testdata/ftps.rb
var rubyProgram string

func runRuby(s *tlsSite, at netip.AddrPort, w way) (string, error) {
	return s.try(rubyProgram, append([]string{"ruby", "-"}, arguments(at, w)...)...)
}

//go:embed testdata/ftps.pl
var perlProgram string

func runPerl(s *tlsSite, at netip.AddrPort, w way) (string, error) {
	return s.try(perlProgram, append([]string{"perl", "-"}, arguments(at, w)...)...)
}

func runBasicFTP(s *tlsSite, at netip.AddrPort, w way) (string, error) {
	return s.try("", append(node(s), arguments(at, w)...)...)
}

// node begins the command line of basic-ftp.
func node(s *tlsSite) []string {
	program, err := filepath.Abs("node/ftps.js")
	require.NoError(s.t, err)
	return []string{"node", program}
}

// arguments are those of the programs in testdata and node.
func arguments(at netip.AddrPort, w way) []string {
	return []string{w.security, w.verb, at.Addr().String(), portText(at), "ca.pem"}
}

func runJlaffaye(s *tlsSite, at netip.AddrPort, w way) (string, error) {
	var log bytes.Buffer
	config := &tls.Config{RootCAs: ours().pool, ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(0)}
	options := []ftp.DialOption{ftp.DialWithDebugOutput(&log), ftp.DialWithDisabledEPSV(w.verb == "PASV"),
		ftp.DialWithTimeout(script.Patience)}
	switch w.security {
	case "explicit":
		options = append(options, ftp.DialWithExplicitTLS(config))
	case "implicit":
		options = append(options, ftp.DialWithTLS(config))
	}
	c, err := ftp.Dial(at.String(), options...)
	if err != nil {
		return log.String(), err
	}
	defer c.Quit()
	if err = c.Login("u", "p"); err == nil {
		err = cmp.Or(jlaffayeGet(s, c), jlaffayePut(s, c))
	}
	return log.String(), err
}

func jlaffayeGet(s *tlsSite, c *ftp.ServerConn) error {
	r, err := c.Retr("down.bin")
	if err != nil {
		return err
	}
	content, err := io.ReadAll(r)
	s.put(s.local("down.bin"), content)
	return cmp.Or(err, r.Close())
}

func jlaffayePut(s *tlsSite, c *ftp.ServerConn) error {
	f, err := os.Open(s.local("up.bin"))
	if err != nil {
		return err
	}
	defer f.Close()
	return c.Stor("up.bin", f)
}

func runRclone(s *tlsSite, at netip.AddrPort, w way) (string, error) {
	password, err := s.try("", "rclone", "obscure", "p")
	require.NoError(s.t, err)
	rclone := []string{"rclone", "--config", "/dev/null", "--retries", "1", "--low-level-retries", "1", "-vv", "--dump", "requests",
		"--ftp-host", at.Addr().String(), "--ftp-port", portText(at), "--ftp-user", "u", "--ftp-pass", strings.TrimSpace(password),
		fmt.Sprintf("--ftp-disable-epsv=%t", w.verb == "PASV"), fmt.Sprintf("--ftp-explicit-tls=%t", w.security == "explicit"),
		fmt.Sprintf("--ftp-tls=%t", w.security == "implicit"), "copyto"}
	down, err := s.try("", append(slices.Clone(rclone), ":ftp:down.bin", "down.bin")...)
	if err != nil {
		return down, err
	}
	up, err := s.try("", append(rclone, "up.bin", ":ftp:up.bin")...)
	return down + up, err
}

func runTnftp(s *tlsSite, at netip.AddrPort, w way) (string, error) {
	commands := []string{"debug 1", "open " + at.Addr().String() + " " + portText(at), "user u p", "binary"}
	if w.active() {
		commands = append(commands, "passive off")
	}
	if !w.extended() {
		commands = append(commands, "epsv4 off")
	}
	return s.try(strings.Join(append(commands, "get down.bin", "put up.bin", "quit", ""), "\n"), "tnftp", "-n", "-v")
}

func runNcftp(s *tlsSite, at netip.AddrPort, w way) (string, error) {
	option := "-F"
	if w.active() {
		option = "-E"
	}
	login := []string{"-V", "-d", "debug", "-t", "20", "-r", "0", "-u", "u", "-p", "p", "-P", portText(at), option,
		at.Addr().String()}
	_, err := s.try("", append(append([]string{"ncftpget"}, login...), ".", "/down.bin")...)
	if err == nil {
		_, err = s.try("", append(append([]string{"ncftpput"}, login...), "/", "up.bin")...)
	}
	log, _ := os.ReadFile(s.local("debug"))
	return string(log), err
}

// transfer makes a client download and upload in a way. It returns an error if the client
// fails, or if a file did not arrive as it was.
func (s *tlsSite) transfer(c *client, network script.Network, w way) (string, error) {
	content := samples["64k+1.bin"]
	s.put(s.remote("down.bin"), content)
	s.put(s.local("up.bin"), content)
	os.Remove(s.local("down.bin"))
	os.Remove(s.local("debug"))
	os.Remove(s.remote("up.bin"))
	at := network.IPv4
	if c.byFamily && w.extended() {
		at = network.IPv6
	}
	log, err := c.run(s, at, w)
	if err != nil {
		return log, err
	}
	down, err := os.ReadFile(s.local("down.bin"))
	if err != nil || !bytes.Equal(down, content) {
		return log, fmt.Errorf("%d bytes came down, %w", len(down), err)
	}
	up, err := os.ReadFile(s.remote("up.bin"))
	if !c.gets && (err != nil || !bytes.Equal(up, content)) {
		return log, fmt.Errorf("%d bytes came up, %w", len(up), err)
	}
	return log, nil
}

// row tries all that a client can, and returns the client's line of the table.
func (c *client) row(t *testing.T) string {
	s := newTLSSite(t)
	cells := []string{c.name, c.cell(t, s, "plain", "1.3")}
	for _, security := range []string{"explicit", "implicit"} {
		for _, version := range []string{"1.2", "1.3"} {
			cells = append(cells, c.cell(t, s, security, version))
		}
	}
	return "| " + strings.Join(append(cells, c.resumes(t, s)), " | ") + " |"
}

// cell tries all verbs with one security and version of TLS, and returns those that work.
func (c *client) cell(t *testing.T, s *tlsSite, security, version string) string {
	if !slices.Contains(c.securities, security) {
		return "–"
	}
	network := s.open(preferring[version], security == "implicit")
	verbs := c.tlsVerbs
	if security == "plain" {
		verbs = c.verbs
	}
	var works []string
	for _, verb := range verbs {
		log, err := s.transfer(c, network, way{security, verb})
		said := regexp.MustCompile(`(?m)`+c.said+"(EPSV|PASV|EPRT|PORT)").FindAllStringSubmatch(log, -1)
		for _, match := range said { // a client may say another verb after a refusal
			assert.Equal(t, verb, match[1], "%s %s %s:\n%s", c.name, security, version, log)
		}
		if assert.NoError(t, err, "%s %s %s %s:\n%s", c.name, security, version, verb, log) && assert.NotEmpty(t, said, log) {
			works = append(works, verb)
		}
	}
	return strings.Join(works, " ")
}

// resumes returns the versions of TLS with which a client resumes its session on the data
// connection. If it does not, but must, no byte passes.
func (c *client) resumes(t *testing.T, s *tlsSite) string {
	var does []string
	for _, version := range []string{"1.2", "1.3"} {
		if !slices.Contains(c.securities, "explicit") {
			continue
		}
		_, err := s.transfer(c, s.open(requiring[version], false), way{"explicit", c.tlsVerbs[0]})
		if err == nil {
			does = append(does, version)
			continue
		}
		s.gone(s.remote("up.bin"))
		if got, _ := os.ReadFile(s.local("down.bin")); !c.once {
			assert.Empty(t, got)
		}
	}
	return cmp.Or(strings.Join(does, ", "), "–")
}

const clientTable = "clients.md"

// TestClientTable tries all that every client can, and compares what works with
// clients.md. go test ./tests -run ClientTable -update writes clients.md.
func TestClientTable(t *testing.T) {
	t.Parallel()
	if !hasIPv6() {
		t.Skip("half of it is by IPv6, which is not here")
	}
	old, err := os.ReadFile(clientTable)
	require.True(t, err == nil || *update, "%v", err)
	rows := make([]string, len(clients))
	t.Run("client", func(t *testing.T) {
		for i := range clients {
			c := &clients[i]
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				c.needed(t)
				rows[i] = c.row(t)
				if !*update {
					assert.Contains(t, string(old), rows[i]+"\n")
				}
			})
		}
	})
	if *update {
		table := tableHead + strings.Join(rows, "\n") + "\n"
		require.NoError(t, os.WriteFile(clientTable, []byte(table), 0o644))
	}
}

const tableHead = `| client | plain | AUTH TLS, 1.2 | 1.3 | implicit TLS, 1.2 | 1.3 | resumes |
|---|---|---|---|---|---|---|
`

// needed skips the test if the client is not here.
func (c *client) needed(t *testing.T) {
	if c.binary == "" {
		return
	}
	_, err := exec.LookPath(c.binary)
	if c.binary == "node" && err == nil {
		_, err = os.Stat("node/node_modules/basic-ftp")
	}
	if err != nil {
		t.Skipf("%s is not here; %s has it", c.name, c.from)
	}
}

// uploads are files of the sizes of THREATS.md row 4.
func (s *tlsSite) uploads() (names []string) {
	s.t.Helper()
	sizes := []int{1, 16 << 10, 16<<10 + 1, 1 << 20, 100 << 20}
	content := script.Bytes(sizes[len(sizes)-1])
	for _, size := range sizes {
		name := fmt.Sprintf("up%d.bin", size)
		s.put(s.local(name), content[:size])
		names = append(names, name)
	}
	return names
}

// TestThreat04Upload: uploads of real clients are whole (curl#6149, lftp#666). The
// clients need not read for that: the tickets of TLS 1.3 come with the handshake, so that
// none lies unread when a client closes.
func TestThreat04Upload(t *testing.T) {
	senders := map[string]func(s *tlsSite, at netip.AddrPort, names []string) (string, error){
		"curl": func(s *tlsSite, at netip.AddrPort, names []string) (string, error) {
			return s.try("", append(curl(way{"explicit", "EPSV"}), "-T", "{"+strings.Join(names, ",")+"}",
				ftpURL(at, way{"explicit", ""}))...)
		},
		"lftp": func(s *tlsSite, at netip.AddrPort, names []string) (string, error) {
			return s.try(lftp(at, way{"explicit", "EPSV"})+"mput "+strings.Join(names, " ")+"\n", "lftp", "--norc")
		},
		"python3": func(s *tlsSite, at netip.AddrPort, names []string) (string, error) {
			return s.try(pythonTLSProgram, slices.Concat([]string{"python3", "-"}, arguments(at, way{"explicit", "EPSV"}), names)...)
		},
	}
	t.Parallel()
	for name, send := range senders {
		for version, server := range preferring {
			t.Run(name+" "+version, func(t *testing.T) {
				t.Parallel()
				(&client{name: name, binary: name, from: "Debian's " + name}).needed(t)
				s := newTLSSite(t)
				names := s.uploads()
				log, err := send(s, s.open(server, false).IPv4, names)
				require.NoError(t, err, "%s", log)
				for _, name := range names {
					want, err := os.ReadFile(s.local(name))
					require.NoError(t, err)
					s.content(s.remote(name), want)
				}
			})
		}
	}
}

// TestUploadsWithoutCloseNotify: Ruby's and Perl's clients end the connection and
// not TLS, and Node's ends an empty file before the handshake has ended. By default
// each of their uploads is whole.
func TestUploadsWithoutCloseNotify(t *testing.T) {
	const each = 200
	t.Parallel()
	sizes := []int{0, 1, 100_000}
	for _, c := range clients {
		programs := map[string]struct {
			stdin   string
			command func(s *tlsSite) []string
		}{
			"ruby": {rubyProgram, func(*tlsSite) []string { return []string{"ruby", "-"} }},
			"perl": {perlProgram, func(*tlsSite) []string { return []string{"perl", "-"} }},
			"node": {"", node},
		}
		program, ok := programs[c.binary]
		if !ok {
			continue
		}
		for version, server := range preferring {
			t.Run(c.name+" "+version, func(t *testing.T) {
				t.Parallel()
				c.needed(t)
				s := newTLSSite(t)
				content := script.Bytes(sizes[len(sizes)-1])
				var names []string
				for i := range each * len(sizes) {
					names = append(names, fmt.Sprintf("%d.%d", i, sizes[i%len(sizes)]))
					s.put(s.local(names[i]), content[:sizes[i%len(sizes)]])
				}
				at := s.open(server, false).IPv4
				command := slices.Concat(program.command(s), arguments(at, way{"explicit", "PASV"}), names)
				log, err := s.try(program.stdin, command...)
				require.NoError(t, err, "%s", log)
				for i, name := range names {
					s.content(s.remote(name), content[:sizes[i%len(sizes)]])
				}
			})
		}
	}
}
