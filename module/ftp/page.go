package ftp

// page is entries of a folder that the world has told of and the listing has not
// yet taken in.
type page struct {
	entries []pageEntry
	text    []byte // names and targets
	taken   int
}

// pageEntry is an entry whose name and target stand in a text, one behind the other.
type pageEntry struct {
	FileInfo
	from, name, target uint32 // where the name begins, and where both end
}

const pageEntrySize = 56

// waits reports whether there are entries.
func (p *page) waits() bool { return len(p.entries) > 0 }

// keep adds an entry.
func (p *page) keep(entry *Entry) {
	from := len(p.text)
	p.text = append(p.text, entry.Name...)
	name := len(p.text)
	p.text = append(p.text, entry.Target...)
	p.entries = append(p.entries, pageEntry{entry.FileInfo, uint32(from), uint32(name), uint32(len(p.text))})
}

// next takes the first entry. Its slices are valid until the next one is kept.
func (p *page) next() Entry {
	e := &p.entries[p.taken]
	entry := Entry{FileInfo: e.FileInfo, Name: p.text[e.from:e.name], Target: p.text[e.name:e.target]}
	if p.taken++; p.taken == len(p.entries) {
		p.clear()
	}
	return entry
}

func (p *page) clear() { p.entries, p.text, p.taken = p.entries[:0], p.text[:0], 0 }

// size is how many bytes are kept.
func (p *page) size() int { return cap(p.entries)*pageEntrySize + cap(p.text) }
