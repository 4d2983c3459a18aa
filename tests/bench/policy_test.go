//go:build linux

package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"wasiftp/fsbridge"
	"wasiftp/host"
)

// Users of the engine's process whose accounts have a policy. None of it is ever used up.
const (
	bounded  = "bounded"  // a quota, and the rules of rulesOfBounded
	capped   = "capped"   // the same, and the rule for its folder bounds the size of files
	throttle = "throttle" // rates
)

// rulesOfBounded are 100 rules of all kinds. The last one holds for the folder in which the
// benchmarks work.
func rulesOfBounded(most int64) []fsbridge.Rule {
	var rules []fsbridge.Rule
	for n := range 33 {
		rules = append(rules,
			fsbridge.Rule{Pattern: fmt.Sprintf("/project-%d/archive/**", n), Rights: host.ReadOnly},
			fsbridge.Rule{Pattern: fmt.Sprintf("/project-*/in-%d/*.jpg", n), Rights: host.WriteOnly},
			fsbridge.Rule{Pattern: fmt.Sprintf("/**/secret-%d", n)})
	}
	return append(rules, fsbridge.Rule{Pattern: "/work", Rights: host.ReadWrite, MaxSize: most})
}

// BenchmarkPolicyStore stores small files for a user with 100 rules and a quota and for one
// with neither, of the same server in turn, and reports what the policy costs.
func BenchmarkPolicyStore(b *testing.B)   { comparePolicy(b, bounded, 1, (*client).storePolicy) }
func BenchmarkPolicyStore16(b *testing.B) { comparePolicy(b, bounded, 16, (*client).storePolicy) }

// BenchmarkPolicyStoreCapped has a rule that bounds the size of the files, too.
func BenchmarkPolicyStoreCapped(b *testing.B) { comparePolicy(b, capped, 1, (*client).storePolicy) }

// BenchmarkPolicyRetrieve fetches small files in the same way.
func BenchmarkPolicyRetrieve(b *testing.B)   { comparePolicy(b, bounded, 1, (*client).retrievePolicy) }
func BenchmarkPolicyRetrieve16(b *testing.B) { comparePolicy(b, bounded, 16, (*client).retrievePolicy) }

// BenchmarkRatesStore stores small files for a user with rates that are never reached.
func BenchmarkRatesStore(b *testing.B)    { comparePolicy(b, throttle, 1, (*client).storePolicy) }
func BenchmarkRatesRetrieve(b *testing.B) { comparePolicy(b, throttle, 1, (*client).retrievePolicy) }

// BenchmarkRatesPieces fetches a large file in the same way.
func BenchmarkRatesPieces(b *testing.B) {
	comparePolicy(b, throttle, 1, func(c *client, _ int) { c.retrieve("work/large") })
}

func (c *client) storePolicy(number int) {
	for n := range policyFiles {
		c.storeFrom(fmt.Sprintf("work/%d-%d-%d", c.number, number, n), bytes.NewReader(make([]byte, smallSize)))
	}
}

func (c *client) retrievePolicy(int) {
	for range policyFiles {
		c.retrieve("work/sparse")
	}
}

// policyFiles is how many files a session moves before it is the other user's turn.
const policyFiles = 100

// comparePolicy lets sessions of a user and of one without a policy work in turn.
func comparePolicy(b *testing.B, user string, sessions int, work func(c *client, turn int)) {
	if sessions == 1 {
		pin(b)
	}
	b.Setenv(countsFolder, b.TempDir())
	root := memoryDir(b)
	sparse(b, filepath.Join(root, "work"), smallSize)
	if err := os.WriteFile(filepath.Join(root, "work/large"), make([]byte, 256<<20), 0o644); err != nil {
		b.Fatal(err)
	}
	p := startProcess(b, "engine", root)
	contestants := [2]crowd{{process: p}, {process: p}}
	for number := range sessions {
		for i, user := range []string{user, "bench"} {
			c := loginAs(b, p.address, user)
			c.number = 2*number + i
			c.command("TYPE I", "200")
			contestants[i].clients = append(contestants[i].clients, c)
		}
	}
	takeTurns(b, contestants, work, func() { removeUploads(b, root) })
}

// removeUploads removes what has been stored in the folder "work". The counts of the quota keep it.
func removeUploads(b *testing.B, root string) {
	stored, err := filepath.Glob(filepath.Join(root, "work/*-*"))
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range stored {
		if err := os.Remove(name); err != nil {
			b.Fatal(err)
		}
	}
}
