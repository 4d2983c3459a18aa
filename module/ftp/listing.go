package ftp

const (
	// A listing is sent in pieces of this many bytes.
	listPiece = 16 << 10

	// A listing adds no entries while so many bytes are unsent: with a long prefix before
	// each name, a page of short names can make some megabytes.
	maxListOut = 4 * listPiece

	// The engine keeps so many listings for reuse, but none whose buffers take more bytes
	// than this after a page of long names or a large tree.
	spareLists    = 16
	maxListBuffer = 512 << 10

	// A pattern may cost so many steps for each name, and so many more in all. An
	// honest pattern needs a few for each byte of a name.
	patternSteps = 1024
	patternSpare = 1 << 20
)

// listing is a listing on its way. However many entries there are, it keeps one page of
// them, the lines that are to be sorted, and the names of folders that are to be listed.
type listing struct {
	listRequest
	e     *Engine
	facts factStyle
	style *longStyle // of formLong

	dir     Handle // the folder being read, 0 when there is none
	page    page   // entries of the folder that are not listed yet
	ended   bool   // the world has told all entries of the folder
	fault   error  // why the world could not tell all of them
	again   bool   // the folder is read again, for its subfolders alone
	base    []byte // the name of the folder the listing began with
	tree    tree   // the folders below base
	cut     bool   // some folders could not be listed
	prefix  []byte // what goes before each name (NLST)
	pattern []byte // what pathnames below base must match, element by element; empty for all
	element []byte // the element of the pattern that names in the folder must match
	whole   bool   // element is the last one: the folder's entries are listed
	dirs    bool   // only folders are listed: the pattern ends in "/"
	steps   int    // what the pattern may still cost; negative once it has cost too much
	lines   int    // how many lines were written
	hide    bool   // names that begin with a dot are left out

	out    []byte // lines not yet sent
	sent   int    // how many bytes of out the connection has taken
	sorter sorter // the lines at the end of out that are to be sorted first
	shown  []byte // the pathname being written
	done   bool   // no more lines will come

	counted int // bytes of memory, as the engine has counted them

	after uint64 // the number of the last session in the listing (SITE WHO)

	// The methods take and addSession. A method value made for each call would allocate.
	yield func(*Entry)
	tell  func(SessionInfo)
}

// newListing returns a listing at rest, or a new one.
func (e *Engine) newListing() *listing {
	if n := len(e.lists); n > 0 {
		l := e.lists[n-1]
		e.lists = e.lists[:n-1]
		return l
	}
	l := &listing{out: make([]byte, 0, 2*listPiece)}
	l.yield, l.tell = l.take, l.addSession
	return l
}

// beginList begins to send a listing of a folder or, if dir is 0, of the entries that the
// caller appends. name is the folder's name, and pathname is how the client wrote it. With
// a pattern, the files that match it in and below the folder are listed.
func (s *session) beginList(dir Handle, name, pathname, pattern []byte, request listRequest) *listing {
	l := s.e.newListing()
	*l = listing{
		listRequest: request, e: s.e, facts: l.facts,
		dir: dir, base: append(l.base[:0], name...), tree: l.tree,
		prefix: l.prefix[:0], pattern: append(l.pattern[:0], pattern...), steps: patternSpare,
		page: l.page, out: l.out[:0], sorter: l.sorter, shown: l.shown[:0], done: dir == 0, yield: l.yield, tell: l.tell,
		hide: s.e.config.Behaviour.HideDotFiles && !request.all && request.form != formFacts,
	}
	l.facts.begin(s.picked(), s.rights)
	l.page.clear()
	l.tree.begin(request.order, s.e)
	l.pattern, l.dirs = cutSlash(l.pattern)
	l.sorter.holds = false
	if dir != 0 {
		l.aim()
		if l.sorts() {
			l.hold()
		}
	}
	switch request.form {
	case formNames:
		l.setPrefix(pathname)
	case formLong:
		l.style = s.longStyle()
	}
	s.begin(transfer{list: l})
	if request.control {
		s.transfer.state = transferListing
		s.say(l.replyOf(replyStatusFollows, replySessionsFollow))
	} else {
		s.say(replyOpeningList)
	}
	return l
}

// setPrefix makes NLST's names begin with the pathname of the directory: RETR must be
// able to take them as pathnames (RFC 1123 §4.1.3.1).
func (l *listing) setPrefix(pathname []byte) {
	if len(pathname) == 0 || string(pathname) == "." {
		return
	}
	l.prefix = appendPlain(l.prefix, pathname)
	if pathname[len(pathname)-1] != '/' {
		l.prefix = append(l.prefix, '/')
	}
}

