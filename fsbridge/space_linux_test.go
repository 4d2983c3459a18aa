package fsbridge

import (
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"
)

// Blocks are counted in fragments. A disk that tells no sizes is not full.
func TestSpaceOfOtherDisks(t *testing.T) {
	t.Parallel()
	for _, disk := range []struct {
		bavail          uint64
		bsize, fragment int64
		want            int64
	}{
		{1000, 1 << 20, 512, 512_000}, {0, 4096, 4096, 0},
		{math.MaxUint64, 4096, 4096, math.MaxInt64}, {1 << 62, 1, 2, math.MaxInt64},
	} {
		stat := unix.Statfs_t{Bavail: disk.bavail}
		set(&stat.Bsize, disk.bsize)
		set(&stat.Frsize, disk.fragment)
		assert.Equal(t, disk.want, spaceOf(&stat), "%+v", disk)
	}
	d, err := OpenDir("/proc", DirOptions{})
	if err != nil {
		t.Skipf("no file system without room at hand: %v", err)
	}
	defer d.Close()
	_, err = d.Space(".")
	assert.ErrorIs(t, err, errors.ErrUnsupported)
}

// set sets a field whose type differs from one processor to another.
func set[T int32 | int64 | uint32](field *T, value int64) { *field = T(value) }
