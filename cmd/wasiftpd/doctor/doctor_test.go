package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func examine(t *testing.T, c Config) *Report {
	t.Helper()
	r := &Report{}
	Examine(t.Context(), c, r.Add)
	return r
}

// find returns the finding of a check with a kind, or fails.
func (r *Report) find(t *testing.T, check, kind string) Finding {
	t.Helper()
	for _, f := range r.Findings {
		if f.Check == check && f.Kind == kind {
			return f
		}
	}
	t.Errorf("there is no %s %s in\n%s", check, kind, r.text())
	return Finding{}
}

func (r *Report) text() string {
	var b strings.Builder
	for _, f := range r.Findings {
		f.Write(&b)
	}
	return b.String()
}

// A server without faults gets no finding but good ones, and keeps no file.
func TestGoodServer(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	config := f.config()
	f.tls, config.Roots = certified(t, "127.0.0.1", 90)
	f.serve()
	r := examine(t, config)
	for _, finding := range r.Findings {
		if finding.Level != OK && finding.Kind != "optional" {
			t.Errorf("%+v", finding)
		}
	}
	for _, check := range slices.Concat(connectChecks, loginChecks, dataChecks, fileChecks, lastChecks) {
		if check.Name != "implicit-tls" && check.Name != "folder" && check.Name != "data-tls" {
			r.find(t, check.Name, "ok")
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.files) > 0 {
		t.Errorf("the server keeps %d files", len(f.files))
	}
}

// Each planted fault is found, and its remedy named.
func TestPlantedFaults(t *testing.T) {
	t.Parallel()
	const short = 500 * time.Millisecond // for servers that hang
	for _, test := range []struct {
		name        string
		plant       func(*testing.T, *fake, *Config)
		check, kind string
		level       Level
		set         string // in the line for the configuration
	}{
		{"busy", func(_ *testing.T, f *fake, _ *Config) { f.greeting = "421 too many" }, "greeting", "busy", Fault, "max-sessions"},
		{"greets with garbage", func(_ *testing.T, f *fake, _ *Config) { f.greeting = "SSH-2.0-OpenSSH_9.2" },
			"greeting", "garbage", Fault, ""},
		{"does not greet", func(_ *testing.T, f *fake, c *Config) { f.greeting, c.Step = hang, short }, "greeting", "silent",
			Fault, ""},
		{"no TLS", func(*testing.T, *fake, *Config) {}, "auth-tls", "refused", Warning, "tls-acme"},
		{"TLS stripped", func(t *testing.T, f *fake, _ *Config) {
			f.tls, _ = certified(t, "127.0.0.1", 90)
			f.replies["AUTH"] = "500 what?"
		}, "auth-tls", "stripped", Fault, "tls-acme"},
		{"TLS fails", func(t *testing.T, f *fake, _ *Config) {
			f.tls = &tls.Config{Certificates: []tls.Certificate{{}}, MaxVersion: tls.VersionTLS10}
		}, "auth-tls", "failed", Fault, ""},
		{"no TLS from the start", func(_ *testing.T, _ *fake, c *Config) { c.Implicit = true }, "implicit-tls", "clear", Fault,
			"implicit-listen"},
		{"expired", func(t *testing.T, f *fake, c *Config) { f.tls, c.Roots = certified(t, "127.0.0.1", -3) },
			"certificate", "expired", Fault, "tls-acme"},
		{"expired, so that no session is resumed", func(t *testing.T, f *fake, c *Config) {
			f.tls, c.Roots = certified(t, "127.0.0.1", -3)
			c.Insecure = true
		}, "data-tls", "skipped", Skipped, ""},
		{"expires soon", func(t *testing.T, f *fake, c *Config) { f.tls, c.Roots = certified(t, "127.0.0.1", 3) },
			"certificate", "soon", Warning, "tls-acme"},
		{"another name", func(t *testing.T, f *fake, c *Config) {
			f.tls, c.Roots = certified(t, "old.example.org", 90)
			c.Name = "ftp.example.org"
		}, "certificate", "other-name", Fault, `tls-acme = ["ftp.example.org"]`},
		{"self-signed", func(t *testing.T, f *fake, _ *Config) { f.tls, _ = certified(t, "127.0.0.1", 90) },
			"certificate", "self-signed", Warning, "tls-acme"},
		{"wrong password", func(_ *testing.T, f *fake, c *Config) {
			c.User, c.Password = "ann", func() (string, error) { return "x", nil }
			f.replies["PASS"] = "530 no"
		}, "login", "denied", Fault, ""},
		{"no anonymous", func(_ *testing.T, f *fake, _ *Config) { f.replies["USER"] = "530 no" }, "login", "no-anonymous", Skipped, ""},
		{"PROT refused", func(t *testing.T, f *fake, _ *Config) {
			f.tls, _ = certified(t, "127.0.0.1", 90)
			f.replies["PROT"] = "536 no"
		}, "protection", "refused", Fault, ""},
		{"no EPSV", func(_ *testing.T, f *fake, _ *Config) { f.replies["EPSV"] = "500 what?" }, "epsv", "unsupported", Warning, ""},
		{"EPSV names no port", func(_ *testing.T, f *fake, _ *Config) { f.replies["EPSV"] = "229 (|||99999|)" }, "epsv",
			"garbage", Fault, ""},
		{"EPSV hangs", func(_ *testing.T, f *fake, c *Config) { f.replies["EPSV"], c.Step = hang, short }, "epsv", "silent", Fault, ""},
		{"a closed port", func(t *testing.T, f *fake, _ *Config) {
			f.replies["EPSV"] = fmt.Sprintf("229 here (|||%d|)", closedPort(t))
		}, "epsv", "refused", Fault, `passive-ports = "50000-50099"`},
		{"unspecified address", func(_ *testing.T, f *fake, _ *Config) {
			f.announce = func(port int) string { return fmt.Sprintf("0,0,0,0,%d,%d", port>>8, port&0xff) }
		}, "pasv", "private", Fault, `public-address = "127.0.0.1"`},
		{"another address", func(_ *testing.T, f *fake, _ *Config) {
			f.announce = func(port int) string { return fmt.Sprintf("127,0,0,2,%d,%d", port>>8, port&0xff) }
		}, "pasv", "private", Fault, `public-address = "127.0.0.1"`},
		{"PASV is garbage", func(_ *testing.T, f *fake, _ *Config) { f.replies["PASV"] = "227 (1,2,3,4,5)" }, "pasv", "garbage",
			Fault, ""},
		{"a port that was not told", func(t *testing.T, _ *fake, c *Config) {
			c.Told.FirstPort, c.Told.LastPort = 1, 2
		}, "pasv", "rewritten", Fault, "public-address"},
		{"LIST gets 425", func(_ *testing.T, f *fake, _ *Config) { f.replies["LIST"] = "425 nobody came" }, "epsv", "hijacked",
			Fault, "passive-ports"},
		{"a stranger's port", func(t *testing.T, f *fake, c *Config) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			f.replies["EPSV"] = fmt.Sprintf("229 here (|||%d|)", l.Addr().(*net.TCPAddr).Port)
			f.replies["LIST"], c.Step = hang, short
		}, "epsv", "hijacked", Fault, "passive-ports"},
		{"no resumption", func(t *testing.T, f *fake, _ *Config) {
			f.tls, _ = certified(t, "127.0.0.1", 90)
			f.tls.SessionTicketsDisabled = true
		}, "data-tls", "no-ticket", Note, ""},
		{"tickets that do not hold for data", func(t *testing.T, f *fake, _ *Config) {
			f.tls, _ = certified(t, "127.0.0.1", 90)
			f.data, _ = certified(t, "127.0.0.1", 90) // with other keys for tickets
			f.data.SessionTicketsDisabled = true
		}, "data-tls", "unresumed", Warning, ""},
		{"resumption required, and impossible", func(t *testing.T, f *fake, _ *Config) {
			f.tls, _ = certified(t, "127.0.0.1", 90)
			f.data = f.tls.Clone()
			f.data.SessionTicketsDisabled = true
			f.data.VerifyConnection = func(s tls.ConnectionState) error {
				if !s.DidResume {
					return errors.New("not resumed")
				}
				return nil
			}
		}, "data-tls", "unresumable", Fault, `tls-data-resumption = "prefer"`},
		{"no rights", func(_ *testing.T, f *fake, _ *Config) { f.replies["STOR"] = "550 no" }, "upload", "denied", Note, "rights"},
		{"a folder of another owner", func(_ *testing.T, f *fake, c *Config) {
			f.replies["STOR"], c.Told.Writable = "550 no", "/srv/ann"
		}, "upload", "unwritable", Fault, ""},
		{"full", func(_ *testing.T, f *fake, _ *Config) { f.replies["STOR"] = "452 disk full" }, "upload", "full", Fault,
			"quota-per-user"},
		{"line ends changed", func(_ *testing.T, f *fake, _ *Config) {
			f.change = func(verb string, content []byte) []byte {
				if verb == "RETR" {
					return bytes.ReplaceAll(content, []byte("\n"), []byte("\r\n"))
				}
				return content
			}
		}, "download", "differs", Fault, ""},
		{"cut", func(_ *testing.T, f *fake, _ *Config) {
			f.change = func(verb string, content []byte) []byte {
				if verb == "RETR" {
					return content[:1000]
				}
				return content
			}
		}, "download", "differs", Fault, ""},
		{"hidden", func(_ *testing.T, f *fake, _ *Config) {
			f.change = func(verb string, content []byte) []byte {
				if verb == "MLSD" {
					return nil
				}
				return content
			}
		}, "listing", "missing", Warning, ""},
		{"local time", func(_ *testing.T, f *fake, _ *Config) { f.clock = -5 * time.Hour }, "clock", "zone", Fault, ""},
		{"clock off", func(_ *testing.T, f *fake, _ *Config) { f.clock = 37*time.Hour + 8*time.Minute }, "clock", "skewed", Fault, ""},
		{"MDTM is garbage", func(_ *testing.T, f *fake, _ *Config) { f.replies["MDTM"] = "213 yesterday" }, "clock", "odd", Fault, ""},
		{"no rename", func(_ *testing.T, f *fake, _ *Config) { f.replies["RNFR"] = "550 no" }, "rename", "denied", Note, ""},
		{"no right to rename", func(_ *testing.T, f *fake, c *Config) {
			f.replies["RNFR"], c.Told.Rights = "550 no", "read,list,write,delete,mkdir"
		}, "rename", "lacking", Note, `rights = "read,list,write,delete,mkdir,rename"`},
		{"no rename despite the right", func(_ *testing.T, f *fake, c *Config) {
			f.replies["RNFR"], c.Told.Rights = "550 no", "read,list,write,rename"
		}, "rename", "denied", Note, ""},
		{"no delete", func(_ *testing.T, f *fake, _ *Config) { f.replies["DELE"] = "550 no" }, "delete", "left", Warning, ""},
		{"no active mode", func(_ *testing.T, f *fake, _ *Config) {
			f.replies["EPRT"], f.replies["PORT"] = "500 what?", "500 what?"
		}, "active", "refused", Note, ""},
		{"full disk", func(_ *testing.T, f *fake, _ *Config) { f.replies["AVBL"] = "213 0" }, "space", "full", Fault, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			config := f.config()
			test.plant(t, f, &config)
			f.serve()
			r := examine(t, config)
			found := r.find(t, test.check, test.kind)
			if found.Level != test.level || !strings.Contains(found.Set, test.set) || (found.Set == "") != (test.set == "") {
				t.Errorf("it is %+v", found)
			}
			if found.Level == Fault && (found.Means == "" || found.Do == "") {
				t.Errorf("it does not say what it means, or what to do: %+v", found)
			}
			if strings.Contains(found.Means+found.Do+found.Set, "{") {
				t.Errorf("a word is not filled in: %+v", found)
			}
		})
	}
}

