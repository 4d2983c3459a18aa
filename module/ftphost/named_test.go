package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wasiftp/wasi"
)

// hostSource is the part of the host's source that returns errnos.
type hostSource struct {
	functions map[string]*ast.FuncDecl // by name, those that return a wasi.Errno or an answer
	imports   map[string]string        // by the name of an import's index, its function
}

func readHost(t *testing.T) hostSource {
	t.Helper()
	h := hostSource{map[string]*ast.FuncDecl{}, map[string]string{}}
	paths, err := filepath.Glob("../../host/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && givesErrno(f) {
				h.functions[f.Name.Name] = f
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if pair, ok := n.(*ast.KeyValueExpr); ok {
				key, value := selected(pair.Key, "wasi"), ""
				if s, ok := pair.Value.(*ast.SelectorExpr); ok {
					value = s.Sel.Name
				}
				if _, method := pair.Value.(*ast.SelectorExpr); key != "" && method {
					h.imports[key] = value
				}
			}
			return true
		})
	}
	return h
}

// selected is the name in a qualified identifier of package pkg, "" for other expressions.
func selected(e ast.Expr, pkg string) string {
	if s, ok := e.(*ast.SelectorExpr); ok {
		if x, ok := s.X.(*ast.Ident); ok && x.Name == pkg {
			return s.Sel.Name
		}
	}
	return ""
}

func givesErrno(f *ast.FuncDecl) bool {
	return f.Type.Results != nil && slices.ContainsFunc(f.Type.Results.List, func(r *ast.Field) bool {
		name, _ := r.Type.(*ast.Ident)
		return selected(r.Type, "wasi") == "Errno" || name != nil && name.Name == "answer"
	})
}

// errnos are the errnos that a function, or one that it calls, names. "errnoOf" stands for
// all errnos of the storage or the network.
func (h hostSource) errnos(function string, seen map[string]bool) map[string]bool {
	found := map[string]bool{}
	f := h.functions[function]
	if f == nil || seen[function] {
		return found
	}
	seen[function] = true
	ast.Inspect(f.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if name := selected(n, "wasi"); errnoNamed(name) != 0 {
				found[name] = true
			}
		case *ast.CallExpr:
			name := ""
			switch called := n.Fun.(type) {
			case *ast.Ident:
				name = called.Name
			case *ast.SelectorExpr:
				name = called.Sel.Name
			case *ast.IndexExpr:
				if generic, ok := called.X.(*ast.Ident); ok {
					name = generic.Name
				}
			}
			if name == "errnoOf" {
				found[name] = true
			} else {
				maps.Copy(found, h.errnos(name, seen))
			}
		}
		return true
	})
	return found
}

// indexName is the name of an import's index: net_tls is NetTLS.
func indexName(i wasi.Import) string {
	name := ""
	for word := range strings.SplitSeq(i.Name, "_") {
		if word == "tls" {
			word = "TLS"
		}
		name += strings.ToUpper(word[:1]) + word[1:]
	}
	return name
}

// TestErrnosAreNamed: the text of an import names each errno that the host's function can
// return, except those that the rules above the table name.
func TestErrnosAreNamed(t *testing.T) {
	t.Parallel()
	host := readHost(t)
	for _, i := range wasi.Table {
		function := host.imports[indexName(i)]
		if host.functions[function] == nil {
			t.Errorf("the host's function for %s was not found", i.Name)
			continue
		}
		waits := strings.HasPrefix(i.Text, "may wait")
		handle := slices.ContainsFunc(i.Params, func(p wasi.Param) bool { return p.Kind == wasi.Handle })
		makes := slices.ContainsFunc(i.Params,
			func(p wasi.Param) bool {
				return p.Kind == wasi.RetUint32 && p.Name != "n" && p.Name != "rights" && p.Name != "abilities"
			})
		for errno := range host.errnos(function, map[string]bool{}) {
			ruled := map[string]bool{
				"EINVAL": true, "EBADF": handle, "EMFILE": makes, "EAGAIN": waits,
				"EACCES":  i.Group == "files" || i.Group == "transfers" || i.Name == "net_write",
				"errnoOf": waits || i.Group == "sockets",
				"EBUSY":   waits || i.Group == "sockets" || i.Group == "transfers", "EIO": waits || i.Group == "sockets",
				"EXDEV": waits, "ECANCELED": i.Group == "transfers",
			}
			if !ruled[errno] && !strings.Contains(i.Text, errno) {
				t.Errorf("%s: its text does not name %s, which host.%s returns", i.Name, errno, function)
			}
		}
	}
}

func errnoNamed(name string) wasi.Errno {
	for n := range 1 << 8 {
		if wasi.Errno(n).Error() == name {
			return wasi.Errno(n)
		}
	}
	return 0
}
