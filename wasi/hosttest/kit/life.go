package kit

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"wasiftp/wasi"
)

var lifeChecks = []Check{
	{"", "", "a control connection is an EventOpen, and what net_write is given reaches the client", func(c *Trial) {
		c.Connect(c.T)
	}},
	{"", "", "_initialize is called once, then ftp_start, before any step", func(c *Trial) {
		if l := c.life(); l.initialized != 1 || l.starts != 1 || l.early > 0 {
			c.T.Errorf("_initialize was called %d times, ftp_start %d times; %d steps or events came too early", l.initialized,
				l.starts, l.early)
		}
	}},
	{"", "", "as many events as a step is told of can be read in it", func(c *Trial) {
		if l := c.life(); l.short > 0 {
			c.T.Errorf("in %d of %d steps there were fewer events than the step's argument said", l.short, l.steps)
		}
	}},
	{"", "", "the time is in ns since 1970", func(c *Trial) {
		if off := time.Since(time.Unix(0, c.life().now)).Abs(); off > time.Hour {
			c.T.Errorf("the time of a step is %v off this machine's clock", off)
		}
	}},
	{"", "", "the time never goes back", func(c *Trial) {
		for range 20 {
			c.life()
		}
		if l := c.life(); l.backwards > 0 {
			c.T.Errorf("the time went back in %d of %d steps", l.backwards, l.steps)
		}
	}},
	{"", "", "where people's clocks are is told at the start, by EventClock", func(c *Trial) {
		if l := c.life(); l.clock == 0 {
			c.T.Errorf("no EventClock has come")
		} else if off := time.Since(time.Unix(0, l.clock)).Abs(); off > time.Hour {
			c.T.Errorf("EventClock is %v off this machine's clock", off)
		}
	}},
	{"", "", "a step comes at the time that the last one asked for", wakes},
	{"", "", "without events and without a time asked for, or one far away, there are no steps", rests},
	{"", "", "the memory may grow at any time: what imports read and write is the new one", grows},
	{"", "", "nothing is written to the memory between calls", keepsOff},
	{"", "", "each session has a question of its own: another's does not abandon it", asksTwice},
	{"", "", "EventOpen comes before all else of a session, also when its client sends at once", opensFirst},
	{"", "", "events of one step can be taken a few at a time", sips},
	{"", "", "a session whose client hangs up in the middle disturbs no other", func(c *Trial) {
		p := c.second()
		io.WriteString(p.Conn, "pag")
		p.Conn.Close()
		c.life()
	}},
	{"", "", "many sessions live at a time", func(c *Trial) {
		for range 8 {
			c.Connect(c.T).life()
		}
	}},
	{"", "", "EventOpen has the value 0 in the clear, and 1 behind a handshake that came first", func(c *Trial) {
		if c.Value != 0 {
			c.T.Errorf("in the clear EventOpen has the value %d", c.Value)
		}
		if c.Target.Implicit == "" {
			c.T.Skipf(NotChecked + "the target has no port for implicit TLS")
		}
		if p := NewPuppet(c.T, tls.Client(c.Target.dial(c.T, c.Target.Implicit), c.tls())); p.Value != 1 {
			c.T.Errorf("behind a handshake EventOpen has the value %d", p.Value)
		}
	}},
}

// lastChecks harm the instance, and with it every other session there, or end the host.
var lastChecks = []Check{
	{"", "", "a trap ends the sessions of its instance, and a new session gets a new one", traps},
	{"", "", "a host that ends in good order tells of it by EventDrain", func(c *Trial) {
		if c.Target.Stop == nil {
			c.T.Skipf(NotChecked + "the kit has no way to end this host in good order")
		}
		c.possible(c.Target.Stop())
		if line, err := c.lines.ReadString('\n'); err == io.EOF || err == nil && !strings.HasPrefix(line, "event ") {
			c.T.Skipf(NotOffered + "the sessions end without EventDrain")
		} else if err != nil || !c.hear(line) || c.heard[0].Kind != wasi.EventDrain {
			c.T.Errorf("%q (%v) comes, not EventDrain", line, err)
		}
	}},
}

func wakes(c *Trial) {
	for _, after := range []time.Duration{-time.Second, 50 * time.Millisecond, 500 * time.Millisecond} {
		at := c.life().now + int64(after)
		c.Answer("wake %d", at)
		c.await(func() bool { return len(c.woke) > 0 })
		if late := time.Duration(c.woke[0] - at); late < 0 || late > 2*time.Second {
			c.T.Errorf("a step wanted in %v came %v after that time", after, late)
		}
		c.woke = nil
	}
}

