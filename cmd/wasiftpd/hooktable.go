package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/pelletier/go-toml/v2/unstable"
	"golang.org/x/net/http/httpguts"

	"wasiftp/host/events"
)

// hookSetting is a key of [[hook]] tables.
type hookSetting struct {
	key    string
	help   string // for the sample
	sample string // a value, as TOML
	set    func(h *hook, v *node) error
}

const giveNone = "leave the key out"

var hookSettings = []hookSetting{
	{"on", "what it is for: " + strings.Join(askedWords, ", ") + ";\nwith wait = false also " +
		strings.Join(toldOnly(), ", "), `["upload"]`, several((*hook).addWord, giveNone)},
	{"run", "the program and its arguments; there is no shell. It gets the event as JSON on stdin", `["/usr/local/bin/scan"]`,
		several((*hook).addArgument, giveNone)},
	{"url", "or where the event is sent by POST", `"https://hooks.example.org/ftp"`, one((*hook).setURL)},
	{"headers", "headers of such a request", `["Authorization: Bearer secret"]`, several((*hook).addHeader, giveNone)},
	{"wait", "true asks before it happens: exit code 0 or status 2xx allows. false tells afterwards", `true`,
		flagOf(func(h *hook) *bool { return &h.wait })},
	{"timeout", "the time for an answer", `"30s"`, one((*hook).setTimeout)},
	{"parallel", "at most so many at a time", `4`, one((*hook).setParallel)},
	{"users", "only for these users; patterns", `["cam*"]`, several((*hook).addUser, giveNone)},
	{"paths", "only for these paths, and what is below; patterns as in rules", `["/in/**"]`, several((*hook).addPath, giveNone)},
	{"name", "the name of the hook in the log and in wasiftpd hooks (default the program or the URL)", `"scan"`,
		one((*hook).setName)},
}

// askedWords are what a hook can be asked about before it happens.
var askedWords = []string{"login", "upload", "download", "delete", "mkdir", "rename", "link", "copy", "change"}

// namelessWords are events without a path.
var namelessWords = []string{"connect", "disconnect", "refuse", "login", "login-failed", "logout", "data-refused", "ban"}

func toldOnly() []string {
	return slices.DeleteFunc(events.Words(), func(word string) bool { return slices.Contains(askedWords, word) })
}

func (h *hook) addWord(word string) error {
	known := map[string]bool{}
	for _, one := range events.Words() {
		known[one] = true
	}
	if !known[word] {
		return fmt.Errorf("%q is nothing that a hook can be for%s", word, didYouMean(nearest(word, known)))
	}
	h.on = append(h.on, word)
	return nil
}

func (h *hook) addArgument(text string) error {
	if strings.ContainsRune(text, 0) || text == "" && len(h.run) == 0 {
		return fmt.Errorf("%q is no program and no argument", text)
	}
	h.run = append(h.run, text)
	return nil
}

func (h *hook) setURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" { // not repeated: it may hold a password
		return errors.New("it is no URL such as https://hooks.example.org/ftp")
	}
	h.url = u
	return nil
}

func (h *hook) addHeader(text string) error {
	key, value, ok := strings.Cut(text, ":")
	value = strings.TrimSpace(value)
	if !ok || !httpguts.ValidHeaderFieldName(key) || !httpguts.ValidHeaderFieldValue(value) {
		return errors.New("it is no header such as Authorization: Bearer secret")
	}
	if h.headers == nil {
		h.headers = http.Header{}
	}
	h.headers.Add(key, value)
	return nil
}

func (h *hook) setTimeout(text string) error { return duration(&h.timeout, 1, "30s or 2m")(text) }

func (h *hook) setParallel(text string) error {
	if err := count(&h.parallel)(text); err != nil || h.parallel == 0 {
		return fmt.Errorf("%q is no whole number, 1 or more", text)
	}
	return nil
}

func (h *hook) addUser(pattern string) error {
	h.users = append(h.users, pattern)
	return checkPattern(pattern)
}

func (h *hook) addPath(pattern string) error {
	h.paths = append(h.paths, pattern)
	if !strings.HasPrefix(pattern, "/") {
		return fmt.Errorf("%q does not begin with /", pattern)
	}
	return checkPattern(pattern)
}

func checkPattern(pattern string) error {
	if !doublestar.ValidatePattern(pattern) {
		return fmt.Errorf("%q is no pattern such as /in/** or *.{jpg,png}", pattern)
	}
	return nil
}

func (h *hook) setName(text string) error {
	h.name = text
	return checkName(text)
}

// readHooks makes the hooks of the [[hook]] tables of a document.
func (d *document) readHooks() (all []*hook, faults []error) {
	tables := d.top.get("hook")
	if tables == nil {
		return nil, nil
	}
	if tables.kind != unstable.Array {
		return nil, []error{d.fault(tables.at, "a hook is a table with the header [[hook]]")}
	}
	for _, table := range tables.items {
		if table.kind != unstable.Table {
			faults = append(faults, d.fault(table.at, "a hook is a table with the header [[hook]]"))
			continue
		}
		h, more := d.readHook(table)
		if at := slices.IndexFunc(all, func(other *hook) bool { return other.name == h.name }); at >= 0 && len(more) == 0 {
			more = append(more, d.fault(table.at, "two hooks are called %s, the first at %s; give each a name of its own",
				h.name, all[at].place))
		}
		faults = append(faults, more...)
		all = append(all, h)
	}
	return all, faults
}

func (d *document) readHook(table *node) (h *hook, faults []error) {
	h = &hook{place: d.place(table.at)}
	known := map[string]bool{}
	for _, s := range hookSettings {
		known[s.key] = true
		if v := table.get(s.key); v != nil {
			if err := s.set(h, v); err != nil {
				faults = append(faults, d.faultOf(s.key, v, err))
			}
		}
	}
	for _, f := range table.fields {
		if !known[f.name] {
			faults = append(faults, d.fault(f.at, "there is no key %q here%s", f.name, didYouMean(nearest(f.name, known))))
		}
	}
	if len(faults) == 0 {
		faults = d.checkHook(h, table)
	}
	return h, faults
}

// checkHook finds what a hook lacks or has too much of, and makes it ready.
func (d *document) checkHook(h *hook, table *node) []error {
	fault := func(key, format string, args ...any) []error {
		at := table.at
		if v := table.get(key); v != nil {
			at = v.at
		}
		return []error{d.fault(at, format, args...)}
	}
	switch {
	case len(h.on) == 0:
		return fault("on", `the hook is for nothing; say on = ["upload"]`)
	case (h.run == nil) == (h.url == nil):
		return fault("url", "the hook needs either run, a program, or url")
	case h.run != nil && h.headers != nil:
		return fault("headers", "headers go with url, not with run")
	}
	for _, word := range h.on {
		if h.wait && !slices.Contains(askedWords, word) {
			return fault("on", "nobody waits for %q; leave it out, or say wait = false", word)
		}
		if h.paths != nil && slices.Contains(namelessWords, word) {
			return fault("paths", "there is no path to %q; leave one of the two out", word)
		}
	}
	name := ""
	if h.url != nil {
		name = (&url.URL{Scheme: h.url.Scheme, Host: h.url.Host, Path: h.url.Path}).String()
	} else {
		if !filepath.IsAbs(h.run[0]) {
			h.run[0] = filepath.Join(filepath.Dir(d.path), h.run[0])
		}
		if err := runnable(h.run[0]); err != nil {
			return fault("run", "run: cannot run %s: %w", h.run[0], err)
		}
		name = h.run[0]
	}
	if h.name == "" {
		h.name = name
	}
	h.ready()
	return nil
}
