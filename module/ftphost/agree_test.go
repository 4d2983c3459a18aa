package main

import (
	"maps"
	"net/netip"
	"strings"
	"testing"

	"wasiftp/module/ftp"
	"wasiftp/module/ftp/ftptest"
	"wasiftp/wasi"
)

// failing is a world in which one call always fails with err.
type failing struct {
	*ftptest.World
	call    string
	err     error
	hashing bool
}

func (f *failing) fault(call string) error {
	if call == f.call {
		return f.err
	}
	return nil
}

// first returns f.err if call is the one that fails, else the results of do.
func first[T any](f *failing, call string, do func() (T, error)) (T, error) {
	if err := f.fault(call); err != nil {
		var none T
		return none, err
	}
	return do()
}

func (f *failing) Accept(l ftp.Handle) (ftp.Handle, error) {
	return first(f, "net_accept", func() (ftp.Handle, error) { return f.World.Accept(l) })
}

func (f *failing) StartTLS(h ftp.Handle, reply []byte) error {
	call := "net_tls"
	if len(reply) == 0 {
		call = "net_tls for data"
	}
	_, err := first(f, call, func() (any, error) { return nil, f.World.StartTLS(h, reply) })
	return err
}

func (f *failing) Deflate(h ftp.Handle, level int) error {
	_, err := first(f, "net_deflate", func() (any, error) { return nil, f.World.Deflate(h, level) })
	return err
}

func (f *failing) Host(h ftp.Handle, name []byte) error {
	_, err := first(f, "auth_host", func() (any, error) { return nil, f.World.Host(h, name) })
	return err
}

func (f *failing) Start(file, conn ftp.Handle, ascii bool, length int64) error {
	_, err := first(f, "transfer_start", func() (any, error) { return nil, f.World.Start(file, conn, ascii, length) })
	return err
}

// Hash fails when hashing begins, or when the hash is fetched.
func (f *failing) Hash(file ftp.Handle, a wasi.Algorithm, length int64, b []byte) ([]byte, error) {
	call := "transfer_hash"
	if f.hashing {
		call = "transfer_hash of what is made"
	}
	f.hashing = true
	return first(f, call, func() ([]byte, error) { return f.World.Hash(file, a, length, b) })
}

func (f *failing) Dial(session ftp.Handle, to netip.AddrPort) (ftp.Handle, error) {
	return first(f, "net_dial", func() (ftp.Handle, error) { return f.World.Dial(session, to) })
}

// replies are the replies to a client by errno; the one of OK is for all others.
type replies map[wasi.Errno]string

func (r replies) but(more replies) replies {
	all := maps.Clone(r)
	maps.Copy(all, more)
	return all
}

var (
	ofFiles = replies{
		wasi.OK: "451 Storage failed.", wasi.EACCES: "550 Permission denied.", wasi.ENOENT: "550 No such file or directory.",
		wasi.EEXIST: "550 There is such a file already.", wasi.ENOTDIR: "550 Not a directory.",
		wasi.EISDIR:    "550 Is a directory.",
		wasi.ENOTEMPTY: "550 Directory not empty.", wasi.EINVAL: "550 File name not allowed.", wasi.EBUSY: "450 File is busy.",
		wasi.ENOSPC: "452 No space left.", wasi.EDQUOT: "552 Quota used up.", wasi.EFBIG: "552 Quota used up.",
		wasi.ENOSYS: "504 The storage cannot do that.", wasi.EMFILE: "450 Too many open files, try again later.",
		wasi.EADDRINUSE: "450 Too many open files, try again later.",
		wasi.EXDEV:      "553 That name is on another disk: copy there, then delete.",
	}
	// RFC 959 §5.4 has 553 for a command that gives a file its name.
	ofNames = ofFiles.but(replies{
		wasi.ENOENT: "553 No such directory.", wasi.ENOTDIR: "553 No such directory.", wasi.EISDIR: "553 Is a directory.",
		wasi.EEXIST: "553 There is such a file already.", wasi.ENOTEMPTY: "553 There is such a file already.",
		wasi.EINVAL: "553 File name not allowed.",
	})
	ofTransfers = replies{
		wasi.OK: "451 Storage failed, transfer aborted.", wasi.ENOSPC: "452 No space left, transfer aborted.",
		wasi.EDQUOT: "552 Quota used up, transfer aborted.", wasi.EFBIG: "552 Quota used up, transfer aborted.",
		wasi.ECANCELED: "426 Transfer aborted.", wasi.ETIMEDOUT: "426 Data connection stalled, transfer aborted.",
		wasi.ECONNRESET:   "426 Data connection broke, transfer aborted.",
		wasi.EPIPE:        "426 Data connection broke, transfer aborted.",
		wasi.ECONNREFUSED: "426 Data connection broke, transfer aborted.",
	}
	ofData = replies{
		wasi.OK:        "425 Data connection could not be opened.",
		wasi.EBUSY:     "425 More than one data connection came: none is trusted.",
		wasi.ETIMEDOUT: "425 Data connection did not come in time.", wasi.EMFILE: "425 No data port is free, try again later.",
		wasi.EADDRINUSE: "425 No data port is free, try again later.",
		wasi.EPROTO:     "522 TLS on the data connection failed, or does not resume the control connection's session.",
	}
)

