package ftp

import "bytes"

// listForm is how a listing describes a file.
type listForm uint8

const (
	formLong     listForm = iota // a line as ls -l writes it
	formNames                    // the name alone (NLST)
	formFacts                    // MLSD's facts (RFC 3659 §7)
	formSessions                 // sessions, not files (SITE WHO)
)

// listRequest is how a command wants its listing.
type listRequest struct {
	listOptions
	form    listForm
	control bool // it is part of a reply, and not for the data connection
}

// listOptions are the options of ls that clients send.
type listOptions struct {
	order          // -t, -S, -r
	all       bool // -a: patterns match names that begin with a dot as well
	recursive bool // -R
	classify  bool // -F
	itself    bool // -d: a directory itself, not its entries
}

// Stages of a command that lists. A pathname with special characters of patterns in it
// is first looked for as it is: people do name directories "[2024]".
const (
	stageDir    = iota // try it as a directory
	stageFile          // try it as a file
	stageParent        // try its last element as a pattern
	stageTree          // try all elements, from the first pattern on, as patterns
)

// listVerb sends a listing as ls -l writes it. Files whose names begin with a
// dot are shown with or without -a: a mirror that does not see them would
// delete or forget them, and MLSD shows them too.
func (s *session) listVerb(arg []byte) error {
	return s.list(arg, listRequest{form: formLong})
}

// nlstVerb sends names alone.
func (s *session) nlstVerb(arg []byte) error {
	return s.list(arg, listRequest{form: formNames})
}

// mlsdVerb sends facts of the files in a directory (RFC 3659 §7).
func (s *session) mlsdVerb(arg []byte) error {
	return s.list(arg, listRequest{form: formFacts})
}

// mlstVerb tells the facts of one file on the control connection.
func (s *session) mlstVerb(arg []byte) error {
	info, err := s.stat(arg)
	if err != nil {
		return err
	}
	b := append(s.e.scratch[:0], "250-Facts:\r\n "...)
	b = append(appendFacts(b, s.picked(), &info, s.rights), " /"...)
	if name := s.e.name; string(name) != "." {
		b = appendName(b, name)
	}
	s.sendLine(append(b, "\r\n250 End."...))
	return nil
}

// list begins a listing.
func (s *session) list(arg []byte, request listRequest) error {
	if request.form != formFacts {
		request.listOptions, arg = cutOptions(arg)
	}
	if s.e.listed >= listMemory {
		return replyListsFull
	}
	if err := s.needData(); err != nil && !request.control {
		return err
	}
	name, err := s.resolve(arg)
	if err != nil {
		return err
	}
	if s.stage == stageDir && !request.itself {
		dir, err := s.e.world.List(s.handle, name, request.namesOnly(nil))
		switch {
		case err == nil:
			s.beginList(dir, name, arg, nil, request)
			return nil
		case err == ErrNotDir && request.form == formFacts:
			return replyNotListable
		case err == ErrNotDir:
			s.stage = stageFile
		case !request.expands(err, arg):
			return err
		default:
			s.stage = stageParent
		}
	}
	if s.stage <= stageFile {
		err := s.listFile(name, arg, request)
		if !request.expands(err, arg) {
			return err
		}
		s.stage = stageParent
	}
	return s.listPattern(name, arg, request)
}

// expands reports whether a pathname is to be tried as a pattern after err, which was the
// fault of trying it as it is.
func (r *listRequest) expands(err error, pathname []byte) bool {
	return (err == ErrNotExist || err == ErrName) && r.form != formFacts && hasPattern(pathname)
}

// namesOnly reports whether the world need tell no more than the names of a folder's
// entries. rest is the pattern for the folder's subfolders: if there is one, the entries'
// types are needed as well.
func (r *listRequest) namesOnly(rest []byte) bool {
	return r.form == formNames && r.key == byName && len(rest) == 0
}

// listFile lists a single file.
func (s *session) listFile(name, arg []byte, request listRequest) error {
	info, err := s.e.world.Stat(s.handle, name, false)
	if err != nil {
		return err
	}
	if request.form == formLong {
		arg = lastElement(arg)
	}
	if len(arg) == 0 {
		arg = []byte(".")
	}
	l := s.beginList(0, name, nil, nil, request)
	l.append(&Entry{FileInfo: info, Name: arg})
	return nil
}

// listPattern lists the files that match a pathname; name is the name of the pathname
// itself. Its folder, too, is first looked for as it is.
func (s *session) listPattern(name, arg []byte, request listRequest) error {
	request.recursive = false
	if tooLong(arg) {
		return replyPatternTooLong
	}
	if s.stage == stageParent {
		pattern := lastElement(arg)
		if parent := arg[:len(arg)-len(pattern)]; hasPattern(pattern) {
			err := s.listMatches(parent, pattern, request)
			if !request.expands(err, parent) {
				return err
			}
		}
		s.stage = stageTree
	}
	base, pattern := cutPattern(arg)
	if goesUp(pattern) {
		// In the name, resolve has dropped each ".." with the element before it.
		base, pattern = []byte{'/'}, bytes.Clone(name)
	}
	return s.listMatches(base, pattern, request)
}

// listMatches lists the files in and below a folder that match a pattern.
func (s *session) listMatches(folder, pattern []byte, request listRequest) error {
	name, err := s.resolve(folder)
	if err != nil {
		return err
	}
	elements, dirs := cutSlash(pattern)
	_, rest := cutElement(elements)
	dir, err := s.e.world.List(s.handle, name, request.namesOnly(rest) && !dirs)
	if err != nil {
		return err
	}
	s.beginList(dir, name, folder, pattern, request)
	return nil
}

// lastElement is what stands behind a pathname's last "/".
func lastElement(pathname []byte) []byte {
	return pathname[bytes.LastIndexByte(pathname, '/')+1:]
}

// cutOptions cuts the options off the front of an argument: words of a hyphen and letters.
// "--" ends them, so that a file named "-a" can be listed.
func cutOptions(arg []byte) (o listOptions, pathname []byte) {
	for len(arg) > 1 && arg[0] == '-' {
		word, rest, _ := bytes.Cut(arg, []byte{' '})
		if string(word) == "--" {
			return o, rest
		}
		if !o.add(word[1:]) {
			return o, arg
		}
		arg = rest
	}
	return o, arg
}

// add adds the options in a word, and reports false if these are no options. It ignores
// unknown ones, and -l, which is always on.
func (o *listOptions) add(letters []byte) bool {
	for _, c := range letters {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '1') {
			return false
		}
	}
	for _, c := range letters {
		switch c {
		case 'a', 'A':
			o.all = true
		case 'R':
			o.recursive = true
		case 't':
			o.key = byTime
		case 'S':
			o.key = bySize
		case 'U', 'f':
			o.key = byName
		case 'r':
			o.reverse = true
		case 'F':
			o.classify = true
		case 'd':
			o.itself = true
		}
	}
	return true
}
