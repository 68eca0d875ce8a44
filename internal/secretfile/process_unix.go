//go:build unix

package secretfile

import (
	"io/fs"
	"os"
	"syscall"
)

// currentProcess is who this process is.
func currentProcess() *process {
	groups, _ := os.Getgroups() // without them none is accepted
	return &process{uid: os.Geteuid(), gid: os.Getegid(), groups: groups}
}

func newPlace(path string, info fs.FileInfo) place {
	p := place{path: path, mode: info.Mode(), readOnly: isReadOnly(path)}
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		p.uid, p.gid = int(s.Uid), int(s.Gid)
	}
	return p
}
