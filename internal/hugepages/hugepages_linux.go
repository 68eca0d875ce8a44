package hugepages

import (
	"syscall"
	"unsafe"
)

// Advise asks the system for large pages under memory that is looked at here and there:
// with small pages, finding out where a page is takes longer than reading it. A system that
// refuses is no failure.
func Advise[T any](s []T) {
	const huge, advice = 2 << 20, 14 // MADV_HUGEPAGE
	begin := uintptr(unsafe.Pointer(unsafe.SliceData(s)))
	end := begin + uintptr(len(s))*unsafe.Sizeof(*new(T))
	begin, end = (begin+huge-1)/huge*huge, end/huge*huge
	if begin < end {
		_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, begin, end-begin, advice)
	}
}
