package ftp_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"wasiftp/module/ftp"
	"wasiftp/module/ftp/ftptest"
	"wasiftp/wasi"
)

// beforeLogin has the verbs that work before the login, with the codes of the replies to
// them without an argument.
var beforeLogin = map[string]string{
	"USER": "501", "PASS": "503", "ACCT": "503", "REIN": "220", "QUIT": "221", "AUTH": "501",
	"PBSZ": "501", "PROT": "501", "CCC": "503", "SYST": "215",
	"FEAT": "211", "OPTS": "501", "HELP": "214", "NOOP": "200", "CLNT": "200", "CSID": "200", "HOST": "501", "LANG": "200",
}

// TestThreat14BeforeLogin: before USER, after it and after a failed PASS, only
// the allow-list answers.
func TestThreat14BeforeLogin(t *testing.T) {
	t.Parallel()
	for _, verb := range ftp.Verbs() {
		for state, lines := range map[string][]string{
			"fresh": nil, "named": {"USER u"}, "failed": {"USER u", "PASS wrong"}, "logged out": {"USER u", "PASS p", "REIN"},
		} {
			for _, argument := range []string{"", " x"} {
				w := newWorld(t, ftp.Config{TLS: true})
				c := connect(w)
				for _, line := range lines {
					c.Do(line)
				}
				code := c.Code(verb.Name + argument)
				if _, allowed := beforeLogin[verb.Name]; !allowed {
					assert.Equal(t, "530", code, "%s %s", state, verb.Name)
				} else if argument == "" && (state == "fresh" || verb.Name != "PASS") {
					assert.Equal(t, beforeLogin[verb.Name], code, "%s %s", state, verb.Name)
				}
				assert.NotEqual(t, "230", code)
				assert.NotContains(t, w.Files, "x")
			}
		}
	}
}

// TestThreat13LongArguments: an argument of any length is answered, one that is
// too long by 500 or 501, and the session goes on.
func TestThreat13LongArguments(t *testing.T) {
	t.Parallel()
	const limit = 1000
	for _, verb := range ftp.Verbs() {
		if verb.Name == "QUIT" || verb.Name == "USER" || verb.Name == "REIN" {
			continue
		}
		for _, length := range []int{0, 1, limit - 1, limit, limit + 1, 65536} {
			w := newWorld(t, ftp.Config{LineLength: limit, TLS: true, Allow: allowed})
			c := w.LoginAs("u", "p")
			line := verb.Name + " "
			if length > 0 {
				line += strings.Repeat("A", max(length-len(line), 1))
			}
			code := c.Code(line)
			switch {
			case length > limit:
				assert.Equal(t, "500", code, "%s %d", verb.Name, length)
			case verb.Argument == ftp.NoArgument && length > 0 && verb.Name != "SMNT":
				assert.Equal(t, "501", code, "%s %d", verb.Name, length)
			case length == 0 && (verb.Argument == ftp.RequiredArgument || verb.Argument == ftp.RequiredPathname):
				assert.Equal(t, "501", code, "%s %d", verb.Name, length)
			default:
				assert.Regexp(t, `^[2345]\d\d$`, code, "%s %d", verb.Name, length)
			}
			c.Codes()
			if !c.Closed() {
				assert.Equal(t, "200", c.Code("NOOP"), "%s %d", verb.Name, length)
			}
		}
	}
	w, c := login(t)
	assert.Equal(t, "501", c.Code("USER "+strings.Repeat("A", 256)))
	assert.Equal(t, "331", c.Code("USER "+strings.Repeat("A", 255)))
	assert.Equal(t, 1, w.Held())
}

// allowed turns on whatever can be turned on.
var allowed = ftp.Allow{SiteCopy: true, SiteSymlink: true, SiteRmdir: true, Combine: true, CCC: true, SSCN: true, CPSV: true}

// everyVerb are all verbs, and the commands of SITE by their whole names.
func everyVerb() []ftp.Verb {
	verbs := ftp.Verbs()
	for _, v := range ftp.SiteVerbs() {
		v.Name = "SITE " + v.Name
		verbs = append(verbs, v)
	}
	return verbs
}

