package host

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
}

// point is a place in the code at which fuel is burnt.
type point struct {
	at         int   // an offset in the code
	cost       int64 // of what it pays for
	payer      int   // a point that may pay instead; -1 for none
	dispatches bool  // a jump to one of the points that it may pay for follows at once
	bulk       bool  // it pays for the bulk operation that follows, by its size
	shift      byte  // of the size of the operation, to make fuel of it
}

// block is a block, loop, if or function.
type block struct {
	opcode byte
	point  int  // that pays where it begins
	aimed  bool // a jump leads behind its end
}

// What a point may have another pay for, so that fuel is burnt less often: the
// burning itself costs about a sixth of that.
const trifle = 24

// read reads a function's code to its end. The module has so many globals.
func (l *ledger) read(d *decoder, globals uint64) {
	size := len(d.rest)
	l.open = []block{{}}
	l.pay(0, -1)
	for len(d.rest) > 0 && d.err == nil {
		at := size - len(d.rest)
		opcode := d.byte()
		switch opcode {
		case 0x23, 0x24: // global.get, global.set
			if d.uint() >= globals {
				d.fail("it uses a global that it does not have")
			}
		case 0xfc:
			if bulk, shift := d.prefixed(); bulk {
				l.points = append(l.points, point{at: at, cost: 1, payer: -1, bulk: true, shift: shift})
			}
		case 0x0c, 0x0d: // br, br_if
			l.aim(d)
			l.straight = false
		case 0x0e: // br_table
			l.dispatch(d)
		case 0x00, 0x0f, 0x10, 0x11: // unreachable, return, call, call_indirect
			d.immediates(opcode)
			l.straight = false
		default:
			d.immediates(opcode)
		}
		l.points[l.now].cost += price(opcode)
		l.nest(d, opcode, size-len(d.rest))
	}
	if d.err == nil && len(l.open) > 0 {
		d.fail("it has a function without an end")
	}
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

// dispatch reads the labels of a br_table.
func (l *ledger) dispatch(d *decoder) {
	within := l.straight
	for range d.count() + 1 {
		b := l.aim(d)
		within = within && b.opcode == 0x02 && b.point == l.now
	}
	l.points[l.now].dispatches = within
	l.straight = false
}

// nest notes where blocks begin and end. at is behind the instruction.
func (l *ledger) nest(d *decoder, opcode byte, at int) {
	switch opcode {
	case 0x02: // block
		l.open = append(l.open, block{opcode, l.now, false})
	case 0x03: // loop
		before := l.now
		l.open = append(l.open, block{opcode, before, false})
		straight := l.straight
		if l.pay(at, -1); straight {
			l.points[l.now].cost, l.points[before].cost = l.points[before].cost, 0
		}
	case 0x04: // if
		l.open = append(l.open, block{opcode, l.now, false})
		l.pay(at, l.now)
	case 0x05: // else
		l.pay(at, l.open[len(l.open)-1].point)
	case 0x0b: // end
		last := l.open[len(l.open)-1]
		l.open = l.open[:len(l.open)-1]
		l.now, l.straight = last.point, false
		switch {
		case len(l.open) == 0 && len(d.rest) > 0:
			d.fail("it has code behind a function's end")
		case last.opcode != 0x03 && last.aimed && len(l.open) > 0:
			l.pay(at, last.point)
		}
	}
}

// pay begins a point.
func (l *ledger) pay(at, payer int) {
	l.now, l.straight = len(l.points), true
	l.points = append(l.points, point{at: at, payer: payer})
}

// due is where fuel is burnt in the end.
func (l *ledger) due() []point {
	for i := len(l.points) - 1; i > 0; i-- {
		p := &l.points[i]
		if p.payer < 0 {
			continue
		}
		if payer := &l.points[p.payer]; !payer.dispatches && (p.cost <= 4 || p.cost+payer.cost <= trifle) {
			payer.cost += p.cost
			p.cost = 0
		}
	}
	for i := range l.points {
		if p := &l.points[i]; p.payer >= 0 && l.points[p.payer].dispatches {
			p.cost += l.points[p.payer].cost
		}
	}
	return slices.DeleteFunc(l.points, func(p point) bool { return p.cost == 0 || p.dispatches })
}

// price is what an instruction costs: about how long it takes at worst, beside
// an addition.
func price(opcode byte) int64 {
	switch {
	case opcode >= 0x01 && opcode <= 0x05, opcode == 0x0b, opcode == 0x1a: // nop, block, loop, if, else, end, drop: no code
		return 0
	}
	return 1
}
