package ftp_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"wasiftp/module/ftp"
	"wasiftp/module/ftp/ftptest"
	"wasiftp/wasi"
)

func TestRmdir(t *testing.T) {
	t.Parallel()
	allowing(t, func(w *ftptest.World, c *ftptest.Client) {
		w.Put("sub/a/b/c", "")
		w.Put("subway", "")
		for _, line := range []string{
			"550 SITE RMDIR hello.txt", "550 SITE RMDIR none", "550 SITE RMDIR /", "550 SITE RMDIR sub/..", "501 SITE RMDIR",
			"250 CWD sub", "250 SITE RMDIR a", "250 CDUP", "250 SITE RMDIR sub",
		} {
			assert.Equal(t, line[:3], c.Code(line[4:]), line)
		}
		assert.Len(t, w.Files, 2)
	})
}

func TestSymlink(t *testing.T) {
	t.Parallel()
	allowing(t, func(w *ftptest.World, c *ftptest.Client) {
		for _, line := range []string{
			"250 CWD sub", "250 SITE SYMLINK ../hello.txt link", `250 SITE SYMLINK "../../../../etc/pass wd" "/a link"`,
			"501 SITE SYMLINK", "501 SITE SYMLINK x", "501 SITE SYMLINK a b c", `501 SITE SYMLINK "a" "b`, "550 SITE SYMLINK / x",
			"550 SITE SYMLINK x /",
			"553 SITE SYMLINK x in.txt", "553 SITE SYMLINK x none/y",
		} {
			assert.Equal(t, line[:3], c.Code(line[4:]), line)
		}
		assert.Equal(t, "/hello.txt", w.Files["sub/link"].Target)
		assert.Equal(t, "/etc/pass wd", w.Files["a link"].Target, "no pathname leads out of the root")
	})
}

func TestUmask(t *testing.T) {
	t.Parallel()
	allowing(t, func(w *ftptest.World, c *ftptest.Client) {
		assert.Equal(t, "200 Current UMASK is the server's own.", c.Do("SITE UMASK"))
		assert.Equal(t, "200 UMASK set to 027", c.Do("SITE UMASK 27"))
		assert.Equal(t, "200 UMASK set to 077 (was 027)", c.Do("SITE UMASK 0077"))
		assert.Equal(t, "200 Current UMASK is 077", c.Do("SITE UMASK"))
		for _, bad := range []string{"8", "1777", "-1", "u=rwx", "07 7"} {
			assert.Equal(t, "501", c.Code("SITE UMASK "+bad), bad)
		}
		c.Do("MKD d")
		assert.Equal(t, "150 226", c.Upload("STOR f", "x"))
		assert.EqualValues(t, 0o700, w.Files["d"].Mode)
		assert.EqualValues(t, 0o600, w.Files["f"].Mode)
		c.Do("USER u")
		c.Do("PASS p")
		assert.Contains(t, c.Do("SITE UMASK"), "the server's own", "a mask ends with its login")
	})
}

func TestWho(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ftp.Config{Allow: allowed})
	w.Put("big", strings.Repeat("x", 100_000))
	w.Accounts["e\x01vil\x7f"] = ftptest.Account{Password: "p", Rights: ftptest.All}
	w.Room = 10_000
	w.LoginAs("e\x01vil\x7f", "p")
	w.Connect()
	for range 5 {
		w.LoginAs("u", "p")
	}
	busy := w.LoginAs("u", "p")
	busy.Do("TYPE I")
	w.DialData(busy.Passive("PASV"))
	busy.Do("RETR big")
	w.Peer = netip.MustParseAddrPort("[2001:db8::1]:40000")
	admin := w.LoginAs("admin", "p")
	admin.Do("CLNT lftp/4.9.2\x07(x)")
	lines := strings.Split(admin.Do("SITE WHO"), "\r\n")
	assert.Len(t, lines, 11)
	assert.Equal(t, "211-Sessions:", lines[0])
	assert.Equal(t, " 1 192.0.2.7 e?vil? since 2024-06-01 12:00:00: idle", lines[1])
	assert.Equal(t, " 2 192.0.2.7 (not logged in) since 2024-06-01 12:00:00: idle", lines[2])
	assert.Regexp(t, `^ \d+ 192.0.2.7 u since 2024-06-01 12:00:00: RETR /big, 10000 bytes$`, lines[8])
	assert.Regexp(t, `^ \d+ 2001:db8::1 admin since .*: idle \(lftp/4.9.2\?\(x\)\)$`, lines[9])
	assert.Equal(t, "211 End.", lines[10])
	assert.Equal(t, "550 Permission denied.", w.LoginAs("u", "p").Do("SITE WHO"))
	assert.Equal(t, "501", admin.Code("SITE WHO x"))
}

