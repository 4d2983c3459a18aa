package main

import (
	"fmt"
	"net"
	"net/url"
	"strconv"

	"wasiftp/host"
)

// announce tells the person who started the server its addresses, what it serves to
// whom, and how to stop it.
func (p *program) announce(o *options, a *accounts, listeners []listener) {
	say := func(format string, args ...any) { fmt.Fprintf(p.stdout, format+"\n", args...) }
	for _, l := range listeners {
		say("%s", o.url(l, a.anonymous != nil))
	}
	if o.tls.fingerprint != "" {
		say("The certificate is our own, with the SHA-256 fingerprint\n%s", o.tls.fingerprint)
	}
	if a.anonymous != nil {
		say("Anyone may %s %s, as anonymous.", inWords(a.anonymous.rights), o.root)
	}
	for _, u := range o.users {
		say("%s may %s %s.", u.name, inWords(a.byName[u.name].rights), o.root)
	}
	if len(o.entries) > 0 {
		say("Users of %s may log in: %d.", o.file, len(o.entries))
	}
	if o.usersFile != "" {
		say("Users of %s may log in: %d.", o.usersFile, len(a.byName)-len(o.users)-len(o.entries))
	}
	for _, s := range a.sources {
		say("Users that %s knows may log in.", s.label())
	}
	for _, h := range o.hosts {
		say("Who names the host %s is served from %s.", h.name, o.forHost(h).root)
	}
	switch {
	case a.anonymous == nil:
	case a.anonymous.rights&(host.RightDelete|host.RightRename) != 0:
		say("Warning: whoever reaches this server may change and delete these files without a password.")
	case a.anonymous.writes():
		say("Warning: whoever reaches this server may put files there without a password.")
	}
	for _, l := range listeners {
		addr, ok := l.Addr().(*net.TCPAddr)
		switch {
		case !ok, addr.IP.IsLoopback(), l.implicit, o.config.TLS.Require != host.TLSOptional:
		case o.tls.on():
			say("Warning: others can reach %s, and who does not ask for TLS sends passwords and files in the "+
				"clear; --tls-require data refuses that.", addr)
		default:
			say("Warning: others can reach %s, and FTP without TLS sends passwords and files in the clear.", addr)
		}
	}
	say("Ctrl-C stops it.")
}

// url is the URL by which a client on this machine reaches the listener. It names a user
// if anonymous users are refused, and says whether AUTH TLS is offered or required.
func (o *options) url(l listener, anonymous bool) string {
	u := url.URL{Scheme: "ftp", Host: l.Addr().String(), Path: "/"}
	if addr, ok := l.Addr().(*net.TCPAddr); ok && addr.IP.IsUnspecified() {
		u.Host = net.JoinHostPort("127.0.0.1", strconv.Itoa(addr.Port))
	}
	if !anonymous && len(o.users) > 0 {
		u.User = url.User(o.users[0].name)
	}
	switch {
	case l.implicit:
		u.Scheme = "ftps"
	case o.config.TLS.Require != host.TLSOptional:
		return u.String() + " (AUTH TLS only)"
	case o.tls.on():
		return u.String() + " (AUTH TLS)"
	}
	return u.String()
}

// inWords says what rights let somebody do with a folder.
func inWords(rights host.Rights) string {
	reads, writes := rights&host.ReadOnly != 0, rights&^(host.ReadOnly|host.RightAdmin) != 0
	switch {
	case reads && writes:
		return "read and write"
	case reads:
		return "read"
	case writes:
		return "write to"
	}
	return "see nothing of"
}