// TestThreat25Rights: no verb does what the account has no right to. A verb that
// changes something has its right in the table, so a new one cannot be missed.
func TestThreat25Rights(t *testing.T) {
	t.Parallel()
	arguments := map[string]string{
		"RETR": "hello.txt", "STOR": "new", "STOU": "new", "APPE": "hello.txt", "LIST": "sub", "NLST": "sub", "MLSD": "sub",
		"DELE": "hello.txt", "RNFR": "hello.txt", "MKD": "new", "XMKD": "new", "RMD": "empty", "XRMD": "empty",
		"MDTM": "20010101000000 hello.txt", "MFMT": "20010101000000 hello.txt", "RNTO": "new",
		"MFF": "Modify=20010101000000;UNIX.mode=600; hello.txt", "AVBL": "sub", "COMB": "new hello.txt",
		"HASH": "hello.txt", "XCRC": "hello.txt", "XMD5": "hello.txt", "XSHA1": "hello.txt", "XSHA256": "hello.txt",
		"XSHA512":    "hello.txt",
		"SITE CHMOD": "600 hello.txt", "SITE COPY": "hello.txt new", "SITE CPFR": "hello.txt", "SITE CPTO": "new", "SITE MKDIR": "new",
		"SITE RMDIR": "empty", "SITE SYMLINK": "hello.txt new", "SITE UMASK": "027", "SITE UTIME": "hello.txt 20010101000000",
		"SITE KICK": "2", "SITE WHO": "",
	}
	const all = ftptest.All | wasi.RightAdmin
	sets := []ftp.Rights{all}
	for right := ftp.Rights(wasi.RightRead); right <= wasi.RightAdmin; right <<= 1 {
		sets = append(sets, right, all&^right)
	}
	for _, verb := range everyVerb() {
		if verb.Right == 0 {
			continue
		}
		argument, ok := arguments[verb.Name]
		assert.True(t, ok, "the test knows no argument for %s", verb.Name)
		for _, rights := range sets {
			w := newWorld(t, ftp.Config{Allow: allowed})
			w.Mkfolder("empty")
			w.Accounts["u"] = ftptest.Account{Password: "p", Rights: rights}
			c := w.LoginAs("u", "p")
			before := len(w.Files)
			switch verb.Name {
			case "RNTO":
				c.Do("RNFR hello.txt")
			case "SITE KICK":
				w.Connect()
			case "SITE CPTO":
				c.Do("SITE CPFR hello.txt")
			}
			c.Passive("PASV")
			code := c.Code(strings.TrimSpace(verb.Name + " " + argument))
			if rights&verb.Right == verb.Right {
				assert.Regexp(t, "^[123]", code, "%s with rights %b", verb.Name, rights)
				continue
			}
			if verb.Name != "RNFR" && verb.Name != "SITE CPFR" {
				assert.Equal(t, "550", code, "%s with rights %b", verb.Name, rights)
			}
			assert.Len(t, w.Files, before)
			assert.Equal(t, "hello\n", string(w.Files["hello.txt"].Data))
		}
	}
}

func TestFeatures(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ftp.Config{Allow: allowed})
	c := w.LoginAs("u", "p")
	feat := c.Do("FEAT")
	for _, verb := range ftp.Verbs() {
		assert.NotEmpty(t, verb.Section, verb.Name)
		if verb.Feature != "" && verb.Needs&ftp.NeedTLS == 0 {
			assert.Contains(t, feat, "\r\n "+verb.Feature)
		}
		assert.Contains(t, c.Do("HELP"), verb.Name)
		help := c.Do("help " + strings.ToLower(verb.Name))
		assert.Equal(t, strings.TrimSpace("214 Syntax: "+verb.Name+" "+verb.Syntax), help)
	}
	assert.NotContains(t, feat, "AUTH")
	assert.Equal(t, "502", c.Code("AUTH TLS"))
	assert.Equal(t, "502", c.Code("SMNT x"))
	assert.Equal(t, "504", c.Code("HELP NONE"))
	assert.Equal(t, "504", c.Code("SITE NONE"))
	for _, site := range ftp.SiteVerbs() {
		line := strings.TrimSpace("SITE " + site.Name + " " + site.Syntax)
		assert.Equal(t, site.Right != wasi.RightAdmin, strings.Contains(c.Do("SITE HELP"), "\r\n "+line+"\r\n"), line)
	}
	assert.Equal(t, "501", c.Code("OPTS NONE"))
}

