package runtimes

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/tests/script"
)

// TestUsage: a standalone server that was started in a wrong way says why, and exits with
// code 2.
func TestUsage(t *testing.T) {
	t.Parallel()
	path, err := wazero()
	require.NoError(t, err)
	mount := "-mount=" + t.TempDir() + ":/"
	first := script.FreePorts(t, 3)
	listen := func(i int) string { return fmt.Sprintf("-listen=127.0.0.1:%d", first+i) }
	for want, args := range map[string][]string{
		"WASIFTP_USERS: ": {mount, listen(0), listen(1), "-env=WASIFTP_PASSIVE=127.0.0.1:50000",
			"-env=WASIFTP_USERS=u"},
		"the nearest is WASIFTP_USERS": {mount, listen(0), listen(1), "-env=WASIFTP_PASSIVE=127.0.0.1:50000",
			"-env=WASIFTP_USER=u:p:rw"},
		"there is no listener":                    {mount},
		"WASIFTP_PASSIVE: the runtime has opened": {mount, listen(0), listen(1), listen(2), "-env=WASIFTP_PASSIVE=127.0.0.1:50000"},
		"say at which address and ports":          {mount, listen(0), listen(1), "-env=WASIFTP_PASSIVE=50000"},
		"there is no folder to serve":             {listen(0), listen(1), "-env=WASIFTP_PASSIVE=127.0.0.1:50000"},
	} {
		args = append(append([]string{"run", "-cachedir=" + filepath.Join(temporary, "wazero")}, args...), module(t, "wasip1"))
		out, err := exec.CommandContext(patience(t), path, args...).CombinedOutput()
		var exit *exec.ExitError
		if assert.ErrorAs(t, err, &exit, "%q", args) {
			assert.Equal(t, 2, exit.ExitCode(), "%s", out)
		}
		assert.Contains(t, string(out), want)
	}
}