// rests counts the steps in a quarter of a second without events.
func rests(c *Trial) {
	defer c.Answer("next 0")
	for _, next := range []int64{0, c.life().now + int64(60*24*time.Hour), math.MaxInt64} {
		c.Answer("next %d", next)
		before := c.life().steps
		time.Sleep(time.Second / 4)
		if steps := c.life().steps - before; steps > 20 {
			c.T.Errorf("with the next step wanted at %d, there are %d steps in a quarter of a second", next, steps)
		}
	}
}

// more has the module allocate memory, and returns its address.
func (c *Trial) more(size uint64) (address uint64) {
	c.T.Helper()
	if _, err := fmt.Sscanf(c.Answer("grow %d", size), "grown %d", &address); err != nil {
		c.T.Fatalf("grow: %v", err)
	}
	return address
}

func grows(c *Trial) {
	c.enter()
	before := c.MemoryEnd()
	for range 4 {
		at := c.more(4<<20) + 4<<20 - 1024 // the very end of it
		c.Poke(at-c.Scratch, []byte("."))
		args := []uint64{c.Session, at, 1, 0, at + 64}
		errno := c.Raw(wasi.FileStat, args...)
		c.more(4 << 20)
		if errno == wasi.EAGAIN {
			c.Event(wasi.EventReady, 0)
			errno = c.Raw(wasi.FileStat, args...)
		}
		if s := wasi.GetStat(c.Peek(at+64-c.Scratch, wasi.StatSize)); errno != wasi.OK || s.Mode&wasi.TypeMask != wasi.TypeDir {
			c.T.Fatalf("file_stat of the root, in a memory that has just grown to %#x bytes: %v, %+v", c.MemoryEnd(), errno, s)
		}
	}
	if c.MemoryEnd() <= before {
		c.T.Errorf("the memory has not grown from %#x bytes", before)
	}
}

func keepsOff(c *Trial) {
	c.enter()
	name := c.made("file", content)
	args := c.words(name, 0, c.At(ResultAt))
	errno := c.Raw(wasi.FileStat, args...)
	if errno != wasi.EAGAIN {
		c.stat(name, 0)
		return // an answer at once leaves no time between two calls
	}
	before := c.Peek(ResultAt, 1024)
	c.Event(wasi.EventReady, 0)
	if after := c.Peek(ResultAt, 1024); !bytes.Equal(before, after) {
		c.T.Errorf("the memory has changed between EAGAIN and the call that fetches the answer")
	}
}

func asksTwice(c *Trial) {
	other := c.second()
	c.enter()
	other.Login(c.Target.User, c.Target.Password)
	ask := func(p *Puppet) wasi.Errno { return p.Raw(wasi.FileStat, p.Session, p.At(TextAt), 1, 0, p.At(BufferAt)) }
	c.Poke(TextAt, []byte("."))
	for range 5 {
		first, second := ask(c.Puppet), ask(other)
		for errno, p := range map[*wasi.Errno]*Puppet{&first: c.Puppet, &second: other} {
			if *errno == wasi.EAGAIN {
				p.Event(wasi.EventReady, 0)
				*errno = ask(p)
			}
		}
		if first != wasi.OK || second != wasi.OK {
			c.T.Fatalf("file_stat of the root by two sessions: %v and %v", first, second)
		}
	}
}

// opensFirst has clients that send before they are greeted.
func opensFirst(c *Trial) {
	for range 40 {
		conn := c.Target.dial(c.T, c.Target.Address)
		io.WriteString(conn, "pages\nlife\n")
		p := NewPuppet(c.T, conn)
		if answer := p.Line(); !strings.HasPrefix(answer, "pages ") {
			c.T.Fatalf("the first answer is %q", answer)
		}
		if l := p.lifeOf(p.Line()); l.early > 0 {
			c.T.Fatalf("%d events came before the EventOpen of their session", l.early)
		}
	}
}

// sips has many sessions send at once, and checks that each is answered.
func sips(c *Trial) {
	c.Answer("sip 1")
	defer c.Answer("sip 0")
	var all []*Puppet
	for range 8 {
		all = append(all, c.Connect(c.T))
	}
	for _, p := range all {
		p.Send("pages")
	}
	for _, p := range all {
		p.Reply()
	}
	if l := c.life(); l.short > 0 {
		c.T.Errorf("in %d of %d steps there were fewer events than the step's argument said", l.short, l.steps)
	}
}