func TestParameters(t *testing.T) {
	t.Parallel()
	_, c := login(t)
	for line, code := range map[string]string{
		"TYPE A": "200", "TYPE a n": "200", "TYPE I": "200", "TYPE L8": "200", "TYPE L 8": "200", "TYPE I ": "200",
		"TYPE E": "504", "TYPE A T": "504", "TYPE L 7": "504", "TYPE": "501",
		"STRU F": "200", "STRU R": "504", "STRU": "501", "MODE s": "200", "MODE B": "504",
		"ALLO 100": "202", "ALLO 100 R 10": "202", "ACCT x": "202", "OPTS UTF8": "200", "opts utf8 on": "200",
		"OPTS UTF-8 OFF": "200", "CLNT NcFTP 3": "200", "EPSV 3": "522",
	} {
		assert.Equal(t, code, c.Code(line), line)
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	for _, async := range []uint64{0, 1, 2, 3} {
		w, c := login(t)
		asynchronous(w, async)
		for _, line := range []string{
			"250 CWD sub", "257 PWD", "250 CDUP", "250 CWD ~/sub", "250 CWD ~", "550 CWD none", "550 CWD hello.txt",
			"250 XCWD /", "250 XCUP",
			"257 MKD new", "550 MKD new", "550 MKD none/x", "257 MKD new/in", "550 RMD new", "250 RMD new/in", "250 XRMD new",
			"550 RMD new",
			"550 RMD hello.txt", "550 MKD /", "550 RMD /", "550 RMD ..", "550 DELE /", "550 RNFR ~", "550 DELE sub", "550 DELE none",
			"213 SIZE hello.txt", "550 SIZE sub", "550 SIZE none", "200 SITE CHMOD 0600 hello.txt",
			"200 SITE CHMOD 1777 hello.txt", "200 SITE CHMOD 2775 sub", "200 SITE CHMOD 02775 sub", "501 SITE CHMOD 17777 hello.txt",
			"501 SITE CHMOD 8 hello.txt", "501 SITE CHMOD 600", "550 SITE CHMOD 600 none",
			"350 RNFR hello.txt", "250 RNTO sub/there.txt", "503 RNTO x", "550 RNFR hello.txt", "350 RNFR sub", "250 CWD /", "503 RNTO x",
			"350 RNFR sub", "200 NOOP", "257 PWD", "250 RNTO dir", "350 RNFR dir", "553 RNTO none/x", "503 RNTO x", "350 RNFR dir",
			"553 RNTO dir/below",
			"250 DELE dir/there.txt", "213 SIZE dir/in.txt",
		} {
			assert.Equal(t, line[:3], c.Code(line[4:]), line)
		}
		assert.Len(t, w.Files, 2)
	}
}

// TestFaults: every fault of a storage has its reply, which is 553 for some if the command
// names a file.
func TestFaults(t *testing.T) {
	t.Parallel()
	for fault, codes := range map[ftp.Error]string{
		ftp.ErrPermission: "550 550", ftp.ErrNotExist: "550 553", ftp.ErrExist: "550 553", ftp.ErrNotDir: "550 553",
		ftp.ErrIsDir:    "550 553",
		ftp.ErrNotEmpty: "550 553", ftp.ErrName: "550 553", ftp.ErrBusy: "450 450", ftp.ErrNoSpace: "452 452", ftp.ErrQuota: "552 552",
		ftp.ErrUnsupported: "504 504", ftp.ErrTooMany: "450 450", ftp.ErrOtherDisk: "553 553", ftp.ErrStorage: "451 451",
		ftp.ErrReset: "451 451",
	} {
		w, c := login(t)
		c.Passive("EPSV")
		w.Fault = func(string, string) error { return fault }
		assert.Equal(t, codes, c.Code("DELE x")+" "+c.Code("STOR x"), fault.Error())
	}
}
