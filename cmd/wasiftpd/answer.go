package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"

	"wasiftp/host"
)

// answer is what a source says of a user who may log in.
type answer struct {
	user  string // the name in limits and logs
	table *node  // as a [[user]] table, whose keys it has; nil says nothing
}

// answerFault is a fault in an answer about a user whose password was right. To the server it is [host.ErrBusy]: the user may log
// in when the fault is mended.
type answerFault struct {
	user string
	error
}

func (answerFault) Is(target error) bool { return target == host.ErrBusy }

func (f answerFault) Error() string {
	return fmt.Sprintf("the answer about user %q has a fault: %v", f.user, f.error)
}

// maxVerdict is the longest answer of a source, in bytes.
const maxVerdict = 64 << 10

// readVerdict reads a source's answer about user, in JSON.
func readVerdict(b []byte, user string) (a answer, err error) {
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.UseNumber()
	table, err := jsonNode(decoder)
	if err != nil || table.kind != unstable.Table {
		return a, fmt.Errorf("its answer is not the JSON that it should be: %w", cmp.Or(err, errors.New("it is no object")))
	}
	if _, err := decoder.Token(); err != io.EOF {
		return a, errors.New("something follows the JSON of its answer")
	}
	result := table.take("result")
	switch result {
	case "ok":
	case "denied":
		return a, host.ErrDenied
	case "unknown":
		return a, errUnknown
	default:
		return a, fmt.Errorf(`the result in its answer is %q, not ok, denied or unknown`, result)
	}
	return answer{user: cmp.Or(table.take("user"), user), table: table}, nil
}

// password is what the user has sent without the code of his TOTP secret.
func (a answer) password(sent string) (string, error) {
	v := a.table.get("totp")
	if v == nil || v.text == "" {
		return sent, nil
	}
	key, err := parseTOTP(v.text)
	if err != nil {
		return "", fmt.Errorf("user %q: totp: %w", a.user, err)
	}
	password, _ := key.split(sent)
	return password, nil
}

// take removes a key from a table, and returns the text of its value, "" if it has none.
func (n *node) take(key string) (text string) {
	if v := n.get(key); v != nil {
		text, _ = v.single()
	}
	n.fields = slices.DeleteFunc(n.fields, func(f field) bool { return f.name == key })
	return text
}

// jsonNode reads a value. Of an object it leaves out the keys without a value: null and "".
func jsonNode(from *json.Decoder) (*node, error) {
	token, err := from.Token()
	if err != nil {
		return nil, err
	}
	switch v := token.(type) {
	case json.Delim:
		if v == '[' {
			return jsonArray(from)
		}
		return jsonTable(from)
	case string:
		return &node{kind: unstable.String, text: v}, nil
	case json.Number:
		if _, err := v.Int64(); err != nil {
			return &node{kind: unstable.Float, text: v.String()}, nil
		}
		return &node{kind: unstable.Integer, text: v.String()}, nil
	case bool:
		return &node{kind: unstable.Bool, text: strconv.FormatBool(v)}, nil
	}
	return &node{kind: unstable.String}, nil
}

func jsonArray(from *json.Decoder) (*node, error) {
	n := &node{kind: unstable.Array}
	for from.More() {
		item, err := jsonNode(from)
		if err != nil {
			return nil, err
		}
		n.items = append(n.items, item)
	}
	_, err := from.Token()
	return n, err
}

func jsonTable(from *json.Decoder) (*node, error) {
	n := &node{kind: unstable.Table}
	for from.More() {
		key, err := from.Token()
		if err != nil {
			return nil, err
		}
		name, _ := key.(string)
		if n.get(name) != nil {
			return nil, fmt.Errorf("the key %q is given twice", name)
		}
		value, err := jsonNode(from)
		if err != nil {
			return nil, err
		}
		n.add(name, 0, value)
	}
	_, err := from.Token()
	return n, err
}

// cellNode is a value of a database, whose column has a type, nil for NULL. A text that is a
// JSON array is one: few databases have arrays, and few columns are booleans.
func cellNode(value any, kind string) *node {
	n := &node{kind: unstable.String, cell: true}
	switch v := value.(type) {
	case nil:
		return nil
	case []byte:
		n.text = string(v)
	case time.Time:
		layout := time.RFC3339
		switch strings.ToUpper(kind) {
		case "DATE":
			layout = time.DateOnly
		case "TIMESTAMP", "DATETIME": // of no zone
			layout = "2006-01-02T15:04:05"
		}
		n.text = v.Format(layout)
	default:
		n.text = fmt.Sprint(v)
	}
	if strings.HasPrefix(n.text, "[") {
		decoder := json.NewDecoder(strings.NewReader(n.text))
		decoder.UseNumber()
		if array, err := jsonNode(decoder); err == nil && !decoder.More() {
			return array
		}
	}
	return n
}

// notOfAnswers are the keys of users that sources can't give: they check passwords by
// themselves.
var notOfAnswers = []string{"password", "passwords"}

// entryOf makes the entry of a user who may log in. What the answer does not say is that of
// its group, or of the group of --auth-group, and then what the flags say.
func (o *options) entryOf(a answer) (e entry, err error) {
	e = entry{name: a.user, elsewhere: true}
	table := &node{kind: unstable.Table}
	if a.table != nil {
		table.fields = slices.DeleteFunc(slices.Clone(a.table.fields), func(f field) bool {
			return f.value.kind == unstable.String && f.value.text == ""
		})
	}
	fault := func(format string, args ...any) (entry, error) {
		return entry{}, answerFault{a.user, fmt.Errorf(format, args...)}
	}
	name := cmp.Or(table.take("group"), o.sources.group)
	group, known := o.groups[name]
	if name != "" && !known {
		return fault("group: there is no [[group]] %q%s", name, didYouMean(nearest(name, o.groups)))
	}
	for _, f := range table.fields {
		known := slices.ContainsFunc(userSettings, func(s userSetting) bool { return s.key == f.name })
		if !known || slices.Contains(notOfAnswers, f.name) {
			return fault("there is no key %q%s", f.name, didYouMean(nearest(f.name, answerKeys())))
		}
	}
	for _, s := range userSettings {
		v, base := table.get(s.key), o.root
		if v == nil && group != nil {
			v, base = group.get(s.key), filepath.Dir(o.file)
		}
		if v == nil {
			continue
		}
		own := *v // logins share v, and setRules keeps what it reads
		err := s.set(&e, &own)
		if errors.Is(err, errNoElement) {
			return entry{}, fmt.Errorf("%w: %w", host.ErrDenied, err)
		}
		if err != nil {
			return fault("%s: %w", s.key, err)
		}
		if s.key == "root" && !filepath.IsAbs(e.root) {
			e.root = filepath.Join(base, e.root)
		}
	}
	return o.usual(e)
}

// answerKeys are the keys of users that answers can have.
func answerKeys() map[string]bool {
	all := map[string]bool{"group": true}
	for _, s := range userSettings {
		all[s.key] = !slices.Contains(notOfAnswers, s.key)
	}
	return all
}
