package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wasiftp/host/quota"
)

// A first quota by a reload is counted behind the wall too, and by the user of --run-as, who
// gets the folder.
func TestStateFolderBehindTheWall(t *testing.T) {
	t.Parallel()
	needLandlock(t)
	for name, as := range map[string][]string{"as it is": nil, "as nobody": {"--run-as", "nobody", "--cache-dir"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if as != nil && os.Geteuid() != 0 {
				t.Skip("only root can become another user")
			}
			dir := wallFolder(t)
			root, settings := folder(t, filepath.Join(dir, "root")), folder(t, filepath.Join(dir, "settings"))
			state := filepath.Join(dir, "state")
			write(t, root, "file", "") // else the folder above would be within the wall
			if err := os.Chmod(root, 0o777); err != nil {
				t.Fatal(err)
			}
			content := "root = '" + root + "'\nuser = ['ann:secret:rw']\n"
			file := write(t, settings, "wasiftpd.toml", content)
			if err := os.Chmod(file, 0o644); err != nil {
				t.Fatal(err)
			}
			if as != nil {
				as = append(as, filepath.Join(dir, "cache"))
			}
			s := behindWalls(t, trial{Args: append([]string{"--config", file, "--state-dir", state}, as...)})
			write(t, settings, "wasiftpd.toml", content+"quota-per-user = '10:9'\nban-after = '5/1m'\n")
			s.log.until("configuration loaded")
			at := &running{t: t, addr: s.addr[strings.Index(s.addr, "@")+1:]} // without the user
			d := at.admitted("ann", "secret")
			data := d.data(at.addr)
			d.do(150, "STOR up")
			fmt.Fprint(data, "more than ten bytes")
			data.Close()
			d.expect(552)
			info, err := os.Stat(filepath.Join(state, quota.File))
			if err != nil {
				t.Fatal(err)
			}
			if uid, _, _ := owners(info); as != nil && uid == 0 {
				t.Error("the counts belong to root")
			}
		})
	}
}
