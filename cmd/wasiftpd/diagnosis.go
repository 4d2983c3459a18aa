package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"wasiftp/cmd/wasiftpd/doctor"
	"wasiftp/fsbridge"
	"wasiftp/host"
)

// diagnosis is what the doctor knows of this machine's server before it connects to it.
type diagnosis struct {
	options  *options
	config   *configFile
	readOnly bool
	step     time.Duration

	unread   bool  // the configuration has a fault that leaves no options
	fault    error // in the configuration
	warnings []string
	accounts *accounts // nil after a fault
}

// doctorHere looks at the configuration, and at the server that runs with it. fault is that
// of the variables and the configuration file.
func (p *program) doctorHere(o *options, config *configFile, fault error, d doctorOptions) error {
	own := &diagnosis{options: o, config: config, readOnly: d.readOnly, step: d.step, unread: fault != nil, fault: fault}
	host, port := connectable(slices.Concat(o.addresses(), o.tls.implicit)[0])
	c := doctor.Config{
		Host: host, Port: port, Implicit: len(o.addresses()) == 0, User: d.as, Insecure: true,
		Name: o.shownAs(), AnyName: true, Told: p.told(o),
	}
	own.chooseUser(&c)
	if err := p.setDoctor(&c, d); err != nil {
		return err
	}
	return p.diagnose(net.JoinHostPort(host, port), d, func(ctx context.Context, tell func(doctor.Finding)) {
		if fault == nil {
			own.inspect(ctx)
		}
		doctor.Run(ctx, localChecks, own, tell)
		if fault == nil {
			c.Told.Writable, c.Told.Rights = own.allowed(c.User)
			doctor.Examine(ctx, c, tell)
		}
	})
}

// chooseUser has the examination log in as a user whose password the flags have, unless
// another was asked for.
func (d *diagnosis) chooseUser(c *doctor.Config) {
	users := d.options.users
	if c.User == "" && len(users) > 0 {
		c.User = users[0].name
	}
	for _, u := range users {
		if u.name == c.User {
			c.Password = func() (string, error) { return u.password, nil }
		}
	}
}

// allowed are the rights of a user, "" for anonymous, and the folder if the user may write
// there. Both are "" if rules may say otherwise, or nothing is known.
func (d *diagnosis) allowed(user string) (folder, rights string) {
	if d.accounts == nil {
		return "", ""
	}
	own, known := d.accounts.byName[user]
	if !known {
		if d.accounts.anonymous == nil || user != "" && !slices.Contains([]string{"anonymous", "ftp"}, user) {
			return "", ""
		}
		own = *d.accounts.anonymous
	}
	if len(own.rules) > 0 {
		return "", ""
	}
	if own.rights&host.RightWrite != 0 {
		folder = own.root
	}
	return folder, rightsOneByOne(own.rights)
}

// shownAs is a name that the server has a certificate for.
func (o *options) shownAs() string {
	if len(o.tls.acme) > 0 {
		return o.tls.acme[0]
	}
	return "localhost"
}

// inspect does what check does, and keeps what it says.
func (d *diagnosis) inspect(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, err := d.options.inspect(ctx, d.config, slog.New(&warnings{to: &d.warnings}))
	if d.fault = d.config.placed(err); r != nil {
		d.accounts = r.current.Load()
	}
}

// warnings is a [slog.Handler] that keeps warnings and errors as text.
type warnings struct {
	to    *[]string
	attrs []slog.Attr
}

func (w *warnings) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

func (w *warnings) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Message)
	add := func(a slog.Attr) bool {
		fmt.Fprintf(&b, " %s=%v", a.Key, a.Value)
		return true
	}
	for _, a := range w.attrs {
		add(a)
	}
	r.Attrs(add)
	*w.to = append(*w.to, b.String())
	return nil
}

func (w *warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &warnings{to: w.to, attrs: slices.Concat(w.attrs, attrs)}
}

func (w *warnings) WithGroup(string) slog.Handler { return w }

