//go:build !linux

package metrics

import "mp3converter/shared/conversion"

// Usage is unknown here: the service runs on Linux, and elsewhere only has to compile.
func Usage() conversion.Usage { return conversion.Usage{} }
