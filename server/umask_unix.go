//go:build unix

package server

import (
	"io/fs"
	"syscall"
)

// narrowUmask lets files be made with no more than mode until restore is called.
func narrowUmask(mode fs.FileMode) (restore func()) {
	old := syscall.Umask(0o777 &^ int(mode.Perm()))
	return func() { syscall.Umask(old) }
}
