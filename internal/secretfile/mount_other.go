//go:build !linux

package secretfile

func isReadOnly(string) bool { return false }
