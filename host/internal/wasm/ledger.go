package wasm

import "slices"

// ledger decides at which points of a function's code fuel is burnt, and how much.
//
// WebAssembly's control flow is structured. Between two turns of the innermost loop
// around it, an instruction runs once at most, and only after the beginnings of all
// blocks around it. So its price may be taken at any of those beginnings. The ledger
// takes it at the last one that a jump leads to: code that is jumped over costs little.
type ledger struct {
	points   []point
	open     []block // around the present instruction, the function itself first
	now      int     // the point that pays for the present instruction
	straight bool    // no call and no jump stands between that point and the instruction
	calls    bool    // the function calls others
}

// point is a place in the code at which fuel is burnt.
type point struct {
	at         int   // offset in the code
	cost       int64 // of the instructions that it pays for
	payer      int   // an earlier point that may pay for this one; -1 for none
	dispatches bool  // one of the points that it may pay for always comes next
	checks     bool  // if no fuel is left, the guest gets more there or is stopped
	bulk       bool  // it pays for the bulk operation that follows, by its size
	shift      byte  // of bulk: fuel is size >> shift
}

// block is a block, loop, if or function.
type block struct {
	opcode byte
	point  int  // the point that pays for its beginning
	aimed  bool // a jump leads to its label
}

// account returns the points of a function's code in their order. globals and imported
// are how many globals the module has and how many functions it imports.
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

// aim reads a label, and marks and returns its block.
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

// dispatch reads the labels of a br_table. Go's compiler begins each function with one, in
// a loop. Where all labels are blocks that begin at the present point, the points behind
// those blocks pay for the br_table as well.
func (l *ledger) dispatch(d *decoder) {
	all := l.straight
	for range d.count() + 1 {
		b := l.aim(d)
		all = all && b.opcode == 0x02 && b.point == l.now
	}
	l.points[l.now].dispatches = all
	l.straight = false
}

// nest opens and closes blocks, and begins a point wherever a block or a jump makes one
// necessary. at is the offset behind the instruction.
func (l *ledger) nest(opcode byte, at int) {
	switch opcode {
	case 0x02: // block
		l.open = append(l.open, block{opcode: opcode, point: l.now})
	case 0x03: // loop
		l.open = append(l.open, block{opcode: opcode, point: l.now})
		moved := int64(0)
		if before := &l.points[l.now]; l.straight {
			moved, before.cost = before.cost, 0
		}
		l.pay(at, -1)
		l.points[l.now].cost = moved
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

// pay begins a point, which pays for the instructions from at on.
func (l *ledger) pay(at, payer int) {
	l.now, l.straight = len(l.points), true
	l.points = append(l.points, point{at: at, payer: payer})
}

// trifle is the highest cost that a point leaves to its payer: burning it would cost more
// time than the instructions.
const trifle = 4

// due moves small costs to their payers, and returns the points that are left. Those at
// which a loop turns, or a function that calls others begins, check the fuel: code that
// runs without end passes them.
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

// Calls of the host leave the compiled code, and so do two instructions that the runtime
// carries out itself. They cost more than the others. At these prices a unit takes 0.1 to
// 5 ns by the clock, or 55 ns for a load that is in no cache.
const (
	importPrice  = 1000
	runtimePrice = 100
)

// price is the fuel for an instruction.
func price(opcode byte) int64 {
	switch opcode {
	case 0x01, 0x02, 0x03, 0x04, 0x05, 0x0b, 0x1a: // nop, block, loop, if, else, end, drop: compiled to nothing
		return 0
	case 0x40, 0xd2: // memory.grow, ref.func
		return runtimePrice
	}
	return 1
}
