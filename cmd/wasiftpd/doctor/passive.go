package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"time"
)

// dataChecks are those of passive data connections.
var dataChecks = []Check[*exam]{
	{
		Name: "epsv", Tried: "EPSV, a connection to the port that it names, and LIST over it", Needs: needsLogin, Run: epsv,
		Verdicts: passiveVerdicts(map[string]Verdict{
			"unsupported": {
				Level: Warning, Means: "Clients fall back to PASV, after a try that fails. Over IPv6 they get no data connection at all.",
				Do: "Have the server, or the FTP inspection of the firewall before it, let EPSV (RFC 2428) through.",
			},
		}),
	},
	{
		Name: "pasv", Tried: "PASV, a connection to the address and port that it names, and LIST over it",
		Needs: needsIPv4, Run: pasv,
		Verdicts: passiveVerdicts(map[string]Verdict{
			"unsupported": {
				Level: Warning, Means: "Old clients know no other way to get a data connection.", Do: "Have the server accept PASV.",
			},
			"private": {
				Level: Fault, Means: "The server tells clients the address that it has behind the NAT. From outside it leads nowhere, " +
					"or to a machine in the client's own network.",
				Do: "Have the server announce the address that clients reach it at.", Set: `public-address = "{public}"`,
			},
			"other": {
				Level: Warning, Means: "The data connection goes to another address than the control connection. Strict clients refuse that.",
				Do: "If {announced} is not an address of the server, have it announce the right one.", Set: `public-address = "{public}"`,
			},
			"elsewhere": {
				Level: Fault, Means: "EPSV works, as it names no address. PASV sends clients where no data connection comes about.",
				Do: "Have the server announce the address that clients reach it at.", Set: `public-address = "{public}"`,
			},
			"rewritten": rewritten,
		}),
	},
	{
		Name: "alg", Tried: "PASV in a session without TLS, which a firewall can read, and its answer compared with the one under TLS",
		Needs: needsALG, Run: alg, Verdicts: map[string]Verdict{"rewritten": rewritten},
	},
	{
		Name: "data-tls", Tried: "LIST under TLS, once with the TLS session of the control connection and once with a new one",
		Needs: needsProtected, Run: dataTLS,
		Verdicts: map[string]Verdict{
			"optional": {
				Level: Note, Means: "Nothing but the address proves that a data connection is the client's own.",
				Do: "Require it, if none of your clients is one that never resumes.", Set: `tls-data-resumption = "require"`,
			},
			"unresumed": {
				Level: Warning, Means: "Strict clients (FileZilla warns) take a data connection with a new TLS session for a stranger's.",
				Do: "Have the server issue TLS session tickets that also hold for data connections.",
			},
			"no-ticket": {
				Level: Note, Means: "Clients can't prove by TLS that a data connection is theirs, but for old ones that resume by a " +
					"session " +
					"ID of TLS 1.2, which the doctor can't.",
				Do: "Have the server issue TLS session tickets, if it can.",
			},
			"unresumable": {
				Level: Fault, Means: "The server wants the TLS session resumed, and did not take it although the client offered " +
					"all that the server has given it.",
				Do: "Have the server issue session tickets, or not require resumption.", Set: `tls-data-resumption = "prefer"`,
			},
			"failed": {
				Level: Fault, Means: "Under TLS no file and no listing can be moved.",
				Do: "Read the server's log. A firewall that inspects FTP may also have changed the port.",
			},
		},
	},
}

var rewritten = Verdict{
	Level: Fault, Means: "A router or firewall on the way (an ALG, FTP inspection, nf_nat_ftp) changes what the server announces. " +
		"It cannot do that under TLS, so clients see another address or port with TLS than without.",
	Do: "Turn off the FTP helper of the router or firewall, forward the passive ports to the server, and have the server itself " +
		"announce its public address and ports.",
	Set: `public-address = "{public}"`,
}

