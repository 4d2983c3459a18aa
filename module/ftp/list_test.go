package ftp_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"wasiftp/module/ftp"
	"wasiftp/module/ftp/ftptest"
	"wasiftp/wasi"
)

func TestListOptions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ arg, flags, pathname string }{
		{"", "", ""}, {"-a", "a", ""}, {"-la", "a", ""}, {"-al x", "a", "x"}, {"-l", "", ""}, {"-F a b", "F", "a b"},
		{"-R sub", "R", "sub"}, {"-1", "", ""}, {"-d x", "d", "x"}, {"-a -R x", "aR", "x"}, {"-- -a", "", "-a"},
		{"-l -- -a", "", "-a"}, {"-a.txt", "", "-a.txt"}, {"-", "", "-"}, {"./-a", "", "./-a"}, {"x -a", "", "x -a"},
		{"-l  x", "", " x"}, {"--", "", ""}, {"--all", "", "--all"}, {"-ltr", "tr", ""}, {"-t -r x", "tr", "x"}, {"-rS", "Sr", ""},
		{"-St", "t", ""}, {"-tS", "S", ""}, {"-tf", "", ""}, {"-SU x", "", "x"}, {"-1t", "t", ""}, {"-RtF x", "RFt", "x"},
	} {
		flags, pathname := ftp.CutOptions(c.arg)
		assert.Equal(t, c.flags, flags, c.arg)
		assert.Equal(t, c.pathname, pathname, c.arg)
	}
}

func TestListings(t *testing.T) {
	t.Parallel()
	for _, async := range []uint64{0, 1, 2} {
		w, c := login(t)
		asynchronous(w, async)
		w.Put("sub/deep/far.txt", "")
		w.Put("sub/.hidden", "")
		w.Put("[x]/y", "")
		w.Put("-a", "")
		w.Put("two words", "")
		w.Put("link", "").Type = ftp.Link
		w.Files["link"].Target = "sub/in.txt"
		for _, l := range []struct{ command, want string }{
			{"NLST", "-a [x] hello.txt link sub two_words"},
			{"NLST sub", "sub/.hidden sub/deep sub/in.txt"},
			{"NLST sub/", "sub/.hidden sub/deep sub/in.txt"},
			{"NLST /sub", "/sub/.hidden /sub/deep /sub/in.txt"},
			{"NLST sub/*", "sub/deep sub/in.txt"},
			{"NLST -a sub/*", "sub/.hidden sub/deep sub/in.txt"},
			{"NLST sub/.*", "sub/.hidden"},
			{"NLST *.txt", "hello.txt"},
			{"NLST [x]", "[x]/y"},
			{"NLST [g-i]*", "hello.txt"},
			{"NLST hello.txt", "hello.txt"},
			{"NLST sub/in.txt", "sub/in.txt"},
			{"NLST *.none", ""},
			{"NLST none", "550"},
			{"NLST none/*", "550"},
			{"LIST", "-a [x] hello.txt link_->_sub/in.txt sub two_words"},
			{"LIST -a", "-a [x] hello.txt link_->_sub/in.txt sub two_words"},
			{"LIST -- -a", "-a"},
			{"LIST ./-a", "-a"},
			{"LIST two words", "two_words"},
			{"LIST -la two words", "two_words"},
			{"LIST -d sub", "sub"},
			{"LIST -d", "."},
			{"LIST -F", "-a [x]/ hello.txt link_->_sub/in.txt sub/ two_words"},
			{"LIST sub/in.txt", "in.txt"},
			{"LIST h*", "hello.txt"},
			{"LIST sub/*.txt", "in.txt"},
			{"LIST none", "550"},
			{"LIST -R sub", ".hidden deep in.txt ./deep: far.txt"},
			{"MLSD sub", ".hidden deep in.txt"},
			{"MLSD hello.txt", "501"},
			{"MLSD none", "550"},
			{"MLSD *", "550"},
		} {
			content, codes := c.Get(l.command)
			if strings.HasPrefix(l.want, "5") {
				assert.Equal(t, l.want, codes, l.command)
				continue
			}
			assert.Equal(t, "150 226", codes, l.command)
			assert.Equal(t, l.want, names(content, l.command[:4]), l.command)
		}
		assert.Equal(t, 1, w.Held()-1, "the control connection and an unused port")
	}
}

