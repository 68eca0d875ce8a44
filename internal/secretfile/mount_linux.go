package secretfile

import "syscall"

const mountedReadOnly = 0x1 // ST_RDONLY of statvfs(3)

// isReadOnly reports whether a path lies in a file system that is mounted read-only.
func isReadOnly(path string) bool {
	var s syscall.Statfs_t
	return syscall.Statfs(path, &s) == nil && s.Flags&mountedReadOnly != 0
}