func traps(c *Trial) {
	c.Send("panic")
	rest, err := c.Rest()
	if err != nil || rest != "" && !strings.HasPrefix(rest, "421 ") {
		c.T.Errorf("the session ends with %q, %v, not with 421 or without a byte", rest, err)
	}
	if p := c.Connect(c.T); p.Instance == c.Instance {
		c.T.Errorf("a new session is in the instance that trapped (or random_get gives every instance the same bytes)")
	} else {
		p.life()
	}
}

// config is the host's configuration record.
func (c *Trial) config() wasi.Config {
	c.T.Helper()
	size := c.life().size
	c.Must(wasi.ConfigRead, c.At(BufferAt), size, c.At(ResultAt))
	config, ok := wasi.GetConfig(c.Peek(BufferAt, size))
	if !ok {
		c.T.Fatalf("the bytes of config_read are no configuration record")
	}
	return config
}

var eventChecks = []Check{
	{"config_read", "result", "gives the record, as long as ftp_start was told", func(c *Trial) {
		size := c.life().size
		n := c.Must(wasi.ConfigRead, c.At(BufferAt), outSize, c.At(ResultAt))
		if n != size {
			c.T.Errorf("config_read gives %d bytes, but the argument of ftp_start was %d", n, size)
		}
		if _, ok := wasi.GetConfig(c.Peek(BufferAt, n)); !ok {
			c.T.Errorf("the %d bytes are no configuration record", n)
		}
		c.config() // into a buffer of that very size
	}},
	{"config_read", "EINVAL", "EINVAL when buf is too small", func(c *Trial) {
		for _, size := range []uint64{0, 1, c.life().size - 1} {
			if errno := c.Raw(wasi.ConfigRead, c.At(BufferAt), size, c.At(ResultAt)); errno != wasi.EINVAL {
				c.T.Errorf("into %d bytes: %v, not EINVAL", size, errno)
			}
		}
	}},
	{"events_read", "result", "gives no more than fit, and 0 when there are none", func(c *Trial) {
		for _, size := range []uint64{0, 1, wasi.EventSize - 1, wasi.EventSize, wasi.EventSize + 1} {
			mark := bytes.Repeat([]byte{0xa5}, 2*wasi.EventSize)
			c.Poke(BufferAt, mark)
			n := c.Must(wasi.EventsRead, c.At(BufferAt), size, c.At(ResultAt))
			room := size / wasi.EventSize
			if n > room || !bytes.Equal(c.Peek(BufferAt+n*wasi.EventSize, wasi.EventSize), mark[:wasi.EventSize]) {
				c.T.Errorf("into %d bytes come %d events, or bytes behind them", size, n)
			}
		}
	}},
	{"events_read", "result", "events of a connection come in the order in which they happened", func(c *Trial) {
		p := c.watched()
		for n := range 20 {
			line := fmt.Sprintln(n)
			io.WriteString(p.Conn, line)
			c.Event(wasi.EventReadable, p.Session)
			c.reads(p.Session, outSize, line)
		}
	}},
}

// read calls net_read once.
func (c *Trial) read(session, room uint64) (string, wasi.Errno) {
	c.T.Helper()
	errno := c.Raw(wasi.NetRead, session, c.At(BufferAt), room, c.At(ResultAt))
	if errno != wasi.OK {
		return "", errno
	}
	n := c.Number(ResultAt)
	if n > room {
		c.T.Fatalf("net_read into %d bytes gives %d", room, n)
	}
	return string(c.Peek(BufferAt, n)), errno
}

// readLine reads a line of a session, at most room bytes at a time.
func (c *Trial) readLine(session, room uint64) string {
	c.T.Helper()
	var got strings.Builder
	for !strings.HasSuffix(got.String(), "\n") {
		text, errno := c.read(session, room)
		switch {
		case errno == wasi.EAGAIN:
			c.Event(wasi.EventReadable, session)
		case errno != wasi.OK || text == "":
			c.T.Fatalf("net_read gives %q, %v in the middle of a line", text, errno)
		}
		got.WriteString(text)
	}
	return got.String()
}

// ended checks that the client gets want, and then the end of the stream in order.
func (c *Trial) ended(conn io.Reader, want string) {
	c.T.Helper()
	if got, err := io.ReadAll(conn); string(got) != want || err != nil {
		c.T.Errorf("the client gets %d bytes, %v: %.80q, not %.80q and the end", len(got), err, got, want)
	}
}