// names are the names in a listing, their spaces shown as "_".
func names(listing, verb string) string {
	var all []string
	for line := range strings.SplitSeq(listing, "\r\n") {
		switch {
		case line == "":
			continue
		case verb == "MLSD":
			_, line, _ = strings.Cut(line, " ")
		case verb == "LIST" && !strings.HasSuffix(line, ":"):
			line = line[len("-rw-r--r--    1 ftp      ftp             6 Jun  1 12:00 "):]
		}
		all = append(all, strings.ReplaceAll(line, " ", "_"))
	}
	return strings.Join(all, " ")
}

func TestFacts(t *testing.T) {
	t.Parallel()
	w, c := login(t)
	w.Files["hello.txt"].Mode = 0o640
	all := "type=file;size=6;modify=20240601120000;perm=rawdf;UNIX.mode=0640;"
	assert.Equal(t, "250-Facts:\r\n "+all+" /hello.txt\r\n250 End.", c.Do("MLST hello.txt"))
	assert.Equal(t, "250-Facts:\r\n type=dir;modify=20240601120000;perm=elcdpfm;UNIX.mode=0755; /sub\r\n250 End.",
		c.Do("MLST sub/."))
	assert.Contains(t, c.Do("MLST"), "UNIX.mode=0755; /\r\n")
	assert.Equal(t, "550", c.Code("MLST none"))
	assert.Equal(t, "200 MLST OPTS type;size;", c.Do("OPTS mlst SIZE;Type;bogus"))
	assert.Contains(t, c.Do("FEAT"), " MLST type*;size*;modify;create;perm;UNIX.mode;\r\n")
	content, _ := c.Get("MLSD sub")
	assert.Equal(t, "type=file;size=3; in.txt\r\n", content)
	assert.Equal(t, "200 MLST OPTS", c.Do("OPTS MLST"))
	assert.Contains(t, c.Do("MLST hello.txt"), "\r\n  /hello.txt\r\n")
	reader := w.LoginAs("ro", "p")
	assert.Contains(t, reader.Do("MLST hello.txt"), "perm=r;")
	assert.Contains(t, reader.Do("MLST sub"), "perm=el;")
}

// The perm fact leaves out what is denied for a file, however alike the files of a folder are.
func TestFactsOfDeniedRights(t *testing.T) {
	t.Parallel()
	w, c := login(t)
	for name, denied := range map[string]ftp.Rights{"a": 0, "b": wasi.RightWrite, "c": wasi.RightWrite | wasi.RightDelete, "d": 0} {
		w.Put("rules/"+name, "").Denied = denied
	}
	w.Files["rules"].Denied = wasi.RightMkdir
	c.Do("OPTS MLST perm;")
	content, _ := c.Get("MLSD rules")
	assert.Equal(t, "perm=rawdf; a\r\nperm=rdf; b\r\nperm=rf; c\r\nperm=rawdf; d\r\n", content)
	assert.Contains(t, c.Do("MLST rules"), "perm=elcdpf;")
	assert.Contains(t, c.Do("MLST rules/c"), "perm=rf;")
}

