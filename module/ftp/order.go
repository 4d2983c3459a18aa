package ftp

import (
	"bytes"
	"cmp"
	"slices"
)

// A listing is sorted only up to these limits. A larger one is sent whole, but in the
// order in which the world tells of the files.
const (
	maxSortedLines = 4096
	maxSortedBytes = 256 << 10
)

// orderKey is the sort key of a listing.
type orderKey uint8

const (
	byName orderKey = iota // the world's own order, which is mostly by name
	byTime                 // the newest first
	bySize                 // the largest first
)

// order is how a listing is sorted.
type order struct {
	key     orderKey
	reverse bool
}

// sorts reports whether the engine has to sort: the zero order is the world's own.
func (o order) sorts() bool { return o != order{} }

// rank is a file's key, the lowest first. Names decide between equal ranks.
func (o order) rank(info *FileInfo) int64 {
	switch o.key {
	case byTime:
		return ^info.ModTime
	case bySize:
		return ^int64(info.Size)
	}
	return 0
}

// compare compares two files by their ranks, then by their names.
func (o order) compare(rank1 int64, name1 []byte, rank2 int64, name2 []byte) int {
	c := cmp.Compare(rank1, rank2)
	if c == 0 {
		c = bytes.Compare(name1, name2)
	}
	if o.reverse {
		return -c
	}
	return c
}

// ranked is a name to be sorted: the bytes from..to of a text that the caller has.
type ranked struct {
	rank     int64
	from, to uint32
}

const rankedSize = 16 // unsafe.Sizeof(ranked{})

// in is the name, a part of its text.
func (r *ranked) in(text []byte) []byte { return text[r.from:r.to] }

// sort sorts names that stand in a text.
func (o order) sort(names []ranked, text []byte) {
	slices.SortFunc(names, func(a, b ranked) int { return o.compare(a.rank, a.in(text), b.rank, b.in(text)) })
}

// sorter holds back lines that are yet to be sorted: the last ones of a listing's
// output.
type sorter struct {
	holds bool
	from  int      // where they begin in the output
	names []ranked // the file's name in each line
}

// hold holds back all lines from now on.
func (l *listing) hold() {
	l.sorter = sorter{holds: true, from: len(l.out), names: l.sorter.names[:0]}
}

// held records the last line, in which the file's name is out[from:to]. Past the
// limits, all held lines are sent unsorted.
func (l *listing) held(info *FileInfo, from, to int) {
	r := &l.sorter
	r.names = append(r.names, ranked{l.rank(info), uint32(from), uint32(to)})
	lines, size := maxSortedLines, maxSortedBytes
	if l.e.scarce() {
		lines, size = lines/4, size/4
	}
	r.holds = len(r.names) < lines && len(l.out)-r.from < size
}

// release sorts the held lines, which can then be sent.
func (l *listing) release() {
	r := &l.sorter
	if !r.holds {
		return
	}
	r.holds = false
	l.e.spent += sortWork(len(r.names)) + (len(l.out)-r.from)/bytesOfWork
	l.order.sort(r.names, l.out)
	sorted := l.e.scratch[:0]
	for _, name := range r.names {
		from := r.from + bytes.LastIndexByte(l.out[r.from:name.from], '\n') + 1
		to := int(name.to) + bytes.IndexByte(l.out[name.to:], '\n') + 1
		sorted = append(sorted, l.out[from:to]...)
	}
	copy(l.out[r.from:], sorted)
	l.e.scratch = sorted
}
