package cli

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mp3converter/shared/audio"
)

// audioFlags are the options of the MP3 on the command line.
type audioFlags struct {
	cmd                               *cobra.Command
	quality, bitrate, channels, track int
	start, end                        string
	normalize                         bool
}

func addAudioFlags(cmd *cobra.Command) *audioFlags {
	f := &audioFlags{cmd: cmd}
	flags := cmd.Flags()
	flags.IntVar(&f.quality, "quality", audio.DefaultQuality, "variable bitrate of this quality: `0-9`, where 0 is best and largest")
	flags.IntVar(&f.bitrate, "bitrate", 0, "constant bitrate in `kbit/s`: 32 to 320")
	flags.IntVar(&f.channels, "channels", 0, "mix down: `1` is mono, 2 stereo")
	flags.IntVar(&f.track, "track", 0, "take this audio track `N`, counted from 0, instead of the default one")
	flags.StringVar(&f.start, "start", "", "begin at this `time`: 90, 1:30, 1:02:03.5 or 1m30s")
	flags.StringVar(&f.end, "end", "", "end at this `time`")
	flags.BoolVar(&f.normalize, "normalize", false, "bring the loudness to -16 LUFS")
	return f
}

// options are the flags that were given, checked.
func (f *audioFlags) options() (audio.Options, error) {
	given := f.cmd.Flags().Changed
	if given("quality") && given("bitrate") {
		return audio.Options{}, usage("--quality and --bitrate exclude each other: the first is for a variable bitrate, the second for a constant one")
	}
	o := audio.Options{Normalize: f.normalize}
	number := func(name string, v *int) *int {
		if !given(name) {
			return nil
		}
		return v
	}
	o.Quality, o.Channels, o.Track = number("quality", &f.quality), number("channels", &f.channels), number("track", &f.track)
	if o.Bitrate = number("bitrate", &f.bitrate); o.Bitrate != nil {
		o.Mode = audio.CBR
	}
	var err error
	if given("start") {
		if o.Start, err = parseTime("start", f.start); err != nil {
			return o, err
		}
	}
	if given("end") {
		if o.End, err = parseTime("end", f.end); err != nil {
			return o, err
		}
	}
	return o, optionsError(o.Validate())
}

// optionsError says what the domain says of the contract's fields in terms of flags.
func optionsError(err error) error {
	if err == nil {
		return nil
	}
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	lines := make([]string, len(all))
	for i, e := range all {
		lines[i] = e.Error()
		if field, ok := errors.AsType[audio.FieldError](e); ok {
			lines[i] = "--" + strings.TrimPrefix(field.Field, "audio.") + " " + field.Detail
		}
	}
	return usage(strings.Join(lines, "; "))
}

// parseTime reads a position: seconds, [h:]m:s, or with units as Go writes durations.
func parseTime(flag, s string) (*float64, error) {
	bad := usage(fmt.Sprintf("--%s %q is not a time: write 90, 1:30, 1:02:03.5 or 1m30s", flag, s))
	if d, err := time.ParseDuration(s); err == nil && s != "0" && d >= 0 {
		v := d.Seconds()
		return &v, nil
	}
	parts := strings.Split(s, ":")
	if len(parts) > 3 {
		return nil, bad
	}
	total := 0.0
	for i, part := range parts {
		if part == "" || strings.Trim(part, "0123456789.") != "" {
			return nil, bad
		}
		v, err := strconv.ParseFloat(part, 64)
		inner := i < len(parts)-1
		if err != nil || math.IsInf(v, 0) || i > 0 && v >= 60 || inner && v != math.Trunc(v) {
			return nil, bad
		}
		total = total*60 + v
	}
	return &total, nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
