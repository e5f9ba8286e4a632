package engine

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"mp3converter/shared/audio"
	"mp3converter/shared/mp3"
)

// plan is what a conversion will do, made from what the file is and what the person asked for.
type plan struct {
	track stream
	// cover is the index of the stream that holds the cover picture; -1: none.
	cover int
	// channels and sampleRate are the MP3's.
	channels, sampleRate int
	// start and end cut the track, on its own time line; end 0: to its end.
	start, end time.Duration
	// skipped is how much of the track before start is not in the input.
	skipped time.Duration
	// length is how long the MP3 should be, from what the file says; 0: it does not say.
	length time.Duration
	// spans is the same for all of the track that is in the input, which may begin late but is not cut.
	spans time.Duration
	// guessed is true when length is no more than the demuxer's guess.
	guessed bool
	// declared is true when length rests on what the file says of this very track, not of the file as a whole.
	declared bool
	// clocked is true when length was counted on the file's clock, which may have begun before the track.
	clocked bool
	tag     mp3.Tag
}

// estimated are the formats that do not say how long they are: the demuxer guesses from the first and last timestamps or
// from the bitrate, and may be far off; or, GXF's, gives every track the file's length and takes the end for damage.
var estimated = []string{"mpegts", "mpeg", "aac", "loas", "ac3", "eac3", "dts", "truehd", "mlp", "mp3", "amr", "gsm", "adx", "gxf"}

// undeclared are the formats whose tracks may hold less sound than their demuxers say, and be whole: ASF's and NSV's give
// every track the file's length, and in AVI a pause may be counted that has no length.
var undeclared = []string{"asf", "nsv", "avi"}

// covers are the picture formats that ID3 readers know.
var covers = []string{"mjpeg", "png", "gif", "bmp", "webp"}

// sampleRatesOffered are what Layer III can have in MPEG-1, 2 and 2.5, ascending.
var sampleRatesOffered = []int{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000}

// late is how much of length is time before the track's first packet, when that came later than the probing saw.
func (pl *plan) late(first time.Duration) time.Duration {
	if !pl.clocked {
		return 0
	}
	return max(0, min(first, pl.length)-time.Duration(pl.track.Start))
}

// missing is how much sound has not come that the file should have, by what it says, when so much was heard. A pause in
// the time stamps is no sound, and is not missed.
func (pl *plan) missing(r report, heard time.Duration) time.Duration {
	late := pl.late(time.Duration(r.First))
	missing := pl.length - late - heard
	if r.Span > 0 {
		missing = min(missing, pl.spans-late-time.Duration(r.Span)+time.Duration(r.Lost))
	}
	return missing
}

// makePlan chooses, and refuses what cannot be done.
func makePlan(p probed, opts audio.Options, limits Limits, from *excerpt) (*plan, error) {
	track, err := chooseTrack(p, opts.Track)
	if err != nil {
		return nil, err
	}
	pl := &plan{track: track, cover: -1, channels: 2, sampleRate: 48000}
	if track.Channels == 1 {
		pl.channels = 1
	}
	if opts.Channels != nil {
		pl.channels = *opts.Channels
	}
	if i, _ := slices.BinarySearch(sampleRatesOffered, int(track.SampleRate)); track.SampleRate > 0 && i < len(sampleRatesOffered) {
		pl.sampleRate = sampleRatesOffered[i]
	}
	for _, s := range p.Streams {
		if s.Disposition.AttachedPic == 1 && slices.Contains(covers, s.Codec) {
			pl.cover = s.Index
			break
		}
	}
	pl.start, pl.end = duration(opts.Start), duration(opts.End)
	if from != nil && from.whole > 0 {
		pl.track.Duration = seconds(from.whole)
	}
	if err := pl.measure(p, limits); err != nil {
		return nil, err
	}
	pl.tag = makeTag(p, track, pl.start, pl.end)
	if from != nil && from.whole > 0 { // it begins later than the track, and may end earlier
		pl.skipped, pl.spans = from.skip, time.Duration(track.Duration)
	}
	return pl, nil
}

func duration(s *float64) time.Duration {
	if s == nil {
		return 0
	}
	return time.Duration(*s * float64(time.Second)).Round(time.Microsecond)
}