// TestThreat20Names: a name cannot begin a line or a fact of its own (CVE-2024-48208), and
// an odd name does not spoil the others.
func TestThreat20Names(t *testing.T) {
	t.Parallel()
	w, c := login(t)
	long := strings.Repeat("n", 255)
	odd := []string{"a\r\nb", "x\ntype=dir; y", "e;f", "t\tz\x1b[0m", "\xff\xfe\x80", long, " lead", "\"q\""}
	for _, name := range odd {
		w.Put("odd/"+name, "")
	}
	for _, command := range []string{"LIST odd", "NLST odd", "MLSD odd", "LIST -R odd"} {
		content, codes := c.Get(command)
		assert.Equal(t, "150 226", codes)
		assert.Equal(t, len(odd), strings.Count(content, "\n"), command)
		assert.Equal(t, len(odd), strings.Count(content, "\r"), command)
		for _, shown := range []string{"a??b\r\n", "x?type=dir; y\r\n", "e;f\r\n", "t?z?[0m\r\n", "\xff\xfe\x80\r\n", long,
			" lead\r\n"} {
			assert.Contains(t, content, shown, command)
		}
	}
	for i, name := range odd {
		w.Put("trees/"+name+"/x", strings.Repeat("x", i))
	}
	for _, command := range []string{
		"LIST -R trees", "LIST -tR trees", "LIST -rS trees/*/*", "NLST t*/*/x", "NLST -t t*/*/?", "NLST trees/*/",
	} {
		content, codes := c.Get(command)
		assert.Equal(t, "150 226", codes)
		lines := len(odd)
		if strings.Contains(command, "R") {
			lines = 4 * len(odd) // with an empty one and a heading
		}
		assert.Equal(t, lines, strings.Count(content, "\n"), command)
		assert.Equal(t, lines, strings.Count(content, "\r"), command)
	}
	status := c.Do("STAT odd")
	wellFormed(t, status+"\r\n")
	assert.Equal(t, len(odd)+1, strings.Count(status, "\n"))
	assert.Equal(t, "257", c.Code("MKD odd/d\r\x00d"))
	assert.Contains(t, c.Do("MLST odd/d\r\x00d"), " /odd/d?d\r\n250 End.")
}

// TestThreat18Listings: a folder of very many names, LIST -R of a deep tree, and
// STAT of both cost bounded memory, also when the client reads slowly.
func TestThreat18Listings(t *testing.T) {
	t.Parallel()
	w, c := login(t)
	w.Room = 10_000
	const many = 20_000
	for i := range many {
		w.Files[fmt.Sprintf("many/%06d", i)] = &ftptest.File{}
	}
	w.Mkfolder("many")
	for _, command := range []string{"LIST many", "NLST many", "MLSD many", "NLST many/0*"} {
		content, codes := c.Get(command)
		assert.Equal(t, "150 226", codes, command)
		assert.Equal(t, many, strings.Count(content, "\n"), command)
	}
	w.Put("deep"+strings.Repeat("/d", 500)+"/x", "")
	content, codes := c.Get("LIST -R deep")
	assert.Equal(t, "150 226", codes)
	assert.Equal(t, 500, strings.Count(content, ":\r\n"))

	c.Send("STAT many\r\n")
	var status strings.Builder
	for {
		w.Run()
		part := c.Take()
		if part == "" {
			break
		}
		status.WriteString(part)
	}
	wellFormed(t, status.String())
	assert.Equal(t, many+2, strings.Count(status.String(), "\n"))
	assert.Equal(t, "200", c.Code("NOOP"))
}

func TestStatus(t *testing.T) {
	t.Parallel()
	w, c := login(t)
	assert.Regexp(t, "(?s)^211-.* 192.0.2.7\r\n.*as u\r\n.*ASCII.*No transfer\r\n211 ", c.Do("STAT"))
	assert.Regexp(t, "(?s)^213-.*\r\n-rw.* in.txt\r\n213 ", c.Do("STAT sub"))
	assert.Regexp(t, "(?s)^213-.*\r\n-rw.* hello.txt\r\n213 ", c.Do("STAT hello.txt"))
	assert.Equal(t, "550", c.Code("STAT none"))
	w.Fault = func(call, _ string) error {
		if call == "ListNext" {
			return ftp.ErrStorage
		}
		return nil
	}
	assert.Regexp(t, "(?s)^213-.*incomplete.$", c.Do("STAT sub"))
	_, codes := c.Get("LIST sub")
	assert.Equal(t, "150 451", codes)
}
