package ftp

// page holds entries of a folder that the world has told of and the listing has not
// yet taken in.
type page struct {
	entries []pageEntry
	text    []byte // their names and targets
	taken   int    // how many of them next has taken
}

// pageEntry is an entry whose name is text[from:name] and whose target is text[name:target].
type pageEntry struct {
	FileInfo
	from, name, target uint32
}

const pageEntrySize = 56 // unsafe.Sizeof(pageEntry{})

// waits reports whether an entry is left for next.
func (p *page) waits() bool { return len(p.entries) > 0 }

// keep adds a copy of an entry.
func (p *page) keep(entry *Entry) {
	from := len(p.text)
	p.text = append(p.text, entry.Name...)
	name := len(p.text)
	p.text = append(p.text, entry.Target...)
	p.entries = append(p.entries, pageEntry{entry.FileInfo, uint32(from), uint32(name), uint32(len(p.text))})
}

// next takes the first entry; there must be one (see waits). Its slices are valid until
// the next keep.
func (p *page) next() Entry {
	e := &p.entries[p.taken]
	entry := Entry{FileInfo: e.FileInfo, Name: p.text[e.from:e.name], Target: p.text[e.name:e.target]}
	if p.taken++; p.taken == len(p.entries) {
		p.clear()
	}
	return entry
}

func (p *page) clear() { p.entries, p.text, p.taken = p.entries[:0], p.text[:0], 0 }

// size is how many bytes the buffers take.
func (p *page) size() int { return cap(p.entries)*pageEntrySize + cap(p.text) }
