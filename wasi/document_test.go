package wasi

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// field is a field of a record, as ABI.md has it.
type field struct {
	offset, size int
	name         string
}

var fieldText = regexp.MustCompile(`(\d+) ([iu])(\d+) ([a-z ]+[a-z])`)

// layout reads a line of ABI.md such as "0 u16 kind · 2 u16 errno".
func layout(line string) (fields []field) {
	for _, m := range fieldText.FindAllStringSubmatch(line, -1) {
		offset, _ := strconv.Atoi(m[1])
		bits, _ := strconv.Atoi(m[3])
		fields = append(fields, field{offset, bits / 8, m[4]})
	}
	return fields
}

func document(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("ABI.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// row is the line of ABI.md that begins with start.
func row(t *testing.T, start string) string {
	t.Helper()
	for line := range strings.Lines(document(t)) {
		if strings.HasPrefix(line, start) {
			return line
		}
	}
	t.Fatalf("ABI.md has no line that begins with %q", start)
	return ""
}

func number(b []byte, f field) uint64 {
	var whole [8]byte
	copy(whole[:], b[f.offset:f.offset+f.size])
	return binary.LittleEndian.Uint64(whole[:])
}

// Every field is where ABI.md says, and nothing is between them.
func TestDocumentedRecords(t *testing.T) {
	t.Parallel()
	var event [EventSize]byte
	Event{Kind: 0x101, Errno: 0x202, Session: 0x303, Handle: 0x404, Value: 0x505}.Put(event[:])
	var stat [StatSize]byte
	Stat{ModTime: 0x101, Size: 0x202, Mode: 0x303, Links: 0x404, Created: 0x505}.Put(stat[:])
	for start, record := range map[string]struct {
		bytes []byte
		want  map[string]uint64
	}{
		"| event | 24 |": {event[:], map[string]uint64{"kind": 0x101, "errno": 0x202, "session": 0x303, "handle": 0x404,
			"zero": 0, "value": 0x505}},
		"| stat | 32 |": {stat[:], map[string]uint64{"mtime": 0x101, "size": 0x202, "mode": 0x303, "links": 0x404, "created": 0x505}},
	} {
		end := 0
		fields := layout(row(t, start))
		for _, f := range fields {
			if f.offset != end {
				t.Errorf("%s %s is at %d, and what is before it ends at %d", start, f.name, f.offset, end)
			}
			end += f.size
			if want, ok := record.want[f.name]; !ok || number(record.bytes, f) != want {
				t.Errorf("%s %s at %d is %#x, not %#x", start, f.name, f.offset, number(record.bytes, f), want)
			}
		}
		if end != len(record.bytes) || len(fields) != len(record.want) {
			t.Errorf("%s has %d fields in %d bytes", start, len(fields), end)
		}
	}
}

func TestDocumentedAddress(t *testing.T) {
	t.Parallel()
	if got := layout(row(t, "| address | 20 |")); !slices.Equal(got, []field{{0, 2, "family"}, {2, 2, "port"}}) {
		t.Errorf("the address is laid out as %v", got)
	}
	if !strings.Contains(row(t, "| address | 20 |"), "4 16 bytes address") {
		t.Error("the address's bytes are not at 4")
	}
	var b [AddrSize]byte
	PutAddr(b[:], netip.MustParseAddrPort("[102:304::f]:513"))
	if b[0] != 6 || b[2] != 1 || b[3] != 2 || b[4] != 1 || b[5] != 2 || b[19] != 15 {
		t.Errorf("the record is %v", b)
	}
}

func TestDocumentedDirent(t *testing.T) {
	t.Parallel()
	b, _ := AppendDirent(make([]byte, 0, 100), Stat{}, "name", "to")
	fields := layout(row(t, "| directory entry | 36 and more |"))
	if len(fields) != 2 || number(b, fields[0]) != 4 || number(b, fields[1]) != 2 || string(b[DirentSize:]) != "nameto" {
		t.Errorf("%v of %v", fields, b)
	}
}

func TestDocumentedStyle(t *testing.T) {
	t.Parallel()
	s := Style{Owner: "1", Group: "22", Zone: Zone("").Then(4, 5)}
	b := s.Append(nil)
	fields := layout(row(t, "| style | 8 and more |"))
	if len(fields) != 2 || number(b, fields[0]) != 1 || number(b, fields[1]) != 2 || string(b[8:11]) != "122" ||
		Zone(b[11:]) != s.Zone {
		t.Errorf("%v of %v", fields, b)
	}
	for n := range b {
		if got, ok := GetStyle(b[:n]); ok && (n != 11 || got.Zone != "") {
			t.Errorf("%d bytes of %d are %v", n, len(b), got)
		}
	}
	if got, ok := GetStyle(b); !ok || got != s {
		t.Errorf("%v comes back as %v", s, got)
	}
	if _, ok := GetStyle([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}); ok {
		t.Error("lengths that lead outside are taken")
	}
}

// The configuration's numbers are where ABI.md says, and so is each flag.
func TestDocumentedConfig(t *testing.T) {
	t.Parallel()
	lines := row(t, "0 i64 login time") + row(t, "40 u32 login failures")
	end := 0
	for _, f := range layout(lines) {
		if f.offset != end {
			t.Errorf("%s is at %d, and what is before it ends at %d", f.name, f.offset, end)
		}
		end += f.size
		name := strings.ReplaceAll(f.name, " ", "")
		if name == "flags" || name == "lengthofgreeting" {
			continue
		}
		var c Config
		value := reflect.ValueOf(&c).Elem().FieldByNameFunc(func(s string) bool { return strings.EqualFold(s, name) })
		if !value.IsValid() {
			t.Errorf("there is no %s", name)
			continue
		}
		if value.CanInt() {
			value.SetInt(0x102)
		} else {
			value.SetUint(0x102)
		}
		if got := number(c.Append(nil), f); got != 0x102 {
			t.Errorf("%s is not at %d", name, f.offset)
		}
	}
	c := Config{Greeting: "1", Behaviour: Behaviour{Owner: "22", Group: "333"}, Zone: Zone("").Then(4, 5)}
	b := c.Append(nil)
	if !strings.Contains(lines, "52 u32 length of greeting, 56 of owner, 60 of group") || b[52] != 1 || b[56] != 2 ||
		b[60] != 3 || string(b[64:70]) != "122333" || Zone(b[70:]) != c.Zone {
		t.Errorf("the texts of %v are not where ABI.md says", b)
	}
}

var flagRow = regexp.MustCompile(`(?m)^\| (\w+) \| flag (?:(\d+)|1<<(\d+)):`)

func TestDocumentedFlags(t *testing.T) {
	t.Parallel()
	rows := flagRow.FindAllStringSubmatch(document(t), -1)
	if len(rows) != 3+len(new(Behaviour).Switches())+len(new(Allow).Switches()) {
		t.Errorf("ABI.md has %d flags", len(rows))
	}
	for _, m := range rows {
		var c Config
		value := reflect.ValueOf(&c).Elem().FieldByName(m[1])
		for _, group := range []any{&c.Behaviour, &c.Allow} {
			if !value.IsValid() {
				value = reflect.ValueOf(group).Elem().FieldByName(m[1])
			}
		}
		value.SetBool(true)
		want, _ := strconv.Atoi(m[2])
		if m[3] != "" {
			bit, _ := strconv.Atoi(m[3])
			want = 1 << bit
		}
		if got := binary.LittleEndian.Uint32(c.Append(nil)[48:]); got != uint32(want) {
			t.Errorf("%s is flag %d, not %d", m[1], got, want)
		}
	}
	if got := binary.LittleEndian.Uint32(Config{TLSRequired: 3}.Append(nil)[48:]); got != 12 {
		t.Errorf("TLSRequired is %d", got)
	}
}

// The plan of ABI.md says for each import when to build it.
func TestDocumentNamesEveryImport(t *testing.T) {
	t.Parallel()
	_, plan, _ := strings.Cut(document(t), "## The order in which to build it")
	plan, _, _ = strings.Cut(plan, "\n## ")
	for _, i := range Table {
		if !strings.Contains(plan, "`"+i.Name+"`") {
			t.Errorf("ABI.md does not say when %s is to be built", i.Name)
		}
	}
}

// The records of sessions and of the zone have their numbers where ABI.md says.
func TestDocumentedSession(t *testing.T) {
	t.Parallel()
	b, _ := AppendWho(make([]byte, 0, 100), Who{Number: 0x101, Began: 0x202, Bytes: 0x303, Doing: 0x404, User: []byte("user"),
		Name: []byte("na"), Program: []byte("ftp")})
	want := map[string]uint64{"number": 0x101, "began": 0x202, "bytes": 0x303, "doing": 0x404, "length of user": 4,
		"length of name": 2, "length of program": 3}
	fields := layout(row(t, "| session | 52 and more |"))
	for _, f := range fields {
		if value, ok := want[f.name]; !ok || number(b, f) != value {
			t.Errorf("%s at %d is %#x, not %#x", f.name, f.offset, number(b, f), value)
		}
	}
	if len(fields) != len(want) || string(b[WhoSize:]) != "usernaftp" {
		t.Errorf("the session has %d fields and then %q", len(fields), b[WhoSize:])
	}
	zone := []byte(Zone("").Then(0x101, 0x202))
	for _, f := range layout(row(t, "| change of the zone | 12 |")) {
		if value := map[string]uint64{"since when": 0x101, "how far": 0x202}[f.name]; number(zone, f) != value {
			t.Errorf("%s at %d is %#x, not %#x", f.name, f.offset, number(zone, f), value)
		}
	}
}

// Every errno is in ABI.md by its number.
func TestDocumentedErrnos(t *testing.T) {
	t.Parallel()
	for errno, name := range errnoNames {
		if want := "| " + strconv.Itoa(int(errno)) + " | " + name + " | "; !strings.Contains(document(t), "\n"+want) {
			t.Errorf("ABI.md has no row %q", want)
		}
	}
}

var hexBlock = regexp.MustCompile("(?s)```\n([0-9a-f \n]+)```")

// The records that ABI.md shows byte for byte are what its text says of them.
func TestDocumentedVectors(t *testing.T) {
	t.Parallel()
	_, text, _ := strings.Cut(document(t), "<!-- vectors -->")
	text, _, _ = strings.Cut(text, "<!-- /vectors -->")
	var records [][]byte
	for _, m := range hexBlock.FindAllStringSubmatch(text, -1) {
		b, err := hex.DecodeString(strings.Join(strings.Fields(m[1]), ""))
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, b)
	}
	if len(records) != 3 {
		t.Fatalf("there are %d", len(records))
	}
	if got, want := GetEvent(records[0]), (Event{Kind: EventTransfer, Errno: ECONNRESET, Session: 1, Handle: 7,
		Value: 1000}); got != want {
		t.Errorf("%+v", got)
	}
	stat, name, target, rest, ok := NextDirent(records[1])
	want := Stat{ModTime: 1717243200e9, Size: 5, Mode: TypeLink | 0o777, Links: 1}
	if stat != want || string(name) != "link" || string(target) != "a.txt" || len(rest) > 0 || !ok {
		t.Errorf("%+v %q %q %v", stat, name, target, rest)
	}
	config, ok := GetConfig(records[2])
	if !ok || config != (Config{
		LoginTime: 120e9, IdleTime: 300e9, StallTime: 300e9, DataTime: 30e9, FailureDelay: 1e9, LoginFailures: 5,
		LineLength: 4096, TLS: true,
		Greeting: "Hello.", Behaviour: Behaviour{NoModeZ: true, NoHash: true, Owner: "me"}, Zone: Zone("").Then(0, 3600),
	}) {
		t.Errorf("%+v", config)
	}
}

// Every duration of the configuration has its unit.
func TestDocumentedDurations(t *testing.T) {
	t.Parallel()
	for f := range reflect.TypeFor[Config]().Fields() {
		if f.Type.Kind() == reflect.Int64 && !strings.HasPrefix(row(t, "| "+f.Name+" |"), "| "+f.Name+" | ns ") {
			t.Errorf("ABI.md does not say in what %s is counted", f.Name)
		}
	}
}
