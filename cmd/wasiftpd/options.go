package main

import (
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/host/quota"
)

// options are the values of serve's flags. Values that the server takes as they are
// stand in config.
type options struct {
	file      string // the configuration file
	listen    []string
	root      string
	anonymous string // "" is not given
	users     []user
	entries   []entry          // of [[user]] tables
	groups    map[string]*node // the [[group]] tables, by name
	rules     []fsbridge.Rule  // for all users
	hooks     []*hook
	usersFile string
	rehash    bool
	sources   sourceOptions
	hosts     []virtualHost
	public    []publicOption
	atomic    bool
	sync      bool
	module    string
	cacheDir  string
	runAs     string
	walled    wallOptions
	log       logOptions
	admin     adminOptions
	journaled bool // the log goes to systemd's journal
	tls       tlsOptions
	config    host.Config

	sessionsPerUser int
	ratesPerUser    host.Rates
	quotaPerUser    quota.Limits
	stateDir        string        // "" is the usual one
	stopTimeout     time.Duration // 0 is no limit
	upgradeTimeout  time.Duration // 0 is no limit
	keepsBans       bool          // over restarts
}

// user is an account of --user.
type user struct {
	name, password, rights string
}

func (o *options) addTo(f *pflag.FlagSet) {
	f.SortFlags = false
	f.StringVar(&o.file, configFlag, "", "read users, and what no flag and no variable says, from `FILE`")
	f.Func("listen", "listen on `ADDR`, as in 127.0.0.1:2121, the default; repeatable;\n:2121 is every address of "+
		"this machine", listenTo(&o.listen))
	f.StringVar(&o.root, "root", ".", "serve the folder `DIR`")
	f.Func("anonymous", "what those without a password may do: `off|RIGHTS`, rights as\n"+
		"below (default ro when no user is given, else off)", rightsOrOff(&o.anonymous))
	f.Func("user", "let in `NAME:PASSWORD[:RIGHTS]`, to ro unless said; repeatable.\n"+
		"For trying things out: others on this machine can see it.\n"+
		"A password that holds a colon needs its rights said.\n"+
		"RIGHTS are ro, rw, wo for a drop box that shows nothing, or some\n"+
		"of read,list,write,delete,rename,mkdir,admin", o.setUser)
	f.StringVar(&o.usersFile, "users", "", "let in the users of `FILE`; see wasiftpd passwd")
	f.BoolVar(&o.rehash, "rehash", false, "when users log in, make hashes that are weaker than those of\npasswd anew by argon2id, "+
		"in the file that they stand in")
	o.addSourcesTo(f)
	f.Func("rule", ruleHelp, o.setRule)
	f.Func("host", hostHelp, o.setHost)
	o.addTLSTo(f)
	f.Func("passive-ports", "take passive data connections on the ports `A-B` (default any)", o.setPassivePorts)
	o.addNetworkTo(f)
	o.config.Limits.Sessions, o.config.Limits.SessionsPerAddress = 1000, 100
	f.Func("max-sessions", "at most `N` sessions at a time; 0 is no limit (default 1000)", count(&o.config.Limits.Sessions))
	f.Func("max-sessions-per-address", "at most `N` sessions of a client address (default 100)",
		count(&o.config.Limits.SessionsPerAddress))
	f.Func("max-startups", "at most FULL sessions that are not logged in; from START on, RATE\n"+
		"percent are refused of addresses that have most of them:\n"+
		"`START:RATE:FULL` (default half of --max-sessions:30:all of them)", o.setStartups)
	f.Func("max-sessions-per-user", "at most `N` sessions of a user, but for anonymous (default 0)", count(&o.sessionsPerUser))
	o.addRatesTo(f)
	o.addBansTo(f)
	o.addQuotasTo(f)
	f.Func("idle-timeout", "end sessions after `TIME` without command or data (default 5m)",
		duration(&o.config.Limits.IdleTime, 1, "90s, 5m or 1h30m"))
	o.config.Limits.LoginTime = time.Minute
	f.Func("login-timeout", "end sessions that have not logged in after `TIME` (default 1m)",
		duration(&o.config.Limits.LoginTime, 1, "30s or 2m"))
	f.Func("data-timeout", "wait `TIME` for a data connection (default 30s)",
		duration(&o.config.Limits.DataTime, 1, "30s or 2m"))
	f.Func("stall-timeout", "abort transfers after `TIME` without a byte (default 5m)",
		duration(&o.config.Limits.StallTime, 1, "30s or 5m"))
	o.stopTimeout = 30 * time.Second
	f.Func("stop-timeout", "at the first Ctrl-C or SIGTERM, wait `TIME` for running transfers\n"+
		"and then abort them; 0 is for ever (default 30s)", duration(&o.stopTimeout, 0, "30s or 5m, nor 0"))
	o.addUpgradeTo(f)
	f.BoolVar(&o.config.AllowForeignDataAddress, "allow-foreign-data-address", false,
		"allow data connections with others than the client, for FXP;\nthis lets clients make the server connect anywhere")
	f.BoolVar(&o.atomic, "atomic-uploads", false, "hide an upload until it is complete, drop it when aborted")
	f.BoolVar(&o.sync, "sync", false, "have what was uploaded or changed on the disk before the reply")
	o.addBehaviourTo(f)
	f.StringVar(&o.runAs, "run-as", "", "when all ports are open, stop being root and become `USER[:GROUP]`,\n"+
		"with the groups of USER or GROUP alone. That user must be able to\nread files that are to be loaded again")
	f.Func("landlock", "`off|DIR`: on Linux, no files can be opened but those in served\n"+
		"folders, those that are loaded again and those beside them. DIR is\nleft open too, for folders that come "+
		"later; repeatable; off leaves\nall open", o.walled.set)
	f.StringVar(&o.config.Greeting, "greeting", "", "greet clients with `TEXT`")
	f.Func("sessions-per-instance", "at most `N` sessions an instance of the engine; 1 isolates\nmost and costs "+
		"most, 0 is no limit (default 0)", count(&o.config.SessionsPerInstance))
	f.StringVar(&o.module, "module", "", "run the engine in `FILE`, not the one built in")
	f.StringVar(&o.cacheDir, "cache-dir", "", "keep the compiled engine in `DIR`, or nowhere when off\n"+
		"(default wasiftpd in your cache folder, else systemd's cache\nfolder, else /var/cache/wasiftpd)")
	o.log.addTo(f)
	o.admin.addTo(f)
}

