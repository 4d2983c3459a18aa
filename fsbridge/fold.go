package fsbridge

import (
	"io/fs"
	"strings"
	"unicode/utf8"
)

// FoldingFS is a storage that may take two names for one: "Secret" and "secret", or an é
// of one character and one of two. If FoldsNames is true, [Rules] compare names without
// regard to case, to the form of Unicode, to characters that cannot be seen, and to dots and
// spaces at the end of an element. No file then has a name that may be a short one of FAT,
// such as SECRET~1.
type FoldingFS interface {
	fs.FS
	FoldsNames() bool
}

// plainElement reports whether an element has only small letters and other characters that
// are never changed.
func plainElement(element string) bool {
	for _, c := range []byte(element) {
		if c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}

// foldName folds the elements of a name.
func foldName(name string, fold func(element string) string) string {
	for start, end := 0, 0; end <= len(name); end++ {
		if end < len(name) && name[end] != '/' {
			continue
		}
		if element := name[start:end]; fold(element) != element {
			elements := strings.Split(name, "/")
			for i := range elements {
				elements[i] = fold(elements[i])
			}
			return strings.Join(elements, "/")
		}
		start = end + 1
	}
	return name
}

// shortName reports whether an element of a name may be a short one of FAT: up to six
// characters, ~, a number and up to three characters more.
func shortName(name string) bool {
	if strings.IndexByte(name, '~') < 0 {
		return false
	}
	for element := range strings.SplitSeq(name, "/") {
		stem, _, _ := strings.Cut(element, ".")
		at := strings.LastIndexByte(stem, '~')
		if at > 0 && len(stem) <= 8 && len(stem) > at+1 && strings.Trim(stem[at+1:], "0123456789") == "" {
			return true
		}
	}
	return false
}