// A password goes only to a server that proves its name, or to one on this machine.
func TestPasswordIsKept(t *testing.T) {
	t.Parallel()
	for _, x := range []*exam{
		{Config: Config{User: "ann"}, opened: 1, control: &control{}},
		{Config: Config{User: "ann"}, opened: 1, control: &control{}, tls: true},
		{Config: Config{User: "ann"}, opened: 1, brokenTLS: true},
	} {
		if reason := needsLoginAllowed(x); !strings.Contains(reason, "--insecure") {
			t.Errorf("the reason is %q", reason)
		}
		x.control = &control{}
		x.Insecure = true
		if reason := needsLoginAllowed(x); reason != "" {
			t.Errorf("the reason is %q although --insecure is given", reason)
		}
	}
}

// Without changes the server sees no verb that makes any.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.serve()
	config := f.config()
	config.ReadOnly = true
	examine(t, config).find(t, "upload", "skipped")
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, verb := range []string{"STOR", "DELE", "RNFR", "RNTO"} {
		if slices.Contains(f.verbs, verb) {
			t.Errorf("the server has got %s", verb)
		}
	}
}

// An interrupt during the upload leaves no file behind.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	ctx, cancel := context.WithCancel(t.Context())
	f.change = func(verb string, content []byte) []byte {
		if verb == "STOR" {
			cancel()
		}
		return content
	}
	f.serve()
	r := &Report{}
	Examine(ctx, f.config(), r.Add)
	r.find(t, "delete", "ok")
	for _, finding := range r.Findings {
		if finding.Level == Fault || finding.Check == "download" {
			t.Errorf("after the interrupt: %+v", finding)
		}
	}
}