// anchor makes all paths absolute. Files are opened by them again while the server runs,
// when the current folder may be another.
func (o *options) anchor() {
	if dir, err := os.Getwd(); err == nil {
		o.anchorAt(dir)
	}
}

// anchorAt makes all paths absolute that are relative to dir.
func (o *options) anchorAt(dir string) {
	anchor := func(paths ...*string) {
		for _, path := range paths {
			if *path != "" && !filepath.IsAbs(*path) {
				*path = filepath.Join(dir, *path)
			}
		}
	}
	anchor(&o.file, &o.root, &o.usersFile, &o.sources.root, &o.module, &o.tls.dir, &o.tls.clientCA, &o.stateDir,
		&o.log.file, &o.log.transfers, &o.admin.tokens)
	if o.admin.socket != "off" {
		anchor(&o.admin.socket)
	}
	if o.cacheDir != "off" {
		anchor(&o.cacheDir)
	}
	for _, files := range [][]string{o.tls.certs, o.tls.keys, o.walled.extra} {
		for i := range files {
			anchor(&files[i])
		}
	}
	for i := range o.sources.given {
		anchor(&o.sources.given[i].program, &o.sources.given[i].sqlite)
	}
	for _, hosts := range [][]virtualHost{o.hosts, o.tls.hosts} {
		for i := range hosts {
			h := &hosts[i]
			anchor(&h.root, &h.users, &h.cert, &h.key)
		}
	}
}

// listenTo reads an address and appends it to target.
func listenTo(target *[]string) func(string) error {
	return func(s string) error {
		host, port, err := net.SplitHostPort(s)
		if err == nil {
			_, err = net.LookupPort("tcp", port)
		}
		if err != nil || strings.ContainsAny(host, " \t") {
			return fmt.Errorf("%q is no HOST:PORT such as 127.0.0.1:2121 or :2121", s)
		}
		*target = append(*target, s)
		return nil
	}
}

func (o *options) setUser(s string) error {
	name, password, _ := strings.Cut(s, ":")
	u := user{name: name, password: password, rights: "ro"}
	if at := strings.LastIndexByte(password, ':'); at >= 0 {
		u.password, u.rights = password[:at], password[at+1:]
	}
	if err := checkName(u.name); err != nil {
		return err
	}
	if err := checkPassword(u.password); err != nil {
		return fmt.Errorf("%w; write NAME:PASSWORD or NAME:PASSWORD:RIGHTS", err)
	}
	if _, err := host.ParseRights(u.rights); err != nil { // not repeated: they may be part of a password
		return fmt.Errorf("the last field of user %q is no right; write NAME:PASSWORD:RIGHTS, with %s. "+
			"A password that holds a colon needs its rights said", u.name, host.RightsHelp)
	}
	o.users = append(o.users, u)
	return nil
}

func (o *options) setPassivePorts(s string) error {
	a, b, _ := strings.Cut(s, "-")
	first, errA := strconv.ParseUint(a, 10, 16)
	last, errB := strconv.ParseUint(b, 10, 16)
	if errA != nil || errB != nil || first == 0 || first > last {
		return fmt.Errorf("%q is no range of ports such as 50000-50099", s)
	}
	o.config.Passive.FirstPort, o.config.Passive.LastPort = uint16(first), uint16(last)
	return nil
}

func (o *options) setStartups(s string) error {
	l := &o.config.Limits
	values := []*int{&l.StrangersStart, &l.StrangersRate, &l.Strangers}
	parts := strings.Split(s, ":")
	for i, value := range values {
		if len(parts) != len(values) || count(value)(parts[i]) != nil || *value == 0 || l.StrangersRate > 100 {
			return fmt.Errorf("%q is no START:RATE:FULL such as 100:30:1000", s)
		}
	}
	if l.StrangersStart > l.Strangers {
		return fmt.Errorf("%q starts above its end; write START:RATE:FULL such as 100:30:1000", s)
	}
	return nil
}

// duration reads a length of time, not shorter than least, into target.
func duration(target *time.Duration, least time.Duration, examples string) func(string) error {
	return func(s string) error {
		d, err := time.ParseDuration(s)
		if err != nil || d < least {
			return fmt.Errorf("%q is no length of time such as %s", s, examples)
		}
		*target = d
		return nil
	}
}

func oneOf(target *string, choices ...string) func(string) error {
	return func(s string) error {
		if !slices.Contains(choices, s) {
			return fmt.Errorf("%q is none of %s", s, strings.Join(choices, ", "))
		}
		*target = s
		return nil
	}
}

func count(target *int) func(string) error {
	return func(s string) error {
		n, err := strconv.ParseUint(s, 10, 31)
		if err != nil {
			return fmt.Errorf("%q is no whole number from 0 to %d", s, math.MaxInt32)
		}
		*target = int(n)
		return nil
	}
}
