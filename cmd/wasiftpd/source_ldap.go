package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"wasiftp/host"
)

// ldapSource logs in to a directory as the user.
type ldapSource struct {
	url     *url.URL
	dn      string // with %u for the user's name
	timeout time.Duration
	turns   *checks
}

// bindsAtATime is how many connections to the directory there are at a time.
const bindsAtATime = 16

func (s *sourceOptions) addLDAP(text string) error {
	u, err := url.Parse(text)
	known := err == nil && (u.Host != "" && (u.Scheme == "ldap" || u.Scheme == "ldaps") || u.Scheme == "ldapi")
	if !known || u.User != nil || strings.Trim(u.Path, "/") != "" && u.Scheme != "ldapi" {
		return fmt.Errorf("%q is no URL such as ldaps://ldap.example.org; --auth-ldap-dn says where the users are", text)
	}
	s.given = append(s.given, sourceOption{ldap: text})
	return nil
}

// setDN reads the name by which users log in to the directory.
func (s *sourceOptions) setDN(text string) error {
	if _, err := ldap.ParseDN(strings.ReplaceAll(text, "%u", "x")); err != nil || !strings.Contains(text, "%u") {
		return fmt.Errorf("%q is no name with %%u in it such as uid=%%u,ou=people,dc=example,dc=org", text)
	}
	s.ldapDN = text
	return nil
}

func newLDAPSource(text string, o *options) (*ldapSource, error) {
	if o.sources.ldapDN == "" {
		return nil, usageError{blame("auth-ldap", text, errors.New("--auth-ldap needs --auth-ldap-dn, such as "+
			"uid=%u,ou=people,dc=example,dc=org"))}
	}
	u, _ := url.Parse(text) // as addLDAP did
	return &ldapSource{
		url: u, dn: o.sources.ldapDN, timeout: o.sources.timeout, turns: newTurns(bindsAtATime),
	}, nil
}

func (l *ldapSource) label() string { return l.url.String() }

func (l *ldapSource) verify(ctx context.Context, login host.Login) (a answer, err error) {
	from := network(login.Client.Addr())
	if err := l.turns.Enter(ctx, from); err != nil {
		return a, err
	}
	defer l.turns.Leave(from)
	c, err := l.dial(ctx)
	if err != nil {
		return a, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	err = c.Bind(strings.ReplaceAll(l.dn, "%u", ldap.EscapeDN(login.User)), login.Password.Reveal())
	switch {
	case err == nil:
		return answer{user: login.User}, nil
	case ctx.Err() != nil:
		return a, ctx.Err()
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultInvalidCredentials, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInvalidDNSyntax):
		return a, errUnknown // a directory does not tell a wrong password from a wrong name
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultConstraintViolation, ldap.LDAPResultInsufficientAccessRights,
		ldap.LDAPResultUnwillingToPerform, ldap.LDAPResultInappropriateAuthentication):
		return a, fmt.Errorf("%w: %w", host.ErrDenied, err)
	}
	return a, err
}

// dial connects to the directory, by TLS unless it is on this machine.
func (l *ldapSource) dial(ctx context.Context) (*ldap.Conn, error) {
	limited, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	deadline, _ := limited.Deadline()
	secure := &tls.Config{ServerName: l.url.Hostname(), MinVersion: tls.VersionTLS12}
	c, err := ldap.DialURL(l.url.String(), ldap.DialWithTLSConfig(secure), ldap.DialWithDialer(&net.Dialer{Deadline: deadline}))
	if err != nil {
		return nil, err
	}
	c.SetTimeout(l.timeout)
	if l.url.Scheme == "ldap" && !isLocal(l.url.Hostname()) {
		if err := c.StartTLS(secure); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}