// TestKick: an administrator ends any other session by its number.
func TestKick(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ftp.Config{Allow: allowed})
	u, admin := w.LoginAs("u", "p"), w.LoginAs("admin", "p")
	for line, want := range map[string]string{
		"SITE KICK 99 text":                    "550 There is no session 99: SITE WHO lists them.",
		"SITE KICK 4294967297":                 "550 There is no session 4294967297: SITE WHO lists them.",
		fmt.Sprint("SITE KICK ", admin.Handle): "550 That is this session: QUIT ends it.",
		"SITE KICK":                            "501 Argument needed.",
		"SITE KICK 0":                          "501 Say which session by its number in SITE WHO.",
		"SITE KICK -1":                         "501 Say which session by its number in SITE WHO.",
		"SITE KICK u":                          "501 Say which session by its number in SITE WHO.",
		"SITE KICK 99999999999999999999":       "501 Say which session by its number in SITE WHO.",
		"SITE KICK 1\x00":                      "501 Bad argument.",
	} {
		assert.Equal(t, want, admin.Do(line), line)
	}
	assert.Equal(t, "550 Permission denied.", u.Do(fmt.Sprint("SITE KICK ", admin.Handle)))
	assert.Equal(t, "200 OK.", u.Do("NOOP"))
	kick := fmt.Sprint("SITE KICK ", u.Handle)
	assert.Equal(t, fmt.Sprintf("200 Session %d ends.", u.Handle), admin.Do(kick+"  come back at ten "))
	assert.Equal(t, "421 Kicked: come back at ten", u.Reply())
	assert.True(t, u.Closed())
	assert.Equal(t, fmt.Sprintf("550 There is no session %d: SITE WHO lists them.", u.Handle), admin.Do(kick))
}

// TestKickOfNone: where the world ends no sessions, SITE KICK is not implemented, and SITE HELP
// does not list it.
func TestKickOfNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ftp.Config{})
	w.Fault = func(call, _ string) error {
		if call == "Kick" {
			return ftp.ErrUnsupported
		}
		return nil
	}
	admin := w.LoginAs("admin", "p")
	assert.NotContains(t, admin.Do("SITE HELP"), "KICK")
	assert.Contains(t, admin.Do("SITE HELP"), "WHO")
	assert.Equal(t, "502 Command not implemented.", admin.Do("SITE KICK 99"))
}

// TestFeaturesOfAnAccount: before the login, FEAT lists what works for some account. After
// it, FEAT lists what the account has the rights for and its files have the abilities for.
func TestFeaturesOfAnAccount(t *testing.T) {
	t.Parallel()
	const data = "HOST|TVFS|EPRT|EPSV|MODE Z|REST STREAM|RANG STREAM|"
	const hashes = "HASH SHA-256*;SHA-512;SHA-1;MD5;CRC32|XCRC|XMD5|XSHA1|XSHA256|XSHA512|"
	const facts, someFacts = "MLST type*;size*;modify*;create*;perm*;UNIX.mode*;|SIZE|MDTM|",
		"MLST type*;size*;modify*;perm*;UNIX.mode*;|SIZE|MDTM|"
	const always = "UTF8|CLNT|CSID|LANG EN*"
	const others = "MFMT|COMB|MFF Modify;UNIX.mode;|AVBL|" + hashes + always
	for _, test := range []struct {
		rights ftp.Rights
		lacks  ftp.Abilities
		want   string
	}{
		{ftptest.All, 0, data + facts + others},
		{ftptest.All, wasi.AbleCreated, data + someFacts + "MFMT|COMB|MFF Modify;UNIX.mode;|AVBL|" + hashes + always},
		{ftptest.All, wasi.AbleTimes | wasi.AbleSpace, data + facts + "COMB|MFF UNIX.mode;|" + hashes + always},
		{ftptest.All, wasi.AbleTimes | wasi.AbleCreated | wasi.AbleModes | wasi.AbleUpload | wasi.AbleSpace, data + someFacts +
			hashes + always},
		{wasi.RightRead | wasi.RightList, 0, data + facts + hashes + always},
		{wasi.RightWrite, 0, data + facts + "MFMT|MFF Modify;UNIX.mode;|AVBL|" + always},
		{wasi.RightList, 0, strings.ReplaceAll(data, "REST STREAM|RANG STREAM|", "") + facts + always},
	} {
		w := newWorld(t, ftp.Config{Allow: allowed})
		w.Accounts["u"] = ftptest.Account{Password: "p", Rights: test.rights, Lacks: test.lacks}
		c := connect(w)
		const anybody = data + someFacts + others
		for i, want := range []string{anybody, test.want, anybody} {
			lines := strings.Split(c.Do("FEAT"), "\r\n")
			assert.Equal(t, strings.ReplaceAll(" "+want, "|", "\r\n "), strings.Join(lines[1:len(lines)-1], "\r\n"))
			if i == 0 {
				c.Do("USER u")
				c.Do("PASS p")
			} else {
				c.Do("REIN")
			}
		}
	}
}

