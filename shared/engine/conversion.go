package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"mp3converter/shared/audio"
	"mp3converter/shared/mp3"
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
	// maxTags is behind how many ID3v2 tags an MP3's header frame is looked for.
	maxTags = 4
)

// conversion is one run of Convert.
type conversion struct {
	engine *Engine
	src    source.Ranges
	// reader reads the file as a whole; nil while nobody does, as its memory is not small.
	reader *source.Reader
	// excerpt is the sound alone, if the file is of a kind from which it can be taken; else nil.
	excerpt *excerpt
	out     *output
	asked   audio.Options // as they came
	opts    audio.Options // with defaults
	meter   *meter
	stats   Stats
	// began is when the child was started that is running, and reach how far it has read.
	began time.Time
	reach *atomic.Int64
}

func (c *conversion) convert(ctx context.Context) (Result, error) {
	began := time.Now()
	var err error
	c.reader = source.NewReader(ctx, c.src, c.engine.source)
	c.excerpt, err = c.takeSound(ctx)
	c.stats.Probe = time.Since(began)
	if err != nil {
		return Result{}, err
	}
	if c.excerpt != nil {
		c.closeReader()
	}
	result, err := c.convertInput(ctx)
	var failure *Failure
	if c.excerpt != nil && errors.As(err, &failure) && failure.doubtful() && !c.out.passed {
		// Perhaps it is the excerpt that is wrong, not the file; ffmpeg shall have the last word.
		c.closeExcerpt()
		c.reader = source.NewReader(ctx, c.src, c.engine.source)
		c.out.head = nil
		return c.convertInput(ctx)
	}
	return result, err
}

func (c *conversion) convertInput(ctx context.Context) (Result, error) {
	gain := ""
	if c.opts.Normalize {
		began := time.Now()
		var err error
		gain, err = c.measure(ctx)
		c.stats.Measure += time.Since(began)
		if err != nil {
			return Result{}, err
		}
	}
	result, err := c.make(ctx, gain, c.copies(true))
	if errors.Is(err, mp3.ErrNotCopyable) && !c.out.passed {
		c.out.head = nil
		return c.make(ctx, gain, false)
	}
	return result, err
}

// copies says whether an MP3 track is to be copied: when nothing is asked that changes it.
func (c *conversion) copies(isMP3 bool) bool {
	o := c.asked
	return isMP3 && o.Mode == "" && o.Quality == nil && o.Bitrate == nil && o.Channels == nil && o.Start == nil && o.End == nil && !o.Normalize
}

func (c *conversion) input() input {
	if c.excerpt != nil {
		return &c.excerpt.sound
	}
	return c.reader
}

func (c *conversion) closeExcerpt() {
	if c.excerpt == nil {
		return
	}
	c.excerpt.body.Close()
	c.stats.read(c.excerpt.body.Stats())
	c.excerpt = nil
}

func (c *conversion) closeReader() {
	if c.reader == nil {
		return
	}
	c.reader.Close()
	c.stats.read(c.reader.Stats())
	c.reader = nil
}

// child is a child with what is left of the conversion's limits.
func (c *conversion) child() *child {
	limits := c.engine.limits
	return &child{path: c.engine.ffmpeg, memory: limits.Memory, cpu: limits.CPU - c.stats.UserCPU - c.stats.SystemCPU}
}

// plan decides what to do, when the child has said what the file is.
func (c *conversion) plan(p probed) (*plan, error) {
	c.stats.Probe += time.Since(c.began)
	opts := c.opts
	if c.excerpt != nil {
		opts.Track = nil // there is only the one
	}
	pl, err := makePlan(p, opts, c.engine.limits, c.excerpt)
	if err == nil {
		c.meter.at(0)
	}
	return pl, err
}

