//go:build !wasip1

package fsbridge_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"wasiftp/fsbridge"
	"wasiftp/wasi"
)

// A camera puts pictures into /in, reads the archive, and sees nothing of /private.
func ExampleRules() {
	files := fsbridge.NewMemory()
	for _, dir := range []string{"in", "archive", "private"} {
		if err := files.Mkdir(dir, nil); err != nil {
			fmt.Println(err)
		}
	}
	rules, err := fsbridge.CompileRules([]fsbridge.Rule{
		{Pattern: "/archive/**", Rights: wasi.ReadOnly},
		{Pattern: "/in", Rights: wasi.RightList | wasi.RightWrite, Accept: []string{"*.jpg"}, MaxSize: 20 << 20},
		{Pattern: "/private"},
	})
	if err != nil {
		fmt.Println(err)
	}
	camera := fsbridge.Access{FS: files, Rights: wasi.RightList, Rules: rules}

	_, _, err = camera.Create("in/a.jpg", os.O_TRUNC, 0, nil)
	fmt.Println("a picture:", err)
	_, _, err = camera.Create("in/a.exe", os.O_TRUNC, 0, nil)
	fmt.Println("a program is refused:", errors.Is(err, fs.ErrInvalid))
	_, _, err = camera.Create("archive/a.jpg", os.O_TRUNC, 0, nil)
	fmt.Println("the archive can't be written:", errors.Is(err, fs.ErrPermission))
	_, err = camera.Enter("private")
	fmt.Println("there is no such folder:", errors.Is(err, fs.ErrNotExist))
	// Output:
	// a picture: <nil>
	// a program is refused: true
	// the archive can't be written: true
	// there is no such folder: true
}
