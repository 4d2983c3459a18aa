package main

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"log"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"wasiftp/wasi"
)

// boundary is the source of package wasi, of which ABI.md's tables are made.
type boundary struct {
	files map[string]*ast.File
	info  types.Info
	text  map[string][]byte
}

func readBoundary() *boundary {
	b := &boundary{files: map[string]*ast.File{}, text: map[string][]byte{}, info: types.Info{Defs: map[*ast.Ident]types.Object{}}}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range []string{"errno.go", "record.go", "rights.go", "config.go", "who.go", "zone.go"} {
		text, err := os.ReadFile(name)
		if err != nil {
			log.Fatal(err)
		}
		file, err := parser.ParseFile(fset, name, text, parser.ParseComments)
		if err != nil {
			log.Fatal(err)
		}
		b.files[name], b.text[name] = file, text
		files = append(files, file)
	}
	config := types.Config{Importer: importer.ForCompiler(fset, "source", nil)}
	if _, err := config.Check("wasi", fset, files, &b.info); err != nil {
		log.Fatal(err)
	}
	return b
}

// blocks are those of constants in a file whose comment begins as said.
func (b *boundary) blocks(file, about string) (found []*ast.GenDecl) {
	for _, d := range b.files[file].Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.CONST && strings.HasPrefix(g.Doc.Text(), about) {
			found = append(found, g)
		}
	}
	if found == nil {
		log.Fatalf("%s has no constants about %q", file, about)
	}
	return found
}

// constants are the rows of a block of constants whose comment begins as said.
func (b *boundary) constants(file, about string) string { return b.rows(b.blocks(file, about)[0]) }

func (b *boundary) rows(g *ast.GenDecl) string {
	out := "| value | name | meaning |\n|---|---|---|\n"
	for _, s := range g.Specs {
		spec := s.(*ast.ValueSpec)
		value := b.info.Defs[spec.Names[0]].(*types.Const).Val()
		text := strings.TrimSpace(spec.Comment.Text())
		if n, ok := constant.Int64Val(value); ok && n >= 1<<16 {
			text = cmp.Or(text, fmt.Sprintf("%#x", n))
		}
		out += fmt.Sprintf("| %s | %s | %s |\n", value, spec.Names[0].Name, text)
	}
	return out
}

var layoutLine = regexp.MustCompile(`(?m)^//\t(\d+ .*)\n`)

// layout is what the comment that begins so has of a record, in one line.
func layout(text []byte, comment string) string {
	text = text[bytes.Index(text, []byte(comment)):]
	text, _, _ = bytes.Cut(text, []byte("\nfunc "))
	text, _, _ = bytes.Cut(text, []byte("\ntype "))
	var lines []string
	for _, line := range layoutLine.FindAllSubmatch(append(text, '\n'), -1) {
		lines = append(lines, string(line[1]))
	}
	return strings.Join(lines, " · ")
}

// records are the layouts, as the comments have them.
func (b *boundary) records() string {
	out := "| record | bytes | layout |\n|---|---|---|\n"
	for _, r := range [...]struct{ name, size, file, comment string }{
		{"event", "EventSize", "record.go", "// Event is what"}, {"address", "AddrSize", "record.go", "// PutAddr writes"},
		{"stat", "StatSize", "record.go", "// Stat describes"}, {"directory entry", "DirentSize", "record.go",
			"// AppendDirent appends"},
		{"session", "WhoSize", "who.go", "// Who describes"}, {"change of the zone", "zoneSize", "zone.go", "// Zone says"},
	} {
		size := b.constant(r.size).String()
		if r.size == "DirentSize" || r.size == "WhoSize" {
			size += " and more"
		}
		out += fmt.Sprintf("| %s | %s | %s |\n", r.name, size, layout(b.text[r.file], r.comment))
	}
	return out
}

func (b *boundary) constant(name string) constant.Value {
	for ident, object := range b.info.Defs {
		if c, ok := object.(*types.Const); ok && ident.Name == name {
			return c.Val()
		}
	}
	log.Fatalf("there is no constant %s", name)
	return nil
}

