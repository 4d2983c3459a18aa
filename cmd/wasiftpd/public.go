package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"wasiftp/cmd/wasiftpd/admin"
)

const (
	lookUpPause = time.Minute     // between two look-ups of a name
	lookUpTime  = 5 * time.Second // that one may take
)

// publicOption is a value of --public-address.
type publicOption struct {
	network netip.Prefix // of the clients; not valid: all from outside private networks
	addr    netip.Addr   // not valid: that of name
	name    string
}

// String is the value as it was given.
func (p publicOption) String() string {
	said := p.name
	if p.addr.IsValid() {
		said = p.addr.String()
	}
	if p.network.IsValid() {
		said = p.network.String() + "=" + said
	}
	return said
}

func (o *options) setPublicAddress(s string) error {
	var p publicOption
	said := s
	if network, rest, some := strings.Cut(s, "="); some {
		var err error
		if p.network, err = admin.ParseNetwork(network); err != nil {
			return err
		}
		if !p.network.Addr().Is4() {
			return fmt.Errorf("%q: IPv6 clients (EPSV) are told no address; give an IPv4 network", s)
		}
		said = rest
	}
	addr, err := netip.ParseAddr(said)
	switch {
	case err == nil && addr.Is4() && !addr.IsUnspecified():
		p.addr = addr
	case err != nil && isDNSName(said):
		p.name = said
	default:
		return fmt.Errorf("%q is no IPv4 address such as 203.0.113.7, nor a name such as ftp.example.org; PASV can announce "+
			"no other address", said)
	}
	if slices.ContainsFunc(o.public, func(other publicOption) bool { return other.network == p.network }) {
		return fmt.Errorf("%q is the second address for the same clients; write NETWORK=ADDR for those of a network", s)
	}
	o.public = append(o.public, p)
	return nil
}

// isDNSName reports whether s can be a name in the DNS, and is no mistyped address.
func isDNSName(s string) bool {
	labels := strings.Split(strings.TrimSuffix(s, "."), ".")
	for _, label := range labels {
		odd := strings.ContainsFunc(label, func(r rune) bool {
			return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
		})
		if label == "" || len(label) > 63 || odd {
			return false
		}
	}
	return len(s) <= 253 && strings.Trim(labels[len(labels)-1], "0123456789") != ""
}

// publicAddress is an option and, for a name, its present address.
type publicAddress struct {
	publicOption
	now    atomic.Pointer[netip.Addr] // nil: the name has not been resolved yet
	failed bool                       // the latest look-up failed, and the log tells
}

// publicAddresses choose what PASV announces, those of the smallest networks first.
type publicAddresses []*publicAddress

// setPublic has the server announce the public addresses. It returns them if they have to
// be chosen for each client, or followed.
func (o *options) setPublic() publicAddresses {
	if len(o.public) == 1 && o.public[0].addr.IsValid() && !o.public[0].network.IsValid() {
		o.config.Passive.PublicAddress = o.public[0].addr
		return nil
	}
	var all publicAddresses
	for _, option := range o.public {
		p := &publicAddress{publicOption: option}
		if option.addr.IsValid() {
			p.now.Store(&option.addr)
		}
		all = append(all, p)
	}
	// The bits of no network are -1.
	slices.SortStableFunc(all, func(a, b *publicAddress) int { return cmp.Compare(b.network.Bits(), a.network.Bits()) })
	if len(all) > 0 {
		o.config.Passive.PublicAddressFor = all.of
	}
	return all
}

// of is the address for a client; the zero value is the one that the client connected to.
func (all publicAddresses) of(client netip.Addr) netip.Addr {
	near := client.IsPrivate() || client.IsLinkLocalUnicast() || client.IsLoopback()
	for _, p := range all {
		if p.network.Contains(client) || !p.network.IsValid() && !near {
			if now := p.now.Load(); now != nil {
				return *now
			}
			return netip.Addr{}
		}
	}
	return netip.Addr{}
}

