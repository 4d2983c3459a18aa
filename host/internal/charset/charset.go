// Package charset translates names of files for clients without UTF-8.
package charset

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
)

// Set is a character set that names of files are translated to and from; nil leaves them
// as they are. Nothing is lost: a character that the set lacks is written as %u20AC or
// %U0001F600, and a byte that is not UTF-8 as %xFF. A client's spelling is accepted only
// if Outgoing would write the name so, which gives each file one spelling.
type Set struct{ encoding encoding.Encoding }

var (
	errCharset      = errors.New("no such character set is known")
	errCharsetASCII = errors.New("ASCII is not ASCII in this character set, so that no command could be read")
)

var charsets sync.Map // *Set by name: serves takes some milliseconds

// New finds a character set by its name at IANA or in browsers (WHATWG). For "" and UTF-8
// it returns nil.
func New(name string) (*Set, error) {
	if name == "" || strings.EqualFold(name, "UTF-8") || strings.EqualFold(name, "UTF8") {
		return nil, nil
	}
	if known, ok := charsets.Load(name); ok {
		return known.(*Set), nil
	}
	e, err := ianaindex.IANA.Encoding(name)
	if err != nil || e == nil {
		e, err = htmlindex.Get(name)
	}
	if err != nil {
		return nil, fmt.Errorf("%q: %w", name, errCharset)
	}
	c := &Set{e}
	if !c.serves() {
		return nil, fmt.Errorf("%q: %w", name, errCharsetASCII)
	}
	charsets.Store(name, c)
	return c, nil
}

// serves says whether commands and pathnames can be read byte by byte. ASCII must be
// itself. No other character may begin with an ASCII byte, or have a byte below '0': these
// are NUL, the ends of lines and "/", among others.
func (c *Set) serves() bool {
	for r := rune(0); r < 1<<16; r++ {
		b, ok := c.encode(r)
		switch {
		case r < utf8.RuneSelf && (!ok || b != string(r)):
			return false
		case r < utf8.RuneSelf || !ok:
		case b[0] < utf8.RuneSelf || strings.ContainsFunc(b, func(r rune) bool { return r < '0' }):
			return false
		}
	}
	return true
}

// encode writes a character in the character set. ok is false for one that is not in it,
// or that decoding would make another character of.
func (c *Set) encode(r rune) (b string, ok bool) {
	b, err := c.encoding.NewEncoder().String(string(r))
	if err != nil {
		return "", false
	}
	back, err := c.encoding.NewDecoder().String(b)
	return b, err == nil && back == string(r) && r != utf8.RuneError
}

// plain says whether a name is the same in every character set.
func plain(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool { return r >= utf8.RuneSelf || r == '%' })
}

// Outgoing translates a name for the client.
func (c *Set) Outgoing(name string) string {
	if c == nil || plain(name) {
		return name
	}
	var b strings.Builder
	for len(name) > 0 {
		r, size := utf8.DecodeRuneInString(name)
		text, ok := c.encode(r)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, "%%x%02X", name[0])
		case r == '%' && c.escaped(name) != "":
			b.WriteString("%u0025")
		case ok:
			b.WriteString(text)
		case r > 0xffff:
			fmt.Fprintf(&b, "%%U%08X", r)
		default:
			fmt.Fprintf(&b, "%%u%04X", r)
		}
		name = name[size:]
	}
	return b.String()
}

// Incoming finds the name for which Outgoing gives text; ok is false if there is none.
func (c *Set) Incoming(text string) (name string, ok bool) {
	if c == nil || plain(text) {
		return text, true
	}
	decoded, err := c.encoding.NewDecoder().String(text)
	if err != nil {
		return "", false
	}
	var b strings.Builder
	for len(decoded) > 0 {
		escape := c.escaped(decoded)
		if escape == "" {
			b.WriteByte(decoded[0])
			decoded = decoded[1:]
			continue
		}
		b.WriteString(c.unescaped(escape))
		decoded = decoded[len(escape):]
	}
	name = b.String()
	return name, c.Outgoing(name) == text
}

// escapes says how many digits each kind of escape has.
var escapes = map[byte]int{'x': 2, 'u': 4, 'U': 8}

// escaped returns the escape that s begins with, "" if it begins with none.
func (c *Set) escaped(s string) string {
	if len(s) < 2 || s[0] != '%' {
		return ""
	}
	size := 2 + escapes[s[1]]
	if size == 2 || len(s) < size || c.unescaped(s[:size]) == "" {
		return ""
	}
	return s[:size]
}

// unescaped returns the character or byte that an escape stands for, "" if Outgoing never
// writes that escape.
func (c *Set) unescaped(escape string) string {
	digits := escape[2:]
	n, err := strconv.ParseUint(digits, 16, 32)
	if err != nil || strings.ToUpper(digits) != digits {
		return ""
	}
	if escape[1] == 'x' {
		if n < utf8.RuneSelf {
			return ""
		}
		return string([]byte{byte(n)})
	}
	r := rune(min(n, utf8.MaxRune+1))
	if _, has := c.encode(r); has && r != '%' || !utf8.ValidRune(r) || escape[1] == 'U' && r <= 0xffff {
		return ""
	}
	return string(r)
}