// passiveVerdicts adds to own what the ends of any passive connection mean.
func passiveVerdicts(own map[string]Verdict) map[string]Verdict {
	for kind, verdict := range map[string]Verdict{
		"garbage": {
			Level: Fault, Means: "No client finds the port in this reply.", Do: "Look for what answers in the server's place.",
		},
		"refused": {
			Level: Fault, Means: "The port is refused: the router or firewall before the server does not forward it, or rejects it.",
			Do:  "Forward the passive ports to the server and let them through each firewall. The server must use the same range.",
			Set: `passive-ports = "{ports}"`,
		},
		"filtered": {
			Level: Fault, Means: "A firewall drops connections to the port: clients log in, and hang at the first listing.",
			Do:  "Let the passive ports through each firewall before the server. The server must use the same range.",
			Set: `passive-ports = "{ports}"`,
		},
		"unreachable": {
			Level: Fault, Means: "A firewall forbids connections to the port, or there is no way to the address.",
			Do:  "Let the passive ports through each firewall before the server. The server must use the same range.",
			Set: `passive-ports = "{ports}"`,
		},
		"hijacked": {
			Level: Fault, Means: "The port answers, but the server has not got the connection: another machine answers in its place " +
				"(a proxy, a port that is forwarded elsewhere), or the server sees it come from another address than the session.",
			Do: "Forward the passive ports to this server and no other. A NAT or proxy must give both connections of a client " +
				"the same address.",
			Set: `passive-ports = "{ports}"`,
		},
	} {
		own[kind] = verdict
	}
	return own
}

func needsIPv4(x *exam) string {
	if x.loggedIn && !x.peer.Is4() {
		return "PASV knows IPv4 only, and this control connection is IPv6."
	}
	return needsLogin(x)
}

func needsProtected(x *exam) string {
	if !x.protected || x.method == "" {
		return NotHere
	}
	return ""
}

// needsALG: the second session logs in without TLS, so it is for anonymous alone.
func needsALG(x *exam) string {
	if !x.protected || x.Implicit || !x.announced.IsValid() || x.peer.IsLoopback() && !x.anonymous() {
		return NotHere
	}
	if !x.anonymous() {
		return "It takes a login without TLS, which would show the password. Try it as anonymous, if the server lets anonymous in."
	}
	return ""
}

func epsv(ctx context.Context, x *exam) []Outcome {
	t := x.transfer(ctx, way{method: "EPSV"}, "LIST")
	return x.passive("EPSV", &t)
}

func pasv(ctx context.Context, x *exam) []Outcome {
	// What leads back into the client's own network is not connected to.
	dial := func(at netip.AddrPort) string {
		if lost(at.Addr(), x.peer) {
			return netip.AddrPortFrom(x.peer, at.Port()).String()
		}
		return at.String()
	}
	t := x.transfer(ctx, way{method: "PASV", dial: dial}, "LIST")
	x.announced = t.at
	outcomes := x.passive("PASV", &t)
	if !t.at.IsValid() {
		return outcomes
	}
	bad := x.compare(t.at)
	switch {
	case len(bad) == 0:
		return outcomes
	case outcomes[0].Kind == "ok":
		return bad
	case bad[0].Kind == "other" && x.method == "EPSV" && t.stage == stageDial:
		// The ports are open at the server's own address, so nothing is said of them.
		bad[0].Kind = "elsewhere"
		bad[0].Happened += " Port " + fmt.Sprintf("%d there: %s.", t.at.Port(), inWords(t.err))
		return bad
	}
	return append(bad, outcomes...)
}

// lost says whether an announced address leads nowhere for clients who reach the server at
// peer.
func lost(announced, peer netip.Addr) bool {
	inside := func(a netip.Addr) bool {
		return a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsLoopback() || carrier.Contains(a)
	}
	return announced != peer && (announced.IsUnspecified() || announced.IsMulticast() || announced.IsLoopback() ||
		inside(announced) && !inside(peer))
}

// carrier is the network of NATs of providers (RFC 6598).
var carrier = netip.MustParsePrefix("100.64.0.0/10")

// compare finds what is wrong with an address that PASV has announced.
func (x *exam) compare(at netip.AddrPort) (outcomes []Outcome) {
	told := x.Told
	public := x.peer.String()
	if len(told.Addresses) > 0 {
		public = told.Addresses[0].String()
	}
	near := x.peer.IsPrivate() || x.peer.IsLoopback() // clients there are told another address
	foreign := len(told.Addresses) > 0 && !near && !slices.Contains(told.Addresses, at.Addr()) && at.Addr() != x.peer
	bad := func(kind, happened string) {
		outcomes = append(outcomes, One(kind, happened, "public", public, "announced", at.Addr().String())...)
	}
	switch {
	case lost(at.Addr(), x.peer):
		bad("private", fmt.Sprintf("PASV announces %s; the control connection goes to %s.", at, x.peer))
	case foreign:
		bad("rewritten", fmt.Sprintf("PASV announces %s; the server is told to announce %v.", at, told.Addresses))
	case at.Addr() != x.peer && !slices.Contains(told.Addresses, at.Addr()):
		bad("other", fmt.Sprintf("PASV announces %s; the control connection goes to %s.", at, x.peer))
	}
	if x.outOfRange(at) {
		bad("rewritten", fmt.Sprintf("PASV announces port %d; the server is told to use %s.", at.Port(), x.ports()))
	}
	return outcomes
}

