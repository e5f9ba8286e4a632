package sound

import (
	"math"
	"math/rand/v2"
)

// vowels are the first four formants, in Hz, of a few vowels of a low voice.
var vowels = [][4]float64{
	{730, 1090, 2440, 3400}, {270, 2290, 3010, 3700}, {300, 870, 2240, 3300}, {530, 1840, 2480, 3500},
	{570, 840, 2410, 3300}, {660, 1720, 2410, 3500}, {440, 1020, 2240, 3400}, {490, 1350, 1690, 3300},
}

// sounds are what a syllable is made of.
type phase int

const (
	silence phase = iota
	hiss          // s, f, sh
	burst         // t, k, p
	vowel
)

// step is one of them and how long it lasts.
type step struct {
	what   phase
	frames int
}

// speaker talks: pulses of a voice and noise, through the resonances of a mouth that never stands still, in syllables,
// words and sentences with pauses between them.
type speaker struct {
	random *rand.Rand

	steps []step // of the sentence, still to be spoken
	now   phase
	until int // frames of the present step

	pitch, base, fall float64 // Hz; fall is how much of it a frame takes away
	glottis           float64 // phase of the pulse, 0 to 1
	tilt              float64 // one-pole low-pass state
	voice, breath     fade2

	formants [4]resonator
	target   [4]float64
	now4     [4]float64
	mouth    float64 // scale of the formants: the length of the throat
	hissing  resonator
	tick     int

	echo [2048]float64
	at   int
}

// fade2 follows a level with a time constant of a few milliseconds.
type fade2 struct{ now, to float64 }

func (f *fade2) step() float64 {
	f.now += (f.to - f.now) * 0.004
	return f.now
}

// resonator is a pair of poles.
type resonator struct{ a, b1, b2, y1, y2 float64 }

func (q *resonator) tune(hertz, width float64) {
	r := math.Exp(-math.Pi * width / Rate)
	q.b1 = 2 * r * math.Cos(2*math.Pi*hertz/Rate)
	q.b2 = -r * r
	q.a = 1 - r
}

func (q *resonator) step(x float64) float64 {
	y := q.a*x + q.b1*q.y1 + q.b2*q.y2
	q.y2, q.y1 = q.y1, y
	return y
}

func newSpeaker(random *rand.Rand) *speaker {
	s := &speaker{random: random, mouth: 1, base: 120, now4: vowels[0], target: vowels[0]}
	s.hissing.tune(5500, 2500)
	return s
}

func (s *speaker) frame() (left, right float64) {
	for s.until == 0 {
		s.next()
	}
	s.until--
	if s.tick%64 == 0 {
		s.move()
	}
	s.tick++
	noise := s.random.Float64() - 0.5
	s.pitch -= s.fall
	s.glottis += s.pitch / Rate
	if s.glottis >= 1 {
		s.glottis--
		s.pitch *= 1 + 0.02*(s.random.Float64()-0.5) // no two pulses are alike
	}
	s.tilt += (1 - 2*s.glottis - s.tilt) * 0.15
	voiced := s.tilt*s.voice.step() + noise*0.03*s.voice.now
	hissed := noise * s.breath.step()
	var out float64
	gain := 9.0
	for k := range s.formants {
		out += s.formants[k].step(voiced+0.1*hissed) * gain
		gain *= 1.3
	}
	out = 0.13*out + 2*s.hissing.step(hissed)
	// The room answers from two sides.
	s.echo[s.at] = out
	left = out + 0.18*s.echo[(s.at-530)&2047] + 0.1*s.echo[(s.at-1423)&2047]
	right = out + 0.15*s.echo[(s.at-811)&2047] + 0.12*s.echo[(s.at-1879)&2047]
	s.at = (s.at + 1) & 2047
	return 0.18 * left, 0.165 * right
}

// move brings the mouth a little nearer to where it wants to be.
func (s *speaker) move() {
	for k := range s.formants {
		s.now4[k] += (s.target[k] - s.now4[k]) * 0.08
		s.formants[k].tune(s.now4[k]*s.mouth, 60+30*float64(k))
	}
}

// next goes on to the next step, and to another sentence when this one is over.
func (s *speaker) next() {
	if len(s.steps) == 0 {
		s.sentence()
	}
	r := s.random
	s.now, s.until = s.steps[0].what, s.steps[0].frames
	s.steps = s.steps[1:]
	s.voice.to, s.breath.to = 0, 0
	switch s.now {
	case vowel:
		s.target = vowels[r.IntN(len(vowels))]
		s.voice.to = between(r, 0.5, 1)
	case hiss:
		s.hissing.tune(between(r, 3500, 7500), between(r, 1500, 3000))
		s.breath.to = between(r, 0.15, 0.5)
	case burst:
		s.hissing.tune(between(r, 1800, 5000), 3000)
		s.breath.now = between(r, 0.3, 0.9)
	case silence:
	}
}

// sentence plans what comes next: words of one to four syllables, and the pause after them.
func (s *speaker) sentence() {
	r := s.random
	if r.IntN(12) == 0 { // somebody else speaks
		s.base = between(r, 95, 215)
		s.mouth = 0.9 + s.base/1000
	}
	add := func(what phase, from, to float64) {
		s.steps = append(s.steps, step{what, int(between(r, from, to) * Rate)})
	}
	for range 4 + r.IntN(9) {
		for range 1 + r.IntN(4) {
			switch r.IntN(4) {
			case 0:
				add(hiss, 0.06, 0.13)
			case 1:
				add(silence, 0.03, 0.06)
				add(burst, 0.015, 0.04)
			}
			add(vowel, 0.07, 0.2)
		}
		if r.IntN(3) > 0 {
			add(silence, 0.02, 0.09)
		}
	}
	add(silence, 0.2, 1.3)
	var frames int
	for _, st := range s.steps {
		frames += st.frames
	}
	s.pitch = s.base * between(r, 1.05, 1.25)
	s.fall = s.pitch * 0.25 / float64(frames)
}
