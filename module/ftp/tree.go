package ftp

import (
	"bytes"
	"slices"
)

// How many bytes of subfolders' names a tree remembers at most, and how many while memory
// is scarce.
const (
	maxTree   = 128 << 10
	smallTree = 16 << 10
)

const levelSize = 48 // unsafe.Sizeof(level{})

// tree leads a listing through folders, depth first. Of each folder between the first and
// the current one, it remembers the subfolders that are yet to be entered. When these are
// too many, it forgets the last ones of a folder. That folder is read again when its other
// subfolders are done, and the tree goes on behind the one that it entered last. It knows
// that one by its place in the order, not by a count, so that nothing is listed twice if
// the folder changes meanwhile. Only with -t or -S can a subfolder itself change its
// place, by its time or size.
type tree struct {
	e      *Engine
	order  order
	path   []byte   // of the folder entered last, relative to the first one
	levels []level  // the folders from the first to the current one, which is on top
	names  []ranked // of each level the subfolders yet to be entered, the next one last
	text   []byte   // of the names
}

// level is a folder whose subfolders are being listed.
type level struct {
	end     int   // of its pathname in path
	pattern int   // where the element begins that its entries must match
	names   int   // where its subfolders begin in tree.names
	text    int   // where their names begin in tree.text
	rank    int64 // of the subfolder entered last
	more    bool  // some subfolders are forgotten
}

// begin begins anew, with the first folder of a listing.
func (t *tree) begin(o order, e *Engine) {
	*t = tree{e: e, order: o, path: t.path[:0], levels: append(t.levels[:0], level{}), names: t.names[:0], text: t.text[:0]}
}

// most is how many bytes the tree may remember now.
func (t *tree) most() int {
	if t.e.scarce() {
		return smallTree
	}
	return maxTree
}

func (t *tree) top() *level    { return &t.levels[len(t.levels)-1] }
func (t *tree) folder() []byte { return t.path[:t.top().end] }

// size is how many bytes the buffers take; path is not counted.
func (t *tree) size() int {
	return cap(t.text) + cap(t.names)*rankedSize + cap(t.levels)*levelSize
}

// last is the name of the top folder's subfolder that was entered last, empty if there is
// none.
func (t *tree) last() []byte {
	below := bytes.TrimPrefix(t.path[t.top().end:], []byte{'/'})
	name, _, _ := bytes.Cut(below, []byte{'/'})
	return name
}

// remember adds a subfolder of the top folder to those that are yet to be entered, unless
// the tree is past its place in the order.
func (t *tree) remember(rank int64, name []byte) {
	top := t.top()
	if last := t.last(); len(last) > 0 && t.order.compare(rank, name, top.rank, last) <= 0 {
		return
	}
	most := t.most()
	for {
		// A folder forgets its last subfolders, so one behind all others is forgotten too.
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

// forget makes room: the folder with the most names loses the last half of them, and so on
// until there is enough. The top one, which is being read, keeps one.
func (t *tree) forget(most int) {
	most = min(most*7/8, most-rankedSize-maxName)
	t.e.spent += len(t.names) * compareWork
	used := 0 // without the text of those that were entered, which compact drops
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

// widest is the level with the most names that can lose some, the outermost if there are
// several. The top level must keep one. forget always finds a level: one name alone fits,
// as none is longer than maxName.
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

// compact drops the text that belongs to none of the names.
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

// sort sorts the subfolders of the top folder.
func (t *tree) sort() {
	o := t.order
	o.reverse = !o.reverse // as the next one comes last
	names := t.names[t.top().names:]
	t.e.spent += sortWork(len(names))
	o.sort(names, t.text)
}

// climb leaves the folders that have no subfolder left to be entered. It reports false
// if that was all.
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

// next sets path to the next subfolder of the top folder. It reports false if that folder
// has to be read again first.
func (t *tree) next() bool {
	top := t.top()
	if len(t.names) == top.names {
		t.text = t.text[:top.text]
		return false
	}
	t.path = appendElement(t.folder(), t.names[len(t.names)-1].in(t.text))
	return true
}

// pass counts the next subfolder as entered.
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
