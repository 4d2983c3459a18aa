package ftp

import (
	"bytes"
	"slices"

	"wasiftp/wasi"
)

// copying is files that the world copies into one, one after the other: a file
// and its copy, or what COMB puts together.
type copying struct {
	to       []byte
	parts    [][]byte // names
	at       int      // which of them is being copied, or deleted
	combines bool     // they go to the end of what is there, and are then deleted
	left     bool     // one of them could not be
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

// siteCopy is both in one.
func (s *session) siteCopy(arg []byte) error {
	c, err := s.parseCopying(arg)
	if err != nil {
		return err
	}
	if len(c.parts) != 1 {
		return replyBadArgument
	}
	// COMB names the target first, this the source.
	c.to, c.parts[0] = c.parts[0], c.to
	if err = s.checkParts(c); err == nil {
		err = s.beginCopy(c)
	}
	return err
}

// combVerb puts parts to the end of a target, in order, and deletes them once
// all are there.
func (s *session) combVerb(arg []byte) error {
	if s.rights&wasi.RightDelete == 0 {
		return ErrPermission // before, and not after all is copied
	}
	c, err := s.parseCopying(arg)
	if err != nil {
		return err
	}
	if len(c.parts) == 0 {
		return replyBadArgument
	}
	c.combines = true
	if err = s.checkParts(c); err == nil {
		err = s.beginCopy(c)
	}
	return err
}

// COMB takes so many parts, whose names have so many bytes together: they are read
// again for each part that has to be looked at.
const (
	maxParts     = 256
	maxPartNames = 64 << 10
)

// parseCopying reads the names of a target and of parts, each of which may be
// named once.
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
		case bytes.Equal(c.to, name) || c.has(name):
			return nil, replyPartTwice
		default:
			c.parts = append(c.parts, bytes.Clone(name))
		}
		arg = rest
	}
	return c, nil
}

// has says whether a name is among the parts.
func (c *copying) has(name []byte) bool {
	return slices.ContainsFunc(c.parts, func(part []byte) bool { return bytes.Equal(part, name) })
}

// checkParts looks at one part a stage: all must be there before the first is
// copied.
func (s *session) checkParts(c *copying) error {
	for ; s.stage < len(c.parts); s.stage++ {
		info, err := s.e.world.Stat(s.handle, c.parts[s.stage], false)
		switch {
		case err == ErrNotExist:
			return replyNotExist // of a part, whatever the reply for a target would be
		case err != nil:
			return err
		case info.Type != Regular:
			return replyNotPlain
		}
	}
	return nil
}

// part is the name of the one that is being copied or deleted.
func (c *copying) part() []byte { return c.parts[c.at] }

// beginCopy begins to copy the first file. It goes on like a transfer, but
// without a data connection: ABOR ends it, STAT tells how far it has come.
func (s *session) beginCopy(c *copying) error {
	file, err := s.e.copier.Copy(s.handle, c.part(), c.to, c.combines)
	if err != nil {
		return err
	}
	s.transfer = transfer{state: transferMoving, upload: true, file: file, since: s.e.now, copy: c}
	return nil
}

// proceedCopying begins to copy the next file.
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

// copied goes on when a file is copied and its copy final. An ABOR that came
// meanwhile is looked at again.
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

// copyFailed ends a copy that cannot go on. What COMB has copied until then
// stays where it is, and so do the parts.
func (s *session) copyFailed(err error) {
	c := s.transfer.copy
	r := replyTo(err, false)
	if !c.combines {
		s.finishStatus(r)
		return
	}
	s.dropTransfer()
	s.heard = s.e.now
	b := append(append(s.e.scratch[:0], r...), " Parts in the target: "...)
	s.sendLine(append(appendInt(b, int64(c.at)), ", deleted: none."...))
}

// proceedClearing deletes the next part.
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
