package ftp

import (
	"bytes"
	"slices"

	"wasiftp/wasi"
)

// algorithmNames are those of IANA's registry of FTP hashes. HASH computes the first one
// unless the client chooses another.
var algorithmNames = [...]string{
	wasi.HashSHA256: "SHA-256", wasi.HashSHA512: "SHA-512", wasi.HashSHA1: "SHA-1", wasi.HashMD5: "MD5", wasi.HashCRC32: "CRC32",
}

// sum is a hash that the world computes, and what the reply tells of it.
type sum struct {
	algorithm  wasi.Algorithm
	start, end int64  // the range of the file; end is behind its last byte, 0 for the file's end
	pathname   []byte // of HASH; nil for the older commands, whose reply is the hash alone
}

// hashVerb tells the hash of a file or, after RANG, of a part of it.
func (s *session) hashVerb(arg []byte) error {
	return s.hash(arg, sum{algorithm: s.algorithm, start: s.rest, end: s.until, pathname: bytes.Clone(arg)})
}

// sumVerb makes the command for one hash function that is older than HASH, such as XCRC.
// The end of its range is the first byte that no longer counts.
func sumVerb(algorithm wasi.Algorithm) func(*session, []byte) error {
	return func(s *session, arg []byte) error {
		pathname, start, end, ok := cutRange(arg)
		if !ok {
			return replyBadArgument
		}
		return s.hash(pathname, sum{algorithm: algorithm, start: start, end: end})
	}
}

// hash begins to compute a hash. It then runs like a transfer without a data connection:
// ABOR ends it, and STAT tells how far it has come.
func (s *session) hash(pathname []byte, m sum) error {
	name, err := s.resolve(pathname)
	if err != nil {
		return err
	}
	file, info, err := s.e.world.Open(s.handle, name, OpenRead, m.start)
	if err != nil {
		return err
	}
	size := int64(info.Size)
	if m.end == 0 || m.end > size {
		m.end = size
	}
	if m.start > size {
		err = replyBadRestart
	} else {
		_, err = s.digest(file, &m)
	}
	if err != ErrAgain {
		s.e.world.Close(file)
		return err
	}
	s.transfer = transfer{state: transferMoving, file: file, since: s.e.now, sum: &m}
	return nil
}

// digest returns the hash once the world has computed it, and ErrAgain before. The first
// call begins the computation.
func (s *session) digest(file Handle, m *sum) ([]byte, error) {
	return s.e.hasher.Hash(file, m.algorithm, m.end-m.start, make([]byte, 0, maxDigest))
}

// maxDigest is the length of the longest hash, SHA-512, in bytes.
const maxDigest = 64

// hashed replies with the hash or, if err is not nil, with the fault.
func (s *session) hashed(m *sum, err error) {
	var digest []byte
	if err == nil {
		digest, err = s.digest(s.transfer.file, m)
	}
	if err != nil {
		s.finishStatus(replyTo(err, false))
		return
	}
	s.dropTransfer()
	s.heard = s.e.now
	s.sendLine(m.appendReply(s.e.scratch[:0], digest))
}

// appendReply appends the hash and, for HASH, its algorithm, range and pathname. The range
// is written as RANG has it, with the last byte that counts.
func (m *sum) appendReply(b, digest []byte) []byte {
	if m.pathname == nil {
		return appendHex(append(b, "250 "...), digest)
	}
	b = append(append(b, "213 "...), algorithmNames[m.algorithm]...)
	b = append(appendInt(append(b, ' '), m.start), '-')
	b = append(appendInt(b, max(m.end-1, m.start)), ' ')
	b = append(appendHex(b, digest), ' ')
	return appendName(b, m.pathname)
}

// appendAlgorithms appends the names of all hash functions, the chosen one marked
// with "*" (draft-bryan-ftpext-hash §3.3).
func (s *session) appendAlgorithms(b []byte) []byte {
	for i, name := range algorithmNames {
		if i > 0 {
			b = append(b, ';')
		}
		b = append(b, name...)
		if wasi.Algorithm(i) == s.algorithm {
			b = append(b, '*')
		}
	}
	return b
}

// pickAlgorithm chooses the hash function for HASH, or tells the chosen one.
func (s *session) pickAlgorithm(name []byte) error {
	if len(name) > 0 {
		i := slices.IndexFunc(algorithmNames[:], func(word string) bool { return isWord(name, word) })
		if i < 0 {
			return replyNoAlgorithm
		}
		s.algorithm = wasi.Algorithm(i)
	}
	s.sendLine(append(append(s.e.scratch[:0], "200 "...), algorithmNames[s.algorithm]...))
	return nil
}
