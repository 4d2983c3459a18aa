package script

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Reply is one whole reply (RFC 959 §4.2).
type Reply struct {
	Code  int
	Lines []string // their texts: of the first and the last line what follows the code, of others all
}

// Text is the reply's lines as one string.
func (r Reply) Text() string { return strings.Join(r.Lines, "\n") }

// maxReply bounds what a server may send as one reply: STAT of a large
// directory is the longest.
const maxReply = 16 << 20

// ReadReply takes one reply, and is strict: every line ends in CRLF and has no
// other CR or LF (RFC 854), a reply of many lines ends as it began, and none of
// the lines between can be mistaken for its end (RFC 959 §4.2).
func ReadReply(in *bufio.Reader) (Reply, error) {
	first, err := readLine(in)
	if err != nil {
		return Reply{}, err
	}
	var code int
	if len(first) < 4 || strings.Trim(first[:3], "0123456789") != "" {
		return Reply{}, fmt.Errorf("%q is no reply", first)
	}
	fmt.Sscanf(first[:3], "%d", &code)
	if code < 100 || code > 659 {
		return Reply{}, fmt.Errorf("%q has no code of RFC 959 or RFC 2228", first)
	}
	r := Reply{Code: code, Lines: []string{first[4:]}}
	switch first[3] {
	case ' ':
		return r, nil
	case '-':
	default:
		return r, fmt.Errorf("%q has neither a space nor a hyphen after its code", first)
	}
	for size := 0; size < maxReply; {
		line, err := readLine(in)
		if err != nil {
			return r, fmt.Errorf("in a reply of many lines: %w", err)
		}
		size += len(line)
		if strings.HasPrefix(line, first[:3]+" ") {
			r.Lines = append(r.Lines, line[4:])
			return r, nil
		}
		r.Lines = append(r.Lines, line)
	}
	return r, fmt.Errorf("a reply %d has no end", code)
}

func readLine(in *bufio.Reader) (string, error) {
	line, err := in.ReadString('\n')
	if err == io.EOF && line != "" {
		return "", fmt.Errorf("the connection ends within the line %q", line)
	}
	if err != nil {
		return "", err
	}
	text, ok := strings.CutSuffix(line, "\r\n")
	// CR NUL is Telnet's carriage return that ends no line (RFC 854).
	if !ok || strings.Contains(strings.ReplaceAll(text, "\r\x00", ""), "\r") {
		return "", fmt.Errorf("the line %q is not ended by CRLF, or has a CR of its own", line)
	}
	return text, nil
}
