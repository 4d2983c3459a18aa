package doctor

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// lastChecks don't need the ones before, and may cost the session.
var lastChecks = []Check[*exam]{
	{
		Name: "space", Tried: "AVBL", Needs: needsAVBL, Run: space, Verdicts: SpaceVerdicts,
	},
	{
		Name: "latency", Tried: "NOOP, five times", Needs: needsLogin, Run: latency,
		Verdicts: map[string]Verdict{
			"slow": {
				Level: Warning, Means: "A file takes some six commands: many small files take minutes.",
				Do: "Compare with ping. If ping is quick, the server is overloaded; else the way is long, and clients should open " +
					"several sessions.",
			},
		},
	},
	{
		Name: "active", Tried: "EPRT or PORT, and LIST over the connection that the server makes", Needs: needsLogin, Run: active,
		Verdicts: map[string]Verdict{
			"refused": {
				Level: Note, Means: "Clients in active mode fail here.", Do: "Nothing: clients of today use passive mode.",
			},
			"unconnected": {
				Level: Note, Means: "The server can't reach this machine: a NAT or firewall on this side, or none of port 20 outward on " +
					"the server's.",
				Do: "Nothing, if clients use passive mode. Else let the server's outgoing connections through.",
			},
			"foreign": {
				Level: Note, Means: "The server connects from another address than the one that clients know. Strict clients and " +
					"firewalls refuse that.",
				Do: "Nothing, if clients use passive mode. Else have the server's NAT use one address.",
			},
		},
	},
}

// SpaceVerdicts are what the outcomes of [Space] mean.
var SpaceVerdicts = map[string]Verdict{
	"full": {Level: Fault, Means: "Every upload fails.", Do: "Make room on the disk, or in the user's quota."},
	"low":  {Level: Warning, Means: "Uploads soon fail.", Do: "Make room on the disk, or in the user's quota."},
}

// Space is the outcome for a number of free bytes. where begins its sentence.
func Space(where string, free int64) []Outcome {
	const low = 1 << 30
	happened := fmt.Sprintf("%s: %.1f GiB are free.", where, float64(free)/(1<<30))
	switch {
	case free <= 0:
		return One("full", happened)
	case free < low:
		return One("low", happened)
	}
	return One("ok", happened)
}

func needsAVBL(x *exam) string {
	if !x.has("AVBL") {
		return NotHere
	}
	return needsLogin(x)
}

func space(ctx context.Context, x *exam) []Outcome {
	r, err := x.do(ctx, "AVBL")
	if err != nil {
		return failed("AVBL", err)
	}
	fields := strings.Fields(r.text)
	if r.is(5) {
		return One("skipped", "The server does not tell this user: "+r.String())
	}
	if !r.is(213) || len(fields) == 0 {
		return One("odd", "AVBL: "+r.String())
	}
	free, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return One("odd", "AVBL: "+r.String())
	}
	return Space("In this folder", free)
}

func latency(ctx context.Context, x *exam) []Outcome {
	const slow = 500 * time.Millisecond
	var took []time.Duration
	for range 5 {
		began := time.Now()
		if _, err := x.do(ctx, "NOOP"); err != nil {
			return failed("NOOP", err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	happened := fmt.Sprintf("Half of them within %s, all within %s.", brief(took[2]), brief(took[4]))
	if took[2] > slow {
		return One("slow", happened)
	}
	return One("ok", happened)
}

func active(ctx context.Context, x *exam) []Outcome {
	if f := x.ready(ctx); f != nil {
		return failed("PORT", lostError{f})
	}
	local, err := netip.ParseAddrPort(x.control.conn.LocalAddr().String())
	if err != nil {
		return One("odd", "This machine's own address: "+err.Error())
	}
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(local.Addr(), 0)))
	if err != nil {
		return One("skipped", "This machine can't listen: "+inWords(err)+".")
	}
	defer l.Close()
	at := netip.AddrPortFrom(local.Addr().Unmap(), uint16(l.Addr().(*net.TCPAddr).Port))
	verb, r, err := x.announce(ctx, at)
	switch {
	case err != nil:
		return failed(verb, err)
	case !r.is(2):
		return One("refused", verb+": "+r.String())
	}
	return x.accept(ctx, verb, l)
}

// announce tells the server a port by EPRT (RFC 2428 section 2), or by PORT.
func (x *exam) announce(ctx context.Context, at netip.AddrPort) (verb string, r reply, err error) {
	family := 2
	if at.Addr().Is4() {
		family = 1
	}
	r, err = x.do(ctx, fmt.Sprintf("EPRT |%d|%s|%d|", family, at.Addr(), at.Port()))
	if err != nil || !r.is(5) || family == 2 {
		return "EPRT", r, err
	}
	a := at.Addr().As4()
	r, err = x.do(ctx, fmt.Sprintf("PORT %d,%d,%d,%d,%d,%d", a[0], a[1], a[2], a[3], at.Port()>>8, at.Port()&0xff))
	return "PORT", r, err
}

// accept has the server connect to l and list.
func (x *exam) accept(ctx context.Context, verb string, l *net.TCPListener) []Outcome {
	l.SetDeadline(time.Now().Add(x.Step))
	accepted := make(chan net.Conn, 1)
	go func() {
		conn, _ := l.Accept() // nil: nobody came in time, or l was closed
		accepted <- conn
	}()
	r, err := x.do(ctx, "LIST")
	if err != nil || !r.is(1) {
		l.Close()
	}
	conn := <-accepted
	if conn != nil {
		defer conn.Close()
	}
	switch {
	case conn == nil && err != nil && kindOf(err) != "silent":
		return failed("LIST after "+verb, err)
	case conn == nil:
		happened := "No connection came"
		if err == nil {
			happened += "; LIST: " + r.String()
		}
		x.drop() // the server may still try
		return One("unconnected", happened)
	case err != nil:
		return failed("LIST after "+verb, err)
	case !r.is(1):
		return One("refused", "LIST after "+verb+": "+r.String())
	}
	from, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err == nil && from.Addr().Unmap() != x.peer {
		x.drop()
		return One("foreign", fmt.Sprintf("The connection came from %s; the control connection goes to %s.", from.Addr(), x.peer))
	}
	return x.finish(ctx, verb, conn)
}

// finish reads what the server sends over its connection.
func (x *exam) finish(ctx context.Context, verb string, conn net.Conn) []Outcome {
	t := transfer{}
	x.move(ctx, conn, way{}, &t)
	if t.stage != stageDone {
		x.drop()
		return t.failed("LIST after " + verb)
	}
	return One("ok", verb+" works.")
}
