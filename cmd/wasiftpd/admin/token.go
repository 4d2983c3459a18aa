package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
)

// Token lets its owner in.
type Token struct {
	Name  string // for the log
	Hash  [sha256.Size]byte
	Write bool // may change things; else only read
}

// Tokens are all that are good.
type Tokens []Token

// shortest is how long a token is at least, in bytes: 16 random bytes take 22 in base64.
const shortest = 20

// ParseTokens reads a file of lines NAME:RIGHTS:TOKEN; RIGHTS are read or admin. Empty lines
// and those that begin with # count for nothing. The error has all faults, with file and line.
func ParseTokens(path, content string) (all Tokens, err error) {
	var faults []error
	seen := map[string]bool{}
	number := 0
	for line := range strings.SplitSeq(content, "\n") {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		t, err := parseToken(line)
		if err == nil && seen[t.Name] {
			err = fmt.Errorf("%q has a token already; give another name", t.Name)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s:%d: %w", path, number, err))
			continue
		}
		seen[t.Name] = true
		all = append(all, t)
	}
	if len(all) == 0 && faults == nil {
		faults = append(faults, fmt.Errorf("%s: there is no token; write a line NAME:RIGHTS:TOKEN", path))
	}
	return all, errors.Join(faults...)
}

// parseToken reads a line. Its error shows nothing of the token.
func parseToken(line string) (t Token, err error) {
	name, rest, _ := strings.Cut(line, ":")
	rights, token, ok := strings.Cut(rest, ":")
	switch {
	case !ok || name == "":
		return t, errors.New("it is no line NAME:RIGHTS:TOKEN")
	case rights != "read" && rights != "admin":
		return t, fmt.Errorf("the rights %q of %q are neither read nor admin", rights, name)
	case len(token) < shortest:
		return t, fmt.Errorf("the token of %q is shorter than %d bytes and could be guessed; make one by openssl rand -hex 16",
			name, shortest)
	}
	return Token{name, sha256.Sum256([]byte(token)), rights == "admin"}, nil
}

// find returns the token that a text is. It takes as long for each text.
func (all Tokens) find(text string) (found Token, ok bool) {
	hash := sha256.Sum256([]byte(text))
	for _, t := range all {
		if subtle.ConstantTimeCompare(hash[:], t.Hash[:]) == 1 {
			found, ok = t, true
		}
	}
	return found, ok
}
