package script

import (
	"bytes"
	"cmp"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// past is the modification time of files without a TIME. It is so old that a
// listing shows its year, whatever today is.
var past = time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)

// ops makes a step from the rest of its line, by the line's first word. It is
// filled by init because steps refer to each other through run.
var ops map[string]func(rest string) (func(*run) error, error)

func init() {
	ops = map[string]func(rest string) (func(*run) error, error){
		"needs":        func(string) (func(*run) error, error) { return func(*run) error { return nil }, nil },
		"file":         opFile,
		"dir":          named(func(r *run, name string) error { return r.world.Mkdir(name) }),
		"link":         opLink,
		">":            func(rest string) (func(*run) error, error) { return func(r *run) error { return r.send(rest) }, nil },
		">>":           raw(Conn.Write),
		"urgent":       raw(func(c Conn, p []byte) (int, error) { return len(p), c.Urgent(p) }),
		"<":            opReply,
		"|":            opLine(true),
		"!|":           opLine(false),
		"login":        opLogin,
		"end":          inSession(end),
		"drop":         inSession(func(_ *run, s *session) error { return s.control.Close() }),
		"session":      opSession,
		"ipv6":         plain(func(r *run) error { r.family = 6; return nil }),
		"pasv":         passive("PASV", 227),
		"epsv":         passive("EPSV", 229),
		"listen":       inSession(listen),
		"port":         active("PORT ${port}"),
		"eprt":         active("EPRT ${eprt}"),
		"connect":      plain(func(r *run) error { _, err := r.connection(); return err }),
		"receive":      opReceive,
		"inflate":      opInflate,
		"deflate":      opDeflate,
		"receive-some": plain(receiveSome),
		"send":         opSend(true),
		"write":        opSend(false),
		"close":        inSession(func(_ *run, s *session) error { s.closeData(); return nil }),
		"data-closed":  plain(dataClosed),
		"no-data":      inSession(noData),
		"has":          opHas,
		"has-dir":      named(hasDir),
		"has-not":      named(hasNot),
		"has-time":     opHasTime,
	}
}

// plain is a step without an argument.
func plain(do func(*run) error) func(string) (func(*run) error, error) {
	return func(rest string) (func(*run) error, error) {
		if rest != "" {
			return nil, errors.New("takes no argument")
		}
		return do, nil
	}
}

// inSession is a step without an argument in the current session.
func inSession(do func(*run, *session) error) func(string) (func(*run) error, error) {
	return plain(func(r *run) error {
		s, err := r.session()
		if err != nil {
			return err
		}
		return do(r, s)
	})
}

// named is a step with one name.
func named(do func(*run, string) error) func(string) (func(*run) error, error) {
	return func(rest string) (func(*run) error, error) {
		name, rest, err := name(rest)
		if rest != "" {
			return nil, errors.New("takes one name")
		}
		return func(r *run) error { return do(r, name) }, err
	}
}

// raw is a step that sends quoted bytes.
func raw(write func(Conn, []byte) (int, error)) func(string) (func(*run) error, error) {
	return func(rest string) (func(*run) error, error) {
		b, err := content(rest)
		return func(r *run) error {
			s, err := r.session()
			if err != nil {
				return err
			}
			r.note("> %q", b[:min(len(b), 200)])
			_, err = write(s.control, b)
			return err
		}, err
	}
}

func opFile(rest string) (func(*run) error, error) {
	path, rest, err := name(rest)
	if err != nil {
		return nil, err
	}
	at := past
	if i := strings.LastIndexByte(rest, ' '); i > 0 && len(rest)-i-1 == len(timeLayout) && !strings.HasSuffix(rest, `"`) {
		if at, err = timeval(rest[i+1:]); err != nil {
			return nil, err
		}
		rest = rest[:i]
	}
	b, err := content(rest)
	return func(r *run) error { return r.world.WriteFile(path, b, at) }, err
}

func opLink(rest string) (func(*run) error, error) {
	path, rest, err := name(rest)
	if err != nil {
		return nil, err
	}
	target, _, err := name(rest)
	return func(r *run) error { return r.world.Symlink(target, path) }, err
}

func opReply(rest string) (func(*run) error, error) {
	number, pattern, textual := strings.Cut(rest, " ")
	code, err := strconv.Atoi(number)
	return func(r *run) error {
		reply, err := r.reply(code)
		if err == nil && textual && !Match(pattern, reply.Text()) {
			return fmt.Errorf("got %q", reply.Text())
		}
		return err
	}, err
}

func opLine(want bool) func(string) (func(*run) error, error) {
	return func(pattern string) (func(*run) error, error) {
		if strings.HasPrefix(pattern, `"`) {
			var err error
			if pattern, err = strconv.Unquote(pattern); err != nil {
				return nil, err
			}
		}
		return func(r *run) error {
			i := slices.IndexFunc(r.taken, func(line string) bool { return Match(pattern, line) })
			switch {
			case want && i < 0:
				return fmt.Errorf("not in %q", r.taken)
			case !want && i >= 0:
				return fmt.Errorf("there is %q", r.taken[i])
			}
			return nil
		}, nil
	}
}

