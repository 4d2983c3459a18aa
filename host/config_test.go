package host

import (
	"net/netip"
	"runtime"
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
		"MemoryPerInstance": l.MemoryPerInstance == 256<<20, "Instances": c.Instances == runtime.GOMAXPROCS(0),
		"Sessions": l.Sessions == 0 && l.SessionsPerAddress == 0 && c.SessionsPerInstance == 0,
		"Logger":   c.Logger != nil, "Module": c.Module != nil, "LocalNetworks": len(c.Passive.LocalNetworks) > 0,
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

// A configuration is copied: what New fills in does not show in the caller's.
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
		},
		Passive: Passive{FirstPort: 2000, LastPort: 1000, PublicAddress: netip.MustParseAddr("2001:db8::1")},
	}.checked()
	if err == nil {
		t.Fatal("there is no fault")
	}
	names := []string{
		"Instances", "SessionsPerInstance", "Limits.Sessions is", "SessionsPerAddress", "LineLength", "LoginTime", "IdleTime", "StallTime",
		"DataTime", "StepTime", "LoginFailures", "FailureDelay", "MemoryPerInstance", "Passive ports", "PublicAddress",
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
