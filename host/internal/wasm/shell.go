package wasm

import "encoding/binary"

// hollow returns a metered module with functions that only trap.
func hollow(module []byte) []byte {
	out := module[:8:8]
	d := decoder{rest: module[8:]}
	for len(d.rest) > 0 {
		id := d.byte()
		content := d.bytes(d.uint())
		if id == sectionCode {
			functions := decoder{rest: content}
			n := functions.count()
			content = binary.AppendUvarint(nil, uint64(n))
			for range n {
				content = append(content, 3, 0, 0x00, 0x0b) // 3 bytes, no locals, unreachable, end
			}
		}
		out = binary.AppendUvarint(append(out, id), uint64(len(content)))
		out = append(out, content...)
	}
	return out
}