// proceedListing does one unit of a listing: sends a piece or reads a page.
func (s *session) proceedListing() bool {
	l := s.transfer.list
	switch {
	case len(l.out)-l.sent >= listPiece && !l.sorter.holds || l.done && len(l.out) > l.sent:
		return s.sendListing()
	case l.done:
		s.listingDone(l)
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

// listingDone ends a listing that has been sent.
func (s *session) listingDone(l *listing) {
	switch {
	case l.cut && l.control:
		s.listingFailed(nil)
	case l.cut:
		s.finish(replyListCut)
	case l.control:
		s.finishStatus(l.replyOf(replyStatusEnd, replySessionsEnd))
	case l.form == formNames && l.lines == 0 && s.e.config.Behaviour.EmptyNLSTFails:
		s.finish(replyNoFiles)
	default:
		s.finish(replyListDone)
	}
}

// listingFailed ends a listing that cannot go on. The first lines of a reply cannot be
// taken back, so its last line tells that it is incomplete.
func (s *session) listingFailed(err error) {
	if l := s.transfer.list; l.control {
		s.finishStatus(l.replyOf(replyStatusBroken, replySessionsBroken))
		return
	}
	s.finish(replyToTransfer(ofStorage(err)))
}

// replyOf picks the reply to STAT or the one to SITE WHO.
func (l *listing) replyOf(files, sessions reply) reply {
	if l.form == formSessions {
		return sessions
	}
	return files
}

// finishStatus ends a transfer without a data connection (a listing that is a reply, a
// hash, a copy) and sends its reply.
func (s *session) finishStatus(r reply) {
	s.dropTransfer()
	s.heard = s.e.now
	s.say(r)
}

// sendListing sends the lines that are ready, and reports false when some are left.
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
			s.finish(replyToTransfer(ofData(err)))
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

// readPage reads the folder's next entries, or opens the next folder. It returns ErrAgain
// when it has to wait.
func (s *session) readPage(l *listing) error {
	switch {
	case l.form == formSessions:
		return s.readSessions(l)
	case l.page.waits():
		l.proceedPage()
	case l.dir == 0:
		return s.nextFolder(l)
	default:
		more, err := s.e.world.ListNext(l.dir, l.yield)
		if err == ErrAgain {
			return err
		}
		l.ended, l.fault = !more, err
	}
	switch {
	case l.steps < 0:
		return replyPatternCost
	case l.page.waits() || !l.ended:
		return nil
	case l.fault != nil && len(l.tree.levels) == 1 && !l.again:
		return l.fault
	}
	l.cut = l.cut || l.fault != nil // the other folders are listed nevertheless
	s.closeFolder(l)
	return nil
}

func (s *session) closeFolder(l *listing) {
	s.e.world.Close(l.dir)
	l.dir, l.ended, l.fault = 0, false, nil
	l.tree.sort()
	if len(l.pattern) == 0 {
		l.release()
	}
}

// nextFolder opens the next folder of the tree, or ends the listing. It leaves out a
// folder that cannot be opened, as ls does.
func (s *session) nextFolder(l *listing) error {
	t := &l.tree
	if !t.climb() {
		l.release()
		l.done = true
		return nil
	}
	l.aim()
	if !t.next() {
		dir, err := s.e.world.List(s.handle, s.nameBelow(l, t.folder()), false)
		if err == ErrAgain {
			return err
		}
		t.top().more = false
		l.dir, l.again = dir, err == nil
		l.cut = l.cut || err != nil && err != ErrNotExist
		return nil
	}
	pattern := l.goDown()
	name := s.nameBelow(l, t.path)
	element, rest := cutElement(l.pattern[pattern:])
	isFile := len(rest) == 0 && len(element) > 0 && !hasPattern(element)
	if isFile {
		name = appendElement(name, element)
		s.e.name = name
	}
	switch {
	case len(name) > maxName:
		t.pass()
		l.leaveOut(ErrName)
		return nil
	case isFile:
		return s.statBelow(l, name, element)
	}
	return s.listBelow(l, name, pattern)
}

// listBelow opens the folder at the tree's path. pattern is where the element begins that
// its entries must match.
func (s *session) listBelow(l *listing, name []byte, pattern int) error {
	t := &l.tree
	_, rest := cutElement(l.pattern[pattern:])
	dir, err := s.e.world.List(s.handle, name, l.namesOnly(rest) && !l.dirs)
	if err == ErrAgain {
		return err
	}
	t.pass()
	if err != nil {
		l.leaveOut(err)
		return nil
	}
	t.enter(pattern)
	l.dir, l.again = dir, false
	l.aim()
	if len(l.pattern) == 0 {
		l.out = append(appendPlain(append(l.out, "\r\n./"...), t.path), ":\r\n"...)
		if l.sorts() {
			l.hold()
		}
	}
	return nil
}

// statBelow lists one file in the folder at the tree's path: the last element of a pattern
// may be a plain name.
func (s *session) statBelow(l *listing, name, file []byte) error {
	t := &l.tree
	info, err := s.e.world.Stat(s.handle, name, false)
	if err == ErrAgain {
		return err
	}
	t.pass()
	switch {
	case err != nil:
		l.leaveOut(err)
	case !l.dirs || info.Type == Dir:
		t.enter(0)
		l.append(&Entry{FileInfo: info, Name: file})
	}
	return nil
}

// leaveOut leaves out a file or folder that cannot be opened. The listing is incomplete
// only if that is for a limit of the server, of names or of handles: what is gone or may
// not be read does not exist for this client.
func (l *listing) leaveOut(err error) {
	l.cut = l.cut || err == ErrName || err == ErrTooMany
}

// nameBelow is the name of the file at a path below the listing's base. It is valid until
// the next call of nameBelow or resolve.
func (s *session) nameBelow(l *listing, path []byte) []byte {
	name := s.e.name[:0]
	if string(l.base) != "." || len(path) == 0 {
		name = append(name, l.base...)
	}
	if len(path) > 0 {
		name = appendElement(name, path)
	}
	s.e.name = name
	return name
}

// take adds an entry of the folder to the listing, or keeps it until there is time and
// room for it.
func (l *listing) take(entry *Entry) {
	if l.page.waits() || l.rests() {
		l.page.keep(entry)
		return
	}
	l.add(entry)
}

// proceedPage adds the entries that take has kept.
func (l *listing) proceedPage() {
	for l.page.waits() && !l.rests() {
		entry := l.page.next()
		l.add(&entry)
	}
}

// rests reports whether the listing has to rest: for other sessions, or until the client
// has taken more.
func (l *listing) rests() bool {
	return l.e.spent >= l.e.turn || len(l.out)-l.sent >= maxListOut && !l.sorter.holds
}

// add adds an entry of the folder to the listing and, if it may be a folder that is to be
// listed, to the tree.
func (l *listing) add(entry *Entry) {
	l.e.spent += entryWork
	name := entry.Name
	if len(name) == 0 || name[0] == '.' && l.skips(name) || len(l.pattern) > 0 && !l.matches(name) {
		return
	}
	switch {
	case l.whole && !l.recursive: // it lists no other folder
	case !l.goesInto(entry):
	case len(name) > maxName:
		l.leaveOut(ErrName)
	default:
		l.tree.remember(l.rank(&entry.FileInfo), name)
	}
	if l.whole && !l.again && (!l.dirs || entry.Type == Dir) {
		l.append(entry)
	}
}

// skips reports whether a name that begins with a dot is not listed.
func (l *listing) skips(name []byte) bool {
	return string(name) == "." || string(name) == ".." || l.hide && len(l.pattern) == 0
}

// goesInto reports whether the listing goes on in an entry, as a folder. LIST -R follows no
// links, for they may lead in circles. A pattern does: it goes no deeper than it has
// elements.
func (l *listing) goesInto(entry *Entry) bool {
	if l.whole {
		return l.recursive && l.form == formLong && entry.Type == Dir && len(entry.Target) == 0
	}
	return entry.Type == Dir || entry.Type == Link
}

// append writes the line of one file.
func (l *listing) append(entry *Entry) {
	l.lines++
	name := entry.Name
	if len(l.pattern) > 0 {
		name = appendElement(append(l.shown[:0], l.tree.folder()...), name)
		l.shown = name
	}
	l.e.spent += int(uint(len(name)+len(entry.Target)) / bytesOfWork)
	out := l.out
	switch l.form {
	case formLong:
		out = appendLong(out, &entry.FileInfo, l.style, l.e.lately())
	case formNames:
		if len(l.prefix) > 0 {
			out = append(out, l.prefix...)
		}
	case formFacts:
		out = l.facts.append(out, &entry.FileInfo)
	}
	at := len(out)
	out = appendPlain(out, name)
	end := len(out)
	switch {
	case l.form == formLong:
		if entry.Type == Link {
			out = appendTarget(out, entry)
		}
		if l.classify {
			out = appendClass(out, entry)
		}
	case l.dirs:
		out = append(out, '/')
	}
	l.out = append(out, '\r', '\n')
	if l.sorter.holds {
		l.held(&entry.FileInfo, at, end)
	}
}

// dropList ends a listing and puts it to rest.
func (s *session) dropList(l *listing) {
	if l.dir != 0 {
		s.e.world.Close(l.dir)
		l.dir = 0
	}
	s.e.listed -= l.counted
	l.counted = 0
	if l.size() <= maxListBuffer && len(s.e.lists) < spareLists {
		s.e.lists = append(s.e.lists, l)
	}
}

// size is how many bytes the listing's buffers take.
func (l *listing) size() int {
	return cap(l.out) + cap(l.prefix) + cap(l.shown) + l.page.size() + l.tree.size() + cap(l.sorter.names)*rankedSize
}
