//go:build !unix

package server

import "io/fs"

// narrowUmask does nothing: there is no umask.
func narrowUmask(fs.FileMode) (restore func()) { return func() {} }
