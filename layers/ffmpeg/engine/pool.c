#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lame/lame.h>
#include <lame/segment.h>

#include "pool.h"

#define MAX_WORKERS 64
/* Bytes for a thread's stack, of which LAME and the decoders use some 50 thousand. */
#define STACK (1 << 20)
/* What is still to come when the slots are made: for each worker its stack, its encoder and what that makes of a segment;
 * and once the filters, of which the one that evens out the loudness wants most. */
#define WORKER_NEEDS ((size_t)5 << 20)
#define FILTERS_NEED ((size_t)32 << 20)
#define LOUDNESS_NEEDS ((size_t)160 << 20)

/* How many frames a segment has: at most 20 seconds of VBR at 44.1 kHz, or 33 of CBR, as each costs a warm-up and some
 * frames at its seam, more in CBR; towards the end of the file fewer, so that all threads end together; and so that a
 * short file has several. */
#define LONGEST_VBR 768
#define LONGEST_CBR 1280
#define SHORTEST 96
#define USUAL 512 /* when it is not known how many are to come */
#define SHARE 8   /* of what is left */
/* A file may end up to three frames after the last that could be told from its samples so far. */
#define SLACK 4

enum state { EMPTY, DECODED, ENCODING, ENCODED };

struct slot {
    enum state state;
    long first, count, warm;  /* frames; warm of them come before first */
    float *channel[2];
    segment *coded;
};

struct pool {
    struct track *track;
    const struct command *cmd;
    lame_global_flags *lame;
    segment_joiner *joiner;
    float scale;
    long frame_samples;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    int workers, slots;
    struct slot *slot;
    long decoded, encoded, joined; /* segments so far; slot n % slots holds segment n */
    int decoding, joining, ended, failed;
    int reservoir;            /* after the segments joined so far, in bits; -1 before the first */

    /* the segment being decoded */
    long fill;                /* samples in its slot */
    long long samples;        /* of the track so far */
    long total;               /* frames, once all is decoded */
    int padding;

    double decode_cpu, encode_cpu, join_cpu;
    unsigned char out[64 << 10];
    size_t out_size;
};

static double cpu_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static long longest(const struct pool *p)
{
    return p->cmd->vbr >= 0 ? LONGEST_VBR : LONGEST_CBR;
}

static long segment_length(const struct pool *p, long first)
{
    long left = p->cmd->frames - first, n;

    if (p->cmd->frames <= 0 || left <= 0)
        return USUAL;
    n = left / SHARE;
    return n > longest(p) ? longest(p) : n < SHORTEST ? SHORTEST : n;
}

static long capacity(const struct pool *p)
{
    return segment_span(p->lame, longest(p) + SLACK + segment_warmup(p->lame));
}

static struct slot *slot_of(struct pool *p, long n)
{
    return &p->slot[n % p->slots];
}

/* ---- decoding ----------------------------------------------------------- */

/* Begin a segment: with the silence before the file, or with what it shares with the one before. */
static void begin(struct pool *p, struct slot *s, const struct slot *before)
{
    long shared, from;

    if (!before) {
        s->first = s->warm = 0;
        p->fill = segment_lead();
        for (int ch = 0; ch < p->cmd->channels; ch++)
            memset(s->channel[ch], 0, p->fill * sizeof(float));
    } else {
        s->first = before->first + before->count;
        s->warm = s->first < segment_warmup(p->lame) ? s->first : segment_warmup(p->lame);
        from = (s->first - s->warm - (before->first - before->warm)) * p->frame_samples;
        shared = p->fill - from;
        for (int ch = 0; ch < p->cmd->channels; ch++)
            memcpy(s->channel[ch], before->channel[ch] + from, shared * sizeof(float));
        p->fill = shared;
    }
    s->count = segment_length(p, s->first);
}

/* Decode the next segment: 0, or -1 once the failure is reported. Only one thread is here at a time. */
static int fill_slot(struct pool *p, struct slot *s, const struct slot *before)
{
    long want, got;
    float *to[2];

    begin(p, s, before);
    want = segment_span(p->lame, s->warm + s->count) - p->fill;
    for (int ch = 0; ch < p->cmd->channels; ch++)
        to[ch] = s->channel[ch] + p->fill;
    got = want > 0 ? track_samples(p->track, to, want, p->scale) : 0;
    if (got < 0)
        return -1;
    p->samples += got;
    p->fill += got;
    if (got == want || want <= 0)
        return 0;

    /* The end: silence up to what the last frame looks at. */
    p->total = segment_total(p->lame, p->samples, &p->padding);
    if (p->samples == 0) /* then there is no MP3 either */
        p->total = 0;
    s->count = p->total - s->first;
    want = segment_span(p->lame, s->warm + s->count);
    if (s->count > longest(p) + SLACK) {
        wire_failure("internal", "a last segment of %ld frames", s->count);
        return -1;
    }
    for (int ch = 0; ch < p->cmd->channels && want > p->fill; ch++)
        memset(s->channel[ch] + p->fill, 0, (want - p->fill) * sizeof(float));
    return 1;
}

