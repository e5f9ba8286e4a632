//go:build !linux

package encode

import "time"

// The engine needs Linux; elsewhere the package only builds.
func ownCPU() time.Duration { return 0 }
func ownPeak() int64        { return 0 }
