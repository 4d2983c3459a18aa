package main

import (
	"cmp"
	"path/filepath"
	"slices"

	"github.com/pelletier/go-toml/v2/unstable"

	"wasiftp/host"
)

// userTables are the [[user]], [[group]] and [defaults] tables of a document.
type userTables struct {
	*document
	defaults *node
	groups   map[string]*node // nil for one with a fault
	broken   bool             // defaults or a group has a fault, so that users may lack what it says
	faults   []error
}

// readUsers makes the entries of a document, and finds its groups. users are its [[user]]
// tables.
func (d *document) readUsers(users []*node) ([]entry, map[string]*node, []error) {
	t := &userTables{document: d, groups: map[string]*node{}}
	t.readDefaults()
	t.readGroups()
	var entries []entry
	first := map[string]*node{}
	for _, u := range users {
		e, ok := t.entry(u)
		if before := first[e.name]; ok && before != nil {
			t.fault(u.at, "user %q is given twice, the first time at %s", e.name, d.place(before.at))
			continue
		}
		if ok {
			first[e.name] = u
			entries = append(entries, e)
		}
	}
	return entries, t.groups, t.faults
}

func (t *userTables) fault(at int, format string, args ...any) {
	t.faults = append(t.faults, t.document.fault(at, format, args...))
}

// readDefaults checks [defaults]. With a fault it counts no more, so that it is told once.
func (t *userTables) readDefaults() {
	if defaults := t.top.get("defaults"); defaults != nil && t.isShared(defaults) {
		t.defaults = defaults
	}
}

func (t *userTables) readGroups() {
	groups := t.top.get("group")
	if groups == nil {
		return
	}
	if groups.kind != unstable.Array {
		t.fault(groups.at, "a group is a table with the header [[group]]")
		return
	}
	for _, g := range groups.items {
		name := g.get("name")
		switch {
		case name == nil || name.kind != unstable.String || name.text == "":
			t.fault(g.at, "the group has no name")
		case !t.isShared(g, "name"):
			t.groups[name.text] = nil
		case t.groups[name.text] != nil:
			t.fault(g.at, "group %q is given twice, the first time at %s", name.text, t.place(t.groups[name.text].at))
		default:
			t.groups[name.text] = g
		}
	}
}

// isShared says whether a table that users share has no fault. extra are its keys that
// users don't have.
func (t *userTables) isShared(shared *node, extra ...string) bool {
	before := len(t.faults)
	if shared.kind != unstable.Table {
		t.fault(shared.at, "it is no table")
		t.broken = true
		return false
	}
	t.checkKeys(shared, true, extra...)
	trial := entry{name: "name"} // the names of users are checked with the users
	t.apply(&trial, shared)
	sound := len(t.faults) == before
	t.broken = t.broken || !sound
	return sound
}

// checkKeys finds unknown keys.
func (t *userTables) checkKeys(table *node, shared bool, extra ...string) {
	for _, f := range table.fields {
		known := slices.Contains(extra, f.name)
		for _, s := range userSettings {
			known = known || s.key == f.name && !(shared && s.own)
		}
		if known {
			continue
		}
		all := map[string]bool{}
		for _, s := range userSettings {
			if !(shared && s.own) {
				all[s.key] = true
			}
		}
		for _, key := range extra {
			all[key] = true
		}
		hint := didYouMean(nearest(f.name, all))
		if isSetting(f.name) {
			hint = "; as a key of the server it comes before all tables"
		}
		t.fault(f.at, "there is no key %q here%s", f.name, hint)
	}
}

// apply sets an entry to the values of tables. Where several have one, the first counts.
func (t *userTables) apply(e *entry, tables ...*node) {
	for _, s := range userSettings {
		for _, table := range tables {
			if v := t.valueIn(table, s); v != nil {
				if err := s.set(e, v); err != nil {
					t.faults = append(t.faults, t.faultOf(s.key, v, err))
				}
				break
			}
		}
	}
}

func (t *userTables) valueIn(table *node, s userSetting) *node {
	if table == nil {
		return nil
	}
	return table.get(s.key)
}

// entry makes the entry of a user. ok is false after a fault.
func (t *userTables) entry(u *node) (e entry, ok bool) {
	before := len(t.faults)
	e.place, e.file = t.place(u.at), t.path
	name := u.get("name")
	if name == nil || name.kind != unstable.String {
		t.fault(u.at, "the user has no name")
		return e, false
	}
	e.name = name.text
	if err := checkName(e.name); err != nil {
		t.faults = append(t.faults, t.faultOf("name", name, err))
	}
	t.checkKeys(u, false, "name", "group")
	t.apply(&e, u, t.groupOf(u), t.defaults)
	if e.root != "" && !filepath.IsAbs(e.root) {
		e.root = filepath.Join(filepath.Dir(t.path), e.root)
	}
	if len(t.faults) == before && !t.broken {
		t.checkWhole(&e, u)
	}
	return e, len(t.faults) == before
}

// groupOf is the group that a user names, nil if he names none.
func (t *userTables) groupOf(u *node) *node {
	named := u.get("group")
	if named == nil {
		return nil
	}
	group, known := t.groups[named.text]
	if !known || named.kind != unstable.String {
		t.fault(named.at, "there is no [[group]] %q%s", named.text, didYouMean(nearest(named.text, t.groups)))
	}
	return group
}

// checkWhole finds what a user lacks or has too much of.
func (t *userTables) checkWhole(e *entry, u *node) {
	a := e.admission
	switch {
	case e.hash == "" && e.certificate == "" && !e.locked:
		t.fault(u.at, "user %q has no password; give the hash that wasiftpd passwd prints, or locked = true", e.name)
	case u.get("password") != nil && u.get("passwords") != nil:
		t.fault(u.get("passwords").at, "user %q has a password and passwords; give one of the two", e.name)
	case e.rights == 0:
		t.fault(u.at, "user %q has no rights; give rights here, in the group or in [defaults]: %s", e.name, host.RightsHelp)
	case !a.before.IsZero() && !a.after.Before(a.before):
		t.fault(cmp.Or(u.get("valid_until"), u).at, "user %q is never valid: valid_from is not before valid_until", e.name)
	}
}
