package ftp

import "bytes"

const (
	// A listing is sent in pieces of this many bytes.
	listPiece = 16 << 10

	// So many listings are kept for the next ones, but not those whose buffer
	// a page of long names has blown up.
	spareLists    = 16
	maxListBuffer = 128 << 10

	// LIST -R goes so deep, remembers so many bytes of directories yet to be
	// listed, and goes into no more of them after so many entries.
	maxDepth     = 32
	maxPending   = 64 << 10
	maxRecursion = 1_000_000

	// What a pattern may cost: so many steps for each name, and so many more
	// in all. An honest pattern needs about one for each byte of a name.
	patternSteps = 512
	patternSpare = 1 << 22
)

// listing is a listing on its way. Its memory is that of one page of entries,
// however many there are.
type listing struct {
	listRequest
	facts  facts
	rights Rights
	now    int64 // by people's clocks, when its entries are read

	dir     Handle // the directory being read, 0 when there is none
	base    []byte // the name of the directory the listing began with
	below   []byte // the directory being read, relative to base; empty for base itself
	pending []byte // directories yet to be listed, relative to base, each ended by NUL
	prefix  []byte // what goes before each name (NLST)
	pattern []byte // what names must match; empty for all
	steps   int    // what the pattern may still cost
	entries int
	lines   int
	style   *longStyle
	hide    bool // names that begin with a dot

	out  []byte // lines not yet sent
	sent int    // of them, what the connection has taken
	done bool   // no more lines will come

	after uint64 // the last session that was told (SITE WHO)

	// add and addSession, bound once: method values made each time would allocate.
	yield func(Entry)
	tell  func(SessionInfo)
}

// newListing takes a listing from those at rest.
func (e *Engine) newListing() *listing {
	if n := len(e.lists); n > 0 {
		l := e.lists[n-1]
		e.lists = e.lists[:n-1]
		return l
	}
	l := &listing{out: make([]byte, 0, 2*listPiece)}
	l.yield, l.tell = l.add, l.addSession
	return l
}

// beginList begins to send a listing of a directory, or of what the caller
// appends if there is none. pathname is what the client called the directory.
func (s *session) beginList(dir Handle, name, pathname []byte, request listRequest) *listing {
	l := s.e.newListing()
	*l = listing{
		listRequest: request, facts: s.picked(), rights: s.rights, now: s.e.lately(),
		dir: dir, base: append(l.base[:0], name...), below: l.below[:0], pending: l.pending[:0],
		prefix: l.prefix[:0], pattern: l.pattern[:0], steps: patternSpare,
		out: l.out[:0], done: dir == 0, yield: l.yield, tell: l.tell, style: &s.e.style,
		hide: s.e.config.Behaviour.HideDotFiles && !request.all && request.form != formFacts,
	}
	if request.form == formNames {
		l.setPrefix(pathname)
	}
	s.begin(transfer{list: l})
	if request.control {
		s.transfer.state = transferListing
		s.say(l.firstReply())
	} else {
		s.say(replyOpeningList)
	}
	return l
}

// setPrefix has NLST's names begin with the directory that was asked for: they
// have to be pathnames that RETR takes (RFC 1123 §4.1.3.1).
func (l *listing) setPrefix(pathname []byte) {
	if len(pathname) == 0 || string(pathname) == "." {
		return
	}
	l.prefix = append(l.prefix, pathname...)
	if pathname[len(pathname)-1] != '/' {
		l.prefix = append(l.prefix, '/')
	}
}

// proceedListing does one unit of a listing: sends a piece or reads a page.
func (s *session) proceedListing() bool {
	l := s.transfer.list
	switch {
	case len(l.out)-l.sent >= listPiece || l.done && len(l.out) > l.sent:
		return s.sendListing()
	case l.done:
		switch {
		case l.control:
			s.finishStatus(l.lastReply())
		case l.form == formNames && l.lines == 0 && s.e.config.Behaviour.EmptyNLSTFails:
			s.finish(replyNoFiles)
		default:
			s.finish(replyListDone)
		}
		return true
	case s.waiting:
		return false
	}
	switch err := s.readPage(l); err {
	case nil:
		s.transfer.since = s.e.now
	case ErrAgain:
		s.waiting = true
		return false
	default:
		s.listingFailed(err)
	}
	return true
}

// listingFailed ends a listing that cannot go on. In a reply, what has been sent
// cannot be taken back, so its last line tells of the fault.
func (s *session) listingFailed(err error) {
	if s.transfer.list.control {
		s.finishStatus(s.transfer.list.brokenReply())
		return
	}
	s.finish(replyToTransfer(err))
}

// The first and the last line of a reply that is a listing, and the last one of
// one that is not whole.

func (l *listing) firstReply() reply { return l.replyOf(replyStatusFollows, replySessionsFollow) }
func (l *listing) lastReply() reply  { return l.replyOf(replyStatusEnd, replySessionsEnd) }
func (l *listing) brokenReply() reply {
	return l.replyOf(replyStatusBroken, replySessionsBroken)
}

