/* See segment.h. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lame.h"
#include "machine.h"
#include "encoder.h"
#include "util.h"
#include "lame_global_flags.h"
#include "bitstream.h"
#include "quantize.h"
#include "quantize_pvt.h"
#include "reservoir.h"
#include "parts.h"
#include "segment.h"

/* Frames between two memories of the analysis that a segment keeps for the joiner to start from. */
#define SNAPSHOT_EVERY 32

/* Frames at the start of a segment at which the joiner may find its analysis to be the true one. */
#define MEETING 16

/* Analysis of VBR looks back two frames and a bit; CBR also weighs a frame against the nine before it
 * and the nine after. */
#define WARMUP_VBR 4
#define WARMUP_CBR 23

/* The slow part is how much the threshold of hearing was lowered: it sinks by at most 7.5 % a frame, to 0.000625. */
#define LOUDNESS_WARMUP 96

/* Frames of a segment whose analysis is kept, as it is likely that the joiner must quantise them again. */
#define KEEP 96

/* All that analysis remembers from one frame to the next. */
typedef struct {
    PsyStateVar_t psy;
    PsyResult_t psy_result;
    FLOAT   sb_sample[2][2][18][SBLIMIT];
    FLOAT   pefirbuf[19];
    FLOAT   adjust_factor, adjust_limit;
    FLOAT   masking_lower;
    int     begun;
} memory_t;

/* What analysis found out about a frame, for quantisation. */
typedef struct {
    FLOAT   xr[2][2][576];
    int     block_type[2][2];
    III_psy_ratio masking[2][2];
    FLOAT   adjust_factor;
} analysis_t;

/* What quantisation of CBR remembers beside the reservoir: where the search for a step size starts, by channel. */
typedef struct {
    int     old_value[2], current_step[2];
} search_t;

typedef struct {
    uint64_t memory;     /* digest of the analysis' memory before the frame, if has_digest() */
    search_t before, after;
    int     searched[2]; /* the channel was not silent: the search was used */
    vbr_frame_t vbr;     /* of these two the one that applies */
    cbr_frame_t cbr;
    FLOAT   pe[2][2], ms_ener_ratio[2];
    int     kept;        /* its analysis is in `kept` at this place; -1: it is not */
    size_t  coded;       /* where the frame is in the segment's bytes */
    int     main_bits;
    int     mode_ext;
} frame_t;

struct segment {
    long    first, count;
    frame_t *frames;
    long    room;
    unsigned char *bytes;
    size_t  size, capacity;
    memory_t *memories;  /* before each SNAPSHOT_EVERY-th frame */
    long    memories_room;
    analysis_t *kept;    /* room for KEEP */
    int     kept_count;
    memory_t last;       /* after the last */
    uint64_t last_digest;
};

struct segment_encoder {
    lame_internal_flags const *pristine;
    lame_internal_flags *gfc;
    unsigned char *scratch;
};

struct segment_joiner {
    lame_internal_flags *gfc;
    segment_write write;
    void   *opaque;
    long    next;        /* the frame to be joined next */
    long    analysed;    /* gfc itself has the true memory before this frame; -1: of none that is of use */
    int     met;         /* the segment's analysis has had the true memory, and so has it ever after */
    memory_t last;       /* the true memory after the segment before, if it had met */
    uint64_t last_digest;
    int     has_last;
    unsigned char *out;
    segment_stats stats;
};

/* ---- the context -------------------------------------------------------- */

static void *
aligned_zero(size_t size)
{
    void   *p = NULL;
    size = (size + 63) & ~(size_t) 63;
    if (posix_memalign(&p, 64, size) != 0)
        return NULL;
    memset(p, 0, size);
    return p;
}

/* A context of its own that shares the constants of another. */
static lame_internal_flags *
clone(lame_internal_flags const *of)
{
    lame_internal_flags *gfc = aligned_zero(sizeof *gfc);
    ATH_t  *ath = aligned_zero(sizeof *ath);
    unsigned char *buf = aligned_zero(BUFFER_SIZE);
    if (gfc == NULL || ath == NULL || buf == NULL) {
        free(gfc);
        free(ath);
        free(buf);
        return NULL;
    }
    memcpy(gfc, of, sizeof *gfc);
    memcpy(ath, of->ATH, sizeof *ath);
    gfc->ATH = ath;
    gfc->bs.buf = buf;
    gfc->sv_enc.in_buffer_0 = gfc->sv_enc.in_buffer_1 = NULL;
    gfc->sv_enc.in_buffer_nsamples = 0;
    return gfc;
}

