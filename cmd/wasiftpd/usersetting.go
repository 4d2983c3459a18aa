package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"wasiftp/cmd/wasiftpd/admin"
	"wasiftp/fsbridge"
	"wasiftp/host"
)

// userSetting is a key of [[user]] tables. A value of the user counts before one of his
// group, and that before [defaults].
type userSetting struct {
	key    string
	own    bool   // users alone have it, not [defaults] and groups
	help   string // for the sample; "" is not shown there
	sample string // a value, as TOML
	set    func(e *entry, v *node) error
}

// mostHashes bounds the hashes of a user, because a login is checked against each.
const mostHashes = 4

// userSettings are in the order in which they are read: the zone comes before the dates.
var userSettings = []userSetting{
	{"password", true, "a hash: wasiftpd passwd prints it. One that begins with * locks the account", `"*"`, one((*entry).addHash)},
	{"passwords", true, "several hashes, each of which lets the user in", `["*"]`, each((*entry).addHash)},
	{"totp", true, "the secret of the code that follows the password; wasiftpd totp makes one",
		`"JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"`, text((*entry).setTOTP)},
	{"root", false, "the user's folder, counted from that of this file. %u is the user's name",
		`"/srv/%u"`, text((*entry).setRoot)},
	{"rights", false, host.RightsHelp, `"rw"`, text((*entry).setRights)},
	{"rules", false, "other rights for folders: the rule of the nearest folder holds. rights = \"none\" hides it;\n" +
		"max, accept and refuse limit uploads",
		`[{path = "/archive/**", rights = "ro"}, {path = "/in", rights = "wo", max = "20M", refuse = ["*.exe"]}]`, (*entry).setRules},
	{"charset", false, "the character set of the user's client, for names of files", `"Shift_JIS"`, text((*entry).setCharset)},
	{"list_time_zone", false, "the zone of the times of LIST, in place of that of --list-time-zone", `"Asia/Tokyo"`,
		text((*entry).setListZone)},
	{"owner", false, "listings say that files belong to OWNER or OWNER:GROUP, in place of --owner", `"camera:cameras"`,
		text((*entry).setOwner)},
	{"umask", false, "taken from the permissions of new files and folders, in place of the process's umask",
		`"027"`, (*entry).setUmask},
	{"locked", false, "true refuses the user's logins", `false`, flagOf(func(e *entry) *bool { return &e.locked })},
	{"sessions", false, "at most so many sessions at a time; 0 is no limit", `10`, one((*entry).setSessions)},
	{"rate", false, "bytes a second of the user's uploads and downloads; see --rate-per-user", `"512k:10M"`,
		one(func(e *entry, text string) error { return rates(&e.rates)(text) })},
	{"quota", false, "bytes and files that the user may store; see --quota-per-user", `"10G:100000"`,
		one(func(e *entry, text string) error { return quotaTo(&e.quota)(text) })},
	{"allow_from", false, "the addresses and networks that the user may come from",
		`["192.0.2.0/24", "2001:db8::/32"]`, each((*entry).addNetwork)},
	{"time_zone", false, "the zone of the dates, days and hours below (default this machine's)",
		`"Europe/Berlin"`, text((*entry).setZone)},
	{"valid_from", false, "the first day, or moment, of the account", `2026-01-01`, one((*entry).setAfter)},
	{"valid_until", false, "the last day of the account, or the moment of its end", `2030-12-31`, one((*entry).setBefore)},
	{"weekdays", false, "the days on which the user may log in", `["mon-fri", "sun"]`, each((*entry).addWeekdays)},
	{"hours", false, "the hours in which the user may log in", `["08:00-17:30", "22:00-02:00"]`, each((*entry).addHours)},
	{"tls_required", false, "true refuses logins without TLS", `false`, flagOf(func(e *entry) *bool { return &e.admission.tls })},
	{"certificate", true, "the common name of the client certificate that the user must show; see --tls-client-auth",
		`"alice"`, text((*entry).setCertificate)},
}

// one reads a single value.
func one[T any](set func(*T, string) error) func(*T, *node) error {
	return func(e *T, v *node) error {
		text, ok := v.single()
		if !ok {
			return errors.New("it takes one value, no array and no table")
		}
		return set(e, text)
	}
}

// text reads a string.
func text(set func(*entry, string) error) func(*entry, *node) error {
	return func(e *entry, v *node) error {
		if v.kind != unstable.String {
			return errors.New("it takes one value, text in quotes")
		}
		if err := checkLine(v.text); err != nil {
			return err
		}
		return set(e, v.text)
	}
}

// each reads an array of single values, or one of them, about a user.
func each(add func(*entry, string) error) func(*entry, *node) error {
	return several(add, "locked = true keeps a user out")
}

// several reads an array of single values, or one of them. instead says what to do in place of
// giving none.
func several[T any](add func(*T, string) error, instead string) func(*T, *node) error {
	return func(e *T, v *node) error {
		for _, item := range v.values() {
			text, ok := item.single()
			if !ok {
				return misplaced{item.at, errors.New("it takes an array of single values")}
			}
			if err := add(e, text); err != nil {
				return misplaced{item.at, err}
			}
		}
		if len(v.values()) == 0 {
			return errors.New("nothing is given; " + instead)
		}
		return nil
	}
}

func flagOf[T any](target func(*T) *bool) func(*T, *node) error {
	return func(e *T, v *node) error {
		on, err := strconv.ParseBool(v.text)
		if v.kind != unstable.Bool && !v.cell || err != nil {
			return errors.New("it takes true or false, without quotes")
		}
		*target(e) = on
		return nil
	}
}

