package wasm

import "slices"

// ledger says where in a function's code fuel is burnt, and how much.
//
// WebAssembly's control flow is structured: between two turns of the innermost
// loop around it, an instruction runs once at most, and only after whatever the
// blocks around it begin with. So its price may be taken at any of those places.
// The ledger takes it where jumps lead to, so that nobody pays for much that he
// passes over.
type ledger struct {
	points   []point
	open     []block // those around the present instruction, the function itself first
	now      int     // the point that pays for the present instruction
	straight bool    // since that point, nothing was called and no jump was possible
	calls    bool    // the function calls others
}

// point is a place in the code at which fuel is burnt.
type point struct {
	at         int   // an offset in the code
	cost       int64 // of what it pays for
	payer      int   // a point that may pay instead; -1 for none
	dispatches bool  // it leads to one of those that it may pay for, whatever happens
	checks     bool  // the guest gets more fuel there, or is stopped, when there is none left
	bulk       bool  // it pays for the bulk operation that follows, by its size
	shift      byte  // of the size of the operation, to make fuel of it
}

// block is a block, loop, if or function.
type block struct {
	opcode byte
	point  int  // that pays where it begins
	aimed  bool // a jump leads behind its end
}

// account is where a function burns fuel, in order. The module has so many globals,
// and imports so many functions.
func account(d *decoder, globals, imported uint64) []point {
	var l ledger
	size := len(d.rest)
	l.open = []block{{}}
	l.pay(0, -1)
	for len(d.rest) > 0 && d.err == nil {
		at := size - len(d.rest)
		opcode := d.byte()
		cost := price(opcode)
		switch opcode {
		case 0x10: // call
			if d.uint() < imported {
				cost = importPrice
			}
			l.straight, l.calls = false, true
		case 0x11: // call_indirect
			d.immediates(opcode)
			l.straight, l.calls = false, true
		case 0x0c: // br
			l.aim(d)
			l.straight = false
		case 0x0d: // br_if
			l.aim(d)
		case 0x0e: // br_table
			l.dispatch(d)
		case 0x00, 0x0f: // unreachable, return
			l.straight = false
		case 0x23, 0x24: // global.get, global.set
			if d.uint() >= globals {
				d.fail("it uses a global that it does not have")
			}
		case 0xfc:
			if bulk, shift := d.prefixed(); bulk {
				l.points = append(l.points, point{at: at, cost: 1, payer: -1, bulk: true, shift: shift})
			}
		default:
			d.immediates(opcode)
		}
		l.points[l.now].cost += cost
		l.nest(opcode, size-len(d.rest))
	}
	return l.due()
}

// aim reads a label, and gives the block that a jump leaves or begins again.
func (l *ledger) aim(d *decoder) *block {
	depth := d.uint()
	if depth >= uint64(len(l.open)) {
		d.fail("it has a jump to nowhere")
		return &block{}
	}
	b := &l.open[uint64(len(l.open))-1-depth]
	b.aimed = true
	return b
}

// dispatch reads the labels of a br_table. Go's compiler begins each function with
// one, in a loop: then the points at its labels pay for the way there.
func (l *ledger) dispatch(d *decoder) {
	all := l.straight
	for range d.count() + 1 {
		b := l.aim(d)
		all = all && b.opcode == 0x02 && b.point == l.now
	}
	l.points[l.now].dispatches = all
	l.straight = false
}

// nest notes where blocks begin and end. at is behind the instruction.
func (l *ledger) nest(opcode byte, at int) {
	switch opcode {
	case 0x02: // block
		l.open = append(l.open, block{opcode: opcode, point: l.now})
	case 0x03: // loop
		before, straight := &l.points[l.now], l.straight
		l.open = append(l.open, block{opcode: opcode, point: l.now})
		cost := before.cost
		if straight {
			before.cost = 0
		}
		if l.pay(at, -1); straight {
			l.points[l.now].cost = cost
		}
	case 0x0d: // br_if
		l.pay(at, l.now)
	case 0x04: // if
		l.open = append(l.open, block{opcode: opcode, point: l.now})
		l.pay(at, l.now)
	case 0x05: // else
		l.pay(at, l.open[len(l.open)-1].point)
	case 0x0b: // end
		last := l.open[len(l.open)-1]
		l.open = l.open[:len(l.open)-1]
		l.straight = false
		if last.opcode != 0x02 || last.aimed {
			l.now = last.point
		}
		if last.opcode != 0x03 && last.aimed && len(l.open) > 0 {
			l.pay(at, last.point)
		}
	}
}

// pay begins a point.
func (l *ledger) pay(at, payer int) {
	l.now, l.straight = len(l.points), true
	l.points = append(l.points, point{at: at, payer: payer})
}

// trifle is what a point has another pay for: burning costs more than that.
const trifle = 4

// due is where fuel is burnt in the end. It is looked at where a loop turns, and
// where a function begins that calls others: whatever has no end passes there.
func (l *ledger) due() []point {
	for i := len(l.points) - 1; i > 0; i-- {
		p := &l.points[i]
		if p.payer < 0 {
			continue
		}
		if payer := &l.points[p.payer]; !payer.dispatches && p.cost <= trifle {
			payer.cost += p.cost
			p.cost = 0
		}
	}
	for i := range l.points {
		p := &l.points[i]
		if p.payer >= 0 && l.points[p.payer].dispatches {
			p.cost += l.points[p.payer].cost
		}
		p.checks = p.payer < 0 && !p.bulk && p.cost > 0 && (i > 0 || l.calls)
	}
	for i := range l.points {
		if p := &l.points[i]; p.dispatches {
			p.cost = 0
		}
	}
	return slices.DeleteFunc(l.points, func(p point) bool { return p.cost == 0 && !p.checks })
}

// What leaves the compiled code costs more than what stays in it: a call of the host
// and, of the instructions, two that the runtime answers itself. Measured by the
// clock, a unit is between 0.1 and 5 ns then, or 55 ns for a load that no cache has.
const (
	importPrice  = 1000
	runtimePrice = 100
)

// price is what an instruction costs.
func price(opcode byte) int64 {
	switch opcode {
	case 0x01, 0x02, 0x03, 0x04, 0x05, 0x0b, 0x1a: // nop, block, loop, if, else, end, drop: there is no code for them
		return 0
	case 0x40, 0xd2: // memory.grow, ref.func
		return runtimePrice
	}
	return 1
}
