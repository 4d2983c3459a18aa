package tests

import (
	"io/fs"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
)

// closing is a storage in which some directories cannot be entered.
type closing struct{ *fsbridge.Memory }

func (closing) Enter(name string) error {
	switch name {
	case "closed":
		return &fs.PathError{Op: "enter", Path: name, Err: syscall.EACCES}
	case "dead":
		return &fs.PathError{Op: "enter", Path: name, Err: syscall.ENOTCONN}
	}
	return nil
}

// TestEnterClosedDirectory: CWD fails if the storage cannot enter the directory.
func TestEnterClosedDirectory(t *testing.T) {
	t.Parallel()
	files := fsbridge.NewMemory()
	for _, dir := range []string{"open", "closed", "dead"} {
		require.NoError(t, files.Mkdir(dir, nil))
	}
	require.NoError(t, putFile(files, "file", nil, past))
	for _, user := range []string{"u", "ro"} {
		c := login(t, serveFiles(t, closing{files}), user)
		for command, code := range map[string]int{
			"CWD closed": 550, "XCWD /closed/": 550, "CWD dead": 451, "CWD file": 550, "CWD none": 550,
		} {
			assert.Equal(t, code, c.do(command), command)
			assert.Contains(t, c.say("PWD").Text(), `"/"`, command)
		}
		assert.Equal(t, 250, c.do("CWD open"))
		assert.Equal(t, 250, c.do("CDUP"))
		assert.Equal(t, 250, c.do("CWD /"))
	}
}
