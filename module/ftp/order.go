package ftp

import (
	"bytes"
	"cmp"
	"slices"
)

// So much of a folder is sorted by what is not its order already. A larger one is
// listed whole, but as it comes.
const (
	maxSortedLines = 4096
	maxSortedBytes = 256 << 10
)

// lineSize is the size of what stands for a line that is yet to be sorted.
const lineSize = 24

// orderKey is what files are sorted by.
type orderKey uint8

const (
	byName orderKey = iota // mostly the order in which they come
	byTime                 // the newest first
	bySize                 // the largest first
)

// order is how a listing is sorted.
type order struct {
	key     orderKey
	reverse bool
}

// sorts reports whether files have to be put into this order.
func (o order) sorts() bool { return o != order{} }

// rank is a file's place in the order, before its name counts.
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

// line is where a line that is yet to be sorted stands in the output.
type line struct {
	rank      int64
	from, to  uint32
	name, end uint32 // of the file's name
}

// sorter holds the lines back that are yet to be sorted. They stand at the end of
// the output.
type sorter struct {
	holds bool
	from  int // where they begin
	lines []line
}

// hold has the lines from now on held back.
func (l *listing) hold() {
	l.sorter = sorter{holds: true, from: len(l.out), lines: l.sorter.lines[:0]}
}

// held notes a line whose file is called out[name:end]. When there are too many,
// they go as they are.
func (l *listing) held(info *FileInfo, from, name, end int) {
	r := &l.sorter
	r.lines = append(r.lines, line{l.rank(info), uint32(from), uint32(len(l.out)), uint32(name), uint32(end)})
	r.holds = len(r.lines) < maxSortedLines && len(l.out)-r.from < maxSortedBytes
}

// release sorts the lines that were held back.
func (l *listing) release() {
	r := &l.sorter
	if !r.holds {
		return
	}
	r.holds = false
	slices.SortFunc(r.lines, func(a, b line) int {
		return l.compare(a.rank, l.out[a.name:a.end], b.rank, l.out[b.name:b.end])
	})
	sorted := l.e.scratch[:0]
	for _, line := range r.lines {
		sorted = append(sorted, l.out[line.from:line.to]...)
	}
	copy(l.out[r.from:], sorted)
	l.e.scratch = sorted
}