// Replies without an end are given up, and others take little memory.
func TestEndlessReplies(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"220-" + strings.Repeat("a", 1000) + "\r\n", strings.Repeat("a", 1000)} {
		f := newFake(t)
		f.done.Go(func() {
			conn, err := f.l.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			for err == nil {
				_, err = io.WriteString(conn, line)
			}
		})
		examine(t, f.config()).find(t, "greeting", "endless")
	}
}

// Whatever verb the server falls silent at, or answers with nonsense: the doctor comes to an
// end, and says so.
func TestEachVerbFails(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"FEAT", "AUTH", "USER", "PASS", "TYPE", "PBSZ", "PROT", "EPSV", "PASV", "LIST", "STOR", "MLSD",
		"MDTM", "RETR", "RNFR", "RNTO", "DELE", "AVBL", "NOOP", "EPRT"} {
		for _, planted := range []string{hang, "!", "999 what?", "150 ", "220-\r\n220", "421 bye", "200"} {
			t.Run(verb+" "+planted, func(t *testing.T) {
				t.Parallel()
				f := newFake(t)
				config := f.config()
				f.tls, config.Roots = certified(t, "127.0.0.1", 90)
				f.replies[verb], config.Step = planted, 300*time.Millisecond
				f.serve()
				r := examine(t, config)
				bad := slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Level != OK && f.Kind != "optional" })
				if !bad && (planted == hang || planted == "!") {
					t.Errorf("nothing is said of it:\n%s", r.text())
				}
			})
		}
	}
}

