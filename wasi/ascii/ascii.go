// Package ascii converts the line ends of representation type ASCII (RFC 959 §3.1.1.1):
// LF in a file, CRLF on the wire. A file that is no text should lose as little as possible.
// So a CRLF in a file is sent as it is, and a received CR is dropped only before LF.
package ascii

import (
	"bytes"
	"io"
)

// AppendCRLF appends p to out with every bare LF as CRLF. last is the byte before p, 0 for
// none. The two may share a buffer if at least len(p) bytes lie between the end of out and p.
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

// AppendLF appends p to out with every CRLF as LF. If p ends in CR, that CR is not appended
// and held is true: the byte that follows decides whether it stays. The two may share a
// buffer.
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
	out := make([]byte, 0, 2*piece)
	var last byte
	return copyPieces(dst, src, func(in []byte, _ bool) []byte {
		out = AppendCRLF(out[:0], in, last)
		if len(in) > 0 {
			last = in[len(in)-1]
		}
		return out
	})
}

// Decode copies the wire to a file.
func Decode(dst io.Writer, src io.Reader) error {
	out := make([]byte, 0, piece+1)
	held := false // the piece before ended in CR
	return copyPieces(dst, src, func(in []byte, end bool) []byte {
		out = out[:0]
		if len(in) > 0 {
			if held && in[0] != '\n' {
				out = append(out, '\r')
			}
			out, held = AppendLF(out, in)
		}
		if end && held {
			out = append(out, '\r')
		}
		return out
	})
}

// copyPieces reads src up to its end, converts each piece and writes it to dst. The last
// piece, the one with end, may be empty.
func copyPieces(dst io.Writer, src io.Reader, convert func(in []byte, end bool) []byte) error {
	in := make([]byte, piece)
	for {
		n, err := src.Read(in)
		if out := convert(in[:n], err == io.EOF); len(out) > 0 {
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
