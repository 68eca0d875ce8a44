//go:build !linux

package hugepages

func Advise[T any]([]T) {}