// publicNames are the names and addresses of --public-address, by which clients may come.
func (o *options) publicNames() (names []string) {
	for _, p := range o.public {
		name := strings.TrimSuffix(p.name, ".")
		if p.addr.IsValid() {
			name = p.addr.String()
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// named reports whether some address is that of a name.
func (o *options) named() bool {
	return slices.ContainsFunc(o.public, func(p publicOption) bool { return p.name != "" })
}

// lookUpAll looks all names up. While one can't be resolved its address stays.
func (all publicAddresses) lookUpAll(ctx context.Context, p *program, logger *slog.Logger) {
	for _, address := range all {
		if address.name == "" {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, lookUpTime)
		found, err := p.lookUpName(limited, address.name)
		cancel()
		if ctx.Err() == nil {
			address.take(found, err, logger)
		}
	}
}

var errNoIPv4 = errors.New("it has no IPv4 address")

// take takes the result of a look-up. Of several addresses the present one stays, or else
// the lowest counts: resolvers give them in any order.
func (p *publicAddress) take(found []netip.Addr, err error, logger *slog.Logger) {
	for i := range found {
		found[i] = found[i].Unmap()
	}
	found = slices.DeleteFunc(found, func(a netip.Addr) bool { return !a.Is4() || a.IsUnspecified() })
	if err == nil && len(found) == 0 {
		err = errNoIPv4
	}
	now := p.now.Load()
	if err != nil {
		if !p.failed {
			announced := "the address that a client connects to"
			if now != nil {
				announced = now.String()
			}
			logger.Warn("the name of --public-address can't be resolved", "name", p.name, "announced", announced, "err", err)
		}
		p.failed = true
		return
	}
	if now == nil || !slices.Contains(found, *now) {
		least := slices.MinFunc(found, netip.Addr.Compare)
		p.now.Store(&least)
		now = &least
	} else if !p.failed {
		return
	}
	p.failed = false
	logger.Info("public address", "name", p.name, "address", now.String())
}

// lookUps look up the names of the options that the server has now. The zero addresses are
// none.
type lookUps struct {
	program *program
	logger  *slog.Logger
	all     publicAddresses
	end     func() // nil while nothing is followed
}

// setUp has the server announce the public addresses of o. It looks up the names that it
// does not know yet.
func (l *lookUps) setUp(ctx context.Context, o *options) {
	before := l.all
	l.all = o.setPublic()
	var fresh publicAddresses
	for i, p := range l.all {
		known := slices.IndexFunc(before, func(other *publicAddress) bool { return other.publicOption == p.publicOption })
		if known >= 0 {
			l.all[i] = before[known]
		} else {
			fresh = append(fresh, p)
		}
	}
	fresh.lookUpAll(ctx, l.program, l.logger)
}

// follow looks the names up again and again, until ctx ends or stop is called.
func (l *lookUps) follow(ctx context.Context) {
	if !slices.ContainsFunc(l.all, func(p *publicAddress) bool { return p.name != "" }) {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	l.end = func() { cancel(); <-done }
	go func() {
		defer close(done)
		l.all.follow(ctx, l.program, l.logger)
	}()
}

// stop ends follow.
func (l *lookUps) stop() {
	if l.end != nil {
		l.end()
		l.end = nil
	}
}

// follow looks the names up again and again until ctx ends.
func (all publicAddresses) follow(ctx context.Context, p *program, logger *slog.Logger) {
	again := p.lookUpAgain
	if again == nil {
		ticker := time.NewTicker(lookUpPause)
		defer ticker.Stop()
		again = ticker.C
	}
	for {
		select {
		case <-again:
			all.lookUpAll(ctx, p, logger)
		case <-ctx.Done():
			return
		}
	}
}

func (p *program) lookUpName(ctx context.Context, name string) ([]netip.Addr, error) {
	if p.lookUp != nil {
		return p.lookUp(ctx, name)
	}
	return net.DefaultResolver.LookupNetIP(ctx, "ip4", name)
}
