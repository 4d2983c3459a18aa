package host

import (
	"bytes"
	"io"
)

// Representation type ASCII (RFC 959 §3.1.1.1): lines end in LF in a file and in
// CRLF on the wire. A line that ends in CRLF already stays as it is on the way
// out, and on the way in CR goes only before LF, so that a file which is no text
// loses as little as possible.

const asciiPiece = 128 << 10

// encodeLines copies a file to the wire.
func encodeLines(dst io.Writer, src io.Reader) error {
	in := make([]byte, asciiPiece)
	out := make([]byte, 0, 2*asciiPiece)
	var last byte
	for {
		n, err := src.Read(in)
		if n > 0 {
			out = appendCRLF(out[:0], in[:n], last)
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

// appendCRLF appends p to out with every bare LF as CRLF; last is the byte
// before p. The engine has the same for worlds that cannot transfer
// (module/ftp/dtp.go): neither side may import the other's.
func appendCRLF(out, p []byte, last byte) []byte {
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

// decodeLines copies the wire to a file.
func decodeLines(dst io.Writer, src io.Reader) error {
	in := make([]byte, asciiPiece)
	out := make([]byte, 0, asciiPiece+1)
	held := false // a CR of which is not known yet what follows
	for {
		n, err := src.Read(in)
		out = out[:0]
		if n > 0 {
			if held && in[0] != '\n' {
				out = append(out, '\r')
			}
			out, held = appendLF(out, in[:n])
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

// appendLF appends p to out with every CRLF as LF; a CR at the end of p is held
// back.
func appendLF(out, p []byte) (result []byte, held bool) {
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
