//go:build !linux

package main

import "time"

// monotonic is not known: there is no supervisor that asks for it.
func monotonic() time.Duration { return 0 }
