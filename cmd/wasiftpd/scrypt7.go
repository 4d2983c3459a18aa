package main

import (
	"crypto/subtle"
	"strings"

	"golang.org/x/crypto/scrypt"
)

// scrypt7 is a hash that begins with $7$, as libxcrypt and libsodium write it, and so
// Pure-FTPd. The library knows another form of scrypt only.
type scrypt7 struct {
	n, r, p int
	salt    []byte
	key     string // in itoa64
}

const (
	itoa64 = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

	scrypt7Key    = 32      // bytes
	scrypt7Memory = 1 << 30 // more would be no hash of a login
)

// parseScrypt7 reads $7$Nrrrrrppppp, the salt, $ and the key.
func parseScrypt7(hash string) (secret, error) {
	rest := strings.TrimPrefix(hash, "$7$")
	if len(rest) < 11 {
		return nil, errHash
	}
	logN, okN := number64(rest[:1])
	r, okR := number64(rest[1:6])
	p, okP := number64(rest[6:11])
	salt, key, ok := strings.Cut(rest[11:], "$")
	if !okN || !okR || !okP || !ok || logN < 1 || logN > 30 || r < 1 || p < 1 || r*p >= 1<<30 || 128*r<<logN > scrypt7Memory ||
		len(key) != len(encode64(make([]byte, scrypt7Key))) {
		return nil, errHash
	}
	return scrypt7{1 << logN, r, p, []byte(salt), key}, nil
}

func (s scrypt7) matches(password string) (bool, error) {
	key, err := scrypt.Key([]byte(password), s.salt, s.n, s.r, s.p, scrypt7Key)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare([]byte(encode64(key)), []byte(s.key)) == 1, nil
}

// number64 reads a number whose least 6 bits come first.
func number64(digits string) (n int, ok bool) {
	for i := len(digits) - 1; i >= 0; i-- {
		d := strings.IndexByte(itoa64, digits[i])
		if d < 0 {
			return 0, false
		}
		n = n<<6 | d
	}
	return n, true
}

// encode64 writes bytes, each three as four digits whose least 6 bits come first.
func encode64(b []byte) string {
	var text strings.Builder
	for len(b) > 0 {
		part := b[:min(3, len(b))]
		b = b[len(part):]
		n := 0
		for i, c := range part {
			n |= int(c) << (8 * i)
		}
		for range (8*len(part) + 5) / 6 {
			text.WriteByte(itoa64[n&63])
			n >>= 6
		}
	}
	return text.String()
}