func (l *listing) replyOf(files, sessions reply) reply {
	if l.form == formSessions {
		return sessions
	}
	return files
}

// finishStatus ends what has no data connection: a listing that was part of a
// reply, a hash, a copy.
func (s *session) finishStatus(r reply) {
	s.dropTransfer()
	s.heard = s.e.now
	s.say(r)
}

// sendListing sends what there is, and reports false when that was not all.
func (s *session) sendListing() bool {
	l := s.transfer.list
	conn := s.conn
	if l.control {
		if len(s.unsent) > 0 {
			return false
		}
		conn = s.handle
	}
	n, err := s.e.world.Write(conn, l.out[l.sent:])
	if err != nil && err != ErrAgain {
		if l.control {
			s.phase = phaseLost
		} else {
			s.finish(replyToTransfer(err))
		}
		return true
	}
	if n > 0 {
		s.transfer.since = s.e.now
	}
	s.transfer.moved += uint64(n)
	if l.sent += n; l.sent < len(l.out) {
		return false
	}
	l.out, l.sent = l.out[:0], 0
	return true
}

// readPage reads the directory's next entries, or goes on to the next
// directory. It returns ErrAgain when that has to be waited for.
func (s *session) readPage(l *listing) error {
	switch {
	case l.form == formSessions:
		return s.readSessions(l)
	case l.dir == 0:
		return s.nextDir(l)
	}
	l.now = s.e.lately()
	more, err := s.e.world.ListNext(l.dir, l.yield)
	if err != nil {
		return err
	}
	if l.steps < 0 {
		return replyPatternCost
	}
	if !more {
		s.e.world.Close(l.dir)
		l.dir = 0
		l.done = len(l.pending) == 0
	}
	return nil
}

// nextDir opens the directory that LIST -R lists next. One that cannot be
// opened is left out, as ls does.
func (s *session) nextDir(l *listing) error {
	if len(l.pending) == 0 {
		l.done = true
		return nil
	}
	rest := l.pending[:len(l.pending)-1]
	at := bytes.LastIndexByte(rest, 0) + 1
	below := rest[at:]
	name := append(s.e.name[:0], l.base...)
	if string(l.base) == "." {
		name = name[:0]
	} else {
		name = append(name, '/')
	}
	name = append(name, below...)
	s.e.name = name
	dir, err := s.e.world.List(s.handle, name, false)
	if err == ErrAgain {
		return err
	}
	l.below = append(l.below[:0], below...)
	l.pending = l.pending[:at]
	if err == nil {
		l.dir = dir
		l.out = append(appendPlain(append(l.out, "\r\n./"...), l.below), ":\r\n"...)
	}
	return nil
}

// add takes an entry of a directory into the listing.
func (l *listing) add(entry Entry) {
	name := entry.Name
	if len(name) == 0 || string(name) == "." || string(name) == ".." {
		return
	}
	l.entries++
	if l.hide && name[0] == '.' && len(l.pattern) == 0 {
		return
	}
	if len(l.pattern) > 0 {
		l.steps += patternSteps
		hidden := name[0] == '.' && l.pattern[0] != '.' && !l.all
		if hidden || !match(l.pattern, name, &l.steps) {
			l.steps = min(l.steps, patternSpare)
			return
		}
	}
	if l.recursive && l.form == formLong && entry.Type == Dir {
		l.remember(name)
	}
	l.append(&entry)
}

// remember has LIST -R list a directory later.
func (l *listing) remember(name []byte) {
	size := len(l.below) + len(name) + 2
	if l.entries > maxRecursion || len(l.pending)+size > maxPending || bytes.Count(l.below, []byte{'/'}) >= maxDepth-2 {
		return
	}
	if len(l.below) > 0 {
		l.pending = append(append(l.pending, l.below...), '/')
	}
	l.pending = append(append(l.pending, name...), 0)
}

// append writes the line of one file.
func (l *listing) append(entry *Entry) {
	l.lines++
	switch l.form {
	case formLong:
		l.out = appendLong(l.out, entry, l.style, l.now)
		if l.classify {
			l.out = appendClass(l.out, entry)
		}
	case formNames:
		l.out = appendPlain(l.out, l.prefix)
		l.out = appendPlain(l.out, entry.Name)
	case formFacts:
		l.out = appendFacts(l.out, l.facts, &entry.FileInfo, l.rights)
		l.out = append(l.out, ' ')
		l.out = appendPlain(l.out, entry.Name)
	}
	l.out = append(l.out, '\r', '\n')
}

// dropList gives a listing up and puts it to rest.
func (s *session) dropList(l *listing) {
	if l.dir != 0 {
		s.e.world.Close(l.dir)
		l.dir = 0
	}
	if cap(l.out) <= maxListBuffer && len(s.e.lists) < spareLists {
		s.e.lists = append(s.e.lists, l)
	}
}
