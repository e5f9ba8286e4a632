/*
 * segment.h: encode the pieces of a file side by side and join them to the very
 * bytes that LAME gives when it encodes the file from its beginning to its end.
 *
 * Frames are numbered from 0. What LAME does to a frame has two halves. The first,
 * analysis, looks only at the sound, and remembers little of it: an encoder that
 * starts some frames early has, bit for bit, the memory it would have had. The
 * second, quantisation, also looks at the bit reservoir and (CBR) at where the
 * last frame's search ended. A segment_encoder does both halves for one piece,
 * with a reservoir of its own. The segment_joiner then walks over the pieces in
 * order with the true reservoir. A frame is adopted where it is certain that the
 * serial encoder would have made the same of it: the memory of its analysis is
 * the true one (compared by a digest of all of it), and what it was allowed
 * differs in nothing that it used. Every other frame the joiner encodes itself,
 * which makes it a serial encoder until both agree again. Nothing is taken for
 * the same because it usually is.
 *
 * The files belong to LAME's library: they use its internals, by parts.h.
 * Part of mp3converter; GNU Library General Public License 2 or later, as LAME.
 */
#ifndef LAME_SEGMENT_H
#define LAME_SEGMENT_H

#include <stddef.h>
#include "lame.h"

typedef struct segment_encoder segment_encoder;
typedef struct segment_joiner segment_joiner;
typedef struct segment segment;

/*
 * Sound for some frames: full scale is +-32768, times segment_scale. channel[c] points to the first
 * sample that frame number `first` looks at, and segment_span samples follow.
 * Sample 0 of that numbering is segment_lead samples before the file's first;
 * what is before the first sample and after the last is silence.
 * The pointers must be aligned to 64 bytes.
 */
typedef struct {
    const float *channel[2];
    long    first;
} segment_sound;

/* 0 if gfp, configured and past lame_init_params, is in a mode that can be cut: VBR (mtrh) or CBR. */
int     segment_supported(lame_global_flags const *gfp);

/* What samples are multiplied with: some bitrates are encoded a little softer, against clipping. */
float   segment_scale(lame_global_flags const *gfp);
/* How many samples of silence come before the first. */
long    segment_lead(void);
/* How many samples from the start of the first frame's window `count` frames look at. */
long    segment_span(lame_global_flags const *gfp, long count);
/* How many frames before its first a segment wants to see; fewer at the start of the file. */
long    segment_warmup(lame_global_flags const *gfp);
/* The number of frames of a file of so many samples, and how many samples of padding end the last. */
long    segment_total(lame_global_flags const *gfp, long long samples, int *padding);

segment *segment_new(void);
void    segment_free(segment *);

/* An encoder for one thread. gfp must outlive it. NULL without memory. */
segment_encoder *segment_encoder_new(lame_global_flags *gfp);
void    segment_encoder_free(segment_encoder *);
/*
 * Encode frames first to first + count - 1 into s, whatever was in it. The sound must begin
 * segment_warmup frames before first, or at frame 0. hint is a reservoir that the serial encoder had
 * some time before, in bits, or -1: the better it fits, the fewer frames will have to be encoded again.
 * 0, or -1 without memory.
 */
int     segment_encode(segment_encoder *, segment_sound const *, long first, long count, int hint, segment *s);

/* Takes bytes of the MP3, in order; not whole frames. Non-zero ends the joining. */
typedef int (*segment_write) (void *opaque, unsigned char const *data, size_t size);

segment_joiner *segment_joiner_new(lame_global_flags *gfp, segment_write write, void *opaque);
void    segment_joiner_free(segment_joiner *);
/* Join the next segment; the sound is the one it was encoded from. 0, or what write returned, or -1. */
int     segment_join(segment_joiner *, segment const *, segment_sound const *);
/* The bits in the reservoir after what has been joined. */
int     segment_joiner_reservoir(segment_joiner const *);
/* Write what is left. */
int     segment_finish(segment_joiner *);

typedef struct {
    long    frames;      /* in all */
    long    requantised; /* encoded by the joiner */
    long    reanalysed;  /* looked at by the joiner only to get there */
} segment_stats;
void    segment_joiner_stats(segment_joiner const *, segment_stats *);

#endif