static void
free_clone(lame_internal_flags * gfc)
{
    if (gfc == NULL)
        return;
    free(gfc->ATH);
    free(gfc->bs.buf);
    free(gfc);
}

static void
reset(lame_internal_flags * gfc, lame_internal_flags const *of)
{
    ATH_t  *const ath = gfc->ATH;
    unsigned char *const buf = gfc->bs.buf;
    memcpy(gfc, of, sizeof *gfc);
    memcpy(ath, of->ATH, sizeof *ath);
    gfc->ATH = ath;
    gfc->bs.buf = buf;
}

static void
save_memory(lame_internal_flags const *gfc, memory_t * m)
{
    m->psy = gfc->sv_psy;
    m->psy_result = gfc->ov_psy;
    memcpy(m->sb_sample, gfc->sv_enc.sb_sample, sizeof m->sb_sample);
    memcpy(m->pefirbuf, gfc->sv_enc.pefirbuf, sizeof m->pefirbuf);
    m->adjust_factor = gfc->ATH->adjust_factor;
    m->adjust_limit = gfc->ATH->adjust_limit;
    m->masking_lower = gfc->sv_qnt.masking_lower;
    m->begun = gfc->lame_encode_frame_init;
}

static void
load_memory(lame_internal_flags * gfc, memory_t const *m)
{
    gfc->sv_psy = m->psy;
    gfc->ov_psy = m->psy_result;
    memcpy(gfc->sv_enc.sb_sample, m->sb_sample, sizeof m->sb_sample);
    memcpy(gfc->sv_enc.pefirbuf, m->pefirbuf, sizeof m->pefirbuf);
    gfc->ATH->adjust_factor = m->adjust_factor;
    gfc->ATH->adjust_limit = m->adjust_limit;
    gfc->sv_qnt.masking_lower = m->masking_lower;
    gfc->lame_encode_frame_init = m->begun;
}

/* Four lanes, so that one multiplication need not wait for the other. */
static void
digest_more(uint64_t h[4], void const *data, size_t size)
{
    unsigned char const *p = data;
    size_t  i;
    int     lane;
    for (i = 0; i + 32 <= size; i += 32) {
        uint64_t w[4];
        memcpy(w, p + i, 32);
        for (lane = 0; lane < 4; lane++) {
            h[lane] = (h[lane] ^ w[lane]) * 0x9E3779B97F4A7C15u;
            h[lane] ^= h[lane] >> 29;
        }
    }
    for (lane = 0; i < size; lane++) {
        uint32_t w = 0;
        size_t const n = Min(size - i, sizeof w);
        memcpy(&w, p + i, n);
        h[lane & 3] = (h[lane & 3] ^ w) * 0xC2B2AE3D27D4EB4Fu;
        h[lane & 3] ^= h[lane & 3] >> 31;
        i += n;
    }
}

/*
 * Of all that the next frame's analysis may look at. Not nb_s1 and nb_s2, which LAME keeps up, but reads only to
 * move one to the other; what they hold, of the last short blocks, can be old.
 */
static uint64_t
digest(lame_internal_flags const *gfc)
{
    uint64_t h[4] = { 1, 2, 3, 4 }, d = 0;
    size_t const after = offsetof(PsyStateVar_t, thm);
    int     lane;
    digest_more(h, gfc->sv_psy.nb_l1, sizeof gfc->sv_psy.nb_l1);
    digest_more(h, gfc->sv_psy.nb_l2, sizeof gfc->sv_psy.nb_l2);
    digest_more(h, (char const *) &gfc->sv_psy + after, sizeof gfc->sv_psy - after);
    digest_more(h, &gfc->ov_psy, sizeof gfc->ov_psy);
    digest_more(h, gfc->sv_enc.sb_sample, sizeof gfc->sv_enc.sb_sample);
    digest_more(h, gfc->sv_enc.pefirbuf, sizeof gfc->sv_enc.pefirbuf);
    digest_more(h, &gfc->ATH->adjust_factor, sizeof gfc->ATH->adjust_factor);
    digest_more(h, &gfc->ATH->adjust_limit, sizeof gfc->ATH->adjust_limit);
    digest_more(h, &gfc->sv_qnt.masking_lower, sizeof gfc->sv_qnt.masking_lower);
    digest_more(h, &gfc->lame_encode_frame_init, sizeof gfc->lame_encode_frame_init);
    for (lane = 0; lane < 4; lane++) {
        d = (d ^ h[lane]) * 0x9E3779B97F4A7C15u;
        d ^= d >> 32;
    }
    return d;
}

