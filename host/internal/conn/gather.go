package conn

import "sync"

// SecurePiece is how many bytes of a file are encrypted before they are sent, and how many
// decrypted ones are written at a time.
const SecurePiece = 256 << 10

// SecurePieces are buffers of that size.
var SecurePieces = sync.Pool{New: func() any { return new([SecurePiece]byte) }}

// mostGathered is room for such a piece, with its records' headers and tags.
const mostGathered = SecurePiece + SecurePiece/8

// ciphertexts are buffers of that capacity.
var ciphertexts = sync.Pool{New: func() any {
	b := make([]byte, 0, mostGathered)
	return &b
}}

// Gather keeps what TLS writes, a record at a time, until Flush: then all of it takes one
// system call.
func (c *Closing) Gather() {
	if c.records == nil {
		c.records = ciphertexts.Get().(*[]byte)
	}
}

// Flush writes what was gathered since Gather, and ends that.
func (c *Closing) Flush() error {
	b := c.records
	if b == nil {
		return nil
	}
	c.records = nil
	_, err := c.Conn.Write(*b)
	if *b = (*b)[:0]; cap(*b) == mostGathered {
		ciphertexts.Put(b)
	}
	return err
}

// Write implements [net.Conn].
func (c *Closing) Write(p []byte) (int, error) {
	if c.records == nil {
		return c.Conn.Write(p)
	}
	*c.records = append(*c.records, p...)
	return len(p), nil
}
