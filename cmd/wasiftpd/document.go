package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"wasiftp/fsbridge"
)

// document is a TOML file whose keys and values know where they stand.
type document struct {
	path    string
	content []byte
	lines   []int // the offsets at which lines begin
	top     *node
}

// node is a value of a document.
type node struct {
	at     int             // its offset; that of the key for arrays
	kind   unstable.Kind   // unstable.Table for tables of all spellings, unstable.Array for arrays of tables too
	length int             // of what is written of a single value, in bytes
	text   string          // of a string what it holds, of other single values what is written
	fields []field         // of a table
	cell   bool            // it is a text of a database, and may stand for true or false
	items  []*node         // of an array
	rules  []fsbridge.Rule // that setRules has read from an array: thousands of users may share it
}

// field is a key of a table with its value.
type field struct {
	name  string
	at    int // the offset of the key
	value *node
}

// parseDocument reads a TOML file. Its error has the place of the first fault.
func parseDocument(path string, content []byte) (*document, error) {
	if bytes.HasPrefix(content, []byte("\xff\xfe")) || bytes.HasPrefix(content, []byte("\xfe\xff")) {
		return nil, fmt.Errorf("%s:1:1: the file is in UTF-16; save it in UTF-8", path)
	}
	content = bytes.TrimPrefix(content, []byte(byteOrderMark))
	d := &document{path: path, content: content, lines: []int{0}, top: &node{kind: unstable.Table}}
	for at, b := range content {
		if b == '\n' {
			d.lines = append(d.lines, at+1)
		}
	}
	// The parser below takes keys that are given twice, and impossible dates.
	if err := toml.Unmarshal(content, new(map[string]any)); err != nil {
		return d, d.syntaxFault(err)
	}
	var p unstable.Parser
	p.Reset(content)
	here := d.top
	for p.NextExpression() {
		switch e := p.Expression(); e.Kind {
		case unstable.KeyValue:
			here.put(e)
		case unstable.Table, unstable.ArrayTable:
			here = d.top.enter(e)
		}
	}
	return d, p.Error()
}

func (d *document) syntaxFault(err error) error {
	text := strings.TrimPrefix(err.Error(), "toml: ")
	if place := (*toml.DecodeError)(nil); errors.As(err, &place) {
		row, column := place.Position()
		return fmt.Errorf("%s:%d:%d: %s", d.path, row, column, text)
	}
	return fmt.Errorf("%s: %s", d.path, text)
}

// enter returns the table of a header such as [a.b], or a new one of [[a.b]].
func (n *node) enter(header *unstable.Node) *node {
	key := header.Key()
	for key.Next() {
		name, at := string(key.Node().Data), int(key.Node().Raw.Offset)
		if header.Kind == unstable.ArrayTable && key.IsLast() {
			list := n.get(name)
			if list == nil {
				list = n.add(name, at, &node{at: at, kind: unstable.Array})
			}
			list.items = append(list.items, &node{at: at, kind: unstable.Table})
		}
		n = n.below(name, at)
	}
	return n
}

// put adds a key with its value to a table.
func (n *node) put(pair *unstable.Node) {
	key := pair.Key()
	for key.Next() {
		name, at := string(key.Node().Data), int(key.Node().Raw.Offset)
		if key.IsLast() {
			n.add(name, at, newNode(pair.Value(), at))
			return
		}
		n = n.below(name, at)
	}
}

// below is the table of a key, a new one if there is none. Of an array it is the last.
func (n *node) below(name string, at int) *node {
	next := n.get(name)
	if next == nil {
		next = n.add(name, at, &node{at: at, kind: unstable.Table})
	}
	if next.kind == unstable.Array && len(next.items) > 0 {
		next = next.items[len(next.items)-1]
	}
	return next
}

func (n *node) add(name string, at int, value *node) *node {
	n.fields = append(n.fields, field{name, at, value})
	return value
}

// get returns the value of a key, nil if there is none.
func (n *node) get(name string) *node {
	at := slices.IndexFunc(n.fields, func(f field) bool { return f.name == name })
	if at < 0 {
		return nil
	}
	return n.fields[at].value
}

// newNode copies a value of the parser, which uses its memory again. at is the offset of
// its key.
func newNode(from *unstable.Node, at int) *node {
	n := &node{at: at, kind: from.Kind}
	parts := from.Children()
	switch from.Kind {
	case unstable.Array:
		for parts.Next() {
			n.items = append(n.items, newNode(parts.Node(), at))
		}
	case unstable.InlineTable:
		n.at, n.kind = int(from.Raw.Offset), unstable.Table
		for parts.Next() {
			n.put(parts.Node())
		}
	default:
		n.at, n.length, n.text = int(from.Raw.Offset), int(from.Raw.Length), string(from.Data)
	}
	return n
}

// single is the text of a value that is no array and no table. Whole numbers are decimal.
func (n *node) single() (text string, ok bool) {
	switch n.kind {
	case unstable.Array, unstable.Table:
		return "", false
	case unstable.Integer:
		if i, err := strconv.ParseInt(n.text, 0, 64); err == nil {
			return strconv.FormatInt(i, 10), true
		}
	}
	return n.text, true
}

// values are the items of an array, or the value itself.
func (n *node) values() []*node {
	if n.kind == unstable.Array {
		return n.items
	}
	return []*node{n}
}

// texts stores the texts of an array of strings, or of one of them.
func (n *node) texts(target *[]string) error {
	for _, item := range n.values() {
		if item.kind != unstable.String {
			return misplaced{item.at, errors.New("it takes text in quotes, or an array of that")}
		}
		*target = append(*target, item.text)
	}
	return nil
}

// place is where an offset is, as PATH:LINE:COLUMN, both from 1.
func (d *document) place(at int) string {
	line, found := slices.BinarySearch(d.lines, at)
	if !found {
		line--
	}
	return fmt.Sprintf("%s:%d:%d", d.path, line+1, utf8.RuneCount(d.content[d.lines[line]:at])+1)
}

// fault is an error about what stands at an offset.
func (d *document) fault(at int, format string, args ...any) error {
	return fmt.Errorf("%s: %w", d.place(at), fmt.Errorf(format, args...))
}

// misplaced is a fault of a value that stands at an offset.
type misplaced struct {
	at int
	error
}

// faultOf is the fault err of a key, whose value is v.
func (d *document) faultOf(key string, v *node, err error) error {
	at := v.at
	if m := (misplaced{}); errors.As(err, &m) {
		at = m.at
	}
	return d.fault(at, "%s: %w", key, err)
}