// agreements say which reply the engine makes of each errno of an import, and of the
// events that carry one. A call has its name in ftptest.World if that can make it fail,
// else a name that failing knows.
var agreements = []struct {
	imports, call, commands string
	data                    bool // a data connection comes, and the reply is the one behind 150
	replies                 replies
}{
	{"net_listen", "Listen", "EPSV", false, replies{wasi.OK: "425 No data port is free, try again later."}},
	{"net_listen", "Listen", "EPSV 2", false, replies{wasi.OK: "425 No data port is free, try again later.",
		wasi.EINVAL: "522 Not on this connection, use (1).", wasi.ENOSYS: "522 Not on this connection, use (1)."}},
	{"net_accept", "net_accept", "RETR hello.txt", true, ofData},
	{"net_dial", "net_dial", "PORT 192,0,2,7,156,64|RETR hello.txt", false, ofData},
	{"net_tls", "net_tls", "AUTH TLS", false, replies{wasi.OK: "431 TLS is not to be had now."}},
	{"net_tls", "net_tls for data", "PBSZ 0|PROT P|RETR hello.txt", true, replies{wasi.OK: ofData[wasi.EPROTO]}},
	{"net_tls", "JoinTLS", "PBSZ 0|PROT P|SSCN ON|RETR hello.txt", true, replies{wasi.OK: ofData[wasi.EPROTO]}},
	{"net_tls", "StopTLS", "CCC", false, replies{wasi.OK: "534 The control connection stays protected."}},
	{"net_deflate", "net_deflate", "MODE Z|RETR hello.txt", true, ofData},
	{"auth_host", "auth_host", "HOST ftp.example.org", false, replies{wasi.OK: "451 Logging in failed on the server's side.",
		wasi.ENOENT: "504 No such host here.", wasi.EINVAL: "501 Bad argument.", wasi.ENOSYS: "502 Command not implemented."}},
	{"auth_login", "Login", "USER u|PASS p", false, replies{wasi.OK: "451 Logging in failed on the server's side.",
		wasi.EACCES:     "530 Login incorrect.",
		wasi.EMFILE:     "421 Too many sessions of this account, try again later.",
		wasi.EADDRINUSE: "421 Too many sessions of this account, try again later."}},
	{"session_umask", "SetUmask", "SITE UMASK 022", false, ofFiles},
	{"session_names", "Names", "OPTS UTF8 ON", false,
		ofFiles.but(replies{wasi.ENOSYS: "200 Names are sent as they are, as UTF-8 if they are."})},
	{"session_list", "Sessions", "SITE WHO", false, ofFiles},
	{"session_kick", "Kick", "SITE KICK 7", false, ofFiles.but(replies{wasi.ENOSYS: "502 Command not implemented.",
		wasi.ENOENT: "550 There is no session 7: SITE WHO lists them.", wasi.EINVAL: "550 That is this session: QUIT ends it."})},
	{"file_stat", "Stat", "SIZE hello.txt", false, ofFiles},
	{"file_stat", "Enter", "CWD sub", false, ofFiles},
	{"file_open", "List", "LIST", true, ofFiles.but(replies{wasi.ENOTDIR: "226 Listing complete."})},
	{"file_list", "ListNext", "LIST", true, ofTransfers.but(replies{wasi.ECANCELED: ofTransfers[0],
		wasi.ETIMEDOUT:  ofTransfers[0],
		wasi.ECONNRESET: ofTransfers[0], wasi.EPIPE: ofTransfers[0], wasi.ECONNREFUSED: ofTransfers[0]})},
	{"file_open", "Open", "RETR hello.txt", true, ofFiles},
	{"file_open", "Open", "STOR new", true, ofNames},
	{"file_commit", "Commit", "STOR new", true, ofNames.but(ofTransfers).but(replies{wasi.ECONNRESET: ofTransfers[0],
		wasi.EPIPE: ofTransfers[0], wasi.ECONNREFUSED: ofTransfers[0], wasi.ENOSYS: ofTransfers[0]})},
	{"file_make", "Mkdir", "MKD new", false, ofFiles},
	{"file_remove", "RemoveFile", "DELE hello.txt", false, ofFiles},
	{"file_remove", "RemoveDir", "RMD empty", false, ofFiles},
	{"file_remove", "RemoveTree", "SITE RMDIR sub", false, ofFiles},
	{"file_rename", "Rename", "RNFR hello.txt|RNTO new", false, ofNames},
	{"file_set", "SetTime", "MFMT 20200101000000 hello.txt", false, ofFiles},
	{"file_set", "SetMode", "SITE CHMOD 600 hello.txt", false, ofFiles},
	{"file_space", "Space", "AVBL", false, ofFiles},
	{"file_make", "Symlink", "SITE SYMLINK hello.txt new", false, ofNames},
	{"file_copy", "Copy", "SITE COPY hello.txt new", false, ofNames},
	{"transfer_start", "transfer_start", "RETR hello.txt", true, ofData},
	{"transfer_hash", "transfer_hash", "HASH hello.txt", false, ofFiles},
	{"transfer_hash", "transfer_hash of what is made", "HASH hello.txt", false, ofFiles},
}

