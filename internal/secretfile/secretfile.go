// Package secretfile judges files and folders that hold or decide a secret: who beside
// the process can read or change them. Every such path is judged here and by one rule.
package secretfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Use is what a file is to the process.
type Use int

const (
	// Secret is a file that holds a secret: nobody else may read or change it.
	Secret Use = iota
	// Decides is a file that decides who is let in: nobody else may change it.
	Decides
)

// Judge judges a file by its use, or a folder, whose use is [Secret]. Links are followed,
// and each of them is judged, the folders on the way, and what they lead to.
//
//   - An owner other than the process's user and root is refused. Of a folder further up
//     than the one that holds the secret, such an owner is a warning.
//   - Rights of others to read or change a secret, to change what decides, or to write to a
//     folder are refused.
//   - The same rights of the group are a warning if the group is a supplementary one of the
//     process, as Kubernetes' fsGroup is, or if it is its own and that is 0. Otherwise they
//     are refused; further up they are a warning.
//
// Nothing can be changed where the file system is mounted read-only. In a sticky folder such
// as /tmp nobody can replace what is another's.
//
// A path that is not there is [fs.ErrNotExist]. Where the system knows no modes, nothing is
// refused.
func Judge(path string, use Use) (warnings []string, err error) {
	p := currentProcess()
	if p == nil {
		_, err := os.Stat(path)
		return nil, err
	}
	return p.judge(path, use)
}

// A process is who opens files.
type process struct {
	uid, gid int
	groups   []int // supplementary ones
}

// A place is what a path leads to, or passes on its way.
type place struct {
	path     string
	mode     fs.FileMode
	uid, gid int
	readOnly bool // by its mount
	above    bool // a folder further up than the one that holds the secret, or a link
}

func (p *process) judge(path string, use Use) (warnings []string, err error) {
	places, err := way(path)
	if err != nil {
		return nil, err
	}
	// The last one is the file or folder itself, and the last folder before it holds it.
	last := len(places) - 1
	for i := range places[:last] {
		places[i].above = use == Decides || i != last-1 || places[last].mode.IsDir()
	}
	for i, at := range places {
		warning, bad := p.judgePlace(at, use, i == last)
		if bad != nil {
			return nil, bad
		}
		if warning != "" {
			warnings = append(warnings, warning)
		}
	}
	return warnings, nil
}

// judgePlace judges one place; itself says that it is what the path names.
func (p *process) judgePlace(at place, use Use, itself bool) (warning string, err error) {
	isSecret := itself && use == Secret && !at.mode.IsDir()
	if at.uid != p.uid && at.uid != 0 && (isSecret || !at.readOnly) {
		text := fmt.Sprintf("%s belongs to user %d, who is neither the process's user %d nor root", at.path, at.uid, p.uid)
		if at.above && at.mode.IsDir() {
			return text, nil
		}
		return "", errors.New(text + ": chown it, or run this as that user")
	}
	if at.mode&fs.ModeSymlink != 0 {
		return "", nil // of a link only the owner counts
	}
	bits, can, mend := fs.FileMode(0o2), "change", "chmod go-w it"
	switch {
	case isSecret:
		bits, can, mend = 0o7, "read", "chmod 600 it, and replace the secret if they may have"
	case at.readOnly, at.mode.IsDir() && at.mode&fs.ModeSticky != 0:
		return "", nil
	case at.mode.IsDir():
		can = "write to"
	}
	perm := at.mode.Perm()
	switch {
	case perm&bits != 0:
		return "", fmt.Errorf("others can %s %s (mode %#o): %s", can, at.path, perm, mend)
	case perm&(bits<<3) == 0:
		return "", nil
	}
	text := fmt.Sprintf("group %d can %s %s (mode %#o)", at.gid, can, at.path, perm)
	if at.above || p.accepts(at.gid) {
		return text, nil
	}
	if at.gid == p.gid {
		text += ", and it is the process's own group, which other programs have too: " + mend + ", or give the volume a group of its own (fsGroup)"
	} else {
		text += ", and it is none of the process's supplementary groups: " + mend
	}
	return "", errors.New(text)
}

// accepts reports whether a group may have rights: a supplementary one, which somebody gave
// the process on purpose. Its own group is one only where it is root's, as on OpenShift.
func (p *process) accepts(gid int) bool {
	if gid == p.gid {
		return gid == 0
	}
	return slices.Contains(p.groups, gid)
}

// maxLinks is how many links a path may lead through, as on Linux.
const maxLinks = 40

// way returns every folder and link that a path passes, and last what it leads to.
func way(path string) (places []place, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() && !info.Mode().IsRegular() {
		return []place{newPlace(path, info)}, nil // a pipe has a name that leads nowhere
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	at, rest, links := "/", parts(path), 0
	for {
		info, err := os.Lstat(at)
		if err != nil {
			return nil, err
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			if links++; links > maxLinks {
				return nil, fmt.Errorf("%s leads through more than %d links", path, maxLinks)
			}
			target, err := os.Readlink(at)
			if err != nil {
				return nil, err
			}
			places = append(places, newPlace(at, info))
			rest = append(parts(target), rest...)
			if at = filepath.Dir(at); filepath.IsAbs(target) {
				at = "/"
			}
		} else if known := slices.IndexFunc(places, func(p place) bool { return p.path == at }); known >= 0 {
			places = append(slices.Delete(places, known, known+1), places[known])
		} else {
			places = append(places, newPlace(at, info))
		}
		if len(rest) == 0 {
			return places, nil
		}
		at, rest = filepath.Join(at, rest[0]), rest[1:]
	}
}

func parts(path string) []string {
	return slices.DeleteFunc(strings.Split(path, "/"), func(s string) bool { return s == "" || s == "." })
}
