package ftp

import (
	"bytes"
	"slices"
)

// So many bytes of names of folders yet to be listed are remembered, and so many
// where memory is scarce.
const (
	maxTree   = 128 << 10
	smallTree = 16 << 10
)

// levelSize is the size of a level.
const levelSize = 48

// tree is the way of a listing through folders, depth first. It remembers the
// subfolders of the folders on its way. When these are too many, it forgets some
// that come late; their folder is read again when the others are done, from the
// one on that was gone into last. As that is known by its place in the order, and
// not by a count, a folder that changes meanwhile has nothing listed twice. Only
// with -t or -S can a subfolder change its place itself, by its time or size.
type tree struct {
	e      *Engine
	order  order
	path   []byte // of the folder that was gone into last, relative to where the listing began
	levels []level
	names  []ranked // of each level those yet to be gone into, the next one last
	text   []byte   // of the names
}

// level is a folder on the way.
type level struct {
	end     int   // of its pathname in path
	pattern int   // where the element begins that its entries must match
	names   int   // where its subfolders begin among the names
	text    int   // where their text begins
	rank    int64 // of the subfolder that was gone into last
	more    bool  // some subfolders are forgotten
}

// begin begins anew, with the folder in which the listing begins.
func (t *tree) begin(o order, e *Engine) {
	*t = tree{e: e, order: o, path: t.path[:0], levels: append(t.levels[:0], level{}), names: t.names[:0], text: t.text[:0]}
}

// most is how many bytes it may remember now.
func (t *tree) most() int {
	if t.e.scarce() {
		return smallTree
	}
	return maxTree
}

func (t *tree) top() *level    { return &t.levels[len(t.levels)-1] }
func (t *tree) folder() []byte { return t.path[:t.top().end] }

// size is how many bytes are kept.
func (t *tree) size() int {
	return cap(t.text) + cap(t.names)*rankedSize + cap(t.levels)*levelSize
}

// last is the subfolder of the folder on top that was gone into last, empty for
// none.
func (t *tree) last() []byte {
	name := t.path[t.top().end:]
	if len(name) > 0 && name[0] == '/' {
		name = name[1:]
	}
	name, _, _ = bytes.Cut(name, []byte{'/'})
	return name
}

// remember has the listing go into a subfolder of the folder on top later.
func (t *tree) remember(rank int64, name []byte) {
	top := t.top()
	if last := t.last(); len(last) > 0 && t.order.compare(rank, name, top.rank, last) <= 0 {
		return
	}
	most := t.most()
	for {
		// All that are forgotten come behind all that are not.
		if top.more {
			latest := &t.names[top.names]
			if t.order.compare(rank, name, latest.rank, latest.in(t.text)) > 0 {
				return
			}
		}
		if len(t.text)+len(name)+(len(t.names)+1)*rankedSize <= most {
			break
		}
		t.forget(most)
	}
	from := len(t.text)
	t.text = append(t.text, name...)
	t.names = append(t.names, ranked{rank, uint32(from), uint32(len(t.text))})
}

// forget makes room: the folder with the most names loses half of them, and so on
// until there is enough. The one on top, which is being read, keeps one.
func (t *tree) forget(most int) {
	most = min(most*7/8, most-rankedSize-maxName)
	t.e.spent += len(t.names) * compareWork
	used := 0 // the names that were gone into take no more
	for i := range t.names {
		used += int(t.names[i].to-t.names[i].from) + rankedSize
	}
	for used > most {
		i, count := t.widest()
		if i == len(t.levels)-1 {
			t.sort()
		}
		count = (count + 1) / 2
		from := t.levels[i].names
		for _, sub := range t.names[from : from+count] {
			used -= int(sub.to-sub.from) + rankedSize
		}
		t.names = slices.Delete(t.names, from, from+count)
		t.levels[i].more = true
		for i++; i < len(t.levels); i++ {
			t.levels[i].names -= count
		}
	}
	t.compact()
}

// widest is the level with the most names that can lose some, the outermost if
// there are several. That on top must keep one; there is always another to lose
// some, as no name is longer than maxName.
func (t *tree) widest() (widest, count int) {
	end := len(t.names)
	for i := len(t.levels) - 1; i >= 0; i-- {
		n := end - t.levels[i].names
		if n >= count && (n > 1 || i < len(t.levels)-1) {
			widest, count = i, n
		}
		end = t.levels[i].names
	}
	return widest, count
}

// compact drops the text of what is no longer among the names.
func (t *tree) compact() {
	text := t.e.scratch[:0]
	level := 0
	for i := range t.names {
		for ; level < len(t.levels) && t.levels[level].names <= i; level++ {
			t.levels[level].text = len(text)
		}
		sub := &t.names[i]
		from := len(text)
		text = append(text, sub.in(t.text)...)
		sub.from, sub.to = uint32(from), uint32(len(text))
	}
	for ; level < len(t.levels); level++ {
		t.levels[level].text = len(text)
	}
	t.text = append(t.text[:0], text...)
	t.e.scratch = text
}

// sort sorts the subfolders of the folder on top.
func (t *tree) sort() {
	o := t.order
	o.reverse = !o.reverse // as the next one comes last
	names := t.names[t.top().names:]
	t.e.spent += sortWork(len(names))
	o.sort(names, t.text)
}

// climb leaves the folders of which nothing is left to be gone into. It reports
// false at the end of the way.
func (t *tree) climb() bool {
	for len(t.levels) > 0 {
		top := t.top()
		if top.more || len(t.names) > top.names {
			return true
		}
		t.text = t.text[:top.text]
		t.levels = t.levels[:len(t.levels)-1]
	}
	return false
}

// next makes path that of the subfolder that comes next. It reports false if the
// folder on top has to be read again before.
func (t *tree) next() bool {
	top := t.top()
	if len(t.names) == top.names {
		t.text = t.text[:top.text]
		return false
	}
	t.path = appendElement(t.folder(), t.names[len(t.names)-1].in(t.text))
	return true
}

// pass takes the subfolder that came next as gone into.
func (t *tree) pass() {
	next := len(t.names) - 1
	t.top().rank = t.names[next].rank
	t.names = t.names[:next]
}

// enter puts the folder at path on top.
func (t *tree) enter(pattern int) {
	t.levels = append(t.levels, level{end: len(t.path), pattern: pattern, names: len(t.names), text: len(t.text)})
}

// appendElement appends an element to a pathname, which may be empty.
func appendElement(pathname, element []byte) []byte {
	if len(pathname) > 0 {
		pathname = append(pathname, '/')
	}
	return append(pathname, element...)
}
