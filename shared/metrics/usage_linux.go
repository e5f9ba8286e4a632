package metrics

import (
	"time"

	"golang.org/x/sys/unix"

	"mp3converter/shared/conversion"
)

// Usage is what this process has used since it began, without its children.
func Usage() conversion.Usage {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		return conversion.Usage{}
	}
	return conversion.Usage{
		CPU:        time.Duration(r.Utime.Nano() + r.Stime.Nano()),
		PeakMemory: r.Maxrss << 10, // Linux counts in KiB
	}
}
