package ftp

import (
	"bytes"
	"slices"
	"strconv"

	"wasiftp/wasi"
)

// copying is a SITE COPY, SITE CPTO or COMB under way: the world copies the parts into
// the target, one after the other.
type copying struct {
	to       []byte   // the name of the target
	parts    [][]byte // the names of the files to copy
	at       int      // the index of the part that is being copied or deleted
	combines bool     // COMB: parts go to the end of the target, and are deleted in the end
	left     bool     // a part could not be deleted
}

// siteCopyFrom names the file that SITE CPTO copies.
func (s *session) siteCopyFrom(arg []byte) error {
	name, err := s.resolveBelow(arg)
	if err != nil {
		return err
	}
	info, err := s.e.world.Stat(s.handle, name, false)
	if err != nil {
		return err
	}
	if info.Type != Regular {
		return replyNotPlain
	}
	s.from, s.copies = append(s.from[:0], name...), true
	return replyNeedCPTO
}

func (s *session) siteCopyTo(arg []byte) error {
	if len(s.from) == 0 || !s.copies {
		return replyNeedCPFR
	}
	name, err := s.resolveBelow(arg)
	if err != nil {
		return err
	}
	err = s.beginCopy(&copying{to: bytes.Clone(name), parts: [][]byte{bytes.Clone(s.from)}})
	if err != ErrAgain {
		s.from = s.from[:0]
	}
	return err
}

// siteCopy is SITE CPFR and SITE CPTO in one command.
func (s *session) siteCopy(arg []byte) error {
	c, err := s.parseCopying(arg)
	if err != nil {
		return err
	}
	if len(c.parts) != 1 {
		return replyBadArgument
	}
	// COMB, which parseCopying is for, names the target first; SITE COPY the source.
	c.to, c.parts[0] = c.parts[0], c.to
	return s.copyParts(c)
}

// combVerb appends parts to a target, in order, and deletes them once all are copied.
func (s *session) combVerb(arg []byte) error {
	if s.rights&wasi.RightDelete == 0 {
		return ErrPermission // now, and not when all is copied
	}
	c, err := s.parseCopying(arg)
	if err != nil {
		return err
	}
	if len(c.parts) == 0 {
		return replyBadArgument
	}
	c.combines = true
	return s.copyParts(c)
}

// Limits of COMB, which reads its whole argument again for each part that it checks.
const (
	maxParts     = 256
	maxPartNames = 64 << 10 // bytes of the names of the target and all parts
)

// parseCopying reads the pathnames of a target and of its parts. None may be named twice.
func (s *session) parseCopying(arg []byte) (*copying, error) {
	c, size := &copying{}, 0
	for len(arg) > 0 {
		pathname, rest, ok := cutPathname(arg)
		if !ok {
			return nil, replyBadArgument
		}
		name, err := s.resolveBelow(pathname)
		if err != nil {
			return nil, err
		}
		s.e.spent += len(c.parts)
		size += len(name)
		switch {
		case len(c.parts) == maxParts || size > maxPartNames:
			return nil, replyTooManyParts
		case c.to == nil:
			c.to = bytes.Clone(name)
		case bytes.Equal(c.to, name),
			slices.ContainsFunc(c.parts, func(part []byte) bool { return bytes.Equal(part, name) }):
			return nil, replyPartTwice
		default:
			c.parts = append(c.parts, bytes.Clone(name))
		}
		arg = rest
	}
	return c, nil
}

// copyParts checks one part a stage and then begins to copy: all parts must be there
// before the first is copied.
func (s *session) copyParts(c *copying) error {
	for ; s.stage < len(c.parts); s.stage++ {
		info, err := s.e.world.Stat(s.handle, c.parts[s.stage], false)
		switch {
		case err == ErrNotExist:
			return replyNotExist // ErrNotExist would be told as a fault of the target, by 553
		case err != nil:
			return err
		case info.Type != Regular:
			return replyNotPlain
		}
	}
	return s.beginCopy(c)
}

// part is the name of the part that is being copied or deleted.
func (c *copying) part() []byte { return c.parts[c.at] }

// beginCopy begins to copy the first part. It then runs like a transfer without a data
// connection: ABOR ends it, and STAT tells how far it has come.
func (s *session) beginCopy(c *copying) error {
	file, err := s.e.copier.Copy(s.handle, c.part(), c.to, c.combines)
	if err != nil {
		return err
	}
	s.transfer = transfer{state: transferMoving, upload: true, file: file, since: s.e.now, copy: c}
	return nil
}

// proceedCopying begins to copy the next part, and reports false when it has to wait.
func (s *session) proceedCopying() bool {
	if s.waiting {
		return false
	}
	t := &s.transfer
	file, err := s.e.copier.Copy(s.handle, t.copy.part(), t.copy.to, true)
	switch err {
	case nil:
		t.state, t.file, t.since, t.moved = transferMoving, file, s.e.now, 0
	case ErrAgain:
		s.waiting = true
		return false
	default:
		s.copyFailed(err)
	}
	return true
}

// copied goes on to the next part, to deleting the parts or to the reply, once a copy is
// committed. An ABOR that came during the commit was held: it is looked at again.
func (s *session) copied() {
	t := &s.transfer
	c := t.copy
	c.at++
	switch {
	case c.at < len(c.parts):
		t.state = transferCopying
		s.held, s.lines.scanned = 0, 0
	case c.combines:
		t.state, c.at = transferClearing, 0
	default:
		s.finishStatus(replyCopied)
	}
}

// copyFailed ends a copy that cannot go on. The parts that COMB has copied by then stay in
// the target, and none is deleted.
func (s *session) copyFailed(err error) {
	r := replyTo(err, false)
	if c := s.transfer.copy; c.combines {
		r += reply(" Parts in the target: " + strconv.Itoa(c.at) + ", deleted: none.")
	}
	s.finishStatus(r)
}

// proceedClearing deletes the next part, and reports false when it has to wait.
func (s *session) proceedClearing() bool {
	if s.waiting {
		return false
	}
	c := s.transfer.copy
	err := s.e.world.RemoveFile(s.handle, c.part())
	if err == ErrAgain {
		s.waiting = true
		return false
	}
	c.left = c.left || err != nil
	c.at++
	switch {
	case c.at < len(c.parts):
	case c.left:
		s.finishStatus(replyPartsLeft)
	default:
		s.finishStatus(replyCombined)
	}
	return true
}
