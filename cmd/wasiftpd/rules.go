package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"wasiftp/fsbridge"
	"wasiftp/host"
)

const ruleHelp = "for all users, leave only `PATH RIGHTS` of their rights below PATH, none\n" +
	"to hide it; repeatable. '/in/*.jpg list', '/**/.git none'.\n" +
	"max=SIZE, accept=NAMES and refuse=NAMES behind the rights limit\n" +
	"uploads: '/in rw max=20M refuse=*.exe,*.js'"

// noRights are the rights of a rule that hides its path.
const noRights = "none"

// ruleText writes a rule as [parseRule] reads it.
func ruleText(r fsbridge.Rule) string {
	text := r.Pattern + " " + cmp.Or(rightsInWords(r.Rights), noRights)
	if r.MaxSize > 0 {
		text += " max=" + sizeText(r.MaxSize)
	}
	if len(r.Accept) > 0 {
		text += " accept=" + strings.Join(r.Accept, ",")
	}
	if len(r.Refuse) > 0 {
		text += " refuse=" + strings.Join(r.Refuse, ",")
	}
	return text
}

// parseRule reads a rule: a pattern, rights, and limits of uploads. A pattern may have
// spaces in it.
func parseRule(text string) (r fsbridge.Rule, err error) {
	words, left := strings.Fields(text), text
	for len(words) > 0 {
		key, value, limit := strings.Cut(words[len(words)-1], "=")
		if !limit || strings.Contains(key, "/") {
			break
		}
		if err := setLimit(&r, key, value); err != nil {
			return r, fmt.Errorf("rule %q: %w", text, err)
		}
		left = left[:strings.LastIndex(left, words[len(words)-1])]
		words = words[:len(words)-1]
	}
	if len(words) < 2 {
		return r, fmt.Errorf("rule %q is no PATH RIGHTS such as '/archive/** ro', with none to hide a path", text)
	}
	rights := words[len(words)-1]
	r.Pattern = strings.TrimSpace(left[:strings.LastIndex(left, rights)])
	if rights != noRights {
		if r.Rights, err = host.ParseRights(rights); err != nil {
			return r, fmt.Errorf("rule %q: %w, or %s", text, err, noRights)
		}
	}
	_, err = fsbridge.CompileRules([]fsbridge.Rule{r})
	return r, err
}

// setLimit sets a limit of uploads.
func setLimit(r *fsbridge.Rule, key, value string) (err error) {
	switch key {
	case "max":
		err = setMaxSize(r, value)
	case "accept":
		r.Accept = append(r.Accept, strings.Split(value, ",")...)
	case "refuse":
		r.Refuse = append(r.Refuse, strings.Split(value, ",")...)
	default:
		err = fmt.Errorf("%q is none of max, accept, refuse", key)
	}
	return err
}

func setMaxSize(r *fsbridge.Rule, text string) error {
	err := size(&r.MaxSize)(text)
	if err == nil && r.MaxSize == 0 {
		err = errors.New("max is 0; give a size such as 20M, or rights without write to refuse all uploads")
	}
	return err
}

func (o *options) setRule(text string) error {
	r, err := parseRule(text)
	if err == nil {
		o.rules = append(o.rules, r)
	}
	return err
}

// rulesFor are all rules of an account. Those for all users give it no right that it lacks.
func (a *accounts) rulesFor(e *entry) (rules []fsbridge.Rule) {
	if len(a.everyone) == 0 {
		return e.rules
	}
	for _, r := range a.everyone {
		r.Rights &= e.rights
		rules = append(rules, r)
	}
	return append(rules, e.rules...)
}

// ruling is what the rules of an account are made of.
type ruling struct {
	rights host.Rights
	own    *fsbridge.Rule // the first one of its own, or of its group; nil for none
}

// ruled are the rules of accounts, ready to be looked up.
type ruled struct {
	rules    []fsbridge.Rule
	compiled *fsbridge.Rules
}

// rule gives an entry all rules of its account, and compiles them. Users of a group, and those
// without rules of their own, share them: there may be thousands.
func (a *accounts) rule(e *entry) (*fsbridge.Rules, error) {
	from := ruling{e.rights, nil}
	if len(e.rules) > 0 {
		from.own = &e.rules[0]
	}
	if shared, ok := a.common[from]; ok {
		e.rules = shared.rules
		return shared.compiled, nil
	}
	e.rules = a.rulesFor(e)
	compiled, err := fsbridge.CompileRules(e.rules)
	if err != nil {
		return nil, fmt.Errorf("user %q: %w", e.name, err)
	}
	if a.common == nil {
		a.common = map[ruling]ruled{}
	}
	a.common[from] = ruled{e.rules, compiled}
	return compiled, nil
}
