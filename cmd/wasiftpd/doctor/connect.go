package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// connectChecks are those until the login.
var connectChecks = []Check[*exam]{
	{
		Name: "connect", Tried: "a TCP connection for the control connection", Run: connect,
		Verdicts: map[string]Verdict{
			"unknown": {
				Level: Fault, Means: "No client that is given this name finds the server.",
				Do: "Correct the name, or its A or AAAA record in the DNS.",
			},
			"refused": {
				Level: Fault, Means: "The machine is there, and nothing listens on this port; or a firewall refuses it.",
				Do:  "Start the server, or have it listen on this port and on an address that clients reach.",
				Set: `listen = [":{port}"]`,
			},
			"silent": {
				Level: Fault, Means: "A firewall drops the connection, or no machine has this address.",
				Do: "Let TCP port {port} through each firewall between the client and the server, and have the router forward it.",
			},
			"unreachable": {
				Level: Fault, Means: "There is no way to this address, or a firewall forbids it.",
				Do: "Check the address, the routes, and each firewall between the client and the server.",
			},
		},
	},
	{
		Name: "implicit-tls", Tried: "a TLS handshake before the greeting", Needs: needsImplicit, Run: implicitTLS,
		Verdicts: map[string]Verdict{
			"clear": {
				Level: Fault, Means: "The port is one for clients that begin without TLS.",
				Do: "Write ftp:// in place of ftps://, or have the server listen for such clients.", Set: `implicit-listen = [":990"]`,
			},
			"failed": tlsFailed,
		},
	},
	{
		Name: "greeting", Tried: "the first reply of the server", Needs: needsControl, Run: greet,
		Verdicts: map[string]Verdict{
			"busy": {
				Level: Fault, Means: "The server lets nobody in now, or not this address: it has too many sessions, or a ban.",
				Do: "Read the server's log. Raise its limits if they are too low.", Set: `max-sessions = "1000"`,
			},
			"silent": {
				Level: Fault, Means: "The server takes the connection and does not greet. A server for implicit TLS does so, one " +
					"that looks up the client's name in a DNS that is down, and a proxy without a server behind it.",
				Do: "For TLS from the first byte write ftps:// in place of ftp://. Else look into the server's log.",
			},
		},
	},
	{
		Name: "feat", Tried: "FEAT", Needs: needsControl, Run: feat,
		Verdicts: map[string]Verdict{
			"refused": {
				Level: Note, Means: "Clients take this for a server of before 1998: no UTF-8, no exact times and sizes.",
				Do: "Nothing, if all your clients work.",
			},
			"poor": {
				Level: Note, Means: "Clients guess the character set of names, or read listings that are made for people.",
				Do: "Nothing, if names and times are right in your clients.",
			},
		},
	},
	{
		Name: "auth-tls", Tried: "AUTH TLS and a TLS handshake", Needs: needsExplicit, Run: authTLS,
		Verdicts: map[string]Verdict{
			"refused": {
				Level: Warning, Means: "Passwords and files go in the clear: whoever is on the way can read and change them.",
				Do: "Give the server a certificate.", Set: `tls-acme = ["{host}"]`,
			},
			"stripped": {
				Level: Fault, Means: "FEAT offers AUTH TLS, and AUTH TLS is refused: the server has no certificate, or something on the " +
					"way keeps clients from TLS.",
				Do: "Give the server a certificate. If it has one, and no AUTH in its log, turn off the FTP inspection of the firewall " +
					"on the way.",
				Set: `tls-acme = ["{host}"]`,
			},
			"failed": tlsFailed,
		},
	},
	{
		Name: "certificate", Tried: "the dates, the issuers and the names of the certificate", Needs: needsTLS, Run: certificate,
		Verdicts: certificateVerdicts,
	},
}

var tlsFailed = Verdict{
	Level: Fault, Means: "No client can protect its password here, and those that require TLS fail.",
	Do: "Read the server's log at this time. Check the certificate and its key, and that TLS 1.2 or 1.3 is spoken.",
}

