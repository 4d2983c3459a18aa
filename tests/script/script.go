// Package script is a small language for conversations between an FTP client
// and a server, so that one text can be held with the engine in a simulated
// world, with the engine inside WebAssembly and with the program over TCP.
//
// A script is lines. Those that begin with # are comments. What stands before
// the first "== title" holds for every case; a case is one conversation on files
// of its own.
//
//	file NAME CONTENT [TIME]  a file that is there from the start
//	dir NAME                  a directory that is there from the start
//	link NAME TARGET          a symbolic link that is there from the start
//	needs WORD                only for worlds that have it: links, modes, bytes, ipv6, anonymous, deflate, space, created;
//	                          what else is needed is seen by itself: active, admin, copy, hash, hosts, ports (that close),
//	                          symlink, trees, umask, urgent, who
//
//	> LINE                    sends the line and CRLF
//	>> "BYTES"                sends these bytes and nothing else
//	urgent "BYTES"            sends them, the last as TCP urgent data
//	< CODE [PATTERN]          takes one whole reply; its code and text are these
//	| PATTERN                 what was taken last, a reply or data, has such a line
//	!| PATTERN                it has no such line
//	login [USER]              takes the greeting and logs in
//	end                       the server closes the control connection
//	drop                      the client closes it
//	session N                 goes on in another session, opened when it is new
//	ipv6                      the sessions to come are opened over IPv6
//
//	pasv, epsv [ARG]          sends the command, takes the reply and notes the port
//	listen                    opens a port for ${port} and ${eprt}
//	port, eprt                listens, sends the command and takes the reply
//	connect                   opens the data connection now (else: when first used)
//	receive [CONTENT]         takes all the data there is up to its end
//	inflate CONTENT           the same, of data that come compressed (MODE Z)
//	deflate CONTENT           sends data compressed and ends it
//	receive-some              takes some data and leaves the connection open
//	send CONTENT              sends data and ends it
//	write CONTENT             sends data and leaves the connection open
//	close                     closes the data connection
//	data-closed               the server closes the data connection, nothing more came
//	no-data                   nobody can connect to the port noted last
//
//	has NAME CONTENT          there is such a file now
//	has-dir NAME, has-not NAME
//	has-time NAME TIME        its modification time, as YYYYMMDDhhmmss
//
// In a pattern, * is any bytes. CONTENT is a Go string, "zeros N", "letters N",
// "bytes N" (every byte value, never twice the same run) or "lines N"; N may end
// in K or M.
// NAME is a word or a Go string.
package script

import (
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"
)

// World is a server and its files, as the outside sees them. Reads must fail
// after some time, or at once where it is known that nothing can come.
type World interface {
	// Has says whether the world has what a script needs.
	Has(need string) bool

	// Open opens a control connection; family is 4 or 6.
	Open(family int) (Conn, error)

	// Dial opens a data connection from where control comes from.
	Dial(control Conn, to netip.AddrPort) (Conn, error)

	// Listen opens a port for a data connection to where control comes from.
	Listen(control Conn) (Listener, error)

	// WriteFile, Mkdir and Symlink make what there is at the start. Missing
	// directories are made.
	WriteFile(name string, content []byte, mtime time.Time) error
	Mkdir(name string) error
	Symlink(target, name string) error

	// ReadFile and Stat show what there is in the end.
	ReadFile(name string) ([]byte, error)
	Stat(name string) (fs.FileInfo, error)
}

// Conn is the client's end of a connection.
type Conn interface {
	io.ReadWriteCloser

	// Urgent writes, and marks the last byte as urgent where the world can.
	Urgent(p []byte) error

	// Remote is the server's end.
	Remote() netip.AddrPort
}

// Listener is a port of the client's.
type Listener interface {
	Addr() netip.AddrPort
	Accept() (Conn, error)
	Close() error
}

// Script is a file of cases.
type Script struct {
	Name  string
	Cases []Case
}

// Case is one conversation.
type Case struct {
	Title string
	Needs []string
	steps []step
}

// step is a line of a script, ready to run.
type step struct {
	at   string // file:line
	text string
	do   func(*run) error
}

// Read reads a script from a file.
func Read(path string) (*Script, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	name := path[strings.LastIndexByte(path, '/')+1:]
	return Parse(name, string(b))
}

// Parse makes a script of its text. All the faults it finds are in the first
// line that has one.
func Parse(name, text string) (*Script, error) {
	s := &Script{Name: strings.TrimSuffix(name, ".txt")}
	var common []step
	var needs []string
	for i, line := range strings.Split(text, "\n") {
		at := fmt.Sprintf("%s:%d", name, i+1)
		line = strings.TrimLeft(line, "\t")
		switch {
		case strings.TrimSpace(line) == "", strings.HasPrefix(line, "#"):
			continue
		case strings.HasPrefix(line, "== "):
			s.Cases = append(s.Cases, Case{Title: line[3:], Needs: needs, steps: common[:len(common):len(common)]})
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		op, known := ops[word]
		if !known {
			return nil, fmt.Errorf("%s: no such step: %s", at, word)
		}
		do, err := op(rest)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", at, line, err)
		}
		st := step{at: at, text: line, do: do}
		need := needOf(word, rest)
		if last := len(s.Cases) - 1; last < 0 {
			needs = withNeed(needs, need)
			common = append(common, st)
		} else {
			s.Cases[last].Needs = withNeed(s.Cases[last].Needs, need)
			s.Cases[last].steps = append(s.Cases[last].steps, st)
		}
	}
	for _, c := range s.Cases {
		if len(c.steps) == len(common) {
			return nil, fmt.Errorf("%s: case %q has no steps", name, c.Title)
		}
	}
	if len(s.Cases) == 0 {
		return nil, fmt.Errorf("%s: no cases", name)
	}
	return s, nil
}

// verbNeeds are what a world must have for a line to be understood.
var verbNeeds = map[string]string{
	"PORT": "active", "EPRT": "active", "LPRT": "active", "HOST": "hosts",
	"COMB": "copy", "SITE COPY": "copy", "SITE CPFR": "copy", "SITE CPTO": "copy", "SITE SYMLINK": "symlink", "SITE RMDIR": "trees",
	"SITE UMASK": "umask", "SITE WHO": "who",
	"HASH": "hash", "XCRC": "hash", "XMD5": "hash", "XSHA1": "hash", "XSHA256": "hash", "XSHA512": "hash",
}

// needOf is what a world must have for a step, "" for nothing.
func needOf(word, rest string) string {
	switch word {
	case "needs":
		return rest
	case "port", "eprt", "listen":
		return "active"
	case "login":
		if rest == "admin" {
			return rest
		}
	case "urgent":
		return "urgent"
	case "no-data":
		return "ports"
	case ">":
		verb, arg, _ := strings.Cut(strings.ToUpper(rest), " ")
		sub, _, _ := strings.Cut(arg, " ")
		switch verb {
		case "OPTS":
			verb = sub
		case "SITE":
			verb += " " + sub
		}
		return verbNeeds[verb]
	}
	return ""
}

func withNeed(needs []string, need string) []string {
	if need == "" || slices.Contains(needs, need) {
		return needs
	}
	return append(slices.Clip(needs), need)
}
