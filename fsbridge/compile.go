//go:build !wasip1

// The modules that need no host have no rules. Without this file they are a seventh smaller.

package fsbridge

import (
	"cmp"
	"errors"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"wasiftp/wasi"
)

// CompileRules makes rules ready to be looked up. It returns nil if there are none. The
// error names all patterns that have a fault.
func CompileRules(rules []Rule) (*Rules, error) {
	if len(rules) == 0 {
		return nil, nil
	}
	var faults []error
	compiled := &Rules{}
	for _, r := range rules {
		compiled.union |= r.Rights
		if err := checkRule(r); err != nil {
			faults = append(faults, errors.New("rule "+strconv.Quote(r.Pattern)+": "+err.Error()))
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	rules = slices.Clone(rules)
	for i := range rules {
		r := &rules[i]
		r.Accept, r.Refuse = slices.Clone(r.Accept), slices.Clone(r.Refuse)
	}
	compiled.exact = newRuleTable(rules, nil)
	compiled.folded = sync.OnceValue(func() *ruleTable { return newRuleTable(rules, foldElement) })
	return compiled, nil
}

func checkRule(r Rule) error {
	pattern, ok := strings.CutPrefix(r.Pattern, "/")
	if !ok {
		return errors.New("the pattern does not begin with /")
	}
	for text := range strings.SplitSeq(strings.TrimSuffix(pattern, "/"), "/") {
		if pattern == "" {
			break // the root
		}
		if err := checkElement(text); err != nil {
			return err
		}
	}
	for _, text := range slices.Concat(r.Accept, r.Refuse) {
		if strings.Contains(text, "/") {
			return errors.New(strconv.Quote(text) + " has a /, but only the last element of a name is compared with it")
		}
		if err := checkElement(text); err != nil {
			return err
		}
	}
	switch {
	case r.Rights&^wasi.ReadWrite != 0:
		return errors.New("only read, list, write, delete, rename and mkdir are rights to a path")
	case r.MaxSize < 0:
		return errors.New("the largest size is " + strconv.FormatInt(r.MaxSize, 10) + " bytes; write 0 for no limit")
	}
	return nil
}

func checkElement(text string) error {
	quoted := strconv.Quote(text)
	switch plain := strings.ReplaceAll(text, `\`, ""); {
	case plain == "", plain == ".", plain == "..":
		return errors.New("an element is " + quoted + ", and no name has such a one")
	case strings.IndexByte(text, 0) >= 0:
		return errors.New(quoted + " has a zero byte, and no name has one")
	case strings.ContainsRune(text, utf8.RuneError): // which all invalid bytes would match
		return errors.New(quoted + " is not UTF-8, or has the character U+FFFD")
	case strings.Contains(text, "**") && text != "**":
		return errors.New(quoted + " has ** and more; write ** alone between two /, or * for part of an element")
	case !doublestar.ValidatePattern(text):
		return errors.New(quoted + " is no pattern; a [ or { ends before the next /, and a backslash is not the last character")
	}
	return nil
}

func newRuleTable(rules []Rule, fold func(string) string) *ruleTable {
	t := &ruleTable{fold: fold}
	for _, r := range slices.Backward(rules) {
		t.ranked = append(t.ranked, t.compile(r))
	}
	slices.SortStableFunc(t.ranked, func(a, b *rule) int {
		return cmp.Or(b.literals-a.literals, b.text-a.text, a.deeps()-b.deeps())
	})
	t.index()
	return t
}

// index makes what find looks into.
func (t *ruleTable) index() {
	t.literal, t.wild = map[string]*rule{}, map[byte][]*rule{}
	for _, r := range t.ranked {
		if r.tail != "" {
			t.wild[r.tail[len(r.tail)-1]] = nil
		}
	}
	for _, r := range t.ranked {
		switch {
		case r.literals == len(r.elements):
			if t.literal[r.whole] == nil {
				t.literal[r.whole] = r
			}
		case r.tail != "":
			end := r.tail[len(r.tail)-1]
			t.wild[end] = append(t.wild[end], r)
		default:
			t.free = append(t.free, r)
			for end := range t.wild {
				t.wild[end] = append(t.wild[end], r)
			}
		}
	}
}

func (t *ruleTable) compile(of Rule) *rule {
	r := &rule{Rule: of, match: doublestar.MatchUnvalidated}
	texts := strings.Split(strings.Trim(of.Pattern, "/"), "/")
	for len(texts) > 0 && (texts[len(texts)-1] == "**" || texts[len(texts)-1] == "") {
		texts = texts[:len(texts)-1]
	}
	r.whole = "."
	for _, text := range texts {
		e, fixed := t.element(text)
		r.elements = append(r.elements, e)
		r.pattern = path.Join(r.pattern, e.pattern)
		r.text += fixed
		switch {
		case e.any:
			r.deep = true
		case e.literal:
			r.literals++
			fallthrough
		default:
			r.least++
		}
		if r.literals == len(r.elements) {
			r.whole = path.Join(r.whole, e.text)
			r.lead = r.whole
		}
	}
	r.tail = tailOf(r.elements)
	for _, list := range []*[]string{&r.Accept, &r.Refuse} {
		*list = slices.Clone(*list)
		for i, text := range *list {
			(*list)[i] = t.folds(text)
		}
	}
	return r
}

func (t *ruleTable) folds(text string) string {
	if t.fold == nil {
		return text
	}
	return t.fold(text)
}

// element is one of a pattern, and how many characters it has outside of wildcards.
func (t *ruleTable) element(text string) (e element, fixed int) {
	e = element{pattern: t.folds(text), literal: true, any: text == "**"}
	var plain strings.Builder
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '*', '?':
			e.literal = false
			continue
		case '[', '{':
			e.literal = false
			i = closing(text, i)
			continue
		case '\\':
			i++
		}
		plain.WriteByte(text[i])
	}
	e.text = t.folds(plain.String())
	return e, plain.Len()
}

// closing is where the [ or { at from ends in a valid pattern.
func closing(text string, from int) int {
	end, depth := byte(']'), 0
	if text[from] == '{' {
		end = '}'
	}
	for i := from + 1; i < len(text); i++ {
		switch {
		case text[i] == '\\':
			i++
		case text[i] == '{' && end == '}':
			depth++
		case text[i] == end && depth == 0:
			return i
		case text[i] == end:
			depth--
		}
	}
	return len(text) - 1
}

// tailOf is what all names end with that a pattern matches.
func tailOf(elements []element) string {
	if len(elements) == 0 {
		return ""
	}
	last := elements[len(elements)-1]
	if last.literal {
		return last.text
	}
	return last.pattern[strings.LastIndexAny(last.pattern, `*?[]{}\`)+1:]
}

func (r *rule) deeps() (n int) {
	for _, e := range r.elements {
		if e.any {
			n++
		}
	}
	return n
}

// foldElement is one spelling for all spellings of an element that a storage may take for
// the same.
func foldElement(element string) string {
	folded := element
	if !plainElement(element) {
		folded = cases.Fold().String(norm.NFD.String(element))
		folded = strings.Map(func(r rune) rune {
			if r >= utf8.RuneSelf && invisible(r) {
				return -1
			}
			return r
		}, norm.NFD.String(folded))
	}
	if trimmed := strings.TrimRight(folded, ". "); trimmed != "" {
		return trimmed
	}
	return element
}