/*
 * Where the joiner looks whether a segment's memory is the true one. It usually is at once; and once it is, it stays
 * so, as analysis depends on nothing but its memory and the sound.
 */
static int
has_digest(long index)
{
    return index < MEETING || index % SNAPSHOT_EVERY == 0;
}

static void
search_starts(lame_internal_flags const *gfc, search_t * q)
{
    int     ch;
    for (ch = 0; ch < 2; ch++) {
        q->old_value[ch] = gfc->sv_qnt.OldValue[ch];
        q->current_step[ch] = gfc->sv_qnt.CurrentStep[ch];
    }
}

static void
save_analysis(lame_internal_flags const *gfc, frame_analysis_t const *fa, analysis_t * a)
{
    int     gr, ch;
    for (gr = 0; gr < gfc->cfg.mode_gr; gr++) {
        for (ch = 0; ch < gfc->cfg.channels_out; ch++) {
            gr_info const *const gi = &gfc->l3_side.tt[gr][ch];
            memcpy(a->xr[gr][ch], gi->xr, sizeof gi->xr);
            a->block_type[gr][ch] = gi->block_type;
            a->masking[gr][ch] = fa->masking[gr][ch];
        }
    }
    a->adjust_factor = gfc->ATH->adjust_factor;
}

/* The rest of it is in the frame. */
static void
load_analysis(lame_internal_flags * gfc, analysis_t const *a, frame_t const *f, frame_analysis_t * fa)
{
    int     gr, ch;
    fa->masking = fa->masking_LR;
    for (gr = 0; gr < gfc->cfg.mode_gr; gr++) {
        for (ch = 0; ch < gfc->cfg.channels_out; ch++) {
            gr_info *const gi = &gfc->l3_side.tt[gr][ch];
            memcpy(gi->xr, a->xr[gr][ch], sizeof gi->xr);
            gi->block_type = a->block_type[gr][ch];
            gi->mixed_block_flag = 0;
            fa->masking[gr][ch] = a->masking[gr][ch];
        }
    }
    memcpy(fa->pe_LR, f->pe, sizeof fa->pe_LR);
    fa->pe = fa->pe_LR;
    memcpy(fa->ms_ener_ratio, f->ms_ener_ratio, sizeof fa->ms_ener_ratio);
    gfc->ov_enc.mode_ext = f->mode_ext;
    gfc->ATH->adjust_factor = a->adjust_factor;
}

static int
is_vbr(SessionConfig_t const *cfg)
{
    return cfg->vbr == vbr_mtrh || cfg->vbr == vbr_mt;
}

/* ---- numbers ------------------------------------------------------------ */

static int
frame_samples(SessionConfig_t const *cfg)
{
    return 576 * cfg->mode_gr;
}

static int
window_samples(SessionConfig_t const *cfg)
{
    return Max(BLKSIZE + frame_samples(cfg) - FFTOFFSET, 512 + frame_samples(cfg) - 32);
}

int
segment_supported(lame_global_flags const *gfp)
{
    SessionConfig_t const *const cfg = &gfp->internal_flags->cfg;
    int const cut = is_vbr(cfg) || cfg->vbr == vbr_off;
    return cut && !cfg->analysis && !cfg->free_format && !cfg->write_lame_tag && !cfg->findReplayGain
        && cfg->samplerate_in == cfg->samplerate_out && cfg->channels_in == cfg->channels_out ? 0 : -1;
}

float
segment_scale(lame_global_flags const *gfp)
{
    return gfp->internal_flags->cfg.pcm_transform[0][0];
}

long
segment_lead(void)
{
    return ENCDELAY - MDCTDELAY;
}

long
segment_span(lame_global_flags const *gfp, long count)
{
    SessionConfig_t const *const cfg = &gfp->internal_flags->cfg;
    return (count - 1) * frame_samples(cfg) + window_samples(cfg);
}

long
segment_warmup(lame_global_flags const *gfp)
{
    (void) gfp;
    return LOUDNESS_WARMUP;
}

