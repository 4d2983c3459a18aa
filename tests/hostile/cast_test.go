package hostile

import (
	"net"
	"testing"

	"wasiftp/wasi"
	"wasiftp/wasi/hosttest/kit"
)

// cast is a session with one handle of each kind.
type cast struct {
	*puppet
	handles map[string]uint64 // by kind
	client  net.Conn          // the other end of the data connection
}

func (s *stage) cast() *cast {
	s.t.Helper()
	c := &cast{puppet: s.puppet(), handles: map[string]uint64{}}
	c.login()
	s.put("file of "+s.t.Name(), "content")
	c.handles["session"] = c.Session
	c.handles["conn"], c.client = c.Data()
	c.handles["listener"], _ = c.Listen()
	c.handles["file"] = c.Open("file of "+s.t.Name(), 0, 0)
	c.handles["dir"] = c.List(".", 0)
	return c
}

// takes names the kinds of handle that a parameter takes.
func takes(t *testing.T, i wasi.Import, param string) []string {
	t.Helper()
	kinds := kit.Takes(i, param)
	if kinds == nil {
		t.Fatalf("%s has a handle called %s: say in kit.Takes which handles it takes", i.Name, param)
	}
	return kinds
}

// args are valid arguments of an import. at[n] is the index of the values of parameter n.
func (c *cast) args(i wasi.Import) (args []uint64, at []int) {
	c.t.Helper()
	pointer := c.At(kit.BufferAt)
	for _, p := range i.Params {
		at = append(at, len(args))
		switch p.Kind {
		case wasi.Handle:
			args = append(args, c.handles[takes(c.t, i, p.Name)[0]])
		case wasi.Uint32, wasi.Int64:
			args = append(args, 0)
		case wasi.In, wasi.Out:
			args = append(args, pointer, 64)
			pointer += 1024
		case wasi.InAddr, wasi.RetAddr, wasi.RetStat, wasi.RetUint32, wasi.RetUint64:
			args = append(args, pointer)
			pointer += 1024
		default:
			c.t.Fatalf("%s has a parameter of kind %d: say what it takes", i.Name, p.Kind)
		}
	}
	return args, at
}

// everyParam runs a test for every parameter of every import whose kind is among kinds.
func everyParam(test func(n int, i wasi.Import, param int), kinds ...wasi.Kind) {
	for n, i := range wasi.Table {
		for param, p := range i.Params {
			for _, kind := range kinds {
				if p.Kind == kind {
					test(n, i, param)
				}
			}
		}
	}
}
