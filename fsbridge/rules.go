package fsbridge

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"wasiftp/wasi"
)

// Rule says which rights an account has to some files and folders.
type Rule struct {
	// Pattern names them, from the root on: "/in", "/in/*.jpg", "/archive/**". Within an
	// element, * and ? stand for characters, [a-z] for one of a set, and {jpg,png} for one
	// of several texts; the element ** stands for any number of elements. A backslash
	// takes a character as it is. The rule also holds for all that is below what Pattern
	// names, so "/in" and "/in/**" say the same.
	Pattern string

	// Rights are those to what Pattern names. They replace [Access.Rights], and may be
	// more. Zero hides it. wasi.RightAdmin is no right to a file, and is refused.
	Rights wasi.Rights

	// Accept and Refuse limit the names that an upload or a rename may give a file. They
	// are patterns like elements of Pattern, for the last element of the name. An empty
	// Accept takes every name. What Refuse names is refused, whatever Accept says.
	Accept, Refuse []string

	// MaxSize bounds the bytes of a file that is uploaded or moved here; 0 is no bound.
	// The part of an upload that came before is counted.
	MaxSize int64
}

// Rules are the rules of an account, ready to be looked up from many goroutines. A nil
// *Rules has none.
//
// For each file, one rule holds. The rules that name the file itself come first, then those
// that name the folder that it is in, and so on up to the root. Of several rules that name
// the same file or folder, the most specific one holds:
//
//  1. the one with more elements without wildcards,
//  2. then the one with more characters outside of wildcards,
//  3. then the one with fewer elements **,
//  4. then the one that stands later in the list.
//
// For "/a/b/c", "/a/b" comes before "/a/**" and "/**/b" before "/a". A ** at the end of a
// pattern counts for nothing.
//
// Names are compared byte by byte, unless the storage is a [FoldingFS].
type Rules struct {
	exact  *ruleTable
	folded func() *ruleTable
	union  wasi.Rights // of all rules
}

// ruleTable finds the rule for a name.
type ruleTable struct {
	fold    func(element string) string // nil to compare byte by byte
	ranked  []*rule                     // the most specific one first
	literal map[string]*rule            // those without wildcards

	// The others, ranked: all that may match a name which ends with a byte, and all that may
	// match one which ends with another.
	wild map[byte][]*rule
	free []*rule
}

// rule is a Rule that is ready to be matched.
type rule struct {
	Rule
	elements []element // of the pattern, without ** at its end
	pattern  string    // of all elements
	whole    string    // the name that a pattern without wildcards matches
	lead     string    // how the names that match begin
	tail     string    // how they end
	least    int       // how many elements such a name has
	deep     bool      // it may have more
	literals int       // elements without wildcards
	text     int       // characters outside of wildcards
	match    func(pattern, name string) bool
}

// element is an element of a pattern.
type element struct {
	pattern string
	text    string // that pattern matches, if it has no wildcards
	literal bool   // it has none
	any     bool   // it is **
}

// find is the rule that holds for a name, whose elements are folded; nil for none.
func (t *ruleTable) find(name string) *rule {
	depth := depthOf(name)
	for ; ; depth-- {
		if r := t.literal[name]; r != nil {
			return r // no other rule that names the same is more specific
		}
		for _, r := range t.ending(name) {
			if r.names(name, depth) {
				return r
			}
		}
		if depth == 0 {
			return nil
		}
		name = name[:max(strings.LastIndexByte(name, '/'), 0)]
		if depth == 1 {
			name = "."
		}
	}
}

// ending are the rules with wildcards that may match a name, as far as its last byte tells.
func (t *ruleTable) ending(name string) []*rule {
	if rules, ok := t.wild[name[len(name)-1]]; ok {
		return rules
	}
	return t.free
}

// depthOf is how many elements a name has.
func depthOf(name string) int {
	if name == "." {
		return 0
	}
	return strings.Count(name, "/") + 1
}

// names reports whether a rule with wildcards names a file itself, which has depth
// elements. Most rules are ruled out without a look at their patterns.
func (r *rule) names(name string, depth int) bool {
	switch {
	case depth < r.least, depth > r.least && !r.deep:
		return false
	case !strings.HasPrefix(name, r.lead), !strings.HasSuffix(name, r.tail):
		return false
	}
	return r.match(r.pattern, name)
}

// reach is how a pattern stands to what is below a folder.
type reach int

const (
	reachNone    reach = iota // it names nothing there
	reachNamed                // each element up to there matches one of the pattern
	reachThrough              // only its ** goes on there
)

// below says whether a rule may name something below the folder name.
func (r *rule) below(name string) reach {
	elements := r.elements
	if name != "." {
		for part := range strings.SplitSeq(name, "/") {
			switch {
			case len(elements) == 0:
				return reachNone
			case elements[0].any:
				return reachThrough
			case elements[0].literal && elements[0].text != part, !elements[0].literal && !r.match(elements[0].pattern, part):
				return reachNone
			}
			elements = elements[1:]
		}
	}
	if len(elements) == 0 {
		return reachNone
	}
	return reachNamed
}

// leads reports whether the folder name is on the way to what a rule gives one of these
// rights to.
func (t *ruleTable) leads(name string, rights wasi.Rights) bool {
	return slices.ContainsFunc(t.ranked, func(r *rule) bool { return r.Rights&rights != 0 && r.below(name) == reachNamed })
}

// uniform reports whether one rule, or none, holds for all that is in the folder name.
func (t *ruleTable) uniform(name string) bool {
	return !slices.ContainsFunc(t.ranked, func(r *rule) bool { return r.below(name) != reachNone })
}

// movable reports whether the rules for what is in the folder name depend on nothing but
// the last elements of names, besides the rule for the folder.
func (t *ruleTable) movable(name string) bool {
	return !slices.ContainsFunc(t.ranked, func(r *rule) bool {
		return r.below(name) != reachNone && !(len(r.elements) == 2 && r.elements[0].any)
	})
}

// takes checks that a rule lets an upload have a name, whose elements are folded.
func (r *rule) takes(name string) error {
	if r == nil || len(r.Accept)+len(r.Refuse) == 0 {
		return nil
	}
	base := path.Base(name)
	named := func(pattern string) bool { return r.match(pattern, base) }
	if slices.ContainsFunc(r.Refuse, named) || len(r.Accept) > 0 && !slices.ContainsFunc(r.Accept, named) {
		return ErrRefusedName
	}
	return nil
}

// limits reports whether a rule refuses some uploads of those who may write.
func (r *rule) limits() bool { return r != nil && (r.MaxSize > 0 || len(r.Accept)+len(r.Refuse) > 0) }

// ErrRefusedName is the error for a file whose name a rule refuses to take. It is
// [fs.ErrInvalid].
var ErrRefusedName error = refusedName("a rule refuses the name")

// refusedName is an error that is [fs.ErrInvalid].
type refusedName string

func (r refusedName) Error() string { return string(r) }
func (refusedName) Unwrap() error   { return fs.ErrInvalid }
