package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"wasiftp/host"
)

func (o *options) addRatesTo(f *pflag.FlagSet) {
	f.Func("rate", "move at most `UP:DOWN` bytes a second of all uploads and of all\n"+
		"downloads; 512k, 10M and 1G are multiples of 1024, 0 is no limit,\nand one value is for both (default 0)",
		rates(&o.config.Limits.Rates))
	f.Func("rate-per-user", "at most `UP:DOWN` of all sessions of a user together; anonymous is\none user (default 0)",
		rates(&o.ratesPerUser))
	f.Func("rate-per-session", "at most `UP:DOWN` of each session (default 0)", rates(&o.config.Limits.RatesPerSession))
}

// rates reads UP:DOWN, or one value for both, into target.
func rates(target *host.Rates) func(string) error {
	return func(s string) error {
		up, down, both := strings.Cut(s, ":")
		if !both {
			down = up
		}
		var r host.Rates
		if size(&r.Up)(up) != nil || size(&r.Down)(down) != nil {
			return fmt.Errorf("%q is no UP:DOWN in bytes a second such as 512k:10M, nor one such value or 0 for both", s)
		}
		*target = r
		return nil
	}
}

// sizeUnits are those of sizes, each 1024 times the one before.
const sizeUnits = "KMGT"

// size reads a number of bytes, such as 4096, 512k or 10M, into target.
func size(target *int64) func(string) error {
	return func(s string) error {
		digits, unit := strings.ToUpper(s), int64(1)
		if digits != "" {
			if at := strings.IndexByte(sizeUnits, digits[len(digits)-1]); at >= 0 {
				digits, unit = digits[:len(digits)-1], 1<<(10*(at+1))
			}
		}
		n, err := strconv.ParseUint(digits, 10, 63)
		if err != nil || int64(n) > math.MaxInt64/unit {
			return fmt.Errorf("%q is no number of bytes such as 4096, 512k, 10M or 1G", s)
		}
		*target = int64(n) * unit
		return nil
	}
}

// sizeText writes a number of bytes as [size] reads it.
func sizeText(n int64) string {
	at := 0
	for ; n > 0 && n%1024 == 0 && at < len(sizeUnits); at++ {
		n /= 1024
	}
	return strconv.FormatInt(n, 10) + []string{"", "k", "M", "G", "T"}[at]
}
