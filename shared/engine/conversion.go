package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"mp3converter/shared/audio"
	"mp3converter/shared/source"
)

const (
	// shortage is how much sound may be missing of what the track declares when the demuxer says that the file ends
	// early: what lies in a last, cut packet.
	shortage = 300 * time.Millisecond
	// silentShortage is the same when it says nothing: the larger of a time and a tenth.
	silentShortage = 5 * time.Second
	// measuring is the share of the progress that measuring takes when loudness is asked for, in percent.
	measuring = 40
)

// conversion is one run of Convert.
type conversion struct {
	engine *Engine
	reader *source.Reader
	dst    io.WriterAt
	opts   audio.Options
	meter  *meter
	stats  Stats
}

func (c *conversion) convert(ctx context.Context) (Result, error) {
	began := time.Now()
	p, err := c.probe(ctx)
	c.stats.Probe = time.Since(began)
	if err != nil {
		return Result{}, err
	}
	pl, err := makePlan(p, c.opts, c.engine.limits)
	if err != nil {
		return Result{}, err
	}
	c.meter.at(0)
	if c.opts.Normalize {
		began = time.Now()
		pl.gain, err = c.measure(ctx, pl)
		c.stats.Measure = time.Since(began)
		if err != nil {
			return Result{}, err
		}
	}
	began = time.Now()
	result, err := c.encode(ctx, pl)
	c.stats.Encode = time.Since(began)
	return result, err
}

// child is a child with what is left of the conversion's limits.
func (c *conversion) child(path string) *child {
	limits := c.engine.limits
	return &child{path: path, memory: limits.Memory, cpu: limits.CPU - c.stats.UserCPU - c.stats.SystemCPU}
}

func (c *conversion) run(ctx context.Context, ch *child, args []string) error {
	used, err := ch.run(ctx, args)
	c.stats.UserCPU += used.user
	c.stats.SystemCPU += used.system
	c.stats.MaxRSS = max(c.stats.MaxRSS, used.maxRSS)
	return err
}

