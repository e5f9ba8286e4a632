package engine

import (
	"fmt"
	"io"

	"mp3converter/shared/audio"
	"mp3converter/shared/mp3"
)

// writing makes an MP3 of what the child sends.
type writing struct {
	out    io.WriterAt
	plan   *plan
	tag    mp3.Tag
	writer *mp3.Writer
	copier *mp3.Copier // when frames are copied
	rest   []byte      // of a frame that has not come whole
	method mp3.Method
}

func (w *writing) begin(pl *plan, opts audio.Options, copyFrames bool) {
	picture := w.tag.Picture
	w.plan, w.tag = pl, pl.tag
	w.tag.Picture = picture
	w.method = mp3.MethodMTRH
	if opts.Mode == audio.CBR {
		w.method = mp3.MethodCBR
	}
	if copyFrames && pl.track.Codec == "mp3" {
		w.method = mp3.MethodUnknown
		w.copier = mp3.NewCopier(w.write, mp3.CopyOptions{})
	}
}

// rate is the unit of the child's progress, in Hz.
func (w *writing) rate() int {
	if w.copier != nil {
		return int(w.plan.track.SampleRate)
	}
	return w.plan.sampleRate
}

// write takes whole frames.
func (w *writing) write(frames []byte) error {
	if w.writer == nil { // now the picture is here, if there is one
		w.writer = mp3.NewWriter(w.out, mp3.Options{Tag: w.tag, Method: w.method})
		w.tag = mp3.Tag{}
	}
	return w.writer.WriteFrames(frames)
}

// frames takes bytes of LAME's stream, cut anywhere.
func (w *writing) frames(data []byte) error {
	w.rest = append(w.rest, data...)
	whole := 0
	for len(w.rest)-whole >= 4 {
		h, err := mp3.ParseHeader(w.rest[whole:])
		if err != nil {
			return fmt.Errorf("%w: %w", errProtocol, err)
		}
		if whole+h.Size() > len(w.rest) {
			break
		}
		whole += h.Size()
	}
	if whole == 0 {
		return nil
	}
	if err := w.write(w.rest[:whole]); err != nil {
		return err
	}
	w.rest = w.rest[:copy(w.rest, w.rest[whole:])]
	return nil
}

func (w *writing) packets(data []byte) error {
	if w.copier == nil {
		return fmt.Errorf("%w: packets that were not asked for", errProtocol)
	}
	_, err := w.copier.Write(data)
	return err
}

func (w *writing) finish(r report, opts audio.Options) (mp3.Result, error) {
	end := mp3.EndInfo{}
	if w.copier != nil {
		if r.Edited > 0 {
			return mp3.Result{}, fmt.Errorf("%w: it is cut in the middle", mp3.ErrNotCopyable)
		}
		perFrame := 1152
		if w.plan.track.SampleRate < 32000 {
			perFrame = 576
		}
		// A skip counts from the first packet on, whether that is left out or not.
		w.copier.Heard(max(r.Skip, min(r.LeftOut, 100)*perFrame), r.Discard)
		copied, err := w.copier.Close()
		if err != nil {
			return mp3.Result{}, err
		}
		end = copied.End
	} else {
		mode := mp3.JointStereo
		if w.plan.channels == 1 {
			mode = mp3.Mono
		}
		if opts.Mode == audio.CBR {
			end.Encoder = mp3.LAMECBR(*opts.Bitrate, mode, w.plan.sampleRate)
		} else {
			end.Encoder = mp3.LAMEVBR(*opts.Quality, mode, w.plan.sampleRate)
		}
		end.Encoder.Lowpass = r.Lowpass
		end.Gapless = mp3.Gapless{Known: true, Delay: r.Delay, Padding: r.Padding}
	}
	if w.writer == nil {
		return mp3.Result{}, mp3.ErrNoFrames
	}
	if len(w.rest) > 0 {
		return mp3.Result{}, fmt.Errorf("%w: the last frame is not whole", errProtocol)
	}
	return w.writer.Finish(end)
}
