package fsbridge

import (
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ValidName reports whether a name, symbolic links aside, names the root or a file below
// it. Its form is that of [fs.ValidPath], but elements may hold any byte except NUL.
func ValidName(name string) bool { return validName(name, false) }

// checkName refuses a name that is not a [ValidName], or that the operating system
// does not take.
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

// validOnWindows refuses the elements for which Windows would open something else than
// a file of that name: a stream, a drive, a device, or the file whose name lacks the
// dots and spaces at the end.
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

// hiddenPrefix begins the name of the file of a hidden upload until it is committed.
const hiddenPrefix = ".wasiftp-upload-"

// hiddenByUs reports whether a hidden upload may have given a file this name. Unlike
// hiddenElement, it takes no other spellings: files of those names are not ours to remove.
func hiddenByUs(element string) bool { return strings.HasPrefix(element, hiddenPrefix) }

// hiddenName reports whether an element of name may be the file of a hidden upload.
func hiddenName(name string) bool {
	return slices.ContainsFunc(strings.Split(name, "/"), hiddenElement)
}

// hiddenElement reports whether some file system may take element for the name of a
// hidden upload's file. File systems fold case, and some ignore invisible characters. A
// FAT file system also gives each file a short name: six letters and a number.
func hiddenElement(element string) bool {
	const short = "WASIFT~"
	if len(element) > len(short) && strings.EqualFold(element[:len(short)], short) {
		return '1' <= element[len(short)] && element[len(short)] <= '9'
	}
	rest := hiddenPrefix
	for _, r := range element {
		if r >= utf8.RuneSelf && invisible(r) {
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

func invisible(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// sameLetter reports whether r is the small ASCII letter, or another case of it: some
// letters outside ASCII are, such as U+017F, the long s.
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