// config is the layout of the configuration, and what its fields mean.
func (b *boundary) config() string {
	out := "```\n"
	for _, line := range layoutLine.FindAllSubmatch(b.text["config.go"], -1) {
		out += string(line[1]) + "\n"
	}
	out += "```\n\n| field | meaning |\n|---|---|\n"
	for _, d := range b.files["config.go"].Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.TYPE {
			continue
		}
		for _, f := range g.Specs[0].(*ast.TypeSpec).Type.(*ast.StructType).Fields.List {
			if text := strings.TrimSpace(f.Comment.Text()); text != "" {
				var names []string
				for _, n := range f.Names {
					names = append(names, n.Name)
				}
				out += fmt.Sprintf("| %s | %s |\n", strings.Join(names, ", "), text)
			}
		}
	}
	return out
}

// numbers are the constants that no other table has.
func (b *boundary) numbers() string {
	var out []string
	for _, about := range [][2]string{
		{"record.go", "Flags of file_stat"}, {"record.go", "Kinds of file_remove"}, {"record.go",
			"Parts of net_tls"}, {"record.go", "Attributes of"},
		{"record.go", "Algorithms of"}, {"record.go", "Sides of"}, {"rights.go", "Abilities of"}, {"record.go",
			"Doings of"}, {"record.go", "File types"},
	} {
		for _, g := range b.blocks(about[0], about[1]) {
			title := strings.Join(strings.Fields(g.Doc.Text()), " ")
			out = append(out, title+"\n\n"+b.rows(g))
		}
	}
	return strings.Join(out, "\n")
}

// vectors are records byte for byte, for who writes the code that makes or reads them.
func vectors() string {
	var event [wasi.EventSize]byte
	wasi.Event{Kind: wasi.EventTransfer, Errno: wasi.ECONNRESET, Session: 1, Handle: 7, Value: 1000}.Put(event[:])
	stat := wasi.Stat{ModTime: time.Date(2024, 6, 1, 12, 0, 0, 0, time.UTC).UnixNano(), Size: 5,
		Mode: wasi.TypeLink | 0o777, Links: 1}
	entry, _ := wasi.AppendDirent(make([]byte, 0, 100), stat, "link", "a.txt")
	config := wasi.Config{
		LoginTime: int64(2 * time.Minute), IdleTime: int64(5 * time.Minute), StallTime: int64(5 * time.Minute),
		DataTime:     int64(30 * time.Second),
		FailureDelay: int64(time.Second), LoginFailures: 5, LineLength: 4096, TLS: true, Greeting: "Hello.",
		Behaviour: wasi.Behaviour{NoModeZ: true, NoHash: true, Owner: "me"}, Zone: wasi.Zone("").Then(0, 3600),
	}
	out := ""
	for _, v := range []struct {
		about string
		bytes []byte
	}{
		{"An event: the transfer of file 7, of session 1, was reset after 1,000 bytes.", event[:]},
		{"A directory entry: the symbolic link `link` to `a.txt`, of 5 bytes and mode 0777, of 2024-06-01 12:00:00 UTC.", entry},
		{"A configuration: 2 minutes to log in, 5 for idle and for stalled sessions, 30 s for data connections, 1 " +
			"s after the first of at most 5\n" +
			"failed logins, lines of up to 4,096 bytes, TLS, no MODE Z, no HASH, the greeting `Hello.`, the owner " +
			"`me`, and a zone one hour east since 1970.",
			config.Append(nil)},
	} {
		out += v.about + "\n\n```\n"
		for line := range slices.Chunk(v.bytes, 16) {
			out += fmt.Sprintf("% x\n", line)
		}
		out += "```\n\n"
	}
	return out
}

// tables are those of ABI.md, by their names there.
func tables() map[string]string {
	b := readBoundary()
	return map[string]string{
		"errnos": b.constants("errno.go", "The errno values"), "events": b.constants("record.go", "Event kinds"),
		"rights": b.constants("rights.go", "Rights an account"), "open": b.constants("record.go", "Flags of file_open"),
		"records": b.records(), "config": b.config(), "numbers": b.numbers(), "vectors": vectors(),
	}
}