// localChecks are made before the server is connected to.
var localChecks = []doctor.Check[*diagnosis]{
	{
		Name: "configuration", Tried: "what wasiftpd check tries", Run: checkConfiguration,
		Verdicts: map[string]doctor.Verdict{
			"faulty": {
				Level: doctor.Fault, Means: "The server does not start with this, nor load it.",
				Do: "Correct it; wasiftpd check says what the server makes of the rest.",
			},
			"warned": {
				Level: doctor.Warning, Means: "The server starts, and warns of this in its log.", Do: "Do what the warning says.",
			},
		},
	},
	{
		Name: "listeners", Tried: "a connection to each address that the server listens on", Needs: needsSettings,
		Run: checkListeners,
		Verdicts: map[string]doctor.Verdict{
			"absent": {
				Level: doctor.Fault, Means: "The server does not run, or runs with another configuration.",
				Do: "Start it, or give the doctor the --config and the flags that it runs with. Its log has the reason if it ended.",
			},
		},
	},
	{
		Name: "passive-range", Tried: "to listen on each of the passive ports", Needs: needsSettings,
		Run: checkPassiveRange,
		Verdicts: map[string]doctor.Verdict{
			"any": {
				Level: doctor.Note, Means: "No firewall can let passive ports through without letting all through.",
				Do: "Choose a range, let it through the firewall, and forward it.", Set: `passive-ports = "50000-50099"`,
			},
			"taken": {
				Level: doctor.Warning, Means: "Other programs have some of the ports, or transfers run on them.",
				Do: "If the server is idle, find the programs by ss -tlnp, or choose another range.",
			},
			"all-taken": {
				Level: doctor.Fault, Means: "No passive data connection can be made.",
				Do: "Find the programs that have the ports by ss -tlnp, or choose another range.", Set: `passive-ports = "{other}"`,
			},
		},
	},
	{
		Name: "folders", Tried: "to open the folder of each user, as the user that the doctor runs as", Needs: needsAccounts,
		Run: checkAllFolders,
		Verdicts: map[string]doctor.Verdict{
			"closed": {
				Level: doctor.Fault, Means: "Logins of these users are refused until the folder can be opened.",
				Do: "Make the folder, give the server's user the right to enter it, or name another.", Set: `root = "{root}"`,
			},
			"full": doctor.SpaceVerdicts["full"], "low": doctor.SpaceVerdicts["low"],
		},
	},
	{
		Name: "state", Tried: "to write into the folder for what outlives the server", Needs: needsState,
		Run: checkState,
		Verdicts: map[string]doctor.Verdict{
			"closed": {
				Level: doctor.Fault, Means: "The server can't keep the counts of quotas, and does not start or refuses logins.",
				Do: "Give the server's user a folder of its own.", Set: `state-dir = "/var/lib/wasiftpd"`,
			},
		},
	},
	{
		Name: "certificates", Tried: "the dates of the certificates in the configuration", Needs: needsCertificates,
		Run: checkCertificates, Verdicts: doctor.DateVerdicts,
	},
}

func needsSettings(d *diagnosis) string {
	if d.unread {
		return doctor.NotHere
	}
	return ""
}

func needsAccounts(d *diagnosis) string {
	if d.accounts == nil {
		return doctor.NotHere
	}
	return needsSettings(d)
}

func needsState(d *diagnosis) string {
	needed := d.options.stateDir != ""
	if d.accounts != nil {
		d.accounts.each(func(a *account) { needed = needed || a.quota.Bytes+a.quota.Files > 0 })
	}
	switch {
	case !needed || d.unread:
		return doctor.NotHere
	case d.readOnly:
		return "--read-only: nothing is written."
	}
	return ""
}

func needsCertificates(d *diagnosis) string {
	if !d.options.tls.on() {
		return doctor.NotHere
	}
	return needsSettings(d)
}

func checkConfiguration(_ context.Context, d *diagnosis) (outcomes []doctor.Outcome) {
	if d.fault != nil {
		for line := range strings.SplitSeq(d.fault.Error(), "\n") {
			outcomes = append(outcomes, doctor.One("faulty", line)...)
		}
	}
	for _, line := range d.warnings {
		outcomes = append(outcomes, doctor.One("warned", line)...)
	}
	if len(outcomes) == 0 {
		return doctor.One("ok", "No faults.")
	}
	return outcomes
}

