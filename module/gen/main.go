// Command gen writes artefacts.txt, the list of the built .wasm files, and the tables in
// several README.md: verbs, imports, and the clients and runtimes that the tests have run.
// Run it by go generate in the folder module.
package main

import (
	"fmt"
	"log"
	"os"
	"strings"

	"wasiftp/module/ftp"
	"wasiftp/wasi"
	"wasiftp/wasi/gen/marked"
)

func main() {
	log.SetFlags(0)
	artefacts := readArtefacts()
	if err := os.WriteFile("artefacts.txt", artefactList(artefacts), 0o644); err != nil {
		log.Fatal(err)
	}
	marked.Fill("../wasi/README.md", map[string]string{"imports": importTable()})
	marked.Fill("../tests/README.md", map[string]string{"clients": read("../tests/clients.md")})
	marked.Fill("README.md", map[string]string{
		"verbs": verbTable(), "artefacts": artefactTable(artefacts), "runtimes": read("../tests/runtimes/table.md"),
	})
}

func read(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		log.Fatal(err)
	}
	return string(b)
}

// importTable makes a table of the imports with a row for each group.
func importTable() string {
	var b strings.Builder
	b.WriteString("| group | imports |\n|---|---|\n")
	for n := 0; n < len(wasi.Table); {
		group := wasi.Table[n].Group
		var names []string
		for ; n < len(wasi.Table) && wasi.Table[n].Group == group; n++ {
			names = append(names, "`"+wasi.Table[n].Name+"`")
		}
		fmt.Fprintf(&b, "| %s | %s |\n", group, strings.Join(names, " "))
	}
	return b.String()
}

// verbTable makes a table of the verbs with a row for each document, and one row for all
// documents of fewer verbs than fewVerbs.
func verbTable() string {
	var order []string
	verbs := map[string][]string{}
	for _, v := range ftp.Verbs() {
		document, _, _ := strings.Cut(v.Section, " §")
		if verbs[document] == nil {
			order = append(order, document)
		}
		verbs[document] = append(verbs[document], "`"+v.Name+"`")
	}
	var b strings.Builder
	var few []string
	b.WriteString("| document | verbs |\n|---|---|\n")
	for _, document := range order {
		names := strings.Join(verbs[document], " ")
		if len(verbs[document]) < fewVerbs {
			few = append(few, document+" "+names)
			continue
		}
		fmt.Fprintf(&b, "| %s | %s |\n", document, names)
	}
	fmt.Fprintf(&b, "| others | %s |\n", strings.Join(few, ", "))
	return b.String()
}

const fewVerbs = 3
