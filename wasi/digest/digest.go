// Package digest has the hash functions of transfer_hash.
package digest

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"hash/crc32"

	"wasiftp/wasi"
)

var functions = [wasi.HashCount]func() hash.Hash{
	wasi.HashSHA256: sha256.New, wasi.HashSHA512: sha512.New, wasi.HashSHA1: sha1.New, wasi.HashMD5: md5.New,
	wasi.HashCRC32: func() hash.Hash { return crc32.NewIEEE() },
}

// New begins a hash. It panics if the algorithm is not below [wasi.HashCount].
func New(algorithm wasi.Algorithm) hash.Hash { return functions[algorithm]() }
