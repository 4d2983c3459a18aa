package standalone

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"wasiftp/module/ftp"
	"wasiftp/wasi"
)

// Settings configure a standalone server.
type Settings struct {
	Listen      []netip.AddrPort // for control connections; unused if the runtime cannot listen
	Passive     Passive
	Users       []User
	Anonymous   ftp.Rights // of anonymous users; 0 refuses them
	MaxSessions int        // at a time; 0 means no limit
	FollowLinks bool       // symbolic links are listed as the files that they lead to
	Engine      ftp.Config
}

// Passive says where passive data connections arrive.
type Passive struct {
	Address     netip.Addr // what PASV announces; the zero value is the control connection's own
	First, Last uint16     // ports; both 0 means any free one
}

// User is an account with a password.
type User struct {
	Name     string
	Rights   ftp.Rights
	password secret
}

// variable is an environment variable, and the method that parses its value.
type variable struct {
	name string
	set  func(s *Settings, value string) error
}

var variables = []variable{
	{"WASIFTP_LISTEN", (*Settings).setListen},
	{"WASIFTP_PASSIVE", (*Settings).setPassive},
	{users, (*Settings).setUsers},
	{"WASIFTP_ANONYMOUS", (*Settings).setAnonymous},
	{"WASIFTP_IDLE_TIMEOUT", (*Settings).setIdleTimeout},
	{"WASIFTP_MAX_SESSIONS", (*Settings).setMaxSessions},
	{"WASIFTP_BEHAVIOUR", (*Settings).setBehaviour},
}

const (
	prefix = "WASIFTP_" // of all names
	users  = "WASIFTP_USERS"
)

// ReadSettings reads the settings from the environment, whose entries are NAME=VALUE. A
// variable that is not set, or empty, leaves the default. ReadSettings refuses a name with
// our prefix that is not ours, as it is mistyped, and a list of users that is empty: either
// would open the folder to everybody. The error joins all faults.
func ReadSettings(environ []string) (Settings, error) {
	s := Settings{
		Listen:      []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:2121")},
		MaxSessions: 1000,
		Engine: ftp.Config{
			LoginTime: int64(2 * time.Minute), IdleTime: int64(5 * time.Minute), StallTime: int64(5 * time.Minute),
			DataTime: int64(30 * time.Second), FailureDelay: int64(time.Second), LoginFailures: 5,
		},
	}
	var faults []error
	values := map[string]string{}
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		values[name] = value
		if !slices.ContainsFunc(variables, func(v variable) bool { return v.name == name }) {
			faults = append(faults, unknown(name))
		}
	}
	for _, v := range variables {
		if value, set := values[v.name]; value != "" || set && v.name == users {
			if err := v.set(&s, value); err != nil {
				faults = append(faults, errors.New(v.name+": "+err.Error()))
			}
		}
	}
	if values["WASIFTP_ANONYMOUS"] == "" && len(s.Users) == 0 {
		s.Anonymous = wasi.ReadOnly
	}
	if len(faults) == 0 && s.Anonymous == 0 && len(s.Users) == 0 {
		faults = append(faults, errors.New(users+": nobody could log in; write NAME:PASSWORD, or set WASIFTP_ANONYMOUS to ro"))
	}
	return s, errors.Join(faults...)
}

// unknown is the fault of a name that is not a variable's.
func unknown(name string) error {
	nearest := slices.MinFunc(variables,
		func(a, b variable) int { return cmp.Compare(distance(name, a.name), distance(name, b.name)) })
	return errors.New(name + ": there is no such setting; the nearest is " + nearest.name)
}

// distance is the Levenshtein distance: how many bytes must be inserted, deleted or
// replaced to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

func (s *Settings) setListen(value string) error {
	s.Listen = nil
	for text := range strings.SplitSeq(value, ",") {
		text = strings.TrimSpace(text)
		everywhere := strings.HasPrefix(text, ":")
		if everywhere {
			text = "0.0.0.0" + text
		}
		at, err := netip.ParseAddrPort(text)
		if err != nil {
			return errors.New(strconv.Quote(text) + " is no ADDRESS:PORT such as 127.0.0.1:2121 or :2121")
		}
		s.Listen = append(s.Listen, at)
		if everywhere {
			s.Listen = append(s.Listen, netip.AddrPortFrom(netip.IPv6Unspecified(), at.Port()))
		}
	}
	return nil
}

