package figures

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Resident is what a process has in memory now, and Peak the most that it ever had, in bytes; proc(5).
func Resident(pid int) (float64, error) { return status(pid, "VmRSS:") }

// Peak is the most that a process ever had in memory, in bytes.
func Peak(pid int) (float64, error) { return status(pid, "VmHWM:") }

// Virtual is the address space that a process has, in bytes: what `ulimit -v` limits.
func Virtual(pid int) (float64, error) { return status(pid, "VmSize:") }

func status(pid int, name string) (float64, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("reading the resident memory of a process, which needs Linux: %w", err)
	}
	for line := range strings.Lines(string(content)) {
		if value, ok := strings.CutPrefix(line, name); ok {
			n, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
			return n * 1024, err
		}
	}
	return 0, fmt.Errorf("reading the resident memory of process %d: there is no %s", pid, name)
}

// LoadAverage says how busy the machine is; empty where it doesn't tell.
func LoadAverage() string {
	content, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(string(content), " ")
	return first
}