/* As lame_encode_flush counts. */
long
segment_total(lame_global_flags const *gfp, long long samples, int *padding)
{
    int const size = frame_samples(&gfp->internal_flags->cfg);
    long long const to_encode = samples + ENCDELAY;
    int     pad = size - (int) (to_encode % size);
    if (pad < 576)
        pad += size;
    *padding = pad;
    return (long) ((to_encode + pad) / size);
}

/* ---- a segment ---------------------------------------------------------- */

segment *
segment_new(void)
{
    return calloc(1, sizeof(segment));
}

void
segment_free(segment * s)
{
    if (s == NULL)
        return;
    free(s->frames);
    free(s->bytes);
    free(s->memories);
    free(s->kept);
    free(s);
}

static int
make_room(segment * s, long count)
{
    long const memories = (count + SNAPSHOT_EVERY - 1) / SNAPSHOT_EVERY;
    if (count > s->room) {
        frame_t *const p = realloc(s->frames, count * sizeof *p);
        if (p == NULL)
            return -1;
        s->frames = p;
        s->room = count;
    }
    if (memories > s->memories_room) {
        memory_t *const p = realloc(s->memories, memories * sizeof *p);
        if (p == NULL)
            return -1;
        s->memories = p;
        s->memories_room = memories;
    }
    if (s->kept == NULL)
        s->kept = malloc(KEEP * sizeof *s->kept);
    return s->kept == NULL ? -1 : 0;
}

static unsigned char *
more_bytes(segment * s, size_t n)
{
    if (s->size + n > s->capacity) {
        size_t const capacity = 2 * s->capacity + n;
        unsigned char *const p = realloc(s->bytes, capacity);
        if (p == NULL)
            return NULL;
        s->bytes = p;
        s->capacity = capacity;
    }
    s->size += n;
    return s->bytes + s->size - n;
}

/* ---- the encoder of a segment ------------------------------------------- */

segment_encoder *
segment_encoder_new(lame_global_flags * gfp)
{
    segment_encoder *const e = calloc(1, sizeof *e);
    if (e == NULL)
        return NULL;
    e->pristine = gfp->internal_flags;
    e->gfc = clone(gfp->internal_flags);
    e->scratch = malloc(LAME_MAIN_DATA);
    if (e->gfc == NULL || e->scratch == NULL) {
        segment_encoder_free(e);
        return NULL;
    }
    return e;
}

void
segment_encoder_free(segment_encoder * e)
{
    if (e == NULL)
        return;
    free_clone(e->gfc);
    free(e->scratch);
    free(e);
}

static int
analyse(lame_internal_flags * gfc, segment_sound const *sound, long frame, frame_analysis_t * fa)
{
    SessionConfig_t const *const cfg = &gfc->cfg;
    long const at = (frame - sound->first) * frame_samples(&gfc->cfg);
    sample_t const *const left = sound->channel[0] + at;
    sample_t const *const right = gfc->cfg.channels_out == 2 ? sound->channel[1] + at : left;
    /* what the first frame primes its filters with is in the window, too */
    gfc->sv_enc.mf_size = window_samples(&gfc->cfg);
    if (lame_analyse_frame(gfc, left, right, fa) != 0)
        return -1;
    /* Quantisation leaves this behind, by the type of the last block, for the next frame's analysis. */
    {
        gr_info const *const gi = &gfc->l3_side.tt[cfg->mode_gr - 1][cfg->channels_out - 1];
        int const is_short = !is_vbr(cfg) && gi->block_type == SHORT_TYPE;
        FLOAT const db = is_short ? gfc->sv_qnt.mask_adjust_short : gfc->sv_qnt.mask_adjust;
        gfc->sv_qnt.masking_lower = pow(10.0, db * 0.1);
    }
    return 0;
}

static void
follow(lame_internal_flags * gfc, segment_sound const *sound, long frame)
{
    long const at = (frame - sound->first) * frame_samples(&gfc->cfg);
    lame_follow_loudness(gfc, sound->channel[0] + at, sound->channel[gfc->cfg.channels_out - 1] + at);
}

/* Padding follows a fixed rhythm in CBR: where it is before a frame. */
static void
set_padding(lame_internal_flags * gfc, long frame)
{
    long long const rate = gfc->cfg.samplerate_out, frac = gfc->sv_enc.frac_SpF;
    long long lag = (frac - frame * frac) % rate;
    gfc->sv_enc.slot_lag = (int) (lag < 0 ? lag + rate : lag);
}