// TestSiteHelpOfAnAccount: SITE HELP lists the commands that work for the account.
func TestSiteHelpOfAnAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ftp.Config{Allow: allowed})
	w.Accounts["u"] = ftptest.Account{Password: "p", Rights: ftptest.All,
		Lacks: wasi.AbleModes | wasi.AbleSymlink | wasi.AbleTree | wasi.AbleUmask}
	for user, want := range map[string]string{
		"u": "COPY CPFR CPTO HELP IDLE MKDIR UTIME", "ro": "HELP IDLE",
		"admin": "CHMOD COPY CPFR CPTO HELP IDLE KICK MKDIR RMDIR SYMLINK UMASK UTIME WHO",
	} {
		var names []string
		for line := range strings.SplitSeq(w.LoginAs(user, "p").Do("SITE HELP"), "\r\n") {
			if strings.HasPrefix(line, " SITE ") {
				names = append(names, strings.Fields(line)[1])
			}
		}
		assert.Equal(t, want, strings.Join(names, " "), user)
	}
}

// A creation time is told where files have one.
func TestCreated(t *testing.T) {
	t.Parallel()
	allowing(t, func(w *ftptest.World, c *ftptest.Client) {
		assert.NotContains(t, c.Do("MLST hello.txt"), "create=")
		w.Files["hello.txt"].Created = w.Files["hello.txt"].ModTime - 1_000_000_000
		assert.Contains(t, c.Do("MLST hello.txt"), ";modify=20240601120000;create=20240601115959;perm=")
		assert.Equal(t, "504", c.Code("MFF Create=20210101000000; hello.txt"))
		w.Accounts["u"] = ftptest.Account{Password: "p", Rights: ftptest.All, Lacks: wasi.AbleCreated}
		assert.NotContains(t, w.LoginAs("u", "p").Do("MLST hello.txt"), "create=")
	})
}

// TestFeaturesOfAWorld: FEAT lists nothing that the world cannot do, before the login and
// after it.
func TestFeaturesOfAWorld(t *testing.T) {
	t.Parallel()
	w := ftptest.NewWorld(ftp.Config{})
	told := &teller{World: w, Transferer: w}
	e := ftp.New(told, ftp.Config{Allow: allowed})
	e.Step(1, []ftp.Event{{Kind: ftp.EventOpen, Session: 1}})
	told.left = "FEAT\r\nUSER u\r\nPASS p\r\nFEAT\r\nSITE HELP\r\nSITE WHO\r\nSITE KICK 1\r\n" +
		"SITE UMASK\r\nMFF Create=20200101000000; x\r\n"
	for range 10 {
		e.Step(1, []ftp.Event{{Kind: ftp.EventReadable, Session: 1, Handle: 1}})
	}
	for _, word := range []string{"MODE Z", "HASH", "XCRC", "AVBL", "HOST", "COMB", "Create", "create", "UMASK", "WHO", "KICK",
		"COPY"} {
		assert.NotContains(t, told.text, word)
	}
	assert.Equal(t, 2, strings.Count(told.text, " MFF Modify;UNIX.mode;\r\n"))
	assert.Equal(t, 3, strings.Count(told.text, "\r\n502 "), told.text)
	assert.Contains(t, told.text, "\r\n504 ")
}

// teller is a world whose client sends left, and keeps all replies in text.
type teller struct {
	ftp.World
	ftp.Transferer
	left, text string
}

func (w *teller) Read(_ ftp.Handle, p []byte) (int, error) {
	if w.left == "" {
		return 0, ftp.ErrAgain
	}
	n := copy(p, w.left)
	w.left = w.left[n:]
	return n, nil
}

func (w *teller) Write(_ ftp.Handle, p []byte) (int, error) {
	w.text += string(p)
	return len(p), nil
}

func (w *teller) Login(ftp.Handle, []byte, []byte) (ftp.Rights, ftp.Abilities, error) {
	return ftptest.All, wasi.AbleTimes | wasi.AbleModes, nil
}

// TestWorldThatLacksACall: a host need not have these calls. The first reply to a command
// that needs one says so.
func TestWorldThatLacksACall(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ftp.Config{TLS: true, Allow: ftp.Allow{SiteCopy: true, SiteSymlink: true, SiteRmdir: true,
		Combine: true, CCC: true, SSCN: true}})
	w.Put("a", "x")
	c := connect(w)
	for _, line := range []string{"AUTH TLS", "PBSZ 0", "PROT P", "USER admin", "PASS p", "SSCN ON"} {
		c.Do(line)
	}
	lacks := []string{"SetUmask", "Sessions", "Symlink", "RemoveTree", "Copy", "StopTLS", "JoinTLS"}
	w.Fault = func(call, _ string) error {
		if slices.Contains(lacks, call) {
			return ftp.ErrUnsupported
		}
		return nil
	}
	for _, line := range []string{
		"SITE UMASK 022", "SITE WHO", "SITE SYMLINK a b", "SITE RMDIR sub", "SITE COPY a b", "COMB b a",
	} {
		assert.Equal(t, "504 The storage cannot do that.", c.Do(line), line)
	}
	assert.Equal(t, "200 Current UMASK is the server's own.", c.Do("SITE UMASK"))
	assert.Equal(t, "534 The control connection stays protected.", c.Do("CCC"))
	assert.Equal(t, "503", c.Code("AUTH TLS"), "it is still protected")
	d := w.DialData(c.Passive("PASV"))
	c.Send("LIST\r\n")
	w.Run()
	assert.Contains(t, c.Codes(), "522")
	d.Close()
	w.Fault = nil
	assert.Equal(t, "200", c.Code("CCC"))
}
