//go:build !linux

package rollcall

func adviseHugePages[T any]([]T) {}