// measure finds what has to be done to the loudness; empty: nothing.
func (c *conversion) measure(ctx context.Context) (string, error) {
	c.meter.stage(0, measuring)
	defer c.meter.stage(measuring, 99)
	ch := c.child()
	var pl *plan
	t := &task{
		decide: func(p probed) (string, error) {
			var err error
			pl, err = c.plan(p)
			if err != nil {
				return "", err
			}
			return pl.command("measure"), nil
		},
		progress: func(samples int64) error { // what comes before the start is decoded, and counted, too
			return c.made(pl, playing(samples, int(pl.track.SampleRate))-(pl.start-pl.skipped))
		},
	}
	c.began = time.Now()
	if err := c.run(ctx, c.input(), ch, t); err != nil {
		return "", c.failed(ctx, ch, t, err)
	}
	l, err := parseLoudness(ch.words.String())
	if err != nil {
		if pl.start > 0 || t.report.BadPackets > 0 {
			return "", nil // there may be no sound at all, which the encoding will say
		}
		return "", fmt.Errorf("measure: %w", err)
	}
	return l.gain(), nil
}

// playing is how long samples play.
func playing(samples int64, rate int) time.Duration {
	return time.Duration(float64(samples) / float64(max(rate, 1)) * float64(time.Second))
}

// made takes note of how much sound of the part asked for there is, and stops what is longer than it said it would be.
func (c *conversion) made(pl *plan, made time.Duration) error {
	limit := c.engine.limits.MaxDuration
	if made > limit+2*time.Second { // the encoder's own delay and padding are in it
		return fail(CodeTooLong, nil, "The sound is longer than the %s that are allowed.", inWords(limit))
	}
	if pl.length > 0 {
		c.meter.at(float64(made) / float64(pl.length))
	} else {
		c.meter.at(float64(c.reach.Load()) / float64(c.input().Size()))
	}
	return nil
}

// make makes the MP3: the track's frames copied, if they are MP3 and copy is true, or encoded.
func (c *conversion) make(ctx context.Context, gain string, copyFrames bool) (Result, error) {
	ch := c.child()
	var pl *plan
	w := &writing{out: c.out}
	t := &task{
		decide: func(p probed) (string, error) {
			var err error
			if pl, err = c.plan(p); err != nil {
				return "", err
			}
			c.began = time.Now()
			w.begin(pl, c.opts, copyFrames)
			if w.copier != nil {
				return pl.copyCommand(), c.copyHeader(ctx, p, w.copier)
			}
			return pl.encodeCommand(c.opts, gain, c.engine.workers), nil
		},
		picture:  func(data []byte) { w.tag.Picture = data },
		mp3:      w.frames,
		packets:  w.packets,
		progress: func(samples int64) error { return c.made(pl, playing(samples, w.rate())) },
	}
	c.began = time.Now()
	err := c.run(ctx, c.input(), ch, t)
	c.stats.Encode += time.Since(c.began)
	c.stats.add(t.report)
	if err != nil {
		return Result{}, c.failed(ctx, ch, t, err)
	}
	made, err := w.finish(t.report, c.opts)
	switch {
	case errors.Is(err, mp3.ErrNoFrames) && !errors.Is(err, mp3.ErrNotCopyable):
	case err != nil:
		return Result{}, c.failed(ctx, ch, t, err)
	}
	c.stats.Copied = w.copier != nil
	result, err := c.check(pl, ch, t, made)
	if err != nil {
		return Result{}, c.failed(ctx, ch, t, err)
	}
	result.CoverLeftOut = t.pictureDropped || made.PictureLeftOut
	return result, c.out.finish()
}

// errSilent says that no sound came out of a track.
var errSilent = errors.New("no sound came out")