// A proxy that changes addresses in the clear cannot under TLS, and is found by that.
func TestRewritingProxy(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.tls, _ = certified(t, "127.0.0.1", 90)
	f.serve()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		done.Wait()
	})
	done.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", f.l.Addr().String())
			if err != nil {
				t.Error(err)
				client.Close()
				return
			}
			done.Go(func() {
				io.Copy(server, client)
				server.Close()
			})
			done.Go(func() {
				defer client.Close()
				b := make([]byte, 32<<10)
				for {
					n, err := server.Read(b)
					if err != nil {
						return
					}
					client.Write(bytes.Replace(b[:n], []byte("227 here (127,0,0,1"), []byte("227 here (127,0,0,9"), 1))
				}
			})
		}
	})
	config := f.config()
	_, config.Port, _ = net.SplitHostPort(l.Addr().String())
	r := examine(t, config)
	r.find(t, "pasv", "ok")
	if found := r.find(t, "alg", "rewritten"); found.Level != Fault || found.Set != `public-address = "127.0.0.1"` {
		t.Errorf("it is %+v", found)
	}
}

// A listing without an end ends the check, not the doctor.
func TestEndlessListing(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.change = func(verb string, content []byte) []byte {
		if verb == "LIST" {
			return bytes.Repeat([]byte("a"), 2*longestListing)
		}
		return content
	}
	f.serve()
	examine(t, f.config()).find(t, "download", "ok")
}