func opLogin(user string) (func(*run) error, error) {
	if user == "" {
		user = "u"
	}
	return func(r *run) error {
		if _, err := r.reply(220); err != nil {
			return err
		}
		if _, err := r.command("USER "+user, 331); err != nil {
			return err
		}
		_, err := r.command("PASS p", 230)
		return err
	}, nil
}

// end checks that the server closes the control connection and says nothing more.
// A reset counts: TCP sends one if a socket is closed with unread bytes.
func end(_ *run, s *session) error {
	rest, err := io.ReadAll(s.in)
	if len(rest) > 0 {
		return fmt.Errorf("got %q", rest)
	}
	if err != nil && !IsReset(err) {
		return err
	}
	return nil
}

func opSession(rest string) (func(*run) error, error) {
	n, err := strconv.Atoi(rest)
	return func(r *run) error { r.number = n; return nil }, err
}

func passive(verb string, code int) func(string) (func(*run) error, error) {
	return func(rest string) (func(*run) error, error) {
		return func(r *run) error {
			reply, err := r.command(strings.TrimSpace(verb+" "+rest), code)
			if err != nil {
				return err
			}
			s := r.sessions[r.number]
			s.closeData()
			s.port, err = replyPort(reply, s.control.Remote())
			return err
		}, nil
	}
}

func listen(r *run, s *session) (err error) {
	s.closeData()
	s.port = netip.AddrPort{}
	s.listen, err = r.world.Listen(s.control)
	return err
}

func active(command string) func(string) (func(*run) error, error) {
	return inSession(func(r *run, s *session) error {
		if err := listen(r, s); err != nil {
			return err
		}
		_, err := r.command(command, 200)
		return err
	})
}

func opReceive(rest string) (func(*run) error, error) {
	var want []byte
	var err error
	if rest != "" {
		want, err = content(rest)
	}
	return func(r *run) error {
		got, err := r.receive()
		if err != nil {
			return err
		}
		r.taken = nil
		if len(got) > 0 {
			r.taken = strings.Split(strings.TrimSuffix(string(got), "\r\n"), "\r\n")
		}
		if rest != "" {
			return compare(got, want)
		}
		return nil
	}, err
}

func opInflate(rest string) (func(*run) error, error) {
	want, err := content(rest)
	return func(r *run) error {
		b, err := r.receive()
		if err != nil {
			return err
		}
		z, err := zlib.NewReader(bytes.NewReader(b))
		if err != nil {
			return err
		}
		got, err := io.ReadAll(z)
		return cmp.Or(err, compare(got, want))
	}, err
}

func opDeflate(rest string) (func(*run) error, error) {
	b, err := content(rest)
	return func(r *run) error {
		var out bytes.Buffer
		z := zlib.NewWriter(&out)
		z.Write(b)
		z.Close()
		err := r.write(out.Bytes())
		r.sessions[r.number].closeData()
		return err
	}, err
}

// compare returns an error that shows the first difference, nil if there is none.
func compare(got, want []byte) error {
	if bytes.Equal(got, want) {
		return nil
	}
	i := 0
	for i < len(got) && i < len(want) && got[i] == want[i] {
		i++
	}
	return fmt.Errorf("got %d bytes, want %d; from byte %d got %q, want %q", len(got), len(want), i,
		got[i:min(i+40, len(got))], want[i:min(i+40, len(want))])
}

func receiveSome(r *run) error {
	data, err := r.connection()
	if err != nil {
		return err
	}
	n, err := data.Read(make([]byte, 1024))
	if n == 0 {
		return fmt.Errorf("got nothing: %w", err)
	}
	return nil
}

func opSend(ends bool) func(string) (func(*run) error, error) {
	return func(rest string) (func(*run) error, error) {
		b, err := content(rest)
		return func(r *run) error {
			if err := r.write(b); err != nil {
				return err
			}
			if ends {
				r.sessions[r.number].closeData()
			}
			return nil
		}, err
	}
}

func dataClosed(r *run) error {
	b, err := r.receive()
	if len(b) > 0 {
		return fmt.Errorf("got %d bytes", len(b))
	}
	if err != nil && !IsReset(err) {
		return err
	}
	return nil
}

func noData(r *run, s *session) error {
	if !s.port.IsValid() {
		return errors.New("no port was noted")
	}
	if c, err := r.world.Dial(s.control, s.port); err == nil {
		c.Close()
		return errors.New("the port is open")
	}
	return nil
}

func opHas(rest string) (func(*run) error, error) {
	path, rest, err := name(rest)
	if err != nil {
		return nil, err
	}
	want, err := content(rest)
	return func(r *run) error {
		got, err := r.world.ReadFile(path)
		return cmp.Or(err, compare(got, want))
	}, err
}

func hasDir(r *run, name string) error {
	info, err := r.world.Stat(name)
	if err == nil && !info.IsDir() {
		err = errors.New("is no directory")
	}
	return err
}

func hasNot(r *run, name string) error {
	_, err := r.world.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return cmp.Or(err, errors.New("exists"))
}

func opHasTime(rest string) (func(*run) error, error) {
	path, rest, err := name(rest)
	if err != nil {
		return nil, err
	}
	want, err := timeval(rest)
	return func(r *run) error {
		info, err := r.world.Stat(path)
		if err == nil && info.ModTime().Unix() != want.Unix() {
			err = fmt.Errorf("is of %s", info.ModTime().UTC().Format(timeLayout))
		}
		return err
	}, err
}