/* ---- one thread --------------------------------------------------------- */

static void flush_out(struct pool *p)
{
    if (p->out_size)
        wire_send(EVENT_MP3, p->out, p->out_size);
    p->out_size = 0;
}

static int take_bytes(void *opaque, const unsigned char *data, size_t size)
{
    struct pool *p = opaque;

    if (p->out_size + size > sizeof p->out)
        flush_out(p);
    if (size > sizeof p->out) {
        wire_send(EVENT_MP3, data, size);
        return 0;
    }
    memcpy(p->out + p->out_size, data, size); /* usually a frame's: a kilobyte or two */
    p->out_size += size;
    return 0;
}

static segment_sound sound_of(const struct slot *s)
{
    return (segment_sound){ { s->channel[0], s->channel[1] }, s->first - s->warm };
}

/* Each of these is entered and left with the lock held, and gives it up for the work. */

static void do_join(struct pool *p)
{
    struct slot *s = slot_of(p, p->joined);
    segment_sound sound = sound_of(s);
    uint64_t samples = (uint64_t)(s->first + s->count) * p->frame_samples;
    double began = cpu_now();
    int ret;

    p->joining = 1;
    pthread_mutex_unlock(&p->lock);
    ret = segment_join(p->joiner, s->coded, &sound);
    if (ret)
        wire_failure("internal", "segment at frame %ld cannot be joined", s->first);
    else {
        flush_out(p);
        wire_send(EVENT_PROGRESS, &samples, sizeof samples);
    }
    pthread_mutex_lock(&p->lock);
    p->joining = 0;
    p->joined++;
    p->reservoir = segment_joiner_reservoir(p->joiner);
    p->failed |= ret != 0;
    p->join_cpu += cpu_now() - began;
}

static void do_decode(struct pool *p)
{
    struct slot *s = slot_of(p, p->decoded);
    const struct slot *before = p->decoded ? slot_of(p, p->decoded - 1) : NULL;
    double began = cpu_now();
    int ret;

    p->decoding = 1;
    pthread_mutex_unlock(&p->lock);
    ret = fill_slot(p, s, before);
    pthread_mutex_lock(&p->lock);
    p->decoding = 0;
    p->failed |= ret < 0;
    p->ended |= ret > 0;
    if (ret >= 0 && s->count > 0) {
        s->state = DECODED;
        p->decoded++;
    }
    p->decode_cpu += cpu_now() - began;
}

static void do_encode(struct pool *p, segment_encoder *e)
{
    struct slot *s = slot_of(p, p->encoded++);
    segment_sound sound = sound_of(s);
    int hint = p->reservoir;
    double began = cpu_now();
    int ret;

    s->state = ENCODING;
    pthread_mutex_unlock(&p->lock);
    ret = segment_encode(e, &sound, s->first, s->count, hint, s->coded);
    if (ret)
        wire_failure("internal", "no memory: segment at frame %ld cannot be encoded", s->first);
    pthread_mutex_lock(&p->lock);
    s->state = ENCODED;
    p->failed |= ret != 0;
    p->encode_cpu += cpu_now() - began;
}

/* A slot is free for decoding when it has been joined; and the one before it is still needed, for what both share. */
static int may_decode(const struct pool *p)
{
    return !p->ended && !p->decoding && p->decoded - p->joined < p->slots - 1;
}

static void *work(void *opaque)
{
    struct pool *p = opaque;
    segment_encoder *e = segment_encoder_new(p->lame);

    pthread_mutex_lock(&p->lock);
    if (!e) {
        wire_failure("internal", "no memory for an encoder");
        p->failed = 1;
    }
    while (!p->failed && !(p->ended && !p->decoding && p->joined == p->decoded)) {
        long waiting = p->decoded - p->encoded;
        if (!p->joining && p->joined < p->encoded && slot_of(p, p->joined)->state == ENCODED)
            do_join(p);
        else if (may_decode(p) && waiting < p->workers)
            do_decode(p);
        else if (waiting > 0)
            do_encode(p, e);
        else {
            pthread_cond_wait(&p->changed, &p->lock);
            continue;
        }
        pthread_cond_broadcast(&p->changed);
    }
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    segment_encoder_free(e);
    return NULL;
}

/* ---- all of it ---------------------------------------------------------- */

