package ftp_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/module/ftp"
	"wasiftp/module/ftp/ftptest"
)

// states are the states of a session in which a command can come, with the lines that
// lead there.
var states = []struct{ name, lines string }{
	{"greeted", ""},
	{"named", "USER u"},
	{"failed", "USER u|PASS wrong"},
	{"logged in", "USER u|PASS p"},
	{"a reader", "USER ro|PASS p"},
	{"passive", "USER u|PASS p|PASV"}, // the client has connected and closed its side
	{"after REST", "USER u|PASS p|PASV|REST 2"},
	{"after RNFR", "USER u|PASS p|RNFR hello.txt"},
	{"EPSV ALL", "USER u|PASS p|EPSV ALL"},
	{"in TLS", "AUTH TLS|PBSZ 0|PROT P|USER u|PASS p"},
	{"moving", "USER u|PASS p|TYPE I|PASV|RETR big"}, // the client reads nothing
}

// stateTable has a row for each command: the codes of all its replies in each of
// the states, and the section that says so. "-" is a command that is held until
// the transfer has ended: RFC 959 §5.4 has each reply before the next command.
// What holds for many: 530 before the login and 5yz for what the account may not
// do (RFC 959 §5.4), 503 for a bad sequence (RFC 959 §4.2.2), 425 without a data
// connection (RFC 959 §5.4).
var stateTable = []struct{ line, codes, section string }{
	{"HOST ftp.example.org", "220 503 220 503 503 503 503 503 503 503 -", "RFC 7151 §3.1"},
	{"HOST example.net", "504 503 504 503 503 503 503 503 503 503 -", "RFC 7151 §3.1"},
	{"USER u", "331 331 331 331 331 331 331 331 331 331 -", "RFC 959 §5.4"},
	{"PASS p", "503 230 503 503 503 503 503 503 503 503 -", "RFC 959 §5.4"},
	{"ACCT x", "503 503 503 202 202 202 202 202 202 202 -", "RFC 959 §5.4"},
	{"REIN", "220 220 220 220 220 220 220 220 220 220 -", "RFC 959 §5.4; under TLS: RFC 4217 §11"},
	{"QUIT", "221 221 221 221 221 221 221 221 221 221 221", "RFC 959 §5.4"},
	{"SMNT x", "530 530 530 502 502 502 502 502 502 502 -", "RFC 959 §4.1.1; 502 §4.2.2"},
	{"CWD sub", "530 530 530 250 250 250 250 250 250 250 -", "RFC 959 §5.4"},
	{"XCWD sub", "530 530 530 250 250 250 250 250 250 250 -", "RFC 1123 §4.1.3.1"},
	{"CDUP", "530 530 530 250 250 250 250 250 250 250 -", "RFC 959 §5.4"},
	{"XCUP", "530 530 530 250 250 250 250 250 250 250 -", "RFC 1123 §4.1.3.1"},
	{"AUTH TLS", "234 234 234 234 234 234 234 234 234 503 -", "RFC 4217 §4"},
	{"PBSZ 0", "503 503 503 503 503 503 503 503 503 200 -", "RFC 4217 §8"},
	{"PROT P", "503 503 503 503 503 503 503 503 503 200 -", "RFC 4217 §9"},
	{"PROT C", "503 503 503 503 503 503 503 503 503 200 -", "RFC 4217 §9"},
	{"CCC", "503 503 503 503 503 503 503 503 503 200 -", "RFC 4217 §6"},
	{"SSCN", "530 530 530 200 200 200 200 200 200 200 -", "by practice"},
	{"SSCN ON", "530 530 530 503 503 503 503 503 503 200 -", "by practice"},
	{"CPSV", "530 530 530 503 503 503 503 503 503 227 -", "by practice"},
	{"PORT 192,0,2,7,156,64", "530 530 530 200 200 200 200 200 503 200 -", "RFC 959 §5.4; after EPSV ALL: RFC 2428 §4"},
	{"PASV", "530 530 530 227 227 227 227 227 503 227 -", "RFC 959 §5.4; after EPSV ALL: RFC 2428 §4"},
	{"EPRT |1|192.0.2.7|40000|", "530 530 530 200 200 200 200 200 503 200 -", "RFC 2428 §2; after EPSV ALL: RFC 2428 §4"},
	{"EPSV", "530 530 530 229 229 229 229 229 229 229 -", "RFC 2428 §3"},
	{"EPSV ALL", "530 530 530 200 200 200 200 200 200 200 -", "RFC 2428 §4"},
	{"EPSV 2", "530 530 530 522 522 522 522 522 522 522 -", "RFC 2428 §3"},
	{"LPRT 4,4,192,0,2,7,2,156,64", "530 530 530 200 200 200 200 200 503 200 -", "RFC 1639 §2; after EPSV ALL: RFC 2428 §4"},
	{"LPRT 16,1,1,2,156,64", "530 530 530 521 521 521 521 521 503 521 -", "RFC 1639 §2; after EPSV ALL: RFC 2428 §4"},
	{"LPSV", "530 530 530 228 228 228 228 228 503 228 -", "RFC 1639 §3; after EPSV ALL: RFC 2428 §4"},
	{"PRET RETR x", "530 530 530 200 200 200 200 200 200 200 -", "by practice"},
	{"TYPE A", "530 530 530 200 200 200 200 200 200 200 -", "RFC 959 §5.4"},
	{"TYPE E", "530 530 530 504 504 504 504 504 504 504 -", "RFC 959 §5.4"},
	{"STRU F", "530 530 530 200 200 200 200 200 200 200 -", "RFC 959 §5.4"},
	{"STRU R", "530 530 530 504 504 504 504 504 504 504 -", "RFC 959 §5.4"},
	{"MODE S", "530 530 530 200 200 200 200 200 200 200 -", "RFC 959 §5.4"},
	{"MODE Z", "530 530 530 200 200 200 200 200 200 200 -", "draft-preston-ftpext-deflate §3.1"},
	{"MODE B", "530 530 530 504 504 504 504 504 504 504 -", "RFC 959 §5.4"},
	{"RETR hello.txt", "530 530 530 425 425 150+226 150+226 425 425 425 -", "RFC 959 §5.4"},
	{"STOR hello.txt", "530 530 530 425 425 150+226 150+226 425 425 425 -", "RFC 959 §5.4"},
	{"STOU", "530 530 530 425 425 150+226 150+226 425 425 425 -", "RFC 1123 §4.1.2.9"},
	{"APPE hello.txt", "530 530 530 425 425 150+226 150+226 425 425 425 -", "RFC 959 §5.4"},
	{"REST 1", "530 530 530 350 350 350 350 350 350 350 -", "RFC 3659 §5"},
	{"RANG 1 2", "530 530 530 350 350 350 350 350 350 350 -", "draft-bryan-ftp-range §3"},
	{"ALLO 1", "530 530 530 202 202 202 202 202 202 202 -", "RFC 959 §5.4"},
	{"ABOR", "530 530 530 225 225 226 226 225 225 225 426+226", "RFC 959 §5.4, ABOR"},
	{"LIST", "530 530 530 425 425 150+226 150+226 425 425 425 -", "RFC 959 §5.4"},
	{"NLST", "530 530 530 425 425 150+226 150+226 425 425 425 -", "RFC 959 §5.4"},
	{"MLSD", "530 530 530 425 425 150+226 150+226 425 425 425 -", "RFC 3659 §7"},
	{"MLST", "530 530 530 250 250 250 250 250 250 250 -", "RFC 3659 §7"},
	{"STAT", "530 530 530 211 211 211 211 211 211 211 211", "RFC 959 §5.4"},
	{"DELE hello.txt", "530 530 530 250 550 250 250 250 250 250 -", "RFC 959 §5.4"},
	{"RNFR hello.txt", "530 530 530 350 350 350 350 350 350 350 -", "RFC 959 §5.4, RNFR and RNTO"},
	{"RNTO new", "530 530 530 503 503 503 503 250 503 503 -", "RFC 959 §5.4, RNFR and RNTO"},
	{"MKD new", "530 530 530 257 550 257 257 257 257 257 -", "RFC 959 §5.4"},
	{"XMKD new", "530 530 530 257 550 257 257 257 257 257 -", "RFC 1123 §4.1.3.1"},
	{"RMD empty", "530 530 530 250 550 250 250 250 250 250 -", "RFC 959 §5.4"},
	{"XRMD empty", "530 530 530 250 550 250 250 250 250 250 -", "RFC 1123 §4.1.3.1"},
	{"PWD", "530 530 530 257 257 257 257 257 257 257 -", "RFC 959 §5.4"},
	{"XPWD", "530 530 530 257 257 257 257 257 257 257 -", "RFC 1123 §4.1.3.1"},
	{"SIZE hello.txt", "530 530 530 213 213 213 213 213 213 213 -", "RFC 3659 §4"},
	{"MDTM hello.txt", "530 530 530 213 213 213 213 213 213 213 -", "RFC 3659 §3"},
	{"MFMT 20200101000000 hello.txt", "530 530 530 213 550 213 213 213 213 213 -", "draft-somers-ftp-mfxx §3"},
	{"COMB new hello.txt", "530 530 530 250 550 250 250 250 250 250 -", "by practice"},
	{"SITE NONE", "530 530 530 504 504 504 504 504 504 504 -", "RFC 959 §5.4"},
	{"SITE CHMOD 600 hello.txt", "530 530 530 200 550 200 200 200 200 200 -", "RFC 959 §5.4"},
	{"SITE COPY hello.txt new", "530 530 530 250 550 250 250 250 250 250 -", "by practice"},
	{"SITE CPFR hello.txt", "530 530 530 350 350 350 350 350 350 350 -", "by practice"},
	{"SITE CPTO new", "530 530 530 503 503 503 503 503 503 503 -", "by practice"},
	{"SITE HELP", "530 530 530 214 214 214 214 214 214 214 -", "RFC 959 §5.4"},
	{"SITE IDLE", "530 530 530 200 200 200 200 200 200 200 -", "by practice"},
	{"SITE KICK 1", "530 530 530 550 550 550 550 550 550 550 -", "by practice; an administrator's: site_test.go"},
	{"SITE MKDIR a/b", "530 530 530 257 550 257 257 257 257 257 -", "by practice"},
	{"SITE RMDIR sub", "530 530 530 250 550 250 250 250 250 250 -", "by practice"},
	{"SITE SYMLINK hello.txt new", "530 530 530 250 550 250 250 250 250 250 -", "by practice"},
	{"SITE UMASK 027", "530 530 530 200 550 200 200 200 200 200 -", "by practice"},
	{"SITE UTIME hello.txt 20200101000000", "530 530 530 200 550 200 200 200 200 200 -", "by practice"},
	{"SITE WHO", "530 530 530 550 550 550 550 550 550 550 -", "by practice; an administrator's: site_test.go"},
	{"MFF Modify=20200101000000;UNIX.mode=0600; hello.txt", "530 530 530 213 550 213 213 213 213 213 -",
		"draft-somers-ftp-mfxx §5"},
	{"AVBL", "530 530 530 213 550 213 213 213 213 213 -", "draft-peterson-streamlined-ftp-command-extensions §4"},
	{"HASH hello.txt", "530 530 530 213 213 213 213 213 213 213 -", "draft-bryan-ftpext-hash §3"},
	{"XCRC hello.txt", "530 530 530 250 250 250 250 250 250 250 -", "by practice"},
	{"XMD5 hello.txt", "530 530 530 250 250 250 250 250 250 250 -", "by practice"},
	{"XSHA1 hello.txt", "530 530 530 250 250 250 250 250 250 250 -", "by practice"},
	{"XSHA256 hello.txt", "530 530 530 250 250 250 250 250 250 250 -", "by practice"},
	{"XSHA512 hello.txt", "530 530 530 250 250 250 250 250 250 250 -", "by practice"},
	{"SYST", "215 215 215 215 215 215 215 215 215 215 -", "RFC 959 §5.4"},
	{"FEAT", "211 211 211 211 211 211 211 211 211 211 -", "RFC 2389 §3"},
	{"OPTS UTF8 ON", "200 200 200 200 200 200 200 200 200 200 -", "RFC 2389 §4"},
	{"HELP", "214 214 214 214 214 214 214 214 214 214 -", "RFC 959 §5.4"},
	{"NOOP", "200 200 200 200 200 200 200 200 200 200 200", "RFC 959 §5.4"},
	{"CSID Name=x;", "200 200 200 200 200 200 200 200 200 200 -", "draft-peterson-streamlined-ftp-command-extensions §7"},
	{"LANG", "200 200 200 200 200 200 200 200 200 200 -", "RFC 2640 §4.1"},
	{"LANG FR", "504 504 504 504 504 504 504 504 504 504 -", "RFC 2640 §4.1"},
	{"CLNT x", "200 200 200 200 200 200 200 200 200 200 -", "by practice"},
}

