package ffmpeg_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
)

// A signal makes the next n samples at a rate, one channel, full scale ±1.
type signal func(random *rand.Rand, rate, n int) []float32

// signals are what people convert, and what an encoder finds hard.
var signals = map[string]signal{
	"speech":   speech,
	"music":    music,
	"noise":    func(r *rand.Rand, _, n int) []float32 { return noise(r, n, 0.3) },
	"silence":  silence,
	"clipping": func(r *rand.Rand, rate, n int) []float32 { return gain(music(r, rate, n), 6) },
	"fades":    fades,
	"hush":     func(r *rand.Rand, _, n int) []float32 { return noise(r, n, 2e-5) },
	"tone":     tones,
	"bursts":   bursts,
	"mixed":    mixed,
}

func noise(r *rand.Rand, n int, level float64) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32((r.Float64()*2 - 1) * level)
	}
	return out
}

func gain(in []float32, by float32) []float32 {
	for i := range in {
		in[i] *= by
	}
	return in
}

// resonator is a band-pass of two poles, as one formant of a voice is.
type resonator struct{ a, b, c, y1, y2 float64 }

func newResonator(hz, width float64, rate int) resonator {
	c := -math.Exp(-2 * math.Pi * width / float64(rate))
	b := 2 * math.Exp(-math.Pi*width/float64(rate)) * math.Cos(2*math.Pi*hz/float64(rate))
	return resonator{a: 1 - b - c, b: b, c: c}
}

func (f *resonator) next(x float64) float64 {
	y := f.a*x + f.b*f.y1 + f.c*f.y2
	f.y2, f.y1 = f.y1, y
	return y
}

// speech is vowels and hisses of 60 to 250 ms, with a pause now and then: pulses, or noise, through three formants.
func speech(r *rand.Rand, rate, n int) []float32 {
	out := make([]float32, 0, n)
	for len(out) < n {
		length := rate * (60 + r.IntN(190)) / 1000
		kind := r.IntN(10)
		if kind == 0 {
			length *= 4
		}
		var formants [3]resonator
		for i := range formants {
			top := math.Min(float64(500+900*i)+r.Float64()*600, 0.45*float64(rate))
			formants[i] = newResonator(top, 60+40*float64(i), rate)
		}
		pitch, phase := 90+r.Float64()*120, 0.0
		for i := range length {
			x := 0.0
			switch {
			case kind == 0:
				x = (r.Float64() - 0.5) * 1e-3 // a room, when nobody speaks
			case kind < 4:
				x = (r.Float64() - 0.5) * 0.8
			default:
				if phase += pitch / float64(rate); phase >= 1 {
					phase--
					x = 14
				}
			}
			y := 0.0
			for k := range formants {
				y += formants[k].next(x)
			}
			edge := math.Min(float64(min(i, length-i))/(0.01*float64(rate)), 1)
			out = append(out, float32(0.25*y*edge))
		}
	}
	return out[:n]
}

// music is chords of decaying notes with overtones, over a beat of noise.
func music(r *rand.Rand, rate, n int) []float32 {
	type note struct{ s, c, ds, dc, decay float64 }
	out := make([]float32, n)
	beat := rate/2 + 1
	var notes []note
	hit := 0.0
	for i := range out {
		if i%beat == 0 {
			notes = notes[:0]
			for range 3 {
				base := 110 * math.Pow(2, float64(r.IntN(30))/12)
				for overtone := 1.0; overtone <= 5 && base*overtone < 0.45*float64(rate); overtone++ {
					w := 2 * math.Pi * base * overtone / float64(rate)
					level := 0.15 / overtone
					notes = append(notes, note{0, level, math.Sin(w), math.Cos(w), 1 - overtone*1.5/float64(rate)})
				}
			}
		}
		if i%(beat/2) == 0 {
			hit = 0.4
		}
		x := (r.Float64() - 0.5) * hit
		hit *= 1 - 60/float64(rate)
		for k := range notes {
			p := &notes[k]
			p.s, p.c = (p.s*p.dc+p.c*p.ds)*p.decay, (p.c*p.dc-p.s*p.ds)*p.decay
			x += p.s
		}
		out[i] = float32(x)
	}
	return out
}

// fades goes between loud and far below hearing, slowly: the encoder adapts its threshold of hearing to that.
func fades(r *rand.Rand, rate, n int) []float32 {
	out := noise(r, n, 1)
	cycle := float64(rate * (6 + r.IntN(12)))
	for i := range out {
		db := -60 + 60*math.Cos(2*math.Pi*float64(i)/cycle)
		out[i] *= float32(math.Pow(10, db/20))
	}
	return out
}

