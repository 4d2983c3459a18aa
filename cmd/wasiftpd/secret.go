package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"regexp"
	"strings"
	"unicode"

	"github.com/go-crypt/crypt/algorithm"
	"github.com/go-crypt/crypt/algorithm/argon2"
	"github.com/go-crypt/crypt/algorithm/bcrypt"
	"github.com/go-crypt/crypt/algorithm/md5crypt"
	"github.com/go-crypt/crypt/algorithm/scrypt"
	"github.com/go-crypt/crypt/algorithm/shacrypt"
)

// secret is what an account's password is checked against. The time of a check depends on
// the secret alone.
type secret interface {
	matches(password string) (bool, error)
}

// plainSecret is the digest of a password of --user. Digests have equal lengths, without
// which a comparison would not take equal time.
type plainSecret [sha256.Size]byte

func newPlainSecret(password string) plainSecret { return sha256.Sum256([]byte(password)) }

func (s plainSecret) matches(password string) (bool, error) {
	sum := sha256.Sum256([]byte(password))
	return subtle.ConstantTimeCompare(s[:], sum[:]) == 1, nil
}

// hashedSecret is a hash of the users file.
type hashedSecret struct{ algorithm.Digest }

func (s hashedSecret) matches(password string) (bool, error) { return s.MatchAdvanced(password) }

var (
	errHash = errors.New("its second field is no hash by argon2id, argon2i, argon2d, bcrypt, scrypt, yescrypt, sha512-crypt, " +
		"sha256-crypt or md5-crypt; make the line with wasiftpd passwd, or write * to lock the account")

	errTableHash = errors.New("it is no hash that is known; wasiftpd passwd prints one, between the first two colons")

	// The library would accept a bcrypt cost that it can't compute, and fail at each login.
	bcryptHash = regexp.MustCompile(`^\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$`)

	decoders = map[string]algorithm.DecodeFunc{
		"argon2id": argon2.Decode, "argon2i": argon2.Decode, "argon2d": argon2.Decode,
		"2a": decodeBcrypt, "2b": decodeBcrypt, "2y": decodeBcrypt,
		"scrypt": scrypt.Decode, "y": scrypt.Decode,
		"5": shacrypt.Decode, "6": shacrypt.Decode,
		"1": md5crypt.DecodeVariant(md5crypt.VariantStandard),
	}
)

func decodeBcrypt(hash string) (algorithm.Digest, error) {
	if !bcryptHash.MatchString(hash) {
		return nil, errHash
	}
	return bcrypt.DecodeVariant(bcrypt.VariantStandard)(hash)
}

// parseHash reads a hash of the users file. A hash that begins with "*" or "!"
// locks the account, as in /etc/shadow: its secret is nil. The error does not
// repeat the field, which may be a password in the wrong place.
func parseHash(hash string) (secret, error) {
	if strings.HasPrefix(hash, "*") || strings.HasPrefix(hash, "!") {
		return nil, nil
	}
	parts := strings.SplitN(hash, "$", 3)
	if len(parts) < 3 || parts[0] != "" {
		return nil, errHash
	}
	if parts[1] == "7" {
		return parseScrypt7(hash)
	}
	decode := decoders[parts[1]]
	if decode == nil {
		return nil, errHash
	}
	digest, err := decode(hash)
	if err != nil {
		return nil, errHash
	}
	return hashedSecret{digest}, nil
}

// The cost of our hashes is OWASP's for argon2id, 40 ms and 19 MiB, and no higher, because
// cameras log in once a file, day and night.
const (
	hashMemory = 19 * 1024 // in KiB
	hashPasses = 2
)

// hashPassword makes a hash for the users file.
func hashPassword(password string) (string, error) {
	hasher, err := argon2.New(argon2.WithVariantID(), argon2.WithM(hashMemory), argon2.WithT(hashPasses), argon2.WithP(1))
	if err != nil {
		return "", err
	}
	digest, err := hasher.Hash(password)
	if err != nil {
		return "", err
	}
	return digest.Encode(), nil
}

// checkName refuses names that a line of the users file can't hold.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("the user's name is missing")
	case name != strings.TrimSpace(name), strings.HasPrefix(name, "#"),
		strings.Contains(name, ":"), strings.ContainsFunc(name, unicode.IsControl):
		return errors.New("a user's name can't hold a colon or control characters, begin with #, or have blanks at its ends")
	}
	return nil
}

// checkPassword refuses passwords that no client can send.
func checkPassword(password string) error {
	if password == "" {
		return errors.New("the password is empty")
	}
	if strings.ContainsAny(password, "\r\n\x00") {
		return errors.New("the password holds a line end or NUL, which no client can send")
	}
	return nil
}

// secrets are several, each of which lets a user in. All are checked, so that the time does
// not tell which one was right.
type secrets []secret

func (all secrets) matches(password string) (matched bool, err error) {
	var faults []error
	for _, one := range all {
		ok, err := one.matches(password)
		matched = matched || ok
		faults = append(faults, err)
	}
	if matched {
		return true, nil
	}
	return false, errors.Join(faults...)
}
