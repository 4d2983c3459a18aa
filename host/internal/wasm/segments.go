package wasm

// maxImage is how many bytes an image may have. One byte makes a large one, if it stands far
// behind the others.
const maxImage = 8 << 20

// separated takes the data segments from a metered module, and returns what they make of the
// memory: the content of an [image]. A module stays as it is if its own code would run before
// the host could fill the memory, or could use segments by number, or if they are not within
// the memory, or not at constant addresses: then the runtime judges.
func separated(module []byte) (without, content []byte) {
	d := decoder{rest: module[8:]}
	out := module[:8:8]
	var memory uint64
	taken := false
	for len(d.rest) > 0 {
		section := d.rest
		id := d.byte()
		body := decoder{rest: d.bytes(d.uint())}
		switch id {
		case sectionStart, sectionCount:
			return module, nil
		case sectionMemory:
			memory = leastMemory(&body)
		case sectionData:
			var ok bool
			if content, ok = contentOf(&body, min(memory, maxImage)); !ok || taken { // there is one such section
				return module, nil
			}
			taken = true
			continue
		}
		out = append(out, section[:len(section)-len(d.rest)]...)
	}
	return out, content
}

// leastMemory is the size, in bytes, of the one memory that a section declares; 0 if there are
// others.
func leastMemory(d *decoder) uint64 {
	if d.count() != 1 {
		return 0
	}
	d.byte() // whether there is a limit
	return d.uint() << 16
}

// contentOf is the content of a memory of so many bytes, up to the end of the last segment.
func contentOf(d *decoder, memory uint64) (content []byte, ok bool) {
	for range d.count() {
		if d.byte() != 0 || d.byte() != 0x41 { // active, i32.const
			return nil, false
		}
		at := uint64(d.address())
		if d.byte() != 0x0b {
			return nil, false
		}
		data := d.bytes(d.uint())
		end := at + uint64(len(data))
		if end > memory {
			return nil, false
		}
		if more := int(end) - len(content); more > 0 {
			content = append(content, make([]byte, more)...)
		}
		copy(content[at:], data)
	}
	return content, d.err == nil && len(d.rest) == 0
}
