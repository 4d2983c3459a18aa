package host

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"wasiftp/host/internal/charset"
	"wasiftp/host/internal/wasm"
	"wasiftp/wasi"
)

// present are the sessions of all shards, by number, for SITE WHO.
type present struct {
	mu       sync.Mutex
	sessions []*session
}

func byNumber(s *session, id uint64) int { return cmp.Compare(s.id, id) }

func (p *present) add(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, _ := slices.BinarySearchFunc(p.sessions, s.id, byNumber)
	p.sessions = slices.Insert(p.sessions, at, s)
}

func (p *present) remove(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at, ok := slices.BinarySearchFunc(p.sessions, s.id, byNumber); ok {
		p.sessions = slices.Delete(p.sessions, at, at+1)
	}
}

// find is the session with a number, nil if there is none.
func (p *present) find(id uint64) *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at, ok := slices.BinarySearchFunc(p.sessions, id, byNumber); ok {
		return p.sessions[at]
	}
	return nil
}

// all are the sessions of this moment.
func (p *present) all() []*session {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.sessions)
}

// page appends records of the sessions numbered above after, as many as fit, with names in
// the reader's character set, and with the clients' programs if the guest reads these. It
// returns false if not even one fits.
func (p *present) page(b []byte, after uint64, names *charset.Set, programs bool) (page []byte, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, found := slices.BinarySearchFunc(p.sessions, after, byNumber)
	if found {
		at++
	}
	page = b
	for _, s := range p.sessions[at:] {
		var fits bool
		if page, fits = s.appendWho(page, names, programs); !fits {
			return page, len(page) > len(b)
		}
	}
	return page, true
}

// activity is what SITE WHO shows that a session does. It is replaced, never changed.
type activity struct {
	handle uint32 // of the open file or directory
	doing  uint16 // wasi.DoingList, …
	name   string
	bytes  *atomic.Int64 // nil where none are counted
}

// does sets the session's activity until the handle is closed.
func (s *session) does(handle uint32, doing uint16, name string, bytes *atomic.Int64) {
	s.doing.Store(&activity{handle, doing, name, bytes})
}

func (s *session) appendWho(b []byte, names *charset.Set, programs bool) ([]byte, bool) {
	_, wall := s.server.clock()
	who := wasi.Who{Number: s.id, Began: wall - int64(time.Since(s.began)), Client: s.client, User: []byte(s.user())}
	if programs {
		who.Program = []byte(names.Outgoing(s.programName()))
	}
	if d := s.doing.Load(); d != nil {
		who.Doing, who.Name = d.doing, []byte(names.Outgoing(d.name))
		if d.bytes != nil {
			who.Bytes = uint64(d.bytes.Load())
		}
	}
	return wasi.AppendWho(b, who)
}

func (sh *shard) sessionList(a *wasm.Args) wasi.Errno {
	s, errno := sh.session(a)
	if errno != wasi.OK {
		return errno
	}
	if !s.can(RightAdmin) {
		return wasi.EACCES
	}
	buf := a.Bytes(2)
	page, ok := sh.server.present.page(buf[:0:min(len(buf), maxPage)], uint64(a.Int64(1)), s.charset(), sh.instance.ReadsPrograms())
	if !ok {
		return wasi.EINVAL
	}
	putUint32(a.Bytes(3), uint32(len(page)))
	return wasi.OK
}

// sessionKick ends a session for an administrator (SITE KICK). Its client is not told who
// did that: the name of an account that may administer is for nobody to guess passwords of.
func (sh *shard) sessionKick(a *wasm.Args) wasi.Errno {
	s, errno := sh.session(a)
	if errno != wasi.OK {
		return errno
	}
	if !s.can(RightAdmin) {
		return wasi.EACCES
	}
	number := uint64(a.Int64(1))
	if number == s.id {
		return wasi.EINVAL
	}
	kicked := sh.server.present.find(number)
	if kicked == nil {
		return wasi.ENOENT
	}
	text, reason := "An administrator ends this session.", "kicked by "+s.user()
	given := a.Bytes(2)
	if said, _ := s.charset().Incoming(string(given[:min(len(given), mostRefusal)])); said != "" {
		text, reason = "An administrator ends this session: "+said, reason+": "+said
	}
	if !kicked.shard.do(func() { kicked.expel(replyText(text, ""), replyText(reason, "")) }) {
		return wasi.ENOENT
	}
	return wasi.OK
}
