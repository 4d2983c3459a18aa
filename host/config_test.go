package host

import (
	"crypto/tls"
	"maps"
	"math"
	"net/netip"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestConfigZeroValueWorks(t *testing.T) {
	t.Parallel()
	c, err := Config{}.checked()
	if err != nil {
		t.Fatal(err)
	}
	l := c.Limits
	for what, ok := range map[string]bool{
		"LineLength": l.LineLength == 4096, "LoginTime": l.LoginTime == 2*time.Minute, "IdleTime": l.IdleTime == 5*time.Minute,
		"StallTime": l.StallTime == 5*time.Minute, "DataTime": l.DataTime == 30*time.Second, "StepTime": l.StepTime == 5*time.Second,
		"LoginFailures": l.LoginFailures == 5, "FailureDelay": l.FailureDelay == time.Second,
		"Threads":           l.Threads >= fewestThreads && l.Threads <= mostThreads,
		"MemoryPerInstance": l.MemoryPerInstance == 256<<20, "Instances": c.Instances == runtime.GOMAXPROCS(0),
		"Strangers":  l.Strangers == 0 && l.StrangersStart == 100 && l.StrangersRate == 30,
		"Processors": l.Processors == max(runtime.GOMAXPROCS(0)-1, 1) && l.ProcessorsPerAccount == 0,
		"Sessions":   l.Sessions == 0 && l.SessionsPerAddress == 0 && c.SessionsPerInstance == 0,
		"Logger":     c.Logger != nil, "Module": c.Module != nil,
	} {
		if !ok {
			t.Errorf("%s is not what its comment says", what)
		}
	}
	again, err := c.checked()
	if err != nil || again.Limits != c.Limits {
		t.Errorf("checked twice it is something else: %v", err)
	}
}

// A configuration is copied: the defaults that New fills in do not show in the caller's.
func TestConfigIsCopied(t *testing.T) {
	t.Parallel()
	var c Config
	c.checked()
	if c.Limits != (Limits{}) || c.Logger != nil || c.Module != nil || c.Passive.LocalNetworks != nil {
		t.Errorf("%+v", c)
	}
}

// All faults come at once, each by its name.
func TestConfigFaultsInOneError(t *testing.T) {
	t.Parallel()
	_, err := Config{
		Instances: -1, SessionsPerInstance: -2,
		Limits: Limits{
			Sessions: -3, SessionsPerAddress: -4, LineLength: maxLine + 1, LoginTime: -5, IdleTime: -6, StallTime: -7, DataTime: -8,
			StepTime: -9, LoginFailures: -10, FailureDelay: -11, MemoryPerInstance: 1,
			Strangers: -12, StrangersStart: -13, StrangersRate: -14, Processors: -15, ProcessorsPerAccount: -16,
		},
		Passive: Passive{FirstPort: 2000, LastPort: 1000, PublicAddress: netip.MustParseAddr("2001:db8::1")},
	}.checked()
	if err == nil {
		t.Fatal("there is no fault")
	}
	names := []string{
		"Instances", "SessionsPerInstance", "Limits.Sessions is", "SessionsPerAddress",
		"Strangers is", "StrangersStart", "StrangersRate", "LineLength", "LoginTime", "IdleTime", "StallTime",
		"DataTime", "StepTime", "LoginFailures", "FailureDelay", "MemoryPerInstance",
		"Limits.Processors is", "ProcessorsPerAccount", "Passive ports", "PublicAddress",
	}
	for _, name := range names {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("nothing is said of %s", name)
		}
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != len(names) {
		t.Errorf("%d faults are told, not %d:\n%v", n, len(names), err)
	}
}

func TestConfigBounds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		ok   bool
		set  func(*Config)
	}{
		{"the shortest memory", true, func(c *Config) { c.Limits.MemoryPerInstance = minMemory }},
		{"less memory", false, func(c *Config) { c.Limits.MemoryPerInstance = minMemory - 1 }},
		{"negative memory", false, func(c *Config) { c.Limits.MemoryPerInstance = -1 }},
		{"4 GiB", true, func(c *Config) { c.Limits.MemoryPerInstance = maxMemory }},
		{"more than 4 GiB", false, func(c *Config) { c.Limits.MemoryPerInstance = maxMemory + 1 }},
		{"the longest line", true, func(c *Config) { c.Limits.LineLength = maxLine }},
		{"one port", true, func(c *Config) { c.Passive.FirstPort, c.Passive.LastPort = 5000, 5000 }},
		{"the last port", true, func(c *Config) { c.Passive.FirstPort, c.Passive.LastPort = 65535, 65535 }},
		{"half a range", false, func(c *Config) { c.Passive.FirstPort = 5000 }},
		{"the other half", false, func(c *Config) { c.Passive.LastPort = 5000 }},
		{"a public address", true, func(c *Config) { c.Passive.PublicAddress = netip.MustParseAddr("203.0.113.1") }},
		{"one that is mapped", true, func(c *Config) { c.Passive.PublicAddress = netip.MustParseAddr("::ffff:203.0.113.1") }},
	} {
		var config Config
		c.set(&config)
		if _, err := config.checked(); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// values are wrong values of a field of Config, each for a reason of its own.
type values []any

var (
	negative  = values{-1, math.MinInt}
	backwards = values{time.Duration(-1), time.Duration(math.MinInt64)}
	anything  = values(nil)
)

// faulty has values that New must refuse for every field of Config, or anything for a field
// without such values.
var faulty = map[string]values{
	"Authenticator": anything, "Observer": anything, "SyncObserver": anything, "Logger": anything,
	"Hosts": {
		[]string{""}, []string{"a.example.org", ""}, []string{"a b"}, []string{"a..b"}, []string{"a.example.org."}, []string{".a"},
		[]string{"*.example.org"}, []string{"a\r\nb"}, []string{"a/b"}, []string{"a:21"}, []string{"::1"}, []string{"[::1"},
		[]string{"[1.2.3.4]"}, []string{"b\u00fccher.example"},
		[]string{strings.Repeat("a", longestHost+1)},
	},
	"Hooks.Login": anything, "Hooks.BeforeUpload": anything, "Hooks.BeforeDownload": anything, "Hooks.BeforeChange": anything,
	"Hooks.BeforeCommit": anything,
	"Greeting":           {"a\r\n220 b", "a\nb", "a\r", "a\x00b", "\x1b[2J", "a\tb", "\x7f", "\u0085"},

	"Behaviour.ASCIIVerbatim": anything, "Behaviour.NoASCIISize": anything, "Behaviour.MkdirExisting": anything,
	"Behaviour.MakeParents": anything, "Behaviour.EmptyNLSTFails": anything, "Behaviour.HideDotFiles": anything,
	"Behaviour.NoASCIIRest": anything, "Behaviour.NoModeZ": anything, "Behaviour.NoHash": anything,
	"Behaviour.Owner": {"two words", "a\r\nb", "a\x00", "\x7f", "\u00a0"},
	"Behaviour.Group": {"two words", "a\r\nb", "a\x00", "\x7f", "\u2003"},

	"Allow.SiteCopy": anything, "Allow.SiteSymlink": anything, "Allow.SiteRmdir": anything, "Allow.Combine": anything,
	"Allow.CCC": anything, "Allow.SSCN": anything, "Allow.CPSV": anything,

	"Charset":  {"klingon", "UTF-16", "a\nb"},
	"ListZone": anything, "FollowLinks": anything,

	"Limits.Processors": negative, "Limits.ProcessorsPerAccount": negative,
	"Limits.Sessions": negative, "Limits.SessionsPerAddress": negative,
	"Limits.Strangers": negative, "Limits.StrangersStart": negative, "Limits.StrangersRate": append(values{101}, negative...),
	"Limits.LineLength": append(values{maxLine + 1}, negative...), "Limits.LoginFailures": append(values{math.MaxInt}, negative...),
	"Limits.LoginTime": backwards, "Limits.IdleTime": backwards, "Limits.StallTime": backwards, "Limits.DataTime": backwards,
	"Limits.StepTime": backwards, "Limits.FailureDelay": backwards, "Limits.Threads": negative,
	"Limits.Rates.Up": {int64(-1)}, "Limits.Rates.Down": {int64(-1)},
	"Limits.RatesPerSession.Up": {int64(-1)}, "Limits.RatesPerSession.Down": {int64(math.MinInt64)},
	"Limits.MemoryPerInstance": {int64(-1), int64(1), int64(minMemory - 1), int64(maxMemory + 1)},

	"ListenData": anything, "DialData": anything,
	"Proxies": {[]netip.Prefix{{}}, []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")}},

	"Passive.FirstPort": {uint16(1), uint16(65535)}, "Passive.LastPort": {uint16(1), uint16(65535)},
	"Passive.PublicAddress":    {netip.MustParseAddr("2001:db8::1"), netip.IPv4Unspecified(), netip.MustParseAddr("::ffff:0.0.0.0")},
	"Passive.PublicAddressFor": anything,
	"Passive.LocalNetworks":    {[]netip.Prefix{{}}, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), {}}},

	"TLS.Config":         {&tls.Config{}, &tls.Config{Certificates: []tls.Certificate{}}},
	"TLS.Require":        {TLSForLogin, TLSForControl, TLSForTransfer, TLSForTransfer + 1, TLSRequirement(math.MaxUint8)},
	"TLS.DataResumption": {IgnoreResumption + 1, DataResumption(math.MaxUint8)},
	"TLS.Close":          {RequireClose + 1, TLSClose(math.MaxUint8)},

	"Bans.After": negative, "Bans.Window": backwards, "Bans.Time": backwards, "Bans.Longest": backwards, "Bans.Rate": negative,
	"Bans.Allow": {[]netip.Prefix{{}}}, "Bans.Deny": {[]netip.Prefix{{}}}, "Bans.Remembered": negative,

	"AllowForeignDataAddress": anything,
	"Module":                  anything, // New tries it
	"Instances":               negative, "SessionsPerInstance": negative,
	"CacheDir": anything, // New does without
}

