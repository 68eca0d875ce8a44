package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// memoryHeadroom is what the process may take, in bytes, beyond what is remembered of
// users or is in use.
const memoryHeadroom = 96 << 20

// limitMemory keeps the garbage collector from letting the heap grow to twice its
// size: most of it is what is remembered of users, which stays and costs next to
// nothing to look through. It returns what goes on doing so, nil when GOMEMLIMIT or
// GOGC says that somebody has decided otherwise.
//
// The limit gives way to what is in use, such as the buffers of many connections: a
// collector that runs into its limit takes half of the processor.
func limitMemory(cacheSize int64) (follow func(context.Context)) {
	if os.Getenv("GOMEMLIMIT") != "" || os.Getenv("GOGC") != "" {
		return nil
	}
	limit := memoryLimit(cacheSize, 0)
	debug.SetMemoryLimit(limit)
	return func(ctx context.Context) {
		t := time.NewTicker(2 * time.Second)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
				if next := memoryLimit(cacheSize, memoryInUse()); next != limit {
					limit = next
					debug.SetMemoryLimit(limit)
				}
			}
		}
	}
}

// memoryLimit is the limit for a cache of so many bytes, while so many are in use.
func memoryLimit(cacheSize, inUse int64) int64 { return max(cacheSize, inUse) + memoryHeadroom }

// memoryInUse is what the last collection found to be in use, and the stacks.
func memoryInUse() int64 {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(samples)
	inUse := int64(0)
	for _, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 {
			inUse += int64(s.Value.Uint64())
		}
	}
	return inUse
}
