package doctor

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// loginChecks are the login and what follows it at once.
var loginChecks = []Check[*exam]{
	{
		Name: "login", Tried: "USER and PASS", Needs: needsLoginAllowed, Run: login,
		Verdicts: map[string]Verdict{
			"denied": {
				Level: Fault, Means: "The name or the password is wrong, or the server does not let this user in from here or now.",
				Do: "Try the password again; the server's log has the reason. wasiftpd passwd sets a new one.",
			},
			"no-anonymous": {
				Level: Skipped, Do: "Name a user: ftp://USER@HOST, or --as USER for the server of this machine.",
			},
			"tls-required": {
				Level: Fault, Means: "The server wants TLS before the login, and TLS does not work here.",
				Do: "See to TLS first.",
			},
			"busy": {
				Level: Fault, Means: "The server has no place for this user, or cannot ask its source of accounts.",
				Do: "Read the server's log.", Set: `max-sessions-per-user = "10"`,
			},
		},
	},
	{
		Name: "folder", Tried: "CWD to the folder of the URL", Needs: needsFolder, Run: enterFolder,
		Verdicts: map[string]Verdict{
			"refused": {Level: Fault, Means: "The folder is missing, or this user may not enter it.", Do: "Name another folder in " +
				"the URL."},
		},
	},
	{
		Name: "protection", Tried: "PBSZ 0 and PROT P", Needs: needsLoginTLS, Run: protect,
		Verdicts: map[string]Verdict{
			"refused": {
				Level: Fault, Means: "The control connection is protected, but files and listings go in the clear.",
				Do: "Have the server accept PROT P (RFC 4217 section 9).",
			},
		},
	},
}

func needsLoginAllowed(x *exam) string {
	switch {
	case x.opened == 0, x.control == nil && !x.brokenTLS:
		return NotHere // the connection failed, and a finding says so
	case x.anonymous() || x.Insecure || x.peer.IsLoopback() || x.tls && x.trusted:
		return ""
	case x.tls:
		return "The certificate does not prove who the server is, so it gets no password; --insecure sends it all the " +
			"same, --ca FILE trusts another issuer."
	}
	return "Without TLS the password would go in the clear; --insecure sends it all the same."
}

func needsLogin(x *exam) string {
	if !x.loggedIn {
		return NotHere
	}
	return ""
}

func needsFolder(x *exam) string {
	if x.Folder == "" {
		return NotHere
	}
	return needsLogin(x)
}

func needsLoginTLS(x *exam) string {
	if !x.tls {
		return NotHere
	}
	return needsLogin(x)
}

// logIn sends name and password, and returns the last reply.
func (x *exam) logIn(c *control) (reply, error) {
	r, err := c.command("USER " + x.User)
	if err != nil || !r.is(331) {
		return r, err
	}
	if !x.asked {
		x.asked = true
		switch {
		case x.anonymous():
			x.password = "doctor@example.org"
		case x.Password == nil:
			return r, errors.New("no password is given")
		default:
			if x.password, err = x.Password(); err != nil {
				return r, fmt.Errorf("there is no password: %w", err)
			}
		}
		if strings.ContainsAny(x.password, "\r\n\x00") {
			return r, errors.New("the password holds a line end or NUL, which no client can send")
		}
	}
	return c.command("PASS " + x.password)
}

func login(ctx context.Context, x *exam) []Outcome {
	if f := x.ready(ctx); f != nil {
		return failed("Login", lostError{f})
	}
	r, err := x.logIn(x.control)
	switch {
	case err != nil:
		x.drop()
		return failed("Login", err)
	case r.is(2):
	case r.is(4):
		x.drop()
		return One("busy", r.String())
	case !x.tls && (r.is(521, 522, 533, 534) || strings.Contains(strings.ToUpper(r.text), "TLS")):
		return One("tls-required", r.String())
	case x.anonymous():
		return One("no-anonymous", "anonymous is not let in: "+r.String())
	default:
		return One("denied", r.String())
	}
	x.loggedIn = true
	if r, err := x.do(ctx, "TYPE I"); err != nil || !r.is(2) {
		x.loggedIn = false
		if err != nil {
			return failed("TYPE I", err)
		}
		return One("odd", "TYPE I: "+r.String())
	}
	return One("ok", x.User+" is logged in.")
}

func enterFolder(ctx context.Context, x *exam) []Outcome {
	r, err := x.do(ctx, "CWD "+x.Folder)
	switch {
	case err != nil:
		return failed("CWD", err)
	case !r.is(2):
		x.loggedIn = false // the test file is to be nowhere else
		return One("refused", r.String())
	}
	return One("ok", r.String())
}

func protect(ctx context.Context, x *exam) []Outcome {
	for _, line := range []string{"PBSZ 0", "PROT P"} {
		r, err := x.do(ctx, line)
		if err != nil {
			return failed(line, err)
		}
		if !r.is(2) {
			return One("refused", line+": "+r.String())
		}
	}
	x.protected = true
	_, x.ticket = x.tickets.Get(x.Name) // those of TLS 1.3 come after the handshake
	return One("ok", "Data connections are to be protected.")
}

// fingerprint is a certificate's SHA-256 as clients show it.
func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":")
}
