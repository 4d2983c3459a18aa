package fsbridge

import (
	"io/fs"
	"runtime"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ValidName reports whether a name stays below the root by its letters alone: whether it
// has the form of [fs.ValidPath], but for the bytes of its elements, of which only NUL is
// refused.
func ValidName(name string) bool { return validName(name, false) }

// checkName refuses a name that does not stay below the root by its letters
// alone. It has the form of [fs.ValidPath] but may hold any byte except NUL, where
// the system takes any.
func checkName(op, name string) error {
	if validName(name, runtime.GOOS == "windows") && (!unicodeOnly || utf8.ValidString(name)) {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
}

func validName(name string, windows bool) bool {
	if name == "." {
		return true
	}
	for element := range strings.SplitSeq(name, "/") {
		if element == "" || element == "." || element == ".." || strings.IndexByte(element, 0) >= 0 {
			return false
		}
		if windows && !validOnWindows(element) {
			return false
		}
	}
	return true
}

// validOnWindows refuses the elements that Windows takes for something else
// than the file of that name: a stream, a drive, a device, or the same name
// with its last dots and spaces taken off.
func validOnWindows(element string) bool {
	for _, c := range []byte(element) {
		if c < ' ' || strings.IndexByte(`\:*?"<>|`, c) >= 0 {
			return false
		}
	}
	if last := element[len(element)-1]; last == '.' || last == ' ' {
		return false
	}
	stem, _, _ := strings.Cut(element, ".")
	stem = strings.ToUpper(strings.TrimRight(stem, " "))
	switch stem {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return false
	}
	for _, device := range []string{"COM", "LPT"} {
		switch number, found := strings.CutPrefix(stem, device); {
		case !found:
		case number == "¹", number == "²", number == "³", len(number) == 1 && '0' <= number[0] && number[0] <= '9':
			return false
		}
	}
	return true
}

// hiddenPrefix begins the names of uploads that are not yet complete.
const hiddenPrefix = ".wasiftp-upload-"

// hiddenByUs reports whether the name of an entry is one that a hidden upload has
// given its file. What has such a name to some file systems only is not removed.
func hiddenByUs(element string) bool { return strings.HasPrefix(element, hiddenPrefix) }

// hiddenName reports whether an element of name is that of an unfinished upload, or
// would be to some file system.
func hiddenName(name string) bool {
	for element := range strings.SplitSeq(name, "/") {
		if hiddenElement(element) {
			return true
		}
	}
	return false
}

// hiddenElement folds case as file systems do, and passes over what some of them do
// not see: marks that show nothing. A FAT file system also gives each file a short
// name, of the first six letters and a number.
func hiddenElement(element string) bool {
	const short = "WASIFT~"
	if len(element) > len(short) && strings.EqualFold(element[:len(short)], short) {
		return '1' <= element[len(short)] && element[len(short)] <= '9'
	}
	rest := hiddenPrefix
	for _, r := range element {
		if r >= utf8.RuneSelf && unseen(r) {
			continue
		}
		if !sameLetter(r, rune(rest[0])) {
			return false
		}
		if rest = rest[1:]; rest == "" {
			return true
		}
	}
	return false
}

func unseen(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// sameLetter says whether a letter is a small one of ASCII, or another case of it:
// there are such outside ASCII.
func sameLetter(r, small rune) bool {
	if r < utf8.RuneSelf {
		return unicode.ToLower(r) == small
	}
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		if other == small {
			return true
		}
	}
	return false
}