// What a server sends reaches the terminal without control characters, and shortened.
func TestPrintable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a\x1b[2Jb": `a\x1b[2Jb`, "a\nb": "a / b", "a\xffb": "a�b", strings.Repeat("a", 400): strings.Repeat("a", longest) + "…",
		"\u202eb": `\x202eb`,
	} {
		if got := printable(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestAnnouncedIn(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"227 here (192,0,2,7,195,80)":          "192.0.2.7:50000",
		"227 192,0,2,7,195,80":                 "192.0.2.7:50000",
		"229 here (|||50000|)":                 "127.0.0.1:50000",
		"229 here (!!!50000!)":                 "127.0.0.1:50000",
		"227 here (192,0,2,7,0,0)":             "",
		"227 here (192,0,2,256,195,1)":         "",
		"229 here (|||0|)":                     "",
		"229 here (|||65536|)":                 "",
		"229 here":                             "",
		"227 (1,2,3,4,5,99999999999999999999)": "",
	} {
		var r reply
		fmt.Sscanf(text, "%d", &r.code)
		r.text = text[4:]
		at, err := announcedIn(r, netip.MustParseAddr("127.0.0.1"))
		if (err == nil) != (want != "") || err == nil && at.String() != want {
			t.Errorf("%q names %v, %v; want %q", text, at, err, want)
		}
	}
}

func TestLost(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		announced, peer string
		want            bool
	}{
		{"192.168.0.2", "203.0.113.7", true}, {"100.64.0.1", "203.0.113.7", true}, {"0.0.0.0", "10.0.0.1", true},
		{"10.0.0.2", "10.0.0.1", false}, {"203.0.113.8", "203.0.113.7", false}, {"10.0.0.1", "10.0.0.1", false},
	} {
		if got := lost(netip.MustParseAddr(test.announced), netip.MustParseAddr(test.peer)); got != test.want {
			t.Errorf("%+v: %t", test, got)
		}
	}
}

// The report is JSON for programs, and has the numbers of faults and warnings.
func TestReport(t *testing.T) {
	t.Parallel()
	r := &Report{Target: "ftp://x"}
	r.Add(Finding{Check: "a", Level: Fault, Means: "<b>"})
	r.Add(Finding{Check: "b", Level: Warning})
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(b.Bytes(),
		&back); err != nil || back.Faults != 1 || back.Warnings != 1 || back.Findings[0].Means != "<b>" {
		t.Errorf("%v, %+v", err, back)
	}
	if r.Summary() != "1 fault, 1 warning." {
		t.Error(r.Summary())
	}
}

// Each kind that a check can end in has a verdict that is its own or common to all.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	for _, check := range slices.Concat(connectChecks, loginChecks, dataChecks, fileChecks, lastChecks) {
		for kind, v := range check.Verdicts {
			if v.Level == "" || v.Level != OK && v.Do == "" {
				t.Errorf("%s %s has no level, or nothing to do", check.Name, kind)
			}
		}
		if check.Tried == "" || strings.HasSuffix(check.Tried, ".") {
			t.Errorf("%s: it tries %q", check.Name, check.Tried)
		}
	}
}