func (x *exam) outOfRange(at netip.AddrPort) bool {
	return x.Told.FirstPort > 0 && (at.Port() < x.Told.FirstPort || at.Port() > x.Told.LastPort)
}

// ports are those that the server is told to use, or an example.
func (x *exam) ports() string {
	if x.Told.FirstPort == 0 {
		return "50000-50099"
	}
	return fmt.Sprintf("%d-%d", x.Told.FirstPort, x.Told.LastPort)
}

// passive is the outcome of LIST over a passive connection. If the connection came about,
// later checks use the method.
func (x *exam) passive(method string, t *transfer) []Outcome {
	fill := []string{"ports", x.ports()}
	said := func(kind, happened string) []Outcome { return One(kind, happened, fill...) }
	if errors.As(t.err, new(unreadableError)) {
		return said("garbage", t.String()+".")
	}
	switch t.stage {
	case stageListen:
		if t.err != nil {
			return t.failed(method)
		}
		return said("unsupported", t.reply.String())
	case stageDial:
		kind := kindOf(t.err)
		if kind == "silent" {
			kind = "filtered"
		}
		return said(kind, fmt.Sprintf("Port %d: %s.", t.at.Port(), inWords(t.err)))
	case stageCommand:
		switch {
		case t.err == nil && t.reply.is(425, 426), t.err != nil && kindOf(t.err) == "silent":
			return said("hijacked", fmt.Sprintf("Port %d took the connection; LIST: %s.", t.at.Port(), t))
		case t.err != nil:
			return t.failed("LIST")
		}
		// The connection is there; this user may not list, or the folder is empty (450).
	case stageMove:
		if t.err != nil && kindOf(t.err) == "silent" {
			return said("hijacked", fmt.Sprintf("Port %d took the connection; LIST brought no end within %v.", t.at.Port(), 3*x.Step))
		}
	}
	if x.method == "" {
		x.method = method
	}
	return said("ok", fmt.Sprintf("Port %d answers.", t.at.Port()))
}

func alg(ctx context.Context, x *exam) []Outcome {
	clear := &exam{
		Config: x.Config, tickets: x.tickets, loggedIn: true, asked: true, password: "doctor@example.org",
	}
	defer clear.drop()
	r, err := clear.do(ctx, "PASV")
	if lost, ok := err.(lostError); ok && lost.fault.err == nil {
		return One("skipped", "Without TLS nobody can log in, so nothing on the way can rewrite an answer.")
	}
	if err != nil {
		return failed("PASV", err)
	}
	at, err := announcedIn(r, clear.peer)
	if err != nil {
		return One("odd", "PASV: "+r.String())
	}
	if at.Addr() != x.announced.Addr() || x.outOfRange(at) && !x.outOfRange(x.announced) {
		return One("rewritten", fmt.Sprintf("Without TLS, PASV announces %s; under TLS %s.", at, x.announced), "public",
			x.peer.String())
	}
	return One("ok", fmt.Sprintf("Both times PASV announces %s.", at.Addr()))
}

// wantsResumption is in replies of servers that refuse a new TLS session.
var wantsResumption = regexp.MustCompile(`(?i)resum|re-?us`)

func dataTLS(ctx context.Context, x *exam) []Outcome {
	first := x.transfer(ctx, way{method: x.method}, "LIST")
	switch {
	case first.stage == stageCommand && first.err == nil:
		return One("skipped", "LIST is refused: "+first.String())
	case first.stage != stageDone && first.err == nil && wantsResumption.MatchString(first.reply.text):
		return One("unresumable", first.reply.String())
	case first.stage == stageTLS, first.stage == stageEnd && first.err == nil:
		return One("failed", "LIST: "+first.String()+".")
	case first.stage != stageDone:
		return first.failed("LIST")
	case !first.resumed && time.Now().After(x.state.PeerCertificates[0].NotAfter):
		return One("skipped", "The certificate has expired, so the doctor itself resumes no TLS session.")
	case !first.resumed && !x.ticket:
		return One("no-ticket", "The server gave no ticket to resume the session by.")
	case !first.resumed:
		return One("unresumed", "The server began a new TLS session although the client offered the old one.")
	}
	second := x.transfer(ctx, way{method: x.method, fresh: true}, "LIST")
	switch {
	case second.stage == stageDone:
		return One("optional", "The TLS session is resumed, and a new one is accepted too.")
	case second.stage < stageTLS:
		return second.failed("LIST")
	}
	return One("ok", "The TLS session is resumed, and a new one is refused: "+second.String()+".")
}
