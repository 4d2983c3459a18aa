package host

import "wasiftp/wasi"

// handles is the table of the objects for which an instance has handles. The upper bits
// of a handle count the uses of its place, so that a handle kept after its end finds
// nothing; it comes round after 4,096 uses. No handle is 0.
//
// Only its shard's goroutine uses it.
type handles struct {
	places []place
	free   []uint32
}

type place struct {
	object     any
	generation uint32
}

const (
	placeBits  = 20
	placeMask  = 1<<placeBits - 1
	maxObjects = placeMask
)

// add gives the object a handle; ok is false if all are in use.
func (t *handles) add(object any) (handle uint32, ok bool) {
	var at uint32
	switch {
	case len(t.free) > 0:
		at = t.free[len(t.free)-1]
		t.free = t.free[:len(t.free)-1]
	case len(t.places) < maxObjects:
		at = uint32(len(t.places))
		t.places = append(t.places, place{})
	default:
		return 0, false
	}
	t.places[at].object = object
	return t.places[at].generation<<placeBits | (at + 1), true
}

func (t *handles) find(handle uint32) (at uint32, ok bool) {
	at = handle&placeMask - 1
	ok = at < uint32(len(t.places)) && t.places[at].object != nil && t.places[at].generation == handle>>placeBits
	return at, ok
}

// remove removes a handle, if it is there.
func (t *handles) remove(handle uint32) {
	if at, ok := t.find(handle); ok {
		t.places[at].object = nil
		t.places[at].generation = (t.places[at].generation + 1) & (1<<(32-placeBits) - 1)
		t.free = append(t.free, at)
	}
}

// sessions are the sessions among the objects. They may be removed meanwhile.
func (t *handles) sessions(yield func(*session) bool) {
	for _, p := range t.places {
		if s, ok := p.object.(*session); ok && !yield(s) {
			return
		}
	}
}

// get finds the object of a handle. It is EBADF if there is none of type T.
func get[T any](t *handles, handle uint32) (object T, errno wasi.Errno) {
	if at, ok := t.find(handle); ok {
		if object, ok = t.places[at].object.(T); ok {
			return object, wasi.OK
		}
	}
	return object, wasi.EBADF
}
