// Package script is a small language for conversations between an FTP client
// and a server. One script runs against the engine in a simulated world, the
// engine inside WebAssembly, and the program over TCP.
//
// A script is lines. A line that begins with # is a comment. Each "== title"
// begins a case: one conversation, on files of its own. Steps before the first
// title are the first steps of every case.
//
//	file NAME CONTENT [TIME]  a file that exists at the start
//	dir NAME                  a directory that exists at the start
//	link NAME TARGET          a symbolic link that exists at the start
//	needs WORD                skips the case in a world without: links, modes, bytes, ipv6, anonymous, deflate, space, created;
//	                          other needs follow from the steps: active, admin, copy, hash, hosts, ports (that close),
//	                          symlink, trees, umask, urgent, who
//
//	> LINE                    sends the line and CRLF
//	>> "BYTES"                sends these bytes and nothing else
//	urgent "BYTES"            sends these bytes, the last one as TCP urgent data
//	< CODE [PATTERN]          reads one whole reply, which has this code and text
//	| PATTERN                 the last reply or data has such a line
//	!| PATTERN                the last reply or data has no such line
//	login [USER]              reads the greeting and logs in
//	end                       the server closes the control connection
//	drop                      the client closes the control connection
//	session N                 the next steps are of session N, which is opened when first used
//	ipv6                      later sessions are opened over IPv6
//
//	pasv, epsv [ARG]          sends the command, reads the reply and notes the port
//	listen                    opens a port for ${port} and ${eprt}
//	port, eprt                listens, sends the command and reads the reply
//	connect                   opens the data connection now (else: when first used)
//	receive [CONTENT]         reads all data until the connection's end
//	inflate CONTENT           the same for compressed data (MODE Z)
//	deflate CONTENT           sends data compressed and closes the data connection
//	receive-some              reads some data and leaves the connection open
//	send CONTENT              sends data and closes the data connection
//	write CONTENT             sends data and leaves the connection open
//	close                     closes the data connection
//	data-closed               the server closes the data connection without more data
//	no-data                   nobody can connect to the port noted last
//
//	has NAME CONTENT          there is now a file with this content
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
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// World is a server and its files, as seen from outside. A read must fail after
// some time, or at once if the world knows that nothing can come.
type World interface {
	// Has says whether the world meets a need of a script.
	Has(need string) bool

	// Open opens a control connection; family is 4 or 6.
	Open(family int) (Conn, error)

	// Dial opens a data connection from the client's address of control.
	Dial(control Conn, to netip.AddrPort) (Conn, error)

	// Listen opens a port at the client's address of control.
	Listen(control Conn) (Listener, error)

	// WriteFile, Mkdir and Symlink set up the files of a case, and make
	// missing directories.
	WriteFile(name string, content []byte, mtime time.Time) error
	Mkdir(name string) error
	Symlink(target, name string) error

	// ReadFile and Stat show the files during and after the conversation.
	ReadFile(name string) ([]byte, error)
	Stat(name string) (fs.FileInfo, error)
}

// Conn is the client's end of a connection.
type Conn interface {
	io.ReadWriteCloser

	// Urgent writes p, its last byte as TCP urgent data if the world can.
	Urgent(p []byte) error

	// Remote is the server's address.
	Remote() netip.AddrPort
}

// Listener is a port on which the client listens.
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
	return Parse(filepath.Base(path), string(b))
}

// Parse parses the text of a script. It stops at the first line with a fault.
func Parse(name, text string) (*Script, error) {
	s := &Script{Name: strings.TrimSuffix(name, ".txt")}
	var common Case // the steps before the first title
	current := &common
	for i, line := range strings.Split(text, "\n") {
		at := fmt.Sprintf("%s:%d", name, i+1)
		line = strings.TrimLeft(line, "\t")
		switch {
		case strings.TrimSpace(line) == "", strings.HasPrefix(line, "#"):
			continue
		case strings.HasPrefix(line, "== "):
			s.Cases = append(s.Cases, Case{Title: line[3:], Needs: common.Needs, steps: slices.Clip(common.steps)})
			current = &s.Cases[len(s.Cases)-1]
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
		current.steps = append(current.steps, step{at: at, text: line, do: do})
		if need := needOf(word, rest); need != "" && !slices.Contains(current.Needs, need) {
			current.Needs = append(slices.Clip(current.Needs), need)
		}
	}
	for _, c := range s.Cases {
		if len(c.steps) == len(common.steps) {
			return nil, fmt.Errorf("%s: case %q has no steps", name, c.Title)
		}
	}
	if len(s.Cases) == 0 {
		return nil, fmt.Errorf("%s: no cases", name)
	}
	return s, nil
}

// verbNeeds are the needs of commands that not every server understands.
var verbNeeds = map[string]string{
	"PORT": "active", "EPRT": "active", "LPRT": "active", "HOST": "hosts",
	"COMB": "copy", "SITE COPY": "copy", "SITE CPFR": "copy", "SITE CPTO": "copy", "SITE SYMLINK": "symlink", "SITE RMDIR": "trees",
	"SITE UMASK": "umask", "SITE WHO": "who", "SITE KICK": "who",
	"HASH": "hash", "XCRC": "hash", "XMD5": "hash", "XSHA1": "hash", "XSHA256": "hash", "XSHA512": "hash",
}

// needOf is the need of a step, "" for none.
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