func (e *entry) addHash(hash string) error {
	s, err := parseHash(hash)
	if err != nil {
		return errTableHash
	}
	e.hash = strings.TrimPrefix(e.hash+" "+hash, " ")
	all, several := e.secret.(secrets)
	switch {
	case s == nil:
		e.locked = true
	case e.secret == nil:
		e.secret = s
	case len(all) == mostHashes:
		return fmt.Errorf("a user can have %d passwords at most", mostHashes)
	case several:
		e.secret = append(all, s)
	default:
		e.secret = secrets{e.secret, s}
	}
	return nil
}

var errNoElement = errors.New("can't stand for %u: it would lead to another folder")

// setRoot reads the folder. Its %u is replaced only if the name leads to no other folder.
func (e *entry) setRoot(root string) error {
	if root == "" {
		return errors.New("nothing is given; give a folder, or leave the key out")
	}
	if strings.Contains(root, "%u") {
		if !isElement(e.name) {
			return fmt.Errorf("the name of the user %q %w", e.name, errNoElement)
		}
		root = strings.ReplaceAll(root, "%u", e.name)
	}
	e.root = root
	return nil
}

// isElement says whether a name is that of one thing in a folder, on any system.
func isElement(name string) bool {
	return name != "." && filepath.IsLocal(name) && !strings.ContainsAny(name, `/\:`) && !strings.ContainsRune(name, 0) &&
		!strings.HasSuffix(name, ".")
}

func (e *entry) setRights(text string) (err error) {
	e.rights, err = host.ParseRights(text)
	return err
}

func (e *entry) setCharset(name string) error {
	e.charset = name
	return checkCharset(name)
}

// setRules reads the rules.
func (e *entry) setRules(v *node) error {
	if v.rules == nil {
		var rules []fsbridge.Rule
		for _, item := range v.items {
			r, err := newRule(item)
			if err != nil {
				return err
			}
			rules = append(rules, r)
		}
		v.rules = rules
	}
	e.rules = v.rules
	if v.kind != unstable.Array {
		return errors.New("it is no array of tables such as {path = \"/in\", rights = \"wo\"}")
	}
	return nil
}

// ruleKeys are the keys of a rule. All but path and rights can be left out.
var ruleKeys = map[string]func(r *fsbridge.Rule, v *node) error{
	"path": func(r *fsbridge.Rule, v *node) error {
		if r.Pattern = v.text; !strings.HasPrefix(r.Pattern, "/") {
			return errors.New("the path does not begin with /")
		}
		return nil
	},
	"rights": func(r *fsbridge.Rule, v *node) (err error) {
		if v.kind == unstable.String && (v.text == "" || v.text == noRights) {
			return nil
		}
		if r.Rights, err = host.ParseRights(v.text); err != nil {
			err = fmt.Errorf("%w, or %s", err, noRights)
		}
		return err
	},
	"accept": func(r *fsbridge.Rule, v *node) error { return v.texts(&r.Accept) },
	"refuse": func(r *fsbridge.Rule, v *node) error { return v.texts(&r.Refuse) },
	"max": func(r *fsbridge.Rule, v *node) (err error) {
		text, _ := v.single()
		err = setMaxSize(r, text)
		return err
	},
}

func newRule(v *node) (r fsbridge.Rule, err error) {
	for _, f := range v.fields {
		set, known := ruleKeys[f.name]
		if !known {
			return r, misplaced{f.at, fmt.Errorf("there is no key %q%s", f.name, didYouMean(nearest(f.name, ruleKeys)))}
		}
		if err := set(&r, f.value); err != nil {
			return r, misplaced{f.value.at, fmt.Errorf("%s: %w", f.name, err)}
		}
	}
	if r.Pattern == "" || v.get("rights") == nil {
		return r, misplaced{v.at, errors.New("a rule needs a path that begins with /, and rights")}
	}
	if _, err := fsbridge.CompileRules([]fsbridge.Rule{r}); err != nil {
		return r, misplaced{v.at, err}
	}
	return r, nil
}

func (e *entry) setUmask(v *node) error {
	text, ok := v.text, v.kind == unstable.String
	if octal, prefixed := strings.CutPrefix(text, "0o"); prefixed && v.kind == unstable.Integer {
		text, ok = octal, true
	}
	bits, err := strconv.ParseUint(text, 8, 9)
	if !ok || err != nil {
		return errors.New(`it is no octal number such as "022" or 0o022`)
	}
	mask := fs.FileMode(bits)
	e.umask = &mask
	return nil
}

func (e *entry) setSessions(text string) error {
	e.sessions = new(int)
	return count(e.sessions)(text)
}

func (e *entry) addNetwork(text string) error {
	network, err := admin.ParseNetwork(text)
	e.admission.networks = append(e.admission.networks, network)
	return err
}

func (e *entry) setZone(name string) (err error) {
	e.admission.zone, err = zoneOf(name)
	return err
}

func (e *entry) setListZone(name string) (err error) {
	e.listZone, err = zoneOf(name)
	return err
}

func (e *entry) setOwner(s string) (err error) {
	e.listOwner, e.listGroup, err = parseOwner(s)
	return err
}

func (e *entry) setAfter(text string) (err error) {
	e.admission.after, err = parseMoment(text, e.admission.location(), false)
	return err
}

func (e *entry) setBefore(text string) (err error) {
	e.admission.before, err = parseMoment(text, e.admission.location(), true)
	return err
}

func (e *entry) addWeekdays(text string) error {
	days, err := parseWeekdays(text)
	e.admission.weekdays = append(e.admission.weekdays, days...)
	return err
}

func (e *entry) addHours(text string) error {
	hours, err := parseSpan(text)
	e.admission.hours = append(e.admission.hours, hours)
	return err
}

func (e *entry) setCertificate(name string) error {
	if name == "" {
		return errors.New("nothing is given; give the common name of a certificate, or leave the key out")
	}
	e.certificate = name
	return nil
}
