package main

import (
	"strings"
	"testing"
)

// foreign are hashes of "secret" that others have made: OpenSSL and libxcrypt.
var foreign = map[string]string{
	"sha512-crypt": "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1",
	"sha512-crypt with rounds": "$6$rounds=10000$saltsalt$" +
		"WowrPBpEDVlCoruBosYlrZycTCx3//TyDHYqEhX9DUHHt0XTztUqzQDDUuvUGRA8aUe9p55hcAxeGcu58sm3u.",
	"sha256-crypt": "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA",
	"md5-crypt":    "$1$saltsalt$9xy1btjgzLYfb7hivXtC//",
	"yescrypt":     "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$GmcwIgvdUC9qLWcKCi6gklUa1dM3ziD43YxYNURLKy0",
	"scrypt":       "$7$CU..../....SodiumChloride$SgDhJBZvaSDBMst5B70Nz13SP83yo8VuHlxDcyI3x22",
	"bcrypt":       "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a",
}

func TestHashesOfOthers(t *testing.T) {
	t.Parallel()
	for name, hash := range foreign {
		s, err := parseHash(hash)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for password, want := range map[string]bool{"secret": true, "secre": false, "Secret": false, "": false} {
			if ok, err := s.matches(password); ok != want || err != nil {
				t.Errorf("%s: %q: %v, %v", name, password, ok, err)
			}
		}
	}
}

func TestHashByArgon2i(t *testing.T) {
	t.Parallel()
	// Of argon2's own test.c.
	s, err := parseHash("$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8")
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := s.matches("password"); !ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
}

func TestNoHashes(t *testing.T) {
	t.Parallel()
	for _, hash := range []string{
		"", "secret", "$", "$$", "$6", "$6$", "$6$salt", "$6$salt$", "$1$salt", "$gy$j9T$a$b", "abJnggxhB/yWI", "$7$", "$7$C", "$3$$x",
		"$7$zU..../....salt$SgDhJBZvaSDBMst5B70Nz13SP83yo8VuHlxDcyI3x22",
		"$7$C...../....salt$SgDhJBZvaSDBMst5B70Nz13SP83yo8VuHlxDcyI3x22",
		"$7$CU..../....salt$short", "$7$CU..../....salt", "$7$C!..../....salt$SgDhJBZvaSDBMst5B70Nz13SP83yo8VuHlxDcyI3x22",
		"{SHA}x", "$y$$$", "$scrypt$ln=1$a", "$2y$99$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a",
	} {
		if s, err := parseHash(hash); err == nil {
			t.Errorf("%q is a hash: %+v", hash, s)
		} else if hash != "" && len(hash) > 4 && strings.Contains(err.Error(), hash) {
			t.Errorf("%q is told", hash)
		}
	}
}