// tones is a pure tone that changes its pitch every other second.
func tones(r *rand.Rand, rate, n int) []float32 {
	out := make([]float32, n)
	var s, c, ds, dc = 0.0, 0.7, 0.0, 1.0
	for i := range out {
		if i%(2*rate) == 0 {
			w := math.Pi * math.Pow(r.Float64(), 3)
			ds, dc = math.Sin(w), math.Cos(w)
		}
		s, c = s*dc+c*ds, c*dc-s*ds
		out[i] = float32(s)
	}
	return out
}

// bursts is silence with clicks and short bursts in it, for which an encoder switches to short blocks.
func bursts(r *rand.Rand, rate, n int) []float32 {
	out := make([]float32, n)
	for at := r.IntN(rate/4 + 1); at < n; at += rate/50 + r.IntN(rate/2) {
		length := min(1+r.IntN(rate/20), n-at)
		copy(out[at:], noise(r, length, math.Pow(10, -3*r.Float64())))
	}
	return out
}

// mixed is a little of everything.
func mixed(r *rand.Rand, rate, n int) []float32 {
	all := [...]signal{speech, music, silence, tones, bursts, fades, anyNoise}
	out := make([]float32, 0, n)
	for len(out) < n {
		length := min(rate/20+r.IntN(5*rate), n-len(out))
		out = append(out, all[r.IntN(len(all))](r, rate, length)...)
	}
	return out
}

func silence(_ *rand.Rand, _, n int) []float32 { return make([]float32, n) }

func anyNoise(r *rand.Rand, _, n int) []float32 { return noise(r, n, math.Pow(10, -5*r.Float64())) }

// stereos are ways to have two channels.
var stereos = map[string]func(left, other []float32) (right []float32){
	"two voices": func(_, other []float32) []float32 { return other },
	"one silent": func(left, _ []float32) []float32 { return make([]float32, len(left)) },
	"the same":   func(left, _ []float32) []float32 { return left },
	"opposite": func(left, _ []float32) []float32 {
		right := make([]float32, len(left))
		for i := range left {
			right[i] = -left[i]
		}
		return right
	},
	"nearly the same": func(left, other []float32) []float32 {
		right := make([]float32, len(left))
		for i := range left {
			right[i] = 0.8*left[i] + 0.05*other[i]
		}
		return right
	},
}

// A pcm is sound as it is, in a WAV file of 32-bit floating point.
type pcm struct {
	rate, channels, samples int
	wav                     []byte
}

// newPCM makes sound of one channel, or, with a way to have them, of two. What is longer than half a minute repeats
// itself, as making it takes longer than encoding it.
func newPCM(s signal, stereo string, rate, samples int, seed uint64) pcm {
	n := min(samples, 30*rate+777)
	channels := [][]float32{s(rand.New(rand.NewPCG(seed, 1)), rate, n)}
	if stereo != "" {
		other := s(rand.New(rand.NewPCG(seed, 2)), rate, n)
		channels = append(channels, stereos[stereo](channels[0], other))
	}
	p := interleave(rate, channels...)
	block, size := p.wav[wavHeaderSize:], 4*samples*len(channels)
	p.wav = append(wavHeader(rate, len(channels), size), bytes.Repeat(block, samples/max(n, 1)+1)[:size]...)
	p.samples = samples
	return p
}

func interleave(rate int, channels ...[]float32) pcm {
	p := pcm{rate: rate, channels: len(channels), samples: len(channels[0])}
	p.wav = make([]byte, wavHeaderSize+4*p.samples*p.channels)
	copy(p.wav, wavHeader(rate, p.channels, len(p.wav)-wavHeaderSize))
	for ch, samples := range channels {
		for i, x := range samples {
			binary.LittleEndian.PutUint32(p.wav[wavHeaderSize+4*(i*p.channels+ch):], math.Float32bits(x))
		}
	}
	return p
}

const wavHeaderSize = 44

// wavHeader begins a WAV file of so many bytes of sound. One that is too large for a WAV file is read to its end.
func wavHeader(rate, channels, size int) []byte {
	const ieeeFloat = 3
	h := make([]byte, 0, wavHeaderSize)
	h = append(h, "RIFF\xff\xff\xff\xffWAVEfmt \x10\x00\x00\x00"...)
	h = binary.LittleEndian.AppendUint16(h, ieeeFloat)
	h = binary.LittleEndian.AppendUint16(h, uint16(channels))
	h = binary.LittleEndian.AppendUint32(h, uint32(rate))
	h = binary.LittleEndian.AppendUint32(h, uint32(rate*channels*4))
	h = binary.LittleEndian.AppendUint16(h, uint16(channels*4))
	h = binary.LittleEndian.AppendUint16(h, 32)
	h = append(h, "data"...)
	return binary.LittleEndian.AppendUint32(h, uint32(min(size, math.MaxUint32)))
}
