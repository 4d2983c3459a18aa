package runtimes

import (
	"slices"
	"testing"
)

// Where the runtime has UTF-8 names only, the server refuses all others itself: wasmtime
// ends a component that uses one.
func TestNamesThatAreNotUnicode(t *testing.T) {
	eachTarget(t, func(t *testing.T, to target) {
		if !slices.Contains(to.lacks, "bytes") {
			t.Skip("it has them")
		}
		converse(t, to.serve(t, t.TempDir()), `
file a "hello"
== Names with bytes that are no letters
login
pasv
>> "MKD d\xfe\r\n"
< 550
>> "STOR d\xfe\r\n"
< 553
>> "RETR d\xfe\r\n"
< 550
>> "CWD d\xfe\r\n"
< 550
>> "NLST d\xfe\r\n"
< 550
>> "SIZE d\xfe\r\n"
< 550
>> "DELE d\xfe\r\n"
< 550
> RNFR a
< 350
>> "RNTO d\xfe\r\n"
< 553
> RETR a
< 150
receive "hello"
< 226
`)
	})
}