/*
 * The reservoir that a segment in the middle starts with: a guess, as the true one is not known. It is usually
 * nearly full; that of CBR may stay empty for minutes, though, where the sound wants more bits than it gets. The nearer
 * the guess, the sooner both agree.
 */
static void
guess_reservoir(lame_internal_flags * gfc, int hint)
{
    int     guess, mean_bits;

    if (is_vbr(&gfc->cfg))
        gfc->ov_enc.bitrate_index = gfc->cfg.vbr_max_bitrate_index;
    (void) ResvFrameBegin(gfc, &mean_bits);
    guess = gfc->sv_enc.ResvMax * 9 / 10; /* tried: this needs the fewest frames again */
    if (hint >= 0 && hint < guess && !is_vbr(&gfc->cfg))
        guess = hint;
    gfc->sv_enc.ResvSize = guess / 8 * 8;
}

static void
quantise(lame_internal_flags * gfc, frame_analysis_t * fa, vbr_frame_t * vbr, cbr_frame_t * cbr)
{
    const FLOAT (*const pe)[2] = (const FLOAT (*)[2]) fa->pe;
    const III_psy_ratio (*const masking)[2] = (const III_psy_ratio (*)[2]) fa->masking;
    if (is_vbr(&gfc->cfg)) {
        VBR_new_quantise(gfc, pe, masking, vbr);
        VBR_new_reserve(gfc, vbr);
    }
    else
        CBR_quantise(gfc, pe, fa->ms_ener_ratio, masking, cbr);
}

static int
encode_frame(segment_encoder * e, segment_sound const *sound, long frame, segment * s)
{
    lame_internal_flags *const gfc = e->gfc;
    frame_t *const f = &s->frames[frame - s->first];
    frame_analysis_t fa;
    unsigned char side[MAX_HEADER_LEN], *coded;
    size_t  size;

    if (has_digest(frame - s->first))
        f->memory = digest(gfc);
    if ((frame - s->first) % SNAPSHOT_EVERY == 0)
        save_memory(gfc, &s->memories[(frame - s->first) / SNAPSHOT_EVERY]);
    lame_pad_frame(gfc);
    if (analyse(gfc, sound, frame, &fa) != 0)
        return -1;
    memcpy(f->pe, fa.pe, sizeof f->pe);
    memcpy(f->ms_ener_ratio, fa.ms_ener_ratio, sizeof f->ms_ener_ratio);
    f->mode_ext = gfc->ov_enc.mode_ext;
    if (s->kept_count < KEEP) /* quantisation changes what it is given */
        save_analysis(gfc, &fa, &s->kept[s->kept_count]);
    search_starts(gfc, &f->before);
    gfc->searched[0] = gfc->searched[1] = 0;
    quantise(gfc, &fa, &f->vbr, &f->cbr);
    search_starts(gfc, &f->after);
    memcpy(f->searched, gfc->searched, sizeof f->searched);
    f->kept = s->kept_count < KEEP && (is_vbr(&gfc->cfg) ? f->vbr.limited : frame - s->first < KEEP) ? s->kept_count++ : -1;
    f->main_bits = code_frame(gfc, side, e->scratch);

    size = (f->main_bits + 7) / 8;
    f->coded = s->size;
    coded = more_bytes(s, gfc->cfg.sideinfo_len + size);
    if (coded == NULL)
        return -1;
    memcpy(coded, side, gfc->cfg.sideinfo_len);
    memcpy(coded + gfc->cfg.sideinfo_len, e->scratch, size);
    return 0;
}

int
segment_encode(segment_encoder * e, segment_sound const *sound, long first, long count, int hint, segment * s)
{
    lame_internal_flags *const gfc = e->gfc;
    frame_analysis_t fa;
    long const warmup = is_vbr(&gfc->cfg) ? WARMUP_VBR : WARMUP_CBR;
    long    frame;

    reset(gfc, e->pristine);
    s->first = first;
    s->count = count;
    s->size = 0;
    s->kept_count = 0;
    if (make_room(s, count) != 0)
        return -1;
    for (frame = sound->first; frame < first - warmup; frame++)
        follow(gfc, sound, frame);
    gfc->lame_encode_frame_init = frame > 0;
    for (; frame < first; frame++)
        if (analyse(gfc, sound, frame, &fa) != 0)
            return -1;
    set_padding(gfc, first);
    if (first > 0)
        guess_reservoir(gfc, hint);
    for (; frame < first + count; frame++)
        if (encode_frame(e, sound, frame, s) != 0)
            return -1;
    save_memory(gfc, &s->last);
    s->last_digest = digest(gfc);
    return 0;
}

