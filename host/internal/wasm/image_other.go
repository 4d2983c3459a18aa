//go:build !linux

package wasm

// image is what the linear memory of each instance holds when the module starts.
type image []byte

func newImage(content []byte) *image { return (*image)(&content) }

// fill makes the image the content of a linear memory that is zero.
func (m *image) fill(memory []byte) error {
	copy(memory, *m)
	return nil
}

func (*image) close() {}