// stateWorld is a world with a session in a state.
func stateWorld(t *testing.T, lines string) (*ftptest.World, *ftptest.Client) {
	w := newWorld(t, ftp.Config{TLS: true, Allow: allowed})
	w.Put("big", strings.Repeat("x", 100_000))
	w.Mkfolder("empty")
	w.Room = 10_000
	c := connect(w)
	for line := range strings.SplitSeq(lines, "|") {
		switch line {
		case "":
		case "PASV":
			d := w.DialData(c.Passive(line))
			require.NotNil(t, d)
			d.Close()
		default:
			assert.Regexp(t, "^([123]|530 Login)", c.Do(line), line)
		}
	}
	return w, c
}

// TestStates: every verb in every state gets the replies of the document that defines it.
func TestStates(t *testing.T) {
	t.Parallel()
	for _, verb := range everyVerb() {
		rows := 0
		for _, row := range stateTable {
			if !strings.HasPrefix(row.line+" ", verb.Name+" ") || verb.Name == "SITE" && row.line != "SITE NONE" {
				continue
			}
			rows++
			codes := strings.Fields(row.codes)
			require.Len(t, codes, len(states), row.line)
			for i, state := range states {
				w, c := stateWorld(t, state.lines)
				c.Send(row.line + "\r\n")
				w.Run()
				got := strings.ReplaceAll(c.Codes(), " ", "+")
				assert.Equal(t, strings.TrimPrefix(codes[i], "-"), got, "%s, %s (%s)", row.line, state.name, row.section)
			}
		}
		assert.NotZero(t, rows, "no row for %s", verb.Name)
	}
}