// chooseTrack takes the audio track asked for, or else the container's default, or else the first.
func chooseTrack(p probed, asked *int) (stream, error) {
	var tracks []stream
	video, pictures := false, false
	for _, s := range p.Streams {
		switch {
		case s.Type == "audio":
			tracks = append(tracks, s)
		case s.Disposition.AttachedPic == 1:
			pictures = true
		case s.Type == "video":
			video = true
		}
	}
	if len(tracks) == 0 {
		has := "no audio track"
		switch {
		case video:
			has = "a video track but no audio track"
		case pictures:
			has = "a picture but no audio track"
		}
		return stream{}, fail(CodeNoAudio, nil, "The file has %s.", has)
	}
	track := tracks[0]
	if i := slices.IndexFunc(tracks, func(s stream) bool { return s.Disposition.Default == 1 && s.Codec != "" }); i >= 0 {
		track = tracks[i]
	}
	if asked != nil {
		if *asked >= len(tracks) {
			count := strconv.Itoa(len(tracks)) + " audio tracks"
			if len(tracks) == 1 {
				count = "1 audio track"
			}
			return stream{}, fail(CodeTrackMissing, nil, "The file has %s; track %d does not exist.", count, *asked)
		}
		track = tracks[*asked]
	}
	switch {
	case track.Tag == "drms" || track.Tag == "enca":
		return stream{}, encrypted(nil)
	case track.Codec == "":
		return stream{}, unsupported(nil)
	}
	return track, nil
}

func encrypted(err error) error {
	return fail(CodeEncrypted, err, "The sound in the file is copy-protected (encrypted) and cannot be converted.")
}

func unsupported(err error) error {
	return fail(CodeUnsupportedAudio, err, "The sound in the file is in a format that cannot be converted.")
}

// measure works out how long the MP3 should be, and refuses what is too long or nothing.
func (pl *plan) measure(p probed, limits Limits) error {
	isOneOf := func(formats []string) bool {
		return slices.ContainsFunc(strings.Split(p.Format.Name, ","), func(name string) bool { return slices.Contains(formats, name) })
	}
	pl.guessed = isOneOf(estimated)
	whole := time.Duration(pl.track.Duration)
	if whole == 0 {
		whole = clock(tag(pl.track.Tags, "DURATION"))
	}
	pl.declared = whole > 0 && !pl.guessed && !isOneOf(undeclared)
	if whole == 0 {
		whole = time.Duration(p.Format.Duration)
	}
	if whole == 0 {
		if pl.end > 0 {
			pl.length = pl.end - pl.start
		}
		return nil
	}
	stop := whole
	pl.clocked = pl.track.Duration == 0 && !pl.guessed
	if begin := time.Duration(pl.track.Start); pl.clocked && begin < whole {
		stop -= begin
	}
	pl.spans = stop
	if pl.end > 0 {
		stop = min(stop, pl.end)
	}
	pl.length = max(0, stop-pl.start)
	switch {
	case pl.guessed: // then the encoding will show
	case pl.start >= whole:
		return rangeEmpty("the sound is only %s long", inWords(whole))
	case pl.length > limits.MaxDuration:
		return tooLong(pl.length, limits.MaxDuration)
	}
	return nil
}

func rangeEmpty(format string, args ...any) error {
	return fail(CodeRangeEmpty, nil, "There is nothing to convert between the start and the end asked for: "+format+".", args...)
}

func tooLong(length, limit time.Duration) error {
	return fail(CodeTooLong, nil, "The sound is %s long, more than the %s that are allowed.", inWords(length), inWords(limit))
}

// clock reads the "01:02:03.456" of Matroska's statistics tags; 0 if it is none.
func clock(text string) time.Duration {
	var total float64
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return 0
	}
	for _, part := range parts {
		f, err := strconv.ParseFloat(part, 64)
		if err != nil || !(f >= 0 && f < 1e6) {
			return 0
		}
		total = total*60 + f
	}
	return time.Duration(total * float64(time.Second))
}

// command is what the child is told, but for what is special to the verb: which stream, and what part of it, exact to
// the sample. It is the decoded samples that are counted, so that a time means the same as in the MP3 of the whole
// track, whatever the container's clock.
func (pl *plan) command(verb string) string {
	s := fmt.Sprintf("%s stream=%d channels=%d rate=%d", verb, pl.track.Index, pl.channels, pl.sampleRate)
	if pl.start > 0 {
		s += " start=" + decimal(pl.start-pl.skipped)
	}
	if pl.end > 0 {
		s += " end=" + decimal(pl.end-pl.skipped)
	}
	return s
}

func (pl *plan) copyCommand() string {
	return fmt.Sprintf("copy stream=%d picture=%d", pl.track.Index, pl.cover)
}

// encodeCommand takes the gain as measure found it.
func (pl *plan) encodeCommand(opts audio.Options, gain string, workers int) string {
	s := fmt.Sprintf("%s picture=%d workers=%d", pl.command("encode"), pl.cover, workers)
	if opts.Mode == audio.CBR {
		s += fmt.Sprintf(" cbr=%d", *opts.Bitrate)
	} else {
		s += fmt.Sprintf(" vbr=%d", *opts.Quality)
	}
	if pl.length > 0 {
		perFrame := int64(1152)
		if pl.sampleRate < 32000 {
			perFrame = 576
		}
		s += fmt.Sprintf(" frames=%d", int64(pl.length.Seconds()*float64(pl.sampleRate))/perFrame+1)
	}
	return s + gain
}

func decimal(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', 9, 64)
}
