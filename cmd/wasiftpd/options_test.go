package main

import (
	"log/slog"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"wasiftp/host"
)

// parse reads flags as serve does.
func parse(t *testing.T, args ...string) options {
	t.Helper()
	var o options
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	o.addTo(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args   []string
		change func(*options) // to the options of no flags
	}{
		{[]string{"--listen=:2121", "--listen=[::1]:0"}, func(o *options) { o.listen = []string{":2121", "[::1]:0"} }},
		{[]string{"--root=/srv"}, func(o *options) { o.root = "/srv" }},
		{[]string{"--anonymous=rw"}, func(o *options) { o.anonymous = "rw" }},
		{[]string{"--user=a:b", "--user=c:d:rw"}, func(o *options) { o.users = []user{{"a", "b", "ro"}, {"c", "d", "rw"}} }},
		{[]string{"--user=a:b:c:ro"}, func(o *options) { o.users = []user{{"a", "b:c", "ro"}} }},
		{[]string{"--user=a:rw:ro"}, func(o *options) { o.users = []user{{"a", "rw", "ro"}} }},
		{[]string{"--user=a:rw"}, func(o *options) { o.users = []user{{"a", "rw", "ro"}} }},
		{[]string{"--user=a:b:ro:rw"}, func(o *options) { o.users = []user{{"a", "b:ro", "rw"}} }},
		{[]string{"--user=a:b:wo", "--user=c:d:list,write+mkdir"}, func(o *options) {
			o.users = []user{{"a", "b", "wo"}, {"c", "d", "list,write+mkdir"}}
		}},
		{[]string{"--anonymous=list+write"}, func(o *options) { o.anonymous = "list+write" }},
		{[]string{"--users=f"}, func(o *options) { o.usersFile = "f" }},
		{[]string{"--passive-ports=50000-50099"},
			func(o *options) { o.config.Passive.FirstPort, o.config.Passive.LastPort = 50000, 50099 }},
		{[]string{"--proxy-protocol=192.0.2.0/24, 2001:db8::1", "--proxy-protocol", "127.0.0.1"}, func(o *options) {
			o.config.Proxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::1/128"),
				netip.MustParsePrefix("127.0.0.1/32")}
		}},
		{[]string{"--max-sessions=0"}, func(o *options) { o.config.Limits.Sessions = 0 }},
		{[]string{"--max-sessions-per-address=8"}, func(o *options) { o.config.Limits.SessionsPerAddress = 8 }},
		{[]string{"--max-startups=10:30:60"}, func(o *options) {
			o.config.Limits.StrangersStart, o.config.Limits.StrangersRate, o.config.Limits.Strangers = 10, 30, 60
		}},
		{[]string{"--auth-http=https://a/b", "--auth-program=p", "--auth-http=http://c"}, func(o *options) {
			o.sources.given = []sourceOption{{url: "https://a/b"}, {program: "p"}, {url: "http://c"}}
		}},
		{[]string{"--auth-ldap=ldaps://a", "--auth-ldap-dn=uid=%u,dc=a"}, func(o *options) {
			o.sources.given, o.sources.ldapDN = []sourceOption{{ldap: "ldaps://a"}}, "uid=%u,dc=a"
		}},
		{[]string{"--auth-sql=sqlite:f", "--auth-sql=postgres://a/b", "--auth-sql-query=SELECT $1"}, func(o *options) {
			o.sources.given, o.sources.query = []sourceOption{{sqlite: "f"}, {postgres: "postgres://a/b"}}, "SELECT $1"
		}},
		{[]string{"--auth-root=/a/%u", "--auth-rights=wo"}, func(o *options) { o.sources.root, o.sources.rights = "/a/%u", "wo" }},
		{[]string{"--auth-timeout=1s"}, func(o *options) { o.sources.timeout = time.Second }},
		{[]string{"--auth-cache=5m"}, func(o *options) { o.sources.cache = 5 * time.Minute }},
		{[]string{"--allow-from=10.0.0.0/8, ::1", "--allow-from=192.0.2.1"}, func(o *options) {
			o.config.Bans.Allow = []netip.Prefix{
				netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("192.0.2.1/32"),
			}
		}},
		{[]string{"--deny-from=10.1.0.0/16"}, func(o *options) {
			o.config.Bans.Deny = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
		}},
		{[]string{"--ban-after=off"}, func(o *options) { o.config.Bans.After = 0 }},
		{[]string{"--ban-after=3/1h"}, func(o *options) {
			o.config.Bans.After, o.config.Bans.Window, o.keepsBans = 3, time.Hour, true
		}},
		{[]string{"--ban-time=1h"}, func(o *options) { o.config.Bans.Time = time.Hour }},
		{[]string{"--max-connection-rate=9"}, func(o *options) { o.config.Bans.Rate = 9 }},
		{[]string{"--idle-timeout=90s"}, func(o *options) { o.config.Limits.IdleTime = 90 * time.Second }},
		{[]string{"--login-timeout=90s"}, func(o *options) { o.config.Limits.LoginTime = 90 * time.Second }},
		{[]string{"--data-timeout=10s"}, func(o *options) { o.config.Limits.DataTime = 10 * time.Second }},
		{[]string{"--stall-timeout=1h"}, func(o *options) { o.config.Limits.StallTime = time.Hour }},
		{[]string{"--stop-timeout=5m"}, func(o *options) { o.stopTimeout = 5 * time.Minute }},
		{[]string{"--stop-timeout=0"}, func(o *options) { o.stopTimeout = 0 }},
		{[]string{"--upgrade-timeout=0"}, func(o *options) { o.upgradeTimeout = 0 }},
		{[]string{"--sessions-per-instance=1"}, func(o *options) { o.config.SessionsPerInstance = 1 }},
		{[]string{"--module=m.wasm"}, func(o *options) { o.module = "m.wasm" }},
		{[]string{"--cache-dir=off"}, func(o *options) { o.cacheDir = "off" }},
		{[]string{"--log-format=json"}, func(o *options) { o.log.format = "json" }},
		{[]string{"--log-level=debug"}, func(o *options) { o.log.level = slog.LevelDebug }},
		{[]string{"--log-file=l"}, func(o *options) { o.log.file = "l" }},
		{[]string{"--transfer-log=x"}, func(o *options) { o.log.transfers = "x" }},
		{[]string{"--allow-foreign-data-address"}, func(o *options) { o.config.AllowForeignDataAddress = true }},
		{[]string{"--atomic-uploads"}, func(o *options) { o.atomic = true }},
		{[]string{"--sync"}, func(o *options) { o.sync = true }},
		{[]string{"--max-sessions-per-user=2"}, func(o *options) { o.sessionsPerUser = 2 }},
		{[]string{"--tls=self-signed"}, func(o *options) { o.tls.own = "self-signed" }},
		{[]string{"--tls-cert=a", "--tls-cert=b", "--tls-key=c"},
			func(o *options) { o.tls.certs, o.tls.keys = []string{"a", "b"}, []string{"c"} }},
		{[]string{"--tls-acme=a", "--tls-acme=b", "--tls-acme-ca=https://ca"},
			func(o *options) { o.tls.acme, o.tls.acmeCA = []string{"a", "b"}, "https://ca" }},
		{[]string{"--tls-dir=d"}, func(o *options) { o.tls.dir = "d" }},
		{[]string{"--implicit-listen=:990"}, func(o *options) { o.tls.implicit = []string{":990"} }},
		{[]string{"--tls-require=control"}, func(o *options) { o.tls.require = "control" }},
		{[]string{"--tls-min=1.3"}, func(o *options) { o.tls.min = "1.3" }},
		{[]string{"--tls-data-resumption=off"}, func(o *options) { o.tls.resumption = "off" }},
		{[]string{"--tls-close=require"}, func(o *options) { o.tls.close = "require" }},
		{[]string{"--tls-close=require", "--tls-lenient-close"}, func(o *options) { o.tls.close = "prefer" }},
		{[]string{"--tls-client-ca=f", "--tls-client-auth=login"},
			func(o *options) { o.tls.clientCA, o.tls.clientAuth = "f", "login" }},
		{[]string{"--behaviour=make-parents,hide-dot-files", "--behaviour", "follow-links"}, func(o *options) {
			o.config.Behaviour.MakeParents, o.config.Behaviour.HideDotFiles, o.config.FollowLinks = true, true, true
		}},
		{[]string{"--allow=site-copy, comb", "--allow", "site-rmdir"}, func(o *options) {
			o.config.Allow.SiteCopy, o.config.Allow.Combine, o.config.Allow.SiteRmdir = true, true, true
		}},
		{[]string{"--allow=site-symlink"}, func(o *options) { o.config.Allow.SiteSymlink = true }},
		{[]string{"--allow=ccc,sscn,cpsv"},
			func(o *options) { o.config.Allow.CCC, o.config.Allow.SSCN, o.config.Allow.CPSV = true, true, true }},
		{[]string{"--behaviour=no-ascii-rest,no-mode-z,no-hash"}, func(o *options) {
			o.config.Behaviour.NoASCIIRest, o.config.Behaviour.NoModeZ, o.config.Behaviour.NoHash = true, true, true
		}},
		{[]string{"--charset=windows-1252"}, func(o *options) { o.config.Charset = "windows-1252" }},
		{[]string{"--list-time-zone=UTC"}, func(o *options) { o.config.ListZone = time.UTC }},
		{[]string{"--owner=me"}, func(o *options) { o.config.Behaviour.Owner, o.config.Behaviour.Group = "me", "me" }},
		{[]string{"--owner=me:us"}, func(o *options) { o.config.Behaviour.Owner, o.config.Behaviour.Group = "me", "us" }},
		{[]string{"--greeting=Hello."}, func(o *options) { o.config.Greeting = "Hello." }},
	} {
		want := parse(t)
		test.change(&want)
		if got := parse(t, test.args...); !reflect.DeepEqual(got, want) {
			t.Errorf("%q give\n%+v, want\n%+v", test.args, got, want)
		}
	}
}

