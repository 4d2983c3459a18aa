package script

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Reply is one whole reply (RFC 959 §4.2).
type Reply struct {
	Code  int
	Lines []string // without CRLF; the first and the last without the code
}

// Text is the reply's lines as one string.
func (r Reply) Text() string { return strings.Join(r.Lines, "\n") }

// maxReply is the most bytes of one reply. STAT of a large directory is the longest.
const maxReply = 16 << 20

// ReadReply reads one reply, and is strict: every line ends in CRLF and has no
// other CR or LF (RFC 854), and a multi-line reply ends with the code that it began
// with (RFC 959 §4.2).
func ReadReply(in *bufio.Reader) (Reply, error) {
	first, err := readLine(in)
	if err != nil {
		return Reply{}, err
	}
	code, err := strconv.Atoi(first[:min(3, len(first))])
	if err != nil || len(first) < 4 {
		return Reply{}, fmt.Errorf("%q is no reply", first)
	}
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
			return r, fmt.Errorf("in a multi-line reply: %w", err)
		}
		size += len(line)
		line, last := strings.CutPrefix(line, first[:3]+" ")
		r.Lines = append(r.Lines, line)
		if last {
			return r, nil
		}
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
	// CR NUL is Telnet's bare carriage return (RFC 854).
	if !ok || strings.Contains(strings.ReplaceAll(text, "\r\x00", ""), "\r") {
		return "", fmt.Errorf("the line %q is not ended by CRLF, or has a CR of its own", line)
	}
	return text, nil
}
