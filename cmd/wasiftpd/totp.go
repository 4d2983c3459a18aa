package main

import (
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"
	"github.com/spf13/cobra"
)

// totpKey is a secret of RFC 6238 in base32, from which client and server make a new code
// of 6 digits every 30 seconds by SHA-1, as all apps do; "" is none. The code follows the
// password in PASS, which has no other place for it.
type totpKey string

const (
	totpDigits = 6
	totpPeriod = 30 // seconds

	// totpSkew is how many codes before and after the current one count, as the clocks of
	// both sides differ (RFC 6238, section 5.2).
	totpSkew = 1
)

// leastTOTP is the length of the shortest secret, in bytes: RFC 4226, section 4, R6.
const leastTOTP = 16

var base32Text = base32.StdEncoding.WithPadding(base32.NoPadding)

// parseTOTP reads a secret as apps and servers print it: in any case, with blanks between
// groups of letters, or with padding. The error does not repeat it.
func parseTOTP(text string) (totpKey, error) {
	text = strings.TrimRight(strings.ToUpper(strings.ReplaceAll(text, " ", "")), "=")
	secret, err := base32Text.DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") { // which the decoder drops
		return "", errors.New("it is no secret in base32 (the letters A to Z and the digits 2 to 7); wasiftpd totp makes one")
	}
	if len(secret) < leastTOTP {
		return "", fmt.Errorf("the secret is too short: it needs %d letters or digits; wasiftpd totp makes one",
			base32Text.EncodedLen(leastTOTP))
	}
	return totpKey(text), nil
}

// split parts what a client has sent into the password and the code behind it. Without a
// key all of it is the password.
func (k totpKey) split(sent string) (password, code string) {
	if k == "" || len(sent) < totpDigits {
		return sent, ""
	}
	at := len(sent) - totpDigits
	return sent[:at], sent[at:]
}

// totpUses remembers for which client each code was used last, while the code is valid.
// FTP clients open several connections with one password, so the same client may use a
// code again; no other client may (RFC 6238, section 5.2).
type totpUses struct {
	now func() time.Time

	mu    sync.Mutex
	used  map[totpUse]netip.Prefix
	swept int64 // the period in which those that are no longer valid were last removed
}

// totpUse is a code: that of a user in a period.
type totpUse struct {
	user   string
	period int64 // since 1970
}

func newTOTPUses() *totpUses {
	return &totpUses{now: time.Now, used: map[totpUse]netip.Prefix{}}
}

// check checks a code of a user, and has it used by the client.
func (u *totpUses) check(key totpKey, code, user string, client netip.Addr) error {
	current := u.now().Unix() / totpPeriod
	period, valid := int64(0), false
	for at := current - totpSkew; at <= current+totpSkew; at++ {
		want, err := hotp.GenerateCode(string(key), uint64(at))
		if err != nil {
			return err
		}
		if subtle.ConstantTimeCompare([]byte(code), []byte(want)) == 1 {
			period, valid = at, true
		}
	}
	if !valid {
		return refuse("the code behind the password is wrong, or too old")
	}
	return u.use(totpUse{user, period}, network(client), current)
}

func (u *totpUses) use(code totpUse, client netip.Prefix, current int64) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.swept != current {
		u.swept = current
		for old := range u.used {
			if old.period < current-totpSkew {
				delete(u.used, old)
			}
		}
	}
	if by, again := u.used[code]; again && by != client {
		return refuse("the code behind the password was used by %v, and can't be used from elsewhere", by)
	}
	u.used[code] = client
	return nil
}

func (e *entry) setTOTP(text string) (err error) {
	e.totp, err = parseTOTP(text)
	return err
}

func (p *program) totpCommand() *cobra.Command {
	var file, issuer string
	cmd := &cobra.Command{
		Use:   "totp NAME",
		Short: "Make a secret for a user's codes (TOTP)",
		Long: "totp makes a secret from which an app and the server make a code of 6 digits every 30 seconds. It prints\n" +
			"the URL that sets an app up, for qrencode or by hand, and what to put into the file that has the user:\n\n" +
			"  wasiftpd totp alice --users users\n\n" +
			"The user's password is then the password followed by the code, without a blank between them. With --users\n" +
			"the secret is written into the user's line, in place of one that is there.",
		Args: atMost(1),
		RunE: func(_ *cobra.Command, args []string) error {
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			return p.newTOTP(name, issuer, file)
		},
	}
	f := cmd.Flags()
	f.StringVar(&file, "users", "", "write the secret into the user's line of `FILE`")
	f.StringVar(&issuer, "issuer", "wasiftpd", "the `NAME` of the server in the app")
	return cmd
}

// newTOTP makes a secret, and prints it.
func (p *program) newTOTP(name, issuer, file string) error {
	if err := checkName(name); err != nil {
		return usageError{err}
	}
	if issuer == "" || strings.Contains(issuer, ":") {
		return usageError{errors.New("--issuer: the name is empty, or holds a colon")}
	}
	made, err := totp.Generate(totp.GenerateOpts{Issuer: issuer, AccountName: name})
	if err != nil {
		return fmt.Errorf("cannot make a secret: %w", err)
	}
	text := made.URL() + "\n\n" +
		"In the [[user]] table of a configuration file:  totp = \"" + made.Secret() + "\"\n" +
		"At the end of the user's line in a users file:  :" + totpSetting + made.Secret() + "\n"
	if file != "" {
		if err := setTOTPOf(file, name, made.Secret()); err != nil {
			return fmt.Errorf("cannot write the users file: %w; nothing was changed", err)
		}
		fmt.Fprintf(p.stderr, "The secret was written into the line of user %s in %s.\n", name, file)
		text = made.URL() + "\n"
	}
	if _, err := io.WriteString(p.stdout, text); err != nil {
		return fmt.Errorf("cannot print the secret: %w", err)
	}
	return nil
}

// setTOTPOf writes a secret into a user's line of a users file.
func setTOTPOf(file, name, secret string) error {
	return changeFile(file, func(text string) (string, error) {
		line, known := lineOf(text, name)
		if !known {
			return "", fmt.Errorf("%s has no user %q; wasiftpd passwd makes one", file, name)
		}
		bare, settings := cutSettings(line)
		settings[totpSetting] = secret
		changed, _ := withLine(text, name, joinSettings(bare, settings))
		return changed, nil
	})
}
