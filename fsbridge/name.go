package fsbridge

import (
	"io/fs"
	"runtime"
	"strings"
	"unicode/utf8"
)

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

// hiddenName reports whether an element of name is that of an unfinished
// upload. Case is folded, as some file systems do.
func hiddenName(name string) bool {
	for element := range strings.SplitSeq(name, "/") {
		if len(element) >= len(hiddenPrefix) && strings.EqualFold(element[:len(hiddenPrefix)], hiddenPrefix) {
			return true
		}
	}
	return false
}
