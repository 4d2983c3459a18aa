package script

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
)

// run is a case being held with a world.
type run struct {
	world    World
	family   int // 4 or 6, of sessions that are opened
	number   int // of the current session
	sessions map[int]*session
	taken    []string // lines of the last reply or data
	log      []string // the conversation so far, for the report of a failure
}

// session is one control connection, with its data connection if it has one.
type session struct {
	control Conn
	in      *bufio.Reader
	port    netip.AddrPort // of the last 227 or 229
	listen  Listener       // of the last listen, port or eprt
	data    Conn
}

// Run holds the conversation. The error names the line of the script that
// failed and quotes the conversation until then.
func (c Case) Run(w World) error {
	r := &run{world: w, family: 4, number: 1, sessions: map[int]*session{}}
	defer r.closeAll()
	for _, s := range c.steps {
		if err := s.do(r); err != nil {
			return fmt.Errorf("%s: %s: %w\n\t%s", s.at, s.text, err, strings.Join(r.log, "\n\t"))
		}
	}
	return nil
}

func (r *run) closeAll() {
	for _, s := range r.sessions {
		s.closeData()
		s.control.Close()
	}
}

func (s *session) closeData() {
	if s.data != nil {
		s.data.Close()
		s.data = nil
	}
	if s.listen != nil {
		s.listen.Close()
		s.listen = nil
	}
}

// note logs something of the current session.
func (r *run) note(format string, args ...any) {
	text := fmt.Sprint(r.number, " ", fmt.Sprintf(format, args...))
	if len(text) > 300 {
		text = text[:300] + "…"
	}
	r.log = append(r.log, text)
}

// session is the current session, opened when it is new.
func (r *run) session() (*session, error) {
	if s := r.sessions[r.number]; s != nil {
		return s, nil
	}
	control, err := r.world.Open(r.family)
	if err != nil {
		return nil, fmt.Errorf("opening session %d: %w", r.number, err)
	}
	s := &session{control: control, in: bufio.NewReader(control)}
	r.sessions[r.number] = s
	return s, nil
}

func (r *run) send(line string) error {
	s, err := r.session()
	if err != nil {
		return err
	}
	if strings.Contains(line, "${") {
		if s.listen == nil {
			return errors.New("${port} and ${eprt} need a listen before")
		}
		line = expand(line, s.listen.Addr())
	}
	r.note("> %s", line)
	_, err = s.control.Write([]byte(line + "\r\n"))
	return err
}

// expand replaces ${port} and ${eprt} by the port that the client listens on, in
// the forms of RFC 959 §4.1.2 and RFC 2428 §2.
func expand(line string, a netip.AddrPort) string {
	ip := a.Addr().Unmap()
	family := 2
	if ip.Is4() {
		family = 1
		b := ip.As4()
		line = strings.ReplaceAll(line, "${port}",
			fmt.Sprintf("%d,%d,%d,%d,%d,%d", b[0], b[1], b[2], b[3], a.Port()>>8, a.Port()&255))
	}
	return strings.ReplaceAll(line, "${eprt}", fmt.Sprintf("|%d|%s|%d|", family, ip, a.Port()))
}

// reply reads a reply, which must have this code.
func (r *run) reply(code int) (Reply, error) {
	s, err := r.session()
	if err != nil {
		return Reply{}, err
	}
	reply, err := ReadReply(s.in)
	if err != nil {
		return reply, err
	}
	r.note("< %d %s", reply.Code, reply.Text())
	r.taken = reply.Lines
	if reply.Code != code {
		return reply, fmt.Errorf("got %d %s", reply.Code, reply.Text())
	}
	return reply, nil
}

// command sends a line and reads its one reply.
func (r *run) command(line string, code int) (Reply, error) {
	if err := r.send(line); err != nil {
		return Reply{}, err
	}
	return r.reply(code)
}

// connection is the session's data connection, opened when first used.
func (r *run) connection() (Conn, error) {
	s, err := r.session()
	if err != nil {
		return nil, err
	}
	switch {
	case s.data != nil:
		return s.data, nil
	case s.port.IsValid():
		s.data, err = r.world.Dial(s.control, s.port)
	case s.listen != nil:
		s.data, err = s.listen.Accept()
		if err == nil {
			s.listen.Close()
			s.listen = nil
		}
	default:
		err = errors.New("there is neither a port noted nor a listener")
	}
	// A port serves one transfer only.
	s.port = netip.AddrPort{}
	return s.data, err
}

// receive reads data until the end of the data connection.
func (r *run) receive() ([]byte, error) {
	data, err := r.connection()
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(data)
	r.note("  receives %d bytes: %q", len(b), b[:min(len(b), 100)])
	r.sessions[r.number].closeData()
	return b, err
}

func (r *run) write(b []byte) error {
	data, err := r.connection()
	if err != nil {
		return err
	}
	r.note("  sends %d bytes", len(b))
	_, err = data.Write(b)
	return err
}

// replyPort is the address in a 227 or 229. It is strict, because some clients
// search the text for the first digits.
func replyPort(reply Reply, control netip.AddrPort) (netip.AddrPort, error) {
	text := reply.Text()
	fault := fmt.Errorf("no port in %q", text)
	if reply.Code == 229 {
		var port uint16
		_, at, _ := strings.Cut(text, "(|||")
		if _, err := fmt.Sscanf(at, "%d|)", &port); err != nil || port == 0 || !Match("*(|||*|)", text) {
			return netip.AddrPort{}, fault
		}
		return netip.AddrPortFrom(control.Addr(), port), nil
	}
	var ip [4]byte
	var high, low byte // of the port
	_, at, _ := strings.Cut(text, "(")
	_, err := fmt.Sscanf(at, "%d,%d,%d,%d,%d,%d)", &ip[0], &ip[1], &ip[2], &ip[3], &high, &low)
	if err != nil || strings.Count(text, ",") != 5 {
		return netip.AddrPort{}, fault
	}
	return netip.AddrPortFrom(netip.AddrFrom4(ip), uint16(high)<<8|uint16(low)), nil
}
