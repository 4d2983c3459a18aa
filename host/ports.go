package host

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"time"

	"wasiftp/host/turns"
	"wasiftp/wasi"
)

// ports are those of Passive.FirstPort to LastPort. Each of our addresses has all
// of them.
type ports struct {
	mu sync.Mutex
	at map[netip.Addr]*portRange
}

// portRange are the ports of one of our addresses. An address of clients has its
// share of them, so that it cannot keep all others from their data: most of a
// range, as a NAT has many clients behind it, and of the last eighth what leaves
// as much again.
type portRange struct {
	free   []uint16
	aside  []asidePort // the first to come back first
	shares turns.Shares[netip.Addr]
}

// asidePort is a port that another program has.
type asidePort struct {
	port  uint16
	until time.Time
}

const (
	asideTime     = time.Minute // until a port that another program had is tried again
	maxPortRanges = 64          // that are kept although no port of theirs is in use
)

var errNoPort = errors.New("all passive ports are in use, or all that this client's address may have")

// listen opens a passive port for a session: one of the range that nobody can
// guess, or at once the system's choice where there is no range. Of a range it may
// have to try many when other programs have them, and so runs on a goroutine of its
// own.
func (p *ports) listen(ctx context.Context, s *session) (socket net.Listener, port uint16, err error) {
	if s.server.config.Passive.FirstPort == 0 {
		socket, err = listenAt(s.local.Addr(), 0)
		return socket, 0, err
	}
	for ctx.Err() == nil {
		port, ok := p.take(s)
		if !ok {
			return nil, 0, errNoPort
		}
		if socket, err = listenAt(s.local.Addr(), port); err == nil {
			return socket, port, nil
		}
		if !ofPort(err) {
			p.giveBack(s, port)
			return nil, 0, err
		}
		p.putAside(s, port)
	}
	return nil, 0, ctx.Err()
}

// ofPort says whether listening failed for a reason of this one port.
func ofPort(err error) bool {
	errno := errnoOf(err)
	return (errno == wasi.EADDRINUSE || errno == wasi.EACCES) && !errors.Is(err, syscall.EADDRNOTAVAIL)
}

func listenAt(ip netip.Addr, port uint16) (net.Listener, error) {
	var config net.ListenConfig
	config.SetMultipathTCP(false) // its connections do not tell the zone of a link-local address
	return config.Listen(context.Background(), "tcp", net.JoinHostPort(ip.String(), strconv.Itoa(int(port))))
}

// take takes any of the ports that are free.
func (p *ports) take(s *session) (port uint16, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.rangeOf(s)
	r.recall(time.Now())
	if !r.shares.Take(addressKey(s.client.Addr())) {
		return 0, false
	}
	at, last := rand.IntN(len(r.free)), len(r.free)-1
	port = r.free[at]
	r.free[at] = r.free[last]
	r.free = r.free[:last]
	return port, true
}

// giveBack gives a port back; 0 is none of the range.
func (p *ports) giveBack(s *session, port uint16) {
	if port == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.rangeOf(s)
	r.shares.Give(addressKey(s.client.Addr()))
	r.free = append(r.free, port)
}

// putAside keeps a port that another program has from being tried again for a
// while.
func (p *ports) putAside(s *session, port uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.rangeOf(s)
	r.shares.Give(addressKey(s.client.Addr()))
	r.shares.Places--
	r.aside = append(r.aside, asidePort{port, time.Now().Add(asideTime)})
}

// recall lets those ports be tried that were put aside for long enough.
func (r *portRange) recall(now time.Time) {
	for len(r.aside) > 0 && !r.aside[0].until.After(now) {
		r.free = append(r.free, r.aside[0].port)
		r.shares.Places++
		r.aside = r.aside[1:]
	}
}

// rangeOf is that of the address at which a session is. Callers hold p.mu.
func (p *ports) rangeOf(s *session) *portRange {
	at := s.local.Addr()
	if r := p.at[at]; r != nil {
		return r
	}
	if len(p.at) >= maxPortRanges { // one server can have more addresses than there is memory for
		for other, r := range p.at {
			if r.shares.Taken() == 0 {
				delete(p.at, other)
			}
		}
	}
	if p.at == nil {
		p.at = map[netip.Addr]*portRange{}
	}
	passive := &s.server.config.Passive
	size := int(passive.LastPort-passive.FirstPort) + 1
	r := &portRange{free: make([]uint16, size), shares: turns.Shares[netip.Addr]{Places: size, Spare: eighth(size)}}
	for i := range r.free {
		r.free[i] = passive.FirstPort + uint16(i)
	}
	p.at[at] = r
	return r
}