var certificateVerdicts = map[string]Verdict{
	"expired": {
		Level: Fault, Means: "Clients refuse the certificate, or ask their users to trust it.",
		Do: "Renew it. wasiftpd loads changed files again by itself, and renews those of tls-acme.", Set: `tls-acme = ["{host}"]`,
	},
	"early": {
		Level: Fault, Means: "Clients refuse the certificate; or this machine's clock is wrong.", Do: "Check both clocks.",
	},
	"soon": {
		Level: Warning, Means: "Nobody seems to renew it: most tools do so a month before.",
		Do: "Renew it, and find out why the renewal does not run.", Set: `tls-acme = ["{host}"]`,
	},
	"self-signed": {
		Level: Warning, Means: "Clients ask their users whether they trust the certificate, and scripts fail.",
		Do:  "Tell the users the SHA-256, or have a certificate issued; --ca FILE has the doctor trust it.",
		Set: `tls-acme = ["{host}"]`,
	},
	"incomplete": {
		Level: Fault, Means: "The server does not send the certificate of the issuer, which clients need to trust its own.",
		Do:  "Put the issuer's certificate behind the server's own in the same file (fullchain.pem).",
		Set: `tls-cert = ["fullchain.pem"]`,
	},
	"untrusted": {
		Level: Warning, Means: "The issuer is none that this machine trusts. Clients that don't have it either ask, or fail.",
		Do: "Give clients the certificate of the issuer; --ca FILE has the doctor trust it.",
	},
	"other-name": {
		Level: Fault, Means: "Clients that connect by this name refuse the certificate, or ask.",
		Do: "Have a certificate issued for this name, or give clients the name in it.", Set: `tls-acme = ["{host}"]`,
	},
	"address": {
		Level: Note, Means: "Clients that connect by the address cannot compare it with the certificate.",
		Do: "Give clients a name that is in the certificate.",
	},
}

func needsImplicit(x *exam) string {
	if !x.Implicit {
		return NotHere
	}
	return needsControl(x)
}

func needsExplicit(x *exam) string {
	if x.Implicit {
		return NotHere
	}
	return needsControl(x)
}

func needsControl(x *exam) string {
	if x.control == nil {
		return NotHere
	}
	return ""
}

func needsTLS(x *exam) string {
	if !x.tls {
		return NotHere
	}
	return ""
}

func connect(ctx context.Context, x *exam) []Outcome {
	began := time.Now()
	if err := x.open(ctx); err != nil {
		return One(kindOf(err), fmt.Sprintf("%s: %s.", x.address(), inWords(err)), "port", x.Port)
	}
	took := time.Since(began)
	return One("ok", fmt.Sprintf("%s answers in %s.", x.control.conn.RemoteAddr(), brief(took)))
}

// brief is a time with as many digits as people need.
func brief(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}

func implicitTLS(_ context.Context, x *exam) []Outcome {
	state, err := x.control.secure(x.tlsConfig())
	if err != nil {
		x.drop()
		if record := (tls.RecordHeaderError{}); errors.As(err, &record) {
			return One("clear", "The server did not begin with TLS: "+inWords(err)+".")
		}
		return failedTLS(err)
	}
	x.tls, x.state = true, state
	return One("ok", spoken(state))
}

func spoken(state tls.ConnectionState) string {
	return tls.VersionName(state.Version) + ", " + tls.CipherSuiteName(state.CipherSuite) + "."
}

func failedTLS(err error) []Outcome {
	if kind := kindOf(err); kind == "silent" || kind == "closed" {
		return failed("TLS handshake", err)
	}
	return One("failed", "The handshake ended with: "+inWords(err)+".")
}

func greet(_ context.Context, x *exam) []Outcome {
	r, err := x.control.reply()
	if err == nil && r.is(120) { // ready in some minutes
		r, err = x.control.reply()
	}
	if err != nil {
		x.drop()
		if kindOf(err) == "silent" {
			return One("silent", "No greeting within "+brief(x.Step)+".")
		}
		return failed("Greeting", err)
	}
	if !r.is(220) {
		x.drop()
		if r.is(4) {
			return One("busy", r.String())
		}
		return One("odd", r.String())
	}
	return One("ok", r.String())
}

// wanted are the features that clients of today use, and the words in FEAT.
var wanted = []string{"UTF8", "MLST", "MDTM", "SIZE"}

func feat(ctx context.Context, x *exam) []Outcome {
	r, err := x.do(ctx, "FEAT")
	switch {
	case err != nil:
		return failed("FEAT", err)
	case !r.is(211):
		return One("refused", r.String())
	}
	lines := strings.Split(r.text, "\n")
	for _, line := range lines[1:] {
		verb, rest, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(line)), " ")
		x.features[verb] = true
		if verb == "AUTH" {
			for word := range strings.FieldsFuncSeq(rest, func(r rune) bool { return r == ' ' || r == ';' }) {
				x.features["AUTH "+word] = true
			}
		}
	}
	var missing []string
	for _, word := range wanted {
		if !x.has(word) {
			missing = append(missing, word)
		}
	}
	if len(missing) > 0 {
		return One("poor", fmt.Sprintf("%d lines, without %s.", len(lines)-1, strings.Join(missing, ", ")))
	}
	return One("ok", fmt.Sprintf("%d lines, with %s.", len(lines)-1, strings.Join(wanted, ", ")))
}

