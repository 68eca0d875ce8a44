//go:build unix

package main

import "syscall"

// openFileLimit is how many files the process may have open. The runtime has raised it
// as far as it may.
func openFileLimit() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return anyFiles
	}
	return int(min(uint64(limit.Cur), anyFiles)) // it is signed on some systems
}
