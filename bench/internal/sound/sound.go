// Package sound makes up sound to measure encoders with: music and talk that cost LAME about what real recordings do,
// since a tone, a loop or noise would cost far less or far more. The same seed gives the same samples on the same kind
// of machine. It is nothing to listen to for long.
package sound

import (
	"encoding/binary"
	"io"
	"math"
	"math/rand/v2"
)

// Rate is the sample rate, in Hz. Sound is stereo, two 16-bit little-endian samples a frame.
const (
	Rate       = 44100
	frameBytes = 4
)

// Kind says what there is to hear.
type Kind int

const (
	// Programme is what a video has: music, talk, and talk over music, by turns of some seconds.
	Programme Kind = iota
	// Talk is somebody speaking in a room, with the pauses that people make, and now and then a few seconds of music.
	Talk
)

// source makes one channel pair, a frame at a time.
type source interface {
	frame() (left, right float64)
}

// Reader gives the sound as samples. It is not safe for concurrent use.
type Reader struct {
	random *rand.Rand
	kind   Kind
	talk   *speaker
	music  *band

	left                int64 // frames
	turn                int64 // frames until something else begins
	talkGain, musicGain fade
	rest                []byte // of the last block
	block               [1024 * frameBytes]byte
}

// NewReader returns the sound of that many seconds.
func NewReader(seed uint64, kind Kind, seconds float64) *Reader {
	random := rand.New(rand.NewPCG(seed, 0x6d7033)) //nolint:gosec // repeatable on purpose
	return &Reader{
		random: random, kind: kind, talk: newSpeaker(random), music: newBand(random),
		left: int64(math.Round(seconds * Rate)),
	}
}

var _ io.Reader = (*Reader)(nil)

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if r.left == 0 {
			return 0, io.EOF
		}
		r.fill()
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// room is the level of the noise that every recording has.
const room = 0.0008

func (r *Reader) fill() {
	n := min(r.left, int64(len(r.block)/frameBytes))
	for i := range n {
		if r.turn == 0 {
			r.next()
		}
		r.turn--
		left, right := room*(r.random.Float64()-0.5), room*(r.random.Float64()-0.5)
		if g := r.talkGain.step(); g > 0 {
			add(&left, &right, r.talk, g)
		}
		if g := r.musicGain.step(); g > 0 {
			add(&left, &right, r.music, g)
		}
		binary.LittleEndian.PutUint16(r.block[i*frameBytes:], sample(left))
		binary.LittleEndian.PutUint16(r.block[i*frameBytes+2:], sample(right))
	}
	r.left -= n
	r.rest = r.block[:n*frameBytes]
}

func add(left, right *float64, s source, gain float64) {
	l, r := s.frame()
	*left += gain * l
	*right += gain * r
}

// next begins another part of the programme.
func (r *Reader) next() {
	seconds := 8 + 22*r.random.Float64()
	if r.kind == Talk {
		seconds *= 8
		if r.random.IntN(6) == 0 {
			seconds = 6
			r.talkGain.to, r.musicGain.to = 0, 0.8
		} else {
			r.talkGain.to, r.musicGain.to = 0.9, 0
		}
	} else {
		switch r.random.IntN(4) {
		case 0:
			r.talkGain.to, r.musicGain.to = 0.9, 0
		case 1:
			r.talkGain.to, r.musicGain.to = 0.8, 0.25
		default:
			r.talkGain.to, r.musicGain.to = 0, 0.8
		}
	}
	r.turn = int64(seconds * Rate)
}

// fade moves a gain to where it should be within about a second.
type fade struct{ now, to float64 }

func (f *fade) step() float64 {
	const most = 1.0 / Rate
	f.now += min(max(f.to-f.now, -most), most)
	return f.now
}

// sample rounds, and bends instead of clipping.
func sample(x float64) uint16 {
	if x > 0.6 || x < -0.6 {
		x = math.Copysign(0.6+0.39*math.Tanh((math.Abs(x)-0.6)/0.39), x)
	}
	return uint16(int16(math.Round(x * 32767)))
}

// between returns a number of the range, all equally likely.
func between(random *rand.Rand, from, to float64) float64 {
	return from + (to-from)*random.Float64()
}