// silent are the imports whose errno makes no reply: the session ends, or goes on.
var silent = strings.Fields("config_read events_read net_address net_read net_write handle_close transfer_progress")

// TestHostAndEngineAgree: each errno of each import makes the reply that stands in
// agreements.
func TestHostAndEngineAgree(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, name := range silent {
		known[name] = true
	}
	for _, a := range agreements {
		known[a.imports] = true
		for n := range 1 << 8 {
			errno := wasi.Errno(n)
			if n == 0 || errno.Error() == "E?" || errno == wasi.EAGAIN {
				continue
			}
			want, ok := a.replies[errno]
			if !ok {
				want = a.replies[wasi.OK]
			}
			if got := told(t, a.call, a.commands, a.data, errno); got != want {
				t.Errorf("%s, %s: %v is %q, not %q", a.imports, a.commands, errno, got, want)
			}
		}
	}
	for _, i := range wasi.Table {
		if !known[i.Name] {
			t.Errorf("%s: say in agreements what the engine makes of its errnos", i.Name)
		}
	}
}

// told is the last reply to commands if a call fails with an errno.
func told(t *testing.T, call, commands string, data bool, errno wasi.Errno) string {
	t.Helper()
	config := ftp.Config{TLS: true, Allow: ftp.Allow{SiteCopy: true, SiteSymlink: true, SiteRmdir: true, CCC: true, SSCN: true}}
	w := ftptest.NewWorld(config)
	w.Put("hello.txt", "hello\n")
	w.Put("sub/in.txt", "")
	w.Put("empty", "").Type = ftp.Dir
	f := &failing{World: w}
	w.Engine = ftp.New(f, config)
	w.Fault = f.called
	if call == "auth_host" || call == "Kick" { // the first session tells the engine whether there is such a call
		f.call, f.err = call, ftp.Fault(errno)
	}
	c := w.Connect()
	w.Run()
	c.Reply()
	words := strings.Split(commands, "|")
	if call != "auth_host" && call != "Login" {
		if call != "net_tls" {
			c.Do("AUTH TLS")
		}
		c.Do("USER admin")
		c.Do("PASS p")
	}
	for _, command := range words[:len(words)-1] {
		c.Do(command)
	}
	var d *ftptest.Data
	if data {
		d = w.DialData(c.Passive("EPSV"))
	}
	f.call, f.err = call, ftp.Fault(errno)
	reply := c.Do(words[len(words)-1])
	if strings.HasPrefix(reply, "150") {
		if strings.HasPrefix(words[len(words)-1], "STOR") {
			d.Close()
			w.Run()
		}
		reply = c.Reply()
	}
	return reply
}

func (f *failing) called(call, _ string) error { return f.fault(call) }
