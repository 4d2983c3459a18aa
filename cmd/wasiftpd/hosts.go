package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/certmagic"
)

// virtualHost is a host of --host. [options.forHost] fills in for fields that are "".
type virtualHost struct {
	name      string // in lower case
	root      string
	users     string
	anonymous string
	cert, key string // files
}

const hostHelp = "`NAME[,KEY=VALUE...]`: serve clients that name the host NAME, by HOST\n" +
	"or in the TLS handshake, otherwise; repeatable. KEY is root, users,\n" +
	"anonymous, or cert and key, with VALUE as in the flags. users and\n" +
	"anonymous let in nobody but those. Other names are then refused"

// setHost reads a host as docker reads --mount: quotes allow a comma in a value.
func (o *options) setHost(s string) error {
	fields, err := csv.NewReader(strings.NewReader(s)).Read()
	if err != nil || !certmagic.SubjectQualifiesForCert(fields[0]) || strings.ContainsAny(fields[0], "*=") {
		return fmt.Errorf("%q does not begin with a host such as ftp.example.org", s)
	}
	h := virtualHost{name: strings.ToLower(strings.TrimSuffix(fields[0], "."))}
	if slices.ContainsFunc(o.hosts, func(other virtualHost) bool { return other.name == h.name }) {
		return fmt.Errorf("the host %s is given twice", h.name)
	}
	keys := map[string]func(string) error{
		"root": nonEmpty(&h.root), "users": nonEmpty(&h.users), "anonymous": rightsOrOff(&h.anonymous),
		"cert": nonEmpty(&h.cert), "key": nonEmpty(&h.key),
	}
	for _, field := range fields[1:] {
		key, value, _ := strings.Cut(field, "=")
		set, known := keys[key]
		if !known {
			return fmt.Errorf("%q is none of root=DIR, users=FILE, anonymous=off|RIGHTS, cert=FILE, key=FILE", field)
		}
		if err := set(value); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	if (h.cert == "") != (h.key == "") {
		return fmt.Errorf("the host %s needs cert and key, or neither", h.name)
	}
	o.hosts = append(o.hosts, h)
	if h.cert != "" {
		o.tls.hosts = append(o.tls.hosts, h)
	}
	o.config.Hosts = append(o.config.Hosts, h.name)
	return nil
}

func nonEmpty(target *string) func(string) error {
	return func(s string) error {
		if s == "" {
			return errors.New("nothing is given; give a path, or leave the key out")
		}
		*target = s
		return nil
	}
}

// forHost returns the options that hold for a virtual host: its own and, where it has
// none, those of the server. With users or anonymous of its own it has none of the
// server's users.
func (o *options) forHost(h virtualHost) *options {
	own := *o
	if h.root != "" {
		own.root = h.root
	}
	if h.users != "" || h.anonymous != "" {
		own.users, own.entries, own.usersFile, own.anonymous = nil, nil, h.users, h.anonymous
		own.sources.given = nil
	}
	return &own
}

// addHosts adds the accounts of all virtual hosts to a. All hosts share one queue of
// password checks, because they share the machine's processors. users returns the entries
// of a host's users file.
func (o *options) addHosts(a *accounts, users func(*options) []entry) error {
	a.hosts = map[string]*accounts{}
	var faults []error
	for _, h := range o.hosts {
		own := &accounts{
			byName: map[string]account{}, seed: a.seed, checks: a.checks, codes: a.codes, rehasher: a.rehasher, options: o,
			clientAuth: a.clientAuth, perUser: a.perUser, rates: a.rates, quota: a.quota, everyone: a.everyone, suffix: "@" + h.name,
		}
		at := o.forHost(h)
		if len(at.sources.given) > 0 {
			own.sources = a.sources
		}
		if err := at.fill(own, users(at)); err != nil {
			faults = append(faults, fmt.Errorf("--host %s: %w", h.name, err))
		}
		a.hosts[h.name] = own
	}
	return errors.Join(faults...)
}