/* ---- the joiner --------------------------------------------------------- */

segment_joiner *
segment_joiner_new(lame_global_flags * gfp, segment_write write, void *opaque)
{
    segment_joiner *const j = calloc(1, sizeof *j);
    if (j == NULL)
        return NULL;
    j->gfc = clone(gfp->internal_flags);
    j->out = malloc(BUFFER_SIZE);
    j->write = write;
    j->opaque = opaque;
    if (j->gfc == NULL || j->out == NULL) {
        segment_joiner_free(j);
        return NULL;
    }
    return j;
}

void
segment_joiner_free(segment_joiner * j)
{
    if (j == NULL)
        return;
    free_clone(j->gfc);
    free(j->out);
    free(j);
}

void
segment_joiner_stats(segment_joiner const *j, segment_stats * stats)
{
    *stats = j->stats;
}

/*
 * Would the frame have come out the same with the true reservoir? Its limits are
 * asked of LAME's own code. They matter in that a granule has any bits at all, in
 * their sum, and, once the sum was too small, each for itself.
 */
static int
same_vbr(segment_joiner * j, frame_t const *f, vbr_frame_t * now)
{
    SessionConfig_t const *const cfg = &j->gfc->cfg;
    int     gr, ch, sum = 0, same = 1;

    VBR_new_limits(j->gfc, f->pe, now);
    for (gr = 0; gr < cfg->mode_gr; gr++) {
        for (ch = 0; ch < cfg->channels_out; ch++) {
            if (f->vbr.silent[gr][ch])
                now->max_bits[gr][ch] = 0;
            if ((now->max_bits[gr][ch] > 0) != (f->vbr.max_bits[gr][ch] > 0))
                return 0;
            same &= now->max_bits[gr][ch] == f->vbr.max_bits[gr][ch];
            sum += now->max_bits[gr][ch];
        }
    }
    if (!same && (f->vbr.limited || f->vbr.used_bits > sum))
        return 0;
    now->used_bits = f->vbr.used_bits;
    now->analog_silence = f->vbr.analog_silence;
    return 1;
}

/* The same for CBR. A granule is granted bits by what is left after the one before. */
static int
same_cbr(segment_joiner * j, frame_t const *f)
{
    lame_internal_flags *const gfc = j->gfc;
    SessionConfig_t const *const cfg = &gfc->cfg;
    int const resv_size = gfc->sv_enc.ResvSize;
    cbr_frame_t now;
    search_t q;
    int     gr, ch, mean_bits, same = 1;

    gfc->ov_enc.mode_ext = f->mode_ext;
    (void) ResvFrameBegin(gfc, &mean_bits);
    for (gr = 0; gr < cfg->mode_gr; gr++) {
        CBR_limits(gfc, f->pe, f->ms_ener_ratio, mean_bits, gr, &now);
        same &= now.nearly_full[gr] == f->cbr.nearly_full[gr];
        for (ch = 0; ch < cfg->channels_out; ch++)
            same &= now.targ_bits[gr][ch] == f->cbr.targ_bits[gr][ch];
        gfc->sv_enc.ResvSize -= f->cbr.used_bits[gr];
    }
    gfc->sv_enc.ResvSize = resv_size;

    search_starts(gfc, &q);
    for (ch = 0; ch < 2; ch++)
        if (f->searched[ch])
            same &= q.old_value[ch] == f->before.old_value[ch] && q.current_step[ch] == f->before.current_step[ch];
    return same;
}

static int
write_out(segment_joiner * j)
{
    int const n = copy_buffer(j->gfc, j->out, BUFFER_SIZE, 0);
    if (n < 0)
        return -1;
    return n == 0 ? 0 : j->write(j->opaque, j->out, n);
}