// fields are all fields of a configuration, by name.
func fields(config reflect.Value, under string) map[string]reflect.Value {
	all := map[string]reflect.Value{}
	for f, value := range config.Fields() {
		if f.Type.Kind() == reflect.Struct && strings.HasPrefix(f.Type.PkgPath(), "wasiftp/") {
			maps.Copy(all, fields(value, under+f.Name+"."))
			continue
		}
		all[under+f.Name] = value
	}
	return all
}

// Each field is either checked, with a fault that names it, or listed as one without a
// check, so that a new field can't be forgotten.
func TestConfigEachField(t *testing.T) {
	t.Parallel()
	var names []string
	for name := range fields(reflect.ValueOf(Config{}), "") {
		names = append(names, name)
		wrong, known := faulty[name]
		if !known {
			t.Errorf("nothing is known of the field %s; put it into faulty, and check it in New if some value is wrong", name)
		}
		for _, value := range wrong {
			var c Config
			fields(reflect.ValueOf(&c).Elem(), "")[name].Set(reflect.ValueOf(value))
			_, err := c.checked()
			if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), name[strings.LastIndex(name, ".")+1:]) {
				t.Errorf("%s: the value %#v gives %v; want one fault, by that name", name, value, err)
			}
		}
	}
	for name := range faulty {
		if !slices.Contains(names, name) {
			t.Errorf("there is no field %s", name)
		}
	}
}

func TestConfigHosts(t *testing.T) {
	t.Parallel()
	c := Config{Hosts: []string{"localhost", "A.example.org", "a_b.example", "xn--bcher-kva.example", "192.0.2.1", "[2001:db8::1]"}}
	if _, err := c.checked(); err != nil {
		t.Error(err)
	}
}

// TLS.Require needs a certificate, from any field of TLS.Config.
func TestConfigCertificates(t *testing.T) {
	t.Parallel()
	for _, config := range []*tls.Config{
		{Certificates: make([]tls.Certificate, 1)},
		{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }},
		{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, nil }},
	} {
		c := Config{TLS: TLS{Config: config, Require: TLSForTransfer, DataResumption: RequireResumption}}
		if _, err := c.checked(); err != nil {
			t.Error(err)
		}
	}
}
