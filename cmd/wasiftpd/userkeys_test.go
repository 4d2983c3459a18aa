package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The keys of users hold for a real client. Those that need more than one session, such as
// sessions, are tested by TestUserTablesAreKeptTo.
func TestUserKeysWithCurl(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC()
	day := func(days int) string { return now.AddDate(0, 0, days).Format(time.DateOnly) }
	weekday := func(days int) string { return strings.ToLower(now.AddDate(0, 0, days).Weekday().String()[:3]) }
	clock := func(hours int) string { return now.Add(time.Duration(hours) * time.Hour).Format("15:04") }
	large := strings.Repeat("x", 80<<10)
	type attempt struct {
		args []string // SERVER stands for the URL with the user's name and password
		code string   // the reply that refuses it, "" for success
	}
	list := func(code string) []attempt { return []attempt{{[]string{"SERVER/"}, code}} }
	dir := t.TempDir()
	small := write(t, dir, "small", strings.Repeat("y", 2000))
	tests := []struct {
		keys     string
		attempts []attempt
	}{
		{"", list("")},
		{"locked = true", list("530")},
		{"allow_from = ['127.0.0.0/8', '192.0.2.1']", list("")},
		{"allow_from = '192.0.2.0/24'", list("530")},
		{"valid_from = " + day(-2), list("")},
		{"valid_from = " + day(2), list("530")},
		{"valid_until = " + day(2), list("")},
		{"valid_until = " + day(-2), list("530")},
		{"weekdays = '" + weekday(-1) + "-" + weekday(1) + "'", list("")},
		{"weekdays = ['" + weekday(3) + "', '" + weekday(-3) + "']", list("530")},
		{"hours = '" + clock(-2) + "-" + clock(2) + "'", list("")},
		{"hours = ['" + clock(2) + "-" + clock(4) + "', '" + clock(5) + "-" + clock(6) + "']", list("530")},
		{"tls_required = true", append(list("530"), attempt{[]string{"--ssl-reqd", "-k", "SERVER/"}, ""})},
		{"rights = 'ro'", append(list(""), attempt{[]string{"-T", small, "SERVER/"}, "550"})},
		{"rules = [{path = '/in', rights = 'none'}]", append(list(""), attempt{[]string{"SERVER/in/"}, "550"})},
		{"rules = [{path = '/in', rights = ''}]", append(list(""), attempt{[]string{"SERVER/in/"}, "550"})},
		{"rules = [{path = '/in', rights = 'wo', max = 1000}]", []attempt{
			{[]string{"-T", write(t, dir, "short", "z"), "SERVER/in/"}, ""}, {[]string{"-T", small, "SERVER/in/"}, "552"},
		}},
		{"quota = 1000", []attempt{
			{[]string{"-T", filepath.Join(dir, "short"), "SERVER/"}, ""}, {[]string{"-T", small, "SERVER/"}, "552"},
		}},
		{"charset = 'Shift_JIS'", []attempt{{[]string{"-T", small, "SERVER/%83e%83X%83g"}, ""}}},
		{"owner = 'eve:cams'\nlist_time_zone = 'Pacific/Kiritimati'", list("")},
		{"rate = '0:64k'", []attempt{{[]string{"-o", filepath.Join(dir, "got"), "SERVER/large"}, ""}}},
	}
	config := "tls = 'self-signed'\ntls-dir = 'tls'\nstate-dir = 'state'\n[defaults]\nroot = 'of/%u'\ntime_zone = 'UTC'\n" +
		"[[group]]\nname = 'all'\nrights = 'rw'\n"
	for i, test := range tests {
		name := fmt.Sprint("user", i)
		folder(t, filepath.Join(dir, "of", name, "in"))
		config += userTable(name, "group = 'all'\n"+test.keys)
		if strings.HasPrefix(test.keys, "rate") {
			write(t, filepath.Join(dir, "of", name), "large", large)
		}
	}
	s := start(t, "--config", write(t, dir, "wasiftpd.toml", config), "--ban-after", "off")
	for i, test := range tests {
		t.Run(test.keys, func(t *testing.T) {
			t.Parallel()
			for _, a := range test.attempts {
				var args []string
				for _, arg := range a.args {
					args = append(args, strings.Replace(arg, "SERVER", fmt.Sprintf("ftp://user%d:secret@%s", i, s.addr), 1))
				}
				began := time.Now()
				out, ok := curl(t, args...)
				if ok != (a.code == "") || !strings.Contains(out, "< "+a.code) {
					t.Errorf("%q: want %q, and curl says\n%s", a.args, a.code, out)
				}
				if hour := time.Now().UTC().Add(14 * time.Hour).Format("Jan _2"); strings.HasPrefix(test.keys, "owner") &&
					!strings.Contains(out, " eve      cams ") && !strings.Contains(out, hour) {
					t.Errorf("the listing is\n%s", out)
				}
				// 80 KiB at 64 KiB a second, less what may go at once.
				if took := time.Since(began); strings.HasPrefix(test.keys, "rate") && took < 800*time.Millisecond {
					t.Errorf("80 KiB took %v", took)
				}
			}
			if strings.HasPrefix(test.keys, "charset") {
				if _, err := os.Stat(filepath.Join(dir, "of", fmt.Sprint("user", i), "テスト")); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