// check looks at what came out of a run that ended well: whether there is sound, and all of it.
func (c *conversion) check(pl *plan, ch *child, t *task, made mp3.Result) (Result, error) {
	early := t.report.EndedEarly || ch.words.said[endedEarly]
	if made.Samples == 0 {
		if pl.start > 0 && !early && t.report.BadPackets == 0 {
			return Result{}, rangeEmpty("the sound ends before")
		}
		return Result{}, errSilent
	}
	length := playing(made.Samples, made.SampleRate)
	if length > c.engine.limits.MaxDuration+time.Second {
		return Result{}, tooLong(length, c.engine.limits.MaxDuration)
	}
	expected := pl.length - pl.late(time.Duration(t.report.First))
	missing := pl.missing(t.report, length)
	said := func() error { return fmt.Errorf("%s missing: %s", missing, ch.words.String()) }
	switch {
	case t.report.BadPackets > 0 && t.report.Encrypted: // a few packets may decode, to noise
		return Result{}, encrypted(said())
	case t.report.BadPackets > 0 && pl.declared && missing > expected/2:
		return Result{}, fail(CodeCorrupt, said(), "Most of the sound in the file is damaged: only %s of %s can be read.", inWords(length), inWords(expected))
	case early && !pl.guessed && missing > shortage, pl.declared && missing > max(silentShortage, expected/10):
		return Result{}, fail(CodeCorrupt, said(),
			"The file ends early: only %s of %s of sound are there, so it is damaged or was not uploaded completely.", inWords(length), inWords(expected))
	}
	return Result{Bytes: made.Bytes, Duration: length, Samples: made.Samples, SampleRate: made.SampleRate}, nil
}

// failed says what it means that a run of the child ended with err.
func (c *conversion) failed(ctx context.Context, ch *child, t *task, err error) error {
	var exit *exitError
	var said *childFailure
	var failure *Failure
	var broken *sourceError
	switch {
	case errors.As(err, &failure), errors.As(err, &broken), errors.Is(err, mp3.ErrNotCopyable):
		return err
	case errors.Is(err, errOutputLimit):
		return fail(CodeTooLong, err, "The MP3 would be larger than the %d MB that are allowed.", c.engine.limits.Output/1e6)
	case errors.Is(err, errSilent):
		return c.silent(ctx, ch, t, err)
	case errors.As(err, &said) && (said.Code == "no_decoder" || said.Code == "unsupported"):
		return unsupported(err)
	case errors.As(err, &said) && said.Code == "internal":
		return err
	case errors.As(err, &said):
		return c.silent(ctx, ch, t, err)
	case errors.As(err, &exit) && exit.killed():
		return c.ended(exit)
	case errors.As(err, &exit):
		return c.silent(ctx, ch, t, err)
	}
	return err
}

// ended is the error of a child that something killed.
func (c *conversion) ended(exit *exitError) error {
	if exit.cpu {
		return fail(CodeTimeLimit, exit, "The conversion needed more computing time than is allowed.")
	}
	return exit
}

// silent says why no sound came out of a track.
func (c *conversion) silent(ctx context.Context, ch *child, t *task, err error) error {
	if ch.words.said[underDRM] || t.report.Encrypted {
		return encrypted(err)
	}
	return c.unreadable(ctx, fmt.Errorf("%w: %s", err, ch.words.String()))
}

// copyHeader gives the copier the header frame of a plain MP3, which the child keeps to itself. What it says of the
// encoder and its delay is not lost then.
func (c *conversion) copyHeader(ctx context.Context, p probed, to *mp3.Copier) error {
	if p.Format.Name != "mp3" || c.reader == nil {
		return nil
	}
	var head [mp3.MaxFrameSize]byte
	at := int64(0)
	for range maxTags {
		got, err := c.reader.ReadAtContext(ctx, head[:], at)
		if err != nil && !errors.Is(err, io.EOF) {
			return &sourceError{err}
		}
		if n := mp3.TagSize(head[:got]); n > 0 {
			at += int64(n)
			continue
		}
		h, err := mp3.ParseHeader(head[:got])
		info, ok := mp3.ReadInfo(head[:got])
		if err == nil && ok && (info.Frames > 0 || info.Bytes > 0) && h.Size() <= got { // which the child's demuxer goes by, too
			_, err = to.Write(head[:h.Size()])
			return err
		}
		break
	}
	return nil
}
