// Package isobmff finds the sound in an MP4, MOV, M4A or 3GP file (ISO 14496-12, QuickTime File Format) and says which
// bytes of the file are needed to decode it, and in which requests they are best fetched.
//
// Open reads the movie box, wherever it lies, and the movie fragments, if there are any, in few requests. Extract then
// makes an audio-only MP4 on the fly: a header in memory, followed by pieces of the original file in order. Read as one
// file, that decodes to the very samples that the original decodes to, because whatever a demuxer bases a decision on is
// copied as it is: brands, track header, edit list, sample description, sample times, sample sizes and the division into
// chunks; only where the chunks lie is new. Plan decides which neighbouring pieces to fetch in one request.
//
// The file is taken for hostile. Nothing is allocated or looped over in proportion to a count that the bytes of its box
// do not bear out; tables are walked where they are. Whatever is odd ends in an error that wraps ErrFallback: the file
// may be fine, but this package does not vouch for it, and the caller takes the general way, the whole file.
//
// The package knows no cloud and starts no process. It reads by a Source, which must be safe for concurrent use.
package isobmff

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Errors that say what the caller should do; what they wrap or are wrapped in says why.
var (
	// ErrNotISO says that the file is not of this family at all.
	ErrNotISO = errors.New("not an ISO base media or QuickTime file")
	// ErrFallback says that the file, or the track, is to be read the general way.
	ErrFallback = errors.New("to be read as a whole")
)

// fallback is an ErrFallback with its reason.
func fallback(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, ErrFallback)...)
}

// Source is the file: random access, where a read far from all others costs a request. It is safe for concurrent use.
type Source interface {
	// Size is the length of the file in bytes; it never changes.
	Size() int64
	// ReadAtContext is io.ReaderAt's ReadAt that also returns when ctx ends.
	ReadAtContext(ctx context.Context, p []byte, offset int64) (int, error)
}

// Options bound what Open does. A zero field takes the default.
type Options struct {
	// MaxMoov is the largest movie box read, in bytes: 64 MiB. It, and all movie fragments together, are in memory
	// while Open runs; what stays is what belongs to the audio tracks.
	MaxMoov int64
	// Costs are those of reading, by which Open decides whether to look for the fragments of a file without an index.
	Costs Costs
}

const (
	// maxSamples is how many samples (packets) of differing size a track may have: six hours of AAC are a million.
	maxSamples = 4 << 20
	// maxExtents is in how many separate pieces the sound may lie.
	maxExtents = 1 << 20
	// maxTraks is how many tracks a movie may have; ffmpeg stops at as many streams.
	maxTraks = 1000
	// maxTags bounds the tags and pictures that are carried along, in bytes.
	maxTags = 16 << 20
	// maxSmall bounds boxes that are small in any honest file: file type, track header, sample description, edit list.
	maxSmall = 1 << 20
)

func (o Options) withDefaults() Options {
	if o.MaxMoov <= 0 {
		o.MaxMoov = 64 << 20
	}
	o.Costs = o.Costs.withDefaults()
	return o
}

// Open reads what the file says of itself. The Movie goes on using r. An error that wraps neither ErrNotISO nor
// ErrFallback is the source's.
func Open(ctx context.Context, r Source, opts Options) (*Movie, error) {
	opts = opts.withDefaults()
	f := &file{r: r, size: r.Size(), costs: opts.Costs}
	found, err := f.locate(ctx, opts.MaxMoov)
	if err != nil {
		return nil, fmt.Errorf("find movie box: %w", err)
	}
	m, err := parseMovie(found.moov)
	if err != nil {
		return nil, fmt.Errorf("read movie box: %w", err)
	}
	m.r, m.size, m.ftyp, m.opts = r, f.size, found.ftyp, opts
	if m.fragmented {
		moofs, err := f.fragments(ctx, found.end, opts)
		if err != nil {
			return nil, fmt.Errorf("read movie fragments: %w", err)
		}
		if err := m.addFragments(moofs); err != nil {
			return nil, fmt.Errorf("read movie fragments: %w", err)
		}
	}
	m.measure()
	return m, nil
}

// readFull reads len(p) bytes at offset, which the caller knows to lie within the file.
func readFull(ctx context.Context, r Source, p []byte, offset int64) error {
	n, err := r.ReadAtContext(ctx, p, offset)
	switch {
	case n == len(p):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return fmt.Errorf("read %d bytes at %d: %w", len(p), offset, io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("read %d bytes at %d: %w", len(p), offset, err)
}
