package sound

import (
	"math"
	"math/rand/v2"
)

// band plays chords, a bass, a tune and drums, made up as it goes.
type band struct {
	random *rand.Rand
	beat   int64 // frames a half beat has
	until  int64 // frames to the next
	count  int   // of half beats
	root   int   // of the chord, as a MIDI note
	minor  bool
	notes  []note
	hat    drum
	snare  drum
	kick   partial
}

// note is a sum of partials, each a rotating vector that shrinks.
type note struct {
	partials    []partial
	attack      float64 // grows to 1
	rise        float64
	left, right float64
	frames      int
}

type partial struct{ x, y, cos, sin float64 }

func newPartial(hertz, level, seconds float64) partial {
	// Down to a thousandth after so many seconds.
	shrink := math.Exp(math.Log(0.001) / (seconds * Rate))
	sin, cos := math.Sincos(2 * math.Pi * hertz / Rate)
	return partial{x: 0, y: level, cos: cos * shrink, sin: sin * shrink}
}

func (p *partial) step() float64 {
	p.x, p.y = p.x*p.cos+p.y*p.sin, p.y*p.cos-p.x*p.sin
	return p.x
}

// drum is noise that dies away, without its low end.
type drum struct{ level, shrink, last, pan float64 }

func (d *drum) step(noise float64) float64 {
	d.level *= d.shrink
	out := (noise - d.last) * d.level
	d.last = noise
	return out
}

func newBand(random *rand.Rand) *band {
	return &band{
		random: random, root: 57, beat: int64(between(random, 0.22, 0.32) * Rate),
		hat: drum{shrink: 0.9985, pan: 0.65}, snare: drum{shrink: 0.9996, pan: 0.45},
	}
}

func (b *band) frame() (left, right float64) {
	if b.until == 0 {
		b.play()
		b.until = b.beat
	}
	b.until--
	alive := b.notes[:0]
	for i := range b.notes {
		n := &b.notes[i]
		var sum float64
		for k := range n.partials {
			sum += n.partials[k].step()
		}
		n.attack = min(n.attack+n.rise, 1)
		sum *= n.attack
		left += sum * n.left
		right += sum * n.right
		n.frames--
		if n.frames > 0 {
			alive = append(alive, *n)
		}
	}
	b.notes = alive
	noise := b.random.Float64() - 0.5
	hat, snare, kick := b.hat.step(noise), b.snare.step(noise), b.kick.step()
	left += hat*(1-b.hat.pan) + snare*(1-b.snare.pan) + kick
	right += hat*b.hat.pan + snare*b.snare.pan + kick
	return 2.2 * left, 2.2 * right
}

// play is what happens at a half beat.
func (b *band) play() {
	r := b.random
	if b.count%16 == 0 {
		b.root = 50 + r.IntN(12)
		b.minor = r.IntN(2) == 0
		if r.IntN(4) == 0 {
			b.beat = int64(between(r, 0.2, 0.34) * Rate)
		}
	}
	third := 4
	if b.minor {
		third = 3
	}
	chord := []int{b.root, b.root + third, b.root + 7, b.root + 12}
	if b.count%8 == 0 {
		for i, pitch := range chord[:3] {
			b.add(pitch, 0.07, between(r, 1.5, 3), 7, 0.02, 0.25+0.25*float64(i))
		}
	}
	if b.count%4 == 0 {
		b.add(b.root-12, 0.16, 0.9, 5, 0.008, 0.5)
	}
	if r.IntN(10) < 7 {
		pitch := chord[r.IntN(len(chord))] + 12
		if r.IntN(3) == 0 {
			pitch += 2
		}
		b.add(pitch, between(r, 0.06, 0.12), between(r, 0.3, 1.2), 9, 0.004, between(r, 0.2, 0.8))
	}
	b.hat.level = between(r, 0.03, 0.12)
	switch b.count % 4 {
	case 0:
		b.kick = newPartial(between(r, 48, 62), 0.25, 0.35)
	case 2:
		b.snare.level = between(r, 0.08, 0.2)
	}
	b.count++
}

// add begins a note; an old one makes room when there are too many.
func (b *band) add(pitch int, level, seconds float64, partials int, attack, pan float64) {
	const most = 9
	if len(b.notes) == most {
		b.notes = append(b.notes[:0], b.notes[1:]...)
	}
	n := note{
		rise: 1 / (attack * Rate), left: math.Sqrt(1 - pan), right: math.Sqrt(pan), frames: int(seconds * Rate),
	}
	hertz := 440 * math.Pow(2, float64(pitch-69)/12) * between(b.random, 0.998, 1.002)
	for k := 1; k <= partials; k++ {
		f := hertz * float64(k) * (1 + 0.0004*float64(k*k)) // strings are a little stiff
		if f > 15000 {
			break
		}
		n.partials = append(n.partials, newPartial(f, level/math.Pow(float64(k), 1.2), seconds/(1+0.2*float64(k))))
	}
	b.notes = append(b.notes, n)
}