func checkListeners(ctx context.Context, d *diagnosis) (outcomes []doctor.Outcome) {
	all := slices.Concat(d.options.addresses(), d.options.tls.implicit)
	for _, addr := range all {
		host, port := connectable(addr)
		conn, err := (&net.Dialer{Timeout: d.step}).DialContext(ctx, "tcp", net.JoinHostPort(host, port))
		if err != nil {
			outcomes = append(outcomes, doctor.One("absent", fmt.Sprintf("%s: %v.", addr, err))...)
			continue
		}
		conn.Close()
	}
	if len(outcomes) == 0 {
		return doctor.One("ok", "The server listens on "+strings.Join(all, ", ")+".")
	}
	return outcomes
}

func checkPassiveRange(_ context.Context, d *diagnosis) []doctor.Outcome {
	passive := d.options.config.Passive
	if passive.FirstPort == 0 {
		return doctor.One("any", "The server uses any port.")
	}
	var taken []string
	for port := int(passive.FirstPort); port <= int(passive.LastPort); port++ {
		l, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
		if err == nil {
			l.Close()
		} else if !errors.Is(err, syscall.EACCES) { // a low port, which the server opens as root
			taken = append(taken, fmt.Sprint(port))
		}
	}
	n := int(passive.LastPort) - int(passive.FirstPort) + 1
	happened := fmt.Sprintf("%d of %d ports can't be listened on", len(taken), n)
	switch {
	case len(taken) == 0:
		return doctor.One("ok", fmt.Sprintf("All %d ports from %d to %d are free.", n, passive.FirstPort, passive.LastPort))
	case len(taken) == n:
		other := "50000-50099"
		if passive.FirstPort <= 50099 && passive.LastPort >= 50000 {
			other = "40000-40099"
		}
		return doctor.One("all-taken", happened+".", "other", other)
	case len(taken) > maxListed:
		taken = append(taken[:maxListed], "…")
	}
	return doctor.One("taken", happened+": "+strings.Join(taken, ", ")+".")
}

func checkAllFolders(_ context.Context, d *diagnosis) (outcomes []doctor.Outcome) {
	all := d.accounts.folders()
	for _, path := range slices.Sorted(maps.Keys(all)) {
		users := listed(all[path])
		dir, err := folderAt(path, fsbridge.DirOptions{})
		if err != nil {
			outcomes = append(outcomes, doctor.One("closed", fmt.Sprintf("%s: %v.", users, err), "root", path)...)
			continue
		}
		if storage, ok := any(dir).(fsbridge.SpaceFS); ok {
			if free, err := storage.Space("."); err == nil {
				outcomes = append(outcomes, doctor.Space(path+" of "+users, free)...)
			}
		}
		dir.Close()
	}
	return outcomes
}

// state tries the folder that is given or, of the usual ones, the first that is there.
func checkState(_ context.Context, d *diagnosis) []doctor.Outcome {
	places := []place{{dir: d.options.stateDir}}
	if d.options.stateDir == "" {
		places = usualPlaces(os.UserConfigDir, "STATE_DIRECTORY", "/var/lib")
	}
	for _, p := range places {
		info, err := os.Stat(p.dir)
		switch {
		case p.err != nil, errors.Is(err, fs.ErrNotExist):
			continue
		case err == nil && !info.IsDir():
			err = fmt.Errorf("%s is a file and no folder", p.dir)
		case err == nil:
			err = writable(p.dir)
		}
		if err != nil {
			return doctor.One("closed", err.Error())
		}
		return doctor.One("ok", p.dir+" can be written to.")
	}
	return doctor.One("ok", "The folder is not there yet; the server makes it.")
}

func checkCertificates(_ context.Context, d *diagnosis) (outcomes []doctor.Outcome) {
	t := &d.options.tls
	for _, p := range t.loaded {
		leaf := p.current.Load().Leaf
		name := cmp.Or(strings.Join(leaf.DNSNames, ", "), leaf.Subject.CommonName)
		dated := doctor.Dates(leaf, append(leaf.DNSNames, name)[0])
		for i := range dated {
			dated[i].Happened = p.certFile + ": " + dated[i].Happened
		}
		if dated == nil {
			dated = doctor.One("ok", fmt.Sprintf("%s, for %s, expires in %d days.", p.certFile, name, doctor.Days(leaf)))
		}
		outcomes = append(outcomes, dated...)
	}
	if t.own == "self-signed" {
		if cert, file := t.keptCertificate(); cert != nil {
			outcomes = append(outcomes, doctor.One("ok", fmt.Sprintf("%s expires in %d days.", file, doctor.Days(cert.Leaf)))...)
		}
	}
	return outcomes
}
