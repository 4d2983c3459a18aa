package ftp

import "wasiftp/wasi"

// facts is a set of MLSx facts (RFC 3659 §7.5).
type facts uint8

const (
	factType facts = 1 << iota
	factSize
	factModify
	factCreate
	factPerm
	factMode
	allFacts = 1<<iota - 1
)

// factNames are the names of the facts, in the order of the constants and of the output.
var factNames = [...]string{"type", "size", "modify", "create", "perm", "UNIX.mode"}

// appendFacts appends the picked facts of a file, each ended by ";". rights are those of the
// account, of which it may lack some to this file.
func appendFacts(b []byte, picked facts, info *FileInfo, rights Rights) []byte {
	if picked&factType != 0 {
		b = append(appendType(append(b, "type="...), info.Type), ';')
	}
	// The size of a directory would mean nothing.
	if picked&factSize != 0 && info.Type != Dir {
		b = append(appendUint(append(b, "size="...), info.Size), ';')
	}
	if picked&factModify != 0 {
		b = append(appendTime(append(b, "modify="...), info.ModTime), ';')
	}
	if picked&factCreate != 0 && info.Created != 0 {
		b = append(appendTime(append(b, "create="...), info.Created), ';')
	}
	if picked&factPerm != 0 {
		b = append(appendPerm(append(b, "perm="...), info.Type, rights&^info.Denied), ';')
	}
	if picked&factMode != 0 {
		b = append(appendOctal(append(b, "UNIX.mode=0"...), info.Mode), ';')
	}
	return b
}

// factStyle is how MLSD writes facts. It keeps what it last made, because the files in a
// folder are much alike.
type factStyle struct {
	picked facts
	rights Rights
	made   [Other + 1]madeFacts // by the file's type
}

// madeFacts are the facts that depend on a file's type, mode and denied rights alone.
type madeFacts struct {
	ready  bool
	mode   uint32
	denied Rights
	front  []byte // those that come first
	back   []byte // those that come last, and the space behind them
}

// begin sets what a listing writes.
func (s *factStyle) begin(picked facts, rights Rights) {
	if s.picked == picked && s.rights == rights {
		return
	}
	s.picked, s.rights = picked, rights
	for i := range s.made {
		s.made[i].ready = false
	}
}

const (
	frontFacts = factType
	backFacts  = factPerm | factMode
)

// append appends the facts of a file, and a space.
func (s *factStyle) append(b []byte, info *FileInfo) []byte {
	m := &s.made[min(info.Type, Other)]
	if !m.ready || m.mode != info.Mode || m.denied != info.Denied {
		m.ready, m.mode, m.denied = true, info.Mode, info.Denied
		m.front = appendFacts(m.front[:0], s.picked&frontFacts, info, s.rights)
		m.back = append(appendFacts(m.back[:0], s.picked&backFacts, info, s.rights), ' ')
	}
	b = append(b, m.front...)
	b = appendFacts(b, s.picked&^(frontFacts|backFacts), info, s.rights)
	return append(b, m.back...)
}

func appendType(b []byte, t FileType) []byte {
	switch t {
	case Dir:
		return append(b, "dir"...)
	case Link:
		return append(b, "OS.unix=symlink"...)
	case Regular:
		return append(b, "file"...)
	}
	return append(b, "OS.unix=special"...)
}

// permLetters are the letters of the perm fact that each right gives, for a file and for
// a directory (RFC 3659 §7.5.5).
var permLetters = [...]struct {
	right     Rights
	file, dir string
}{
	{wasi.RightRead, "r", "e"},
	{wasi.RightList, "", "l"},
	{wasi.RightWrite, "aw", "c"},
	{wasi.RightDelete, "d", "dp"},
	{wasi.RightRename, "f", "f"},
	{wasi.RightMkdir, "", "m"},
}

func appendPerm(b []byte, t FileType, rights Rights) []byte {
	for _, p := range permLetters {
		switch {
		case rights&p.right == 0:
		case t == Dir:
			b = append(b, p.dir...)
		default:
			b = append(b, p.file...)
		}
	}
	return b
}
