// Package ascii converts lines for representation type ASCII (RFC 959 §3.1.1.1): they end
// in LF in a file and in CRLF on the wire. A line that ends in CRLF already stays as it is
// on the way out, and on the way in CR goes only before LF, so that a file which is no text
// loses as little as possible.
package ascii

import (
	"bytes"
	"io"
)

// AppendCRLF appends p to out with every bare LF as CRLF. last is the byte before p, 0 for
// none. Both may lie in one buffer, if p begins behind at least as many bytes as it has.
func AppendCRLF(out, p []byte, last byte) []byte {
	for {
		at := bytes.IndexByte(p, '\n')
		if at < 0 {
			return append(out, p...)
		}
		if at > 0 {
			last = p[at-1]
		}
		out = append(out, p[:at]...)
		if last != '\r' {
			out = append(out, '\r')
		}
		out = append(out, '\n')
		last = '\n'
		p = p[at+1:]
	}
}

// AppendLF appends p to out with every CRLF as LF. A CR at the end of p is held back, as
// nobody knows yet what follows. Both may lie in one buffer.
func AppendLF(out, p []byte) (result []byte, held bool) {
	for {
		at := bytes.IndexByte(p, '\r')
		switch {
		case at < 0:
			return append(out, p...), false
		case at == len(p)-1:
			return append(out, p[:at]...), true
		case p[at+1] == '\n':
			out = append(out, p[:at]...)
		default:
			out = append(out, p[:at+1]...)
		}
		p = p[at+1:]
	}
}

// piece is how many bytes are read at a time.
const piece = 128 << 10

// Encode copies a file to the wire.
func Encode(dst io.Writer, src io.Reader) error {
	in := make([]byte, piece)
	out := make([]byte, 0, 2*piece)
	var last byte
	for {
		n, err := src.Read(in)
		if n > 0 {
			out = AppendCRLF(out[:0], in[:n], last)
			last = in[n-1]
			if _, err := dst.Write(out); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Decode copies the wire to a file.
func Decode(dst io.Writer, src io.Reader) error {
	in := make([]byte, piece)
	out := make([]byte, 0, piece+1)
	held := false // a CR of which is not known yet what follows
	for {
		n, err := src.Read(in)
		out = out[:0]
		if n > 0 {
			if held && in[0] != '\n' {
				out = append(out, '\r')
			}
			out, held = AppendLF(out, in[:n])
		}
		if err == io.EOF && held {
			out = append(out, '\r')
		}
		if len(out) > 0 {
			if _, err := dst.Write(out); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
