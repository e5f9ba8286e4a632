package encode

import (
	"time"

	"golang.org/x/sys/unix"
)

func own() unix.Rusage {
	var r unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &r) // fails only for arguments that are none
	return r
}

// ownCPU is the processor time that this process has used.
func ownCPU() time.Duration {
	r := own()
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// ownPeak is the most memory that this process ever had resident, in bytes.
func ownPeak() int64 { return own().Maxrss << 10 } // Linux counts in KiB
