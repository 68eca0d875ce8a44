package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// A machine is where a run took place.
type machine struct {
	Processor  string `json:"processor"`
	Processors int    `json:"processors"`
	MemoryMB   int    `json:"memory_mb"`
	Kernel     string `json:"kernel"`
	Go         string `json:"go"`
	Rollcall   string `json:"rollcall"`
}

func describeMachine(binary string) machine {
	m := machine{Processor: runtime.GOARCH, Processors: runtime.NumCPU(), Kernel: runtime.GOOS, Go: runtime.Version()}
	// What cannot be found out is left out.
	if name := field("/proc/cpuinfo", "model name"); name != "" {
		m.Processor = name
	}
	_, _ = fmt.Sscan(field("/proc/meminfo", "MemTotal"), &m.MemoryMB)
	m.MemoryMB /= 1024
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = "Linux " + strings.TrimSpace(string(release))
	}
	m.Rollcall = versionOf(binary)
	return m
}

// versionOf is the first line that a binary says of its version, "" when it says none.
func versionOf(binary string) string {
	text, err := exec.Command(binary, "version").Output()
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	return line
}

// field is the first value of a name in a file of such lines.
func field(file, name string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