func authTLS(ctx context.Context, x *exam) []Outcome {
	host := []string{"host", domain(x.Name)}
	r, err := x.do(ctx, "AUTH TLS")
	switch {
	case err != nil:
		x.brokenTLS = x.has("AUTH TLS")
		return failed("AUTH TLS", err)
	case !r.is(234) && x.has("AUTH TLS"):
		x.brokenTLS = true
		return One("stripped", r.String(), host...)
	case !r.is(234):
		return One("refused", r.String(), host...)
	}
	state, err := x.control.secure(x.tlsConfig())
	if err != nil {
		x.brokenTLS = true
		x.drop()
		return failedTLS(err)
	}
	x.tls, x.state = true, state
	return One("ok", spoken(state))
}

// domain is a name that a certificate can be issued for: name, if it can be one, or an example.
func domain(name string) string {
	if _, err := netip.ParseAddr(name); err == nil || !strings.Contains(name, ".") {
		return "ftp.example.org"
	}
	return name
}

// soon is when an unrenewed certificate gets a warning.
const soon = 14 * 24 * time.Hour

func certificate(_ context.Context, x *exam) []Outcome {
	all := x.state.PeerCertificates
	if len(all) == 0 {
		return One("odd", "The server showed no certificate.")
	}
	var outcomes []Outcome
	leaf := all[0]
	bad := func(kind, happened string) {
		outcomes = append(outcomes, One(kind, happened, "host", domain(x.Name))...)
	}
	outcomes = append(outcomes, Dates(leaf, x.Name)...)
	valid := len(outcomes) == 0 || outcomes[0].Kind == "soon"
	pool := x509.NewCertPool()
	for _, c := range all[1:] {
		pool.AddCert(c)
	}
	// At a time when the leaf is valid, so that its dates are not told twice.
	at := time.Now()
	if !valid {
		at = leaf.NotAfter.Add(-time.Second)
	}
	chain := x509.VerifyOptions{Roots: x.Roots, Intermediates: pool, CurrentTime: at}
	_, err := leaf.Verify(chain)
	unknown := errors.As(err, new(x509.UnknownAuthorityError))
	own := leaf.CheckSignatureFrom(leaf) == nil || string(leaf.RawIssuer) == string(leaf.RawSubject)
	switch {
	case err == nil:
	case unknown && own:
		bad("self-signed", "It has signed itself. SHA-256 "+fingerprint(leaf)+".")
	case unknown && len(all) == 1 && len(leaf.IssuingCertificateURL) > 0:
		bad("incomplete", fmt.Sprintf("It is issued by %q, whose certificate is not sent.", leaf.Issuer))
	default:
		bad("untrusted", fmt.Sprintf("It is issued by %q: %v.", leaf.Issuer, err))
	}
	nameErr := error(nil)
	if !x.AnyName {
		nameErr = leaf.VerifyHostname(x.Name)
	}
	if nameErr != nil {
		kind := "other-name"
		if _, notAddress := netip.ParseAddr(x.Name); notAddress == nil {
			kind = "address"
		}
		bad(kind, fmt.Sprintf("It is for %s, and not for %s.", names(leaf), x.Name))
	}
	x.trusted = valid && err == nil && nameErr == nil
	if len(outcomes) == 0 {
		return One("ok", fmt.Sprintf("It is for %s, issued by %q, and expires in %d days.", names(leaf), leaf.Issuer, Days(leaf)))
	}
	return outcomes
}

// Dates are the outcomes expired, early or soon of a certificate; none if its dates are good.
func Dates(leaf *x509.Certificate, host string) []Outcome {
	now := time.Now()
	switch {
	case now.After(leaf.NotAfter):
		return One("expired", "It expired on "+leaf.NotAfter.Format(time.DateOnly)+".", "host", domain(host))
	case now.Before(leaf.NotBefore):
		return One("early", "It is valid from "+leaf.NotBefore.Format(time.DateTime)+" on.")
	case time.Until(leaf.NotAfter) < soon:
		return One("soon", fmt.Sprintf("It expires in %d days.", Days(leaf)), "host", domain(host))
	}
	return nil
}

// DateVerdicts are what the outcomes of [Dates] mean.
var DateVerdicts = map[string]Verdict{
	"expired": certificateVerdicts["expired"], "early": certificateVerdicts["early"], "soon": certificateVerdicts["soon"],
}

// Days is how many days a certificate has left.
func Days(leaf *x509.Certificate) int { return int(time.Until(leaf.NotAfter).Hours() / 24) }

func names(leaf *x509.Certificate) string {
	all := append([]string{}, leaf.DNSNames...)
	for _, ip := range leaf.IPAddresses {
		all = append(all, net.IP(ip).String())
	}
	if len(all) == 0 {
		return fmt.Sprintf("%q", leaf.Subject.CommonName)
	}
	return strings.Join(all, ", ")
}
