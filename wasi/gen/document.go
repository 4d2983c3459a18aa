package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"log"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"wasiftp/wasi"
)

// boundary is the source of package wasi, from which the tables of ABI.md are made.
type boundary struct {
	files map[string]*ast.File
	text  string // of all files, one after the other
	scope *types.Scope
}

func readBoundary() *boundary {
	b := &boundary{files: map[string]*ast.File{}}
	fset := token.NewFileSet()
	for _, name := range []string{"errno.go", "record.go", "rights.go", "config.go", "who.go", "style.go", "zone.go"} {
		text, err := os.ReadFile(name)
		if err != nil {
			log.Fatal(err)
		}
		if b.files[name], err = parser.ParseFile(fset, name, text, parser.ParseComments); err != nil {
			log.Fatal(err)
		}
		b.text += string(text)
	}
	config := types.Config{Importer: importer.ForCompiler(fset, "source", nil)}
	checked, err := config.Check("wasi", fset, slices.Collect(maps.Values(b.files)), nil)
	if err != nil {
		log.Fatal(err)
	}
	b.scope = checked.Scope()
	return b
}

// oneLine is the text of a comment without its line breaks, "" for no comment.
func oneLine(c *ast.CommentGroup) string { return strings.Join(strings.Fields(c.Text()), " ") }

// block is the one block of constants whose comment begins with about.
func (b *boundary) block(about string) *ast.GenDecl {
	for _, file := range b.files {
		for _, d := range file.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.CONST && strings.HasPrefix(g.Doc.Text(), about) {
				return g
			}
		}
	}
	log.Fatalf("no constants have a comment that begins with %q", about)
	return nil
}

// constant is the value of a constant of the package.
func (b *boundary) constant(name string) constant.Value {
	return b.scope.Lookup(name).(*types.Const).Val()
}

// constants is the table of a block of constants. A comment stands behind its constant
// or, where it is too long, above it.
func (b *boundary) constants(block *ast.GenDecl) string {
	out := "| value | name | meaning |\n|---|---|---|\n"
	for _, s := range block.Specs {
		spec := s.(*ast.ValueSpec)
		value := b.constant(spec.Names[0].Name)
		text := cmp.Or(oneLine(spec.Comment), oneLine(spec.Doc))
		if n, ok := constant.Int64Val(value); ok && n >= 1<<16 {
			text = cmp.Or(text, fmt.Sprintf("%#x", n))
		}
		out += fmt.Sprintf("| %s | %s | %s |\n", value, spec.Names[0].Name, text)
	}
	return out
}

var layoutLine = regexp.MustCompile(`(?m)^//\t(\d+ .*)$`)

// layout is the layout of a record, as the comment that begins with start has it, with
// sep between the lines of the comment.
func (b *boundary) layout(start, sep string) string {
	_, text, _ := strings.Cut(b.text, start)
	text, _, _ = strings.Cut(text, "\nfunc ")
	text, _, _ = strings.Cut(text, "\ntype ")
	var lines []string
	for _, line := range layoutLine.FindAllStringSubmatch(text, -1) {
		lines = append(lines, line[1])
	}
	return strings.Join(lines, sep)
}

// records is the table of the records' sizes and layouts.
func (b *boundary) records() string {
	out := "| record | bytes | layout |\n|---|---|---|\n"
	for _, r := range [...]struct{ name, size, more, comment string }{
		{"event", "EventSize", "", "// Event is one"}, {"address", "AddrSize", "", "// PutAddr writes"},
		{"stat", "StatSize", "", "// Stat describes"},
		{"directory entry", "DirentSize", " and more", "// AppendDirent appends"},
		{"session", "WhoSize", " and more", "// Who describes"}, {"style", "styleSize", " and more", "// Style is how"},
		{"change of the zone", "zoneSize", "", "// Zone says"},
	} {
		out += fmt.Sprintf("| %s | %s%s | %s |\n", r.name, b.constant(r.size), r.more, b.layout(r.comment, " · "))
	}
	return out
}

// config is the layout of the configuration, and the table of its fields.
func (b *boundary) config() string {
	out := "```\n" + b.layout("// Config is", "\n") + "\n```\n\n| field | meaning |\n|---|---|\n"
	for _, d := range b.files["config.go"].Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.TYPE {
			continue
		}
		for _, f := range g.Specs[0].(*ast.TypeSpec).Type.(*ast.StructType).Fields.List {
			if text := cmp.Or(oneLine(f.Comment), oneLine(f.Doc)); text != "" {
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

// numbers are the tables of the constants that stand in no other table.
func (b *boundary) numbers() string {
	var out []string
	for _, about := range []string{
		"Flags of file_stat", "Kinds of file_remove", "Parts of net_tls", "Attributes of", "Algorithms of", "Sides of",
		"Abilities of", "Doings of", "File types", "Bits 20 to 26",
	} {
		block := b.block(about)
		out = append(out, block.Doc.Text()+"\n"+b.constants(block))
	}
	return strings.Join(out, "\n")
}

// vectors are sample records byte for byte, to test the code of a host against.
func vectors() string {
	var event [wasi.EventSize]byte
	wasi.Event{Kind: wasi.EventTransfer, Errno: wasi.ECONNRESET, Session: 1, Handle: 7, Value: 1000}.Put(event[:])
	stat := wasi.Stat{ModTime: time.Date(2024, 6, 1, 12, 0, 0, 0, time.UTC).UnixNano(), Size: 5,
		Mode: wasi.TypeLink | 0o777, Links: 1}
	entry, _ := wasi.AppendDirent(make([]byte, 0, 100), stat, "link", "a.txt")
	config := wasi.Config{
		LoginTime: int64(2 * time.Minute), IdleTime: int64(5 * time.Minute), StallTime: int64(5 * time.Minute),
		DataTime: int64(30 * time.Second), FailureDelay: int64(time.Second), LoginFailures: 5, LineLength: 4096,
		TLS: true, Greeting: "Hello.",
		Behaviour: wasi.Behaviour{NoModeZ: true, NoHash: true, Owner: "me"}, Zone: wasi.Zone("").Then(0, 3600),
	}
	out := ""
	for _, v := range []struct {
		about string
		bytes []byte
	}{
		{"An event: the transfer of file 7, of session 1, was reset after 1,000 bytes.", event[:]},
		{"A directory entry: the symbolic link `link` to `a.txt`, of 5 bytes and mode 0777, of 2024-06-01 12:00:00 UTC.", entry},
		{"A configuration: 2 minutes to log in, 5 for idle and for stalled sessions, 30 s for data connections, " +
			"1 s after the first\nof at most 5 failed logins, lines of up to 4,096 bytes, TLS, no MODE Z, no HASH, the " +
			"greeting `Hello.`, the owner `me`,\nand a zone one hour east since 1970.", config.Append(nil)},
	} {
		out += v.about + "\n\n```\n"
		for line := range slices.Chunk(v.bytes, 16) {
			out += fmt.Sprintf("% x\n", line)
		}
		out += "```\n\n"
	}
	return out
}

// tables are the generated parts of ABI.md, by the names of their marks.
func tables() map[string]string {
	b := readBoundary()
	return map[string]string{
		"errnos": b.constants(b.block("The errno values")), "events": b.constants(b.block("Event kinds")),
		"rights": b.constants(b.block("Rights an account")), "open": b.constants(b.block("Flags of file_open")),
		"records": b.records(), "config": b.config(), "numbers": b.numbers(), "vectors": vectors(),
	}
}