func TestAnonymousRights(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args []string
		want host.Rights
	}{
		{nil, host.ReadOnly},
		{[]string{"--user=a:b"}, 0},
		{[]string{"--users=f"}, 0},
		{[]string{"--user=a:b", "--anonymous=ro"}, host.ReadOnly},
		{[]string{"--anonymous=rw"}, host.ReadWrite},
		{[]string{"--anonymous=off"}, 0},
		{[]string{"--anonymous=wo"}, host.RightWrite | host.RightMkdir},
		{[]string{"--anonymous=list,write"}, host.RightList | host.RightWrite},
	} {
		o := parse(t, test.args...)
		if got := o.anonymousRights(); got != test.want {
			t.Errorf("%q give anonymous %b, want %b", test.args, got, test.want)
		}
	}
}

func TestRights(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]host.Rights{
		"ro": host.ReadOnly, "rw": host.ReadWrite, "ro,mkdir": host.ReadOnly | host.RightMkdir,
		"list, write": host.RightList | host.RightWrite, "read,list,write,delete,rename,mkdir": host.ReadWrite,
		"wo": host.RightWrite | host.RightMkdir, "wo,list": host.RightWrite | host.RightMkdir | host.RightList,
		"write+mkdir": host.RightWrite | host.RightMkdir,
		"rw,admin":    host.ReadWrite | host.RightAdmin, "admin": host.RightAdmin,
	} {
		if got, err := host.ParseRights(s); got != want || err != nil {
			t.Errorf("host.ParseRights(%q) = %b, %v; want %b", s, got, err, want)
		}
	}
	for _, s := range []string{"", "RW", "ro,", "ro rw", "adm", "off", "+", "ro+"} {
		if got, err := host.ParseRights(s); err == nil || got != 0 {
			t.Errorf("host.ParseRights(%q) = %b, %v; want a fault", s, got, err)
		}
	}
}