static lame_global_flags *configure(const struct command *c)
{
    lame_global_flags *g = lame_init();

    if (!g)
        return NULL;
    lame_set_num_channels(g, c->channels);
    lame_set_mode(g, c->channels > 1 ? JOINT_STEREO : MONO);
    lame_set_in_samplerate(g, c->rate);
    lame_set_out_samplerate(g, c->rate);
    if (c->vbr >= 0) {
        lame_set_VBR(g, vbr_default);
        lame_set_VBR_quality(g, c->vbr);
    } else {
        lame_set_brate(g, c->cbr);
    }
    lame_set_bWriteVbrTag(g, 0); /* it is written when all is known, by the parent */
    lame_set_findReplayGain(g, 0);
    if (lame_init_params(g) < 0 || segment_supported(g) != 0) {
        lame_close(g);
        return NULL;
    }
    return g;
}

static void free_slots(struct pool *p)
{
    for (int i = 0; p->slot && i < p->slots; i++) {
        free(p->slot[i].channel[0]);
        free(p->slot[i].channel[1]);
        segment_free(p->slot[i].coded);
    }
    free(p->slot);
    p->slot = NULL;
}

/* Make the slots of all workers, and see that there is room for all else that these will need. */
static int try_slots(struct pool *p)
{
    void *rest;

    p->slots = p->workers + 2; /* one being decoded, one being joined */
    if (!(p->slot = calloc(p->slots, sizeof *p->slot)))
        return -1;
    for (int i = 0; i < p->slots; i++) {
        struct slot *s = &p->slot[i];
        for (int ch = 0; ch < p->cmd->channels; ch++)
            if (posix_memalign((void **)&s->channel[ch], 64, capacity(p) * sizeof(float)))
                return -1;
        if (!(s->coded = segment_new()))
            return -1;
    }
    if (!(rest = malloc(p->slots * WORKER_NEEDS + (p->cmd->gain ? LOUDNESS_NEEDS : FILTERS_NEED))))
        return -1;
    free(rest);
    return 0;
}

/* Where memory does not last for all, fewer workers do as well. */
static int make_slots(struct pool *p)
{
    while (try_slots(p) < 0) {
        free_slots(p);
        if (p->workers == 1)
            return -1;
        p->workers /= 2;
    }
    return 0;
}

static int start(pthread_t *thread, struct pool *p)
{
    pthread_attr_t attr;
    int ret;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK);
    ret = pthread_create(thread, &attr, work, p);
    pthread_attr_destroy(&attr);
    return ret;
}

static void report(struct pool *p)
{
    struct json j = { 0 };
    segment_stats stats;

    segment_joiner_stats(p->joiner, &stats);
    json_put(&j, "{\"samples\":%lld,\"frames\":%ld,\"delay\":%d,\"padding\":%d,\"lowpass\":%d", p->samples, p->total,
             lame_get_encoder_delay(p->lame), p->padding, lame_get_lowpassfreq(p->lame));
    json_put(&j, ",\"requantised\":%ld,\"reanalysed\":%ld,\"segments\":%ld", stats.requantised, stats.reanalysed, p->joined);
    json_put(&j, ",\"decode_cpu\":%.6f,\"encode_cpu\":%.6f,\"join_cpu\":%.6f", p->decode_cpu, p->encode_cpu, p->join_cpu);
    track_remarks(p->track, &j);
    json_put(&j, "}");
    wire_json(EVENT_END, &j);
}

int pool_encode(struct track *t, const struct command *c)
{
    static struct pool pool;
    struct pool *p = &pool;
    pthread_t threads[MAX_WORKERS];
    int started = 0;

    p->track = t;
    p->cmd = c;
    p->workers = c->workers < 1 ? 1 : c->workers > MAX_WORKERS ? MAX_WORKERS : c->workers;
    p->total = -1;
    p->reservoir = -1;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->changed, NULL);
    p->lame = configure(c);
    if (!p->lame) {
        wire_failure("internal", "LAME does not take these settings");
        return -1;
    }
    p->frame_samples = lame_get_framesize(p->lame);
    p->scale = segment_scale(p->lame);
    p->joiner = segment_joiner_new(p->lame, take_bytes, p);
    if (!p->joiner || make_slots(p) < 0) {
        wire_failure("internal", "no memory for %d workers", p->workers);
        return -1;
    }
    for (; started < p->workers - 1; started++)
        if (start(&threads[started], p))
            break; /* fewer do as well */
    work(p);
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    if (p->failed)
        return -1;
    if (p->joined > 0 && segment_finish(p->joiner)) {
        wire_failure("internal", "the last frames cannot be written");
        return -1;
    }
    flush_out(p);
    report(p);
    return 0; /* the process ends here, and with it everything that it has */
}