// ffmpeg runs it over the track: args are what comes after the inputs.
func (c *conversion) ffmpeg(ctx context.Context, pl *plan, ch *child, args []string) error {
	defer ch.close()
	server := &readServer{reader: c.reader}
	url, err := ch.asks(server)
	if err != nil {
		return err
	}
	progress, err := ch.writes(func(r io.Reader) error {
		return readProgress(r, func(made time.Duration) error { return c.made(pl, server, made) })
	})
	if err != nil {
		return err
	}
	meta, err := ch.reads(func(_ context.Context, w io.Writer) error {
		_, err := w.Write(pl.meta)
		if err != nil {
			return unlessGone("write metadata", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	all := []string{
		"-nostdin", "-hide_banner", "-nostats", "-progress", "pipe:" + strconv.Itoa(progress),
		"-fpsprobesize", "0", "-protocol_whitelist", "ranged", "-i", url,
		"-protocol_whitelist", "pipe", "-f", "ffmetadata", "-i", "pipe:" + strconv.Itoa(meta),
		"-map", "0:" + strconv.Itoa(pl.track.Index),
	}
	return c.run(ctx, ch, append(all, args...))
}

// made takes note of how much sound there is, and stops what is longer than it said it would be.
func (c *conversion) made(pl *plan, server *readServer, made time.Duration) error {
	limit := c.engine.limits.MaxDuration
	if made > limit+time.Second {
		return fail(CodeTooLong, nil, "The sound is longer than the %s that are allowed.", inWords(limit))
	}
	if pl.length > 0 {
		c.meter.at(float64(made) / float64(pl.length))
	} else {
		c.meter.at(float64(server.reach.Load()) / float64(c.reader.Size()))
	}
	return nil
}

// measure finds the filter that normalizes.
func (c *conversion) measure(ctx context.Context, pl *plan) (string, error) {
	c.meter.stage(0, measuring)
	defer c.meter.stage(measuring, 99)
	filters := append(pl.cut(), pl.mix(), measureFilter())
	ch := c.child(c.engine.ffmpeg)
	err := c.ffmpeg(ctx, pl, ch, []string{"-loglevel", "info", "-af", strings.Join(filters, ","), "-f", "null", "-"})
	if err != nil {
		return "", c.failed(ctx, pl, ch, err)
	}
	l, err := parseLoudness(ch.words.String())
	if err != nil {
		return "", fmt.Errorf("measure: %w", err)
	}
	return l.filter(pl.sampleRate), nil
}

// encode makes the MP3. A cover that is broken or too large is left out.
func (c *conversion) encode(ctx context.Context, pl *plan) (Result, error) {
	for {
		out := &output{dst: c.dst, limit: c.engine.limits.Output}
		ch := c.child(c.engine.ffmpeg)
		err := c.encodeTo(ctx, pl, ch, out)
		var exit *exitError
		if pl.cover >= 0 && !out.passed && (errors.Is(err, errTagTooLong) || errors.As(err, &exit) && !exit.killed()) {
			pl.cover = -1
			continue
		}
		if err != nil {
			return Result{}, c.failed(ctx, pl, ch, err)
		}
		result, err := c.check(ctx, pl, ch, out)
		if err != nil {
			return Result{}, err
		}
		return result, out.finish()
	}
}

func (c *conversion) encodeTo(ctx context.Context, pl *plan, ch *child, out *output) error {
	fd, err := ch.writes(func(r io.Reader) error { return serveWrites(r, out) })
	if err != nil {
		ch.close()
		return err
	}
	args := []string{"-loglevel", "warning"}
	if pl.cover >= 0 {
		args = append(args, "-map", "0:"+strconv.Itoa(pl.cover), "-c:v", "copy")
	}
	filters := append(pl.cut(), pl.mix())
	if pl.gain != "" {
		filters = append(filters, pl.gain)
	}
	args = append(args, "-af", strings.Join(filters, ","), "-ar", strconv.Itoa(pl.sampleRate))
	args = append(args, encoding(c.opts)...)
	args = append(args,
		"-map_metadata", "1", "-map_chapters", "1", "-id3v2_version", "4", "-write_id3v1", "0", "-write_xing", "1",
		"-f", "mp3", "ranged:-1,"+strconv.Itoa(fd))
	return c.ffmpeg(ctx, pl, ch, args)
}

// check looks at what came out of a run that ended well: whether there is sound, and all of it.
func (c *conversion) check(ctx context.Context, pl *plan, ch *child, out *output) (Result, error) {
	info, ok := parseInfo(out.head)
	if !ok || info.samples == 0 {
		if pl.start > 0 && !ch.words.said[endedEarly] {
			return Result{}, rangeEmpty("the sound ends before")
		}
		return Result{}, c.silent(ctx, pl, ch, errors.New("no sound came out"))
	}
	length := time.Duration(float64(info.samples) / float64(info.sampleRate) * float64(time.Second))
	if length > c.engine.limits.MaxDuration+time.Second {
		return Result{}, tooLong(length, c.engine.limits.MaxDuration)
	}
	missing := pl.length - length
	said := func() error { return fmt.Errorf("%s missing: %s", missing, ch.words.String()) }
	switch {
	case ch.words.said[badPackets] && c.scrambled(ctx, pl): // a few packets may decode, to noise
		return Result{}, encrypted(said())
	case ch.words.said[badPackets] && pl.declared && missing > pl.length/2:
		return Result{}, fail(CodeCorrupt, said(), "Most of the sound in the file is damaged: only %s of %s can be read.", inWords(length), inWords(pl.length))
	case ch.words.said[endedEarly] && missing > shortage, pl.declared && missing > max(silentShortage, pl.length/10):
		return Result{}, fail(CodeCorrupt, said(),
			"The file ends early: only %s of %s of sound are there, so it is damaged or was not uploaded completely.", inWords(length), inWords(pl.length))
	}
	return Result{Bytes: out.size, Duration: length, Samples: info.samples, SampleRate: info.sampleRate}, nil
}

// failed says what it means that a run of ffmpeg ended with err.
func (c *conversion) failed(ctx context.Context, pl *plan, ch *child, err error) error {
	var exit *exitError
	switch {
	case errors.Is(err, errOutputLimit):
		return fail(CodeTooLong, err, "The MP3 would be larger than the %d MB that are allowed.", c.engine.limits.Output/1e6)
	case !errors.As(err, &exit):
		return err
	case exit.killed():
		return c.ended(exit)
	case ch.words.said[noDecoder]:
		return unsupported(exit)
	default:
		return c.silent(ctx, pl, ch, exit)
	}
}

// ended is the error of a child that something killed.
func (c *conversion) ended(exit *exitError) error {
	if exit.cpu {
		return fail(CodeTimeLimit, exit, "The conversion needed more computing time than is allowed.")
	}
	return exit
}

// silent says why no sound came out of a track.
func (c *conversion) silent(ctx context.Context, pl *plan, ch *child, err error) error {
	if ch.words.said[underDRM] || c.scrambled(ctx, pl) {
		return encrypted(err)
	}
	return c.unreadable(ctx, fmt.Errorf("%w: %s", err, ch.words.String()))
}

// scrambled asks ffprobe whether the track's first packet is encrypted (ISO 23001-7). It is asked only of a track
// that could not all be decoded, where no answer means no.
func (c *conversion) scrambled(ctx context.Context, pl *plan) bool {
	out := capped{limit: maxProbe}
	ffprobe := c.child(c.engine.ffprobe)
	ffprobe.stdout = &out
	defer ffprobe.close()
	url, err := ffprobe.asks(&readServer{reader: c.reader})
	if err != nil {
		return false
	}
	err = c.run(ctx, ffprobe, []string{
		"-hide_banner", "-loglevel", "quiet", "-print_format", "json=compact=1", "-select_streams", strconv.Itoa(pl.track.Index),
		"-show_entries", "packet_side_data=side_data_type", "-read_intervals", "%+#1", "-fpsprobesize", "0", "-protocol_whitelist", "ranged", url,
	})
	return err == nil && strings.Contains(out.String(), "Encryption info")
}