/* Take a frame as the segment's encoder left it. */
static int
adopt(segment_joiner * j, segment const *s, frame_t const *f, vbr_frame_t const *now)
{
    lame_internal_flags *const gfc = j->gfc;
    unsigned char const *const side = s->bytes + f->coded;
    int     gr, ch, mean_bits;

    gfc->ov_enc.mode_ext = f->mode_ext;
    /* VBR_new_reserve wants to know the bits granule by granule, but only to add them up. */
    for (gr = 0; gr < 2; gr++)
        for (ch = 0; ch < 2; ch++)
            gfc->l3_side.tt[gr][ch].part2_3_length = gfc->l3_side.tt[gr][ch].part2_length = 0;
    gfc->l3_side.tt[0][0].part2_3_length = f->main_bits;
    if (is_vbr(&gfc->cfg))
        VBR_new_reserve(gfc, now);
    else {
        (void) ResvFrameBegin(gfc, &mean_bits);
        ResvAdjust(gfc, &gfc->l3_side.tt[0][0]);
        ResvFrameEnd(gfc, mean_bits);
    }
    for (ch = 0; ch < 2; ch++) {
        if (f->searched[ch]) {
            gfc->sv_qnt.OldValue[ch] = f->after.old_value[ch];
            gfc->sv_qnt.CurrentStep[ch] = f->after.current_step[ch];
        }
    }
    format_coded_frame(gfc, side, side + gfc->cfg.sideinfo_len, f->main_bits);
    return write_out(j);
}

/* Has the segment's analysis the true memory before this frame? */
static int
meets(segment_joiner * j, segment const *s, long index)
{
    if (!j->met && has_digest(index))
        j->met = s->frames[index].memory == (j->has_last ? j->last_digest : digest(j->gfc));
    return j->met;
}

/* Bring the joiner's own analysis to just before the frame. */
static int
catch_up(segment_joiner * j, segment const *s, segment_sound const *sound, long index)
{
    long const frame = s->first + index;
    frame_analysis_t fa;
    long    from;

    if (j->analysed == frame)
        return 0;
    if (j->met) {
        /* Where it began it may not have been true yet; but it leads to what is true here. */
        from = index / SNAPSHOT_EVERY * SNAPSHOT_EVERY;
        if (j->analysed < s->first + from || j->analysed > frame) {
            load_memory(j->gfc, &s->memories[from / SNAPSHOT_EVERY]);
            j->analysed = s->first + from;
        }
    }
    else if (j->has_last) {
        load_memory(j->gfc, &j->last);
        j->analysed = frame;
    }
    else
        return -1;
    for (; j->analysed < frame; j->analysed++, j->stats.reanalysed++)
        if (analyse(j->gfc, sound, j->analysed, &fa) != 0)
            return -1;
    return 0;
}

/* Encode a frame as the serial encoder would. */
static int
encode_again(segment_joiner * j, segment const *s, segment_sound const *sound, long index)
{
    lame_internal_flags *const gfc = j->gfc;
    frame_t const *const f = &s->frames[index];
    frame_analysis_t fa;
    vbr_frame_t vbr;
    cbr_frame_t cbr;

    if (j->met && f->kept >= 0) {
        load_analysis(gfc, &s->kept[f->kept], f, &fa);
        j->analysed = -1;
    }
    else {
        if (catch_up(j, s, sound, index) != 0 || analyse(gfc, sound, j->next, &fa) != 0)
            return -1;
        j->analysed = j->next + 1;
    }
    quantise(gfc, &fa, &vbr, &cbr);
    (void) format_bitstream(gfc);
    j->stats.requantised++;
    return write_out(j);
}

int
segment_join(segment_joiner * j, segment const *s, segment_sound const *sound)
{
    long    index;

    if (s->first != j->next)
        return -1;
    j->met = 0;
    for (index = 0; index < s->count; index++, j->next++, j->stats.frames++) {
        frame_t const *const f = &s->frames[index];
        vbr_frame_t now;
        int     same, ret;

        lame_pad_frame(j->gfc);
        same = meets(j, s, index) && (is_vbr(&j->gfc->cfg) ? same_vbr(j, f, &now) : same_cbr(j, f));
        ret = same ? adopt(j, s, f, &now) : encode_again(j, s, sound, index);
        if (ret != 0)
            return ret;
        j->has_last = 0;
    }
    if (j->met) {
        j->last = s->last;
        j->last_digest = s->last_digest;
        j->has_last = 1;
        j->analysed = -1;
    }
    return 0;
}

int
segment_joiner_reservoir(segment_joiner const *j)
{
    return j->gfc->sv_enc.ResvSize;
}

int
segment_finish(segment_joiner * j)
{
    flush_bitstream(j->gfc);
    return write_out(j);
}