func (s *Settings) setPassive(value string) error {
	fault := errors.New(strconv.Quote(value) + " is no ADDRESS:FIRST-LAST such as 203.0.113.7:50000-50099")
	i := strings.LastIndexByte(value, ':')
	a, b, ranged := strings.Cut(value[i+1:], "-")
	if !ranged {
		b = a
	}
	first, errA := strconv.ParseUint(a, 10, 16)
	last, errB := strconv.ParseUint(b, 10, 16)
	if errA != nil || errB != nil || first == 0 || first > last {
		return fault
	}
	s.Passive = Passive{First: uint16(first), Last: uint16(last)}
	if i < 0 {
		return nil
	}
	addr, err := netip.ParseAddr(strings.Trim(value[:i], "[]"))
	if err != nil || addr.IsUnspecified() || addr.Zone() != "" {
		return fault
	}
	s.Passive.Address = addr.Unmap()
	return nil
}

func (s *Settings) setUsers(value string) error {
	for line := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' }) {
		u, err := parseUser(line)
		if err != nil {
			return err // without the line: it has a password in it
		}
		if slices.ContainsFunc(s.Users, func(other User) bool { return other.Name == u.Name }) {
			return errors.New("user " + strconv.Quote(u.Name) + " is given twice")
		}
		s.Users = append(s.Users, u)
	}
	if len(s.Users) == 0 {
		return errors.New("it names nobody; write NAME:PASSWORD, or leave it out")
	}
	return nil
}

func parseUser(line string) (User, error) {
	name, password, _ := strings.Cut(line, ":")
	u := User{Name: name, Rights: wasi.ReadOnly}
	if i := strings.LastIndexByte(password, ':'); i >= 0 {
		rights, err := wasi.ParseRights(password[i+1:])
		if err != nil { // the text is not quoted: it may be a part of the password
			return u, errors.New("user " + strconv.Quote(name) + ": what stands behind the last colon are no " +
				"rights, such as ro, rw or list+write; a password with a colon in it takes rights behind it")
		}
		u.Rights, password = rights, password[:i]
	}
	switch {
	case name == "":
		return u, errors.New("a user's name is missing; write NAME:PASSWORD, NAME:PASSWORD:ro or NAME:PASSWORD:rw, " +
			"with commas between users")
	case password == "":
		return u, errors.New("user " + strconv.Quote(name) + " has no password; write NAME:PASSWORD, " +
			"NAME:PASSWORD:ro or NAME:PASSWORD:rw, with commas between users")
	}
	u.password = secretOf([]byte(password))
	return u, nil
}

func (s *Settings) setAnonymous(value string) error {
	switch value {
	case "off":
		s.Anonymous = 0
	case "ro":
		s.Anonymous = wasi.ReadOnly
	case "rw":
		s.Anonymous = wasi.ReadWrite
	default:
		return errors.New(strconv.Quote(value) + " is none of off, ro, rw")
	}
	return nil
}

func (s *Settings) setIdleTimeout(value string) error {
	d, err := time.ParseDuration(value)
	if err != nil || d <= 0 {
		return errors.New(strconv.Quote(value) + " is no length of time such as 90s, 5m or 1h30m")
	}
	s.Engine.IdleTime = int64(d)
	return nil
}

func (s *Settings) setMaxSessions(value string) error {
	n, err := strconv.ParseUint(value, 10, 31)
	if err != nil {
		return errors.New(strconv.Quote(value) + " is no whole number, 0 or more")
	}
	s.MaxSessions = int(n)
	return nil
}

func (s *Settings) setBehaviour(value string) error {
	words := append(s.Engine.Behaviour.Switches(), wasi.Switch{Name: "follow-links", On: &s.FollowLinks})
	for text := range strings.SplitSeq(value, ",") {
		name := strings.TrimSpace(text)
		i := slices.IndexFunc(words, func(w wasi.Switch) bool { return w.Name == name })
		if i < 0 {
			var known []string
			for _, w := range words {
				known = append(known, w.Name)
			}
			return errors.New(strconv.Quote(text) + " is none of " + strings.Join(known, ", "))
		}
		*words[i].On = true
	}
	return nil
}
