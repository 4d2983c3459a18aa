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

// ports are the ports from Passive.FirstPort to LastPort, at each address of the server.
type ports struct {
	mu sync.Mutex
	at map[portsKey]*portRange
}

type portsKey struct {
	server      netip.Addr
	first, last uint16
}

// portRange is the range at one address of the server. A client address gets a share of
// it, so that it cannot take all: most of the range, as there may be many clients behind a
// NAT, but of the last eighth no more than it leaves. See [turns.Shares].
type portRange struct {
	free   []uint16
	aside  []asidePort // by until
	shares turns.Shares[netip.Addr]
}

// asidePort is a port that another program uses.
type asidePort struct {
	port  uint16
	until time.Time
}

const (
	asideTime     = time.Minute // until a port that another program used is tried again
	maxPortRanges = 64          // ranges that are kept though none of their ports is in use
)

var errNoPort = errors.New("all passive ports are in use, or all that this client's address may have")

// open opens a passive port for a session: a random one of the range or, without a range,
// the system's choice. Of a range it may have to try many ports, so callers run it on a
// goroutine of its own.
func (p *ports) open(ctx context.Context, s *session) (*passivePort, error) {
	if s.config.Passive.FirstPort == 0 {
		socket, err := listenAt(s.here(), 0)
		return &passivePort{session: s, socket: socket}, err
	}
	for ctx.Err() == nil {
		port, ok := p.take(s)
		if !ok {
			return nil, errNoPort
		}
		socket, err := listenAt(s.here(), port)
		if err == nil {
			return &passivePort{session: s, socket: socket, number: port}, nil
		}
		if !ofPort(err) {
			p.giveBack(s, port)
			return nil, err
		}
		p.putAside(s, port)
	}
	return nil, ctx.Err()
}

// ofPort reports whether listening failed because of this one port.
func ofPort(err error) bool {
	errno := errnoOf(err)
	return (errno == wasi.EADDRINUSE || errno == wasi.EACCES) && !errors.Is(err, syscall.EADDRNOTAVAIL)
}

func listenAt(ip netip.Addr, port uint16) (net.Listener, error) {
	var config net.ListenConfig
	config.SetMultipathTCP(false) // MPTCP connections lack the zone of a link-local address
	return config.Listen(context.Background(), "tcp", net.JoinHostPort(ip.String(), strconv.Itoa(int(port))))
}

// take takes a random free port.
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

// taken is how many are in use.
func (p *ports) taken() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.at {
		n += r.shares.Taken()
	}
	return n
}

// giveBack gives a port of the range back; 0 is none.
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

// putAside keeps a port that another program uses from being tried for asideTime.
func (p *ports) putAside(s *session, port uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.rangeOf(s)
	r.shares.Give(addressKey(s.client.Addr()))
	r.shares.Places--
	r.aside = append(r.aside, asidePort{port, time.Now().Add(asideTime)})
}

// recall frees the ports that were put aside for long enough.
func (r *portRange) recall(now time.Time) {
	for len(r.aside) > 0 && !r.aside[0].until.After(now) {
		r.free = append(r.free, r.aside[0].port)
		r.shares.Places++
		r.aside = r.aside[1:]
	}
}

// rangeOf is the range of the session's configuration, at its address of the server. Callers hold p.mu.
func (p *ports) rangeOf(s *session) *portRange {
	passive := &s.config.Passive
	at := portsKey{s.here(), passive.FirstPort, passive.LastPort}
	if r := p.at[at]; r != nil {
		return r
	}
	if len(p.at) >= maxPortRanges { // a server with an IPv6 network has more addresses than memory
		for other, r := range p.at {
			if r.shares.Taken() == 0 {
				delete(p.at, other)
			}
		}
	}
	if p.at == nil {
		p.at = map[portsKey]*portRange{}
	}
	size := int(passive.LastPort-passive.FirstPort) + 1
	r := &portRange{free: make([]uint16, size), shares: turns.Shares[netip.Addr]{Places: size, Spare: eighth(size)}}
	for i := range r.free {
		r.free[i] = passive.FirstPort + uint16(i)
	}
	p.at[at] = r
	return r
}
