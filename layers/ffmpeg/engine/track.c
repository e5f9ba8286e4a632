#include <math.h>
#include <string.h>

#include "libavcodec/avcodec.h"
#include "libavfilter/avfilter.h"
#include "libavfilter/buffersink.h"
#include "libavfilter/buffersrc.h"
#include "libavformat/avformat.h"
#include "libavutil/avstring.h"
#include "libavutil/channel_layout.h"
#include "libavutil/intreadwrite.h"
#include "libavutil/opt.h"

#include "track.h"

/* Samples beyond this, 30 dB over full scale, are held there: nobody means them, and an encoder's sums overflow. */
#define LOUDEST (32768.0f * 32)
#define MOST_STREAMS 1024

struct track {
    AVFormatContext *file;
    int64_t durations[MOST_STREAMS]; /* what the file says; later a stream without one is given the file's */
    AVCodecContext *decoder;
    AVStream *stream;
    AVPacket *packet;
    AVFrame *decoded, *out;
    struct command cmd;

    AVFilterGraph *graph; /* NULL: decoded frames are as they are wanted */
    AVFilterContext *from, *to;
    enum AVSampleFormat format; /* what the graph was made for */
    int rate;
    AVChannelLayout layout;

    int64_t position;     /* decoded samples so far, at the track's rate */
    int64_t start, end;   /* the part asked for; end INT64_MAX: all */
    int draining;         /* no packet is left */
    int flushing;         /* no decoded frame is left for the graph */
    int done;
    int have;             /* out holds samples from `used` on */
    int used;

    int64_t first;        /* time of the first packet, in the stream's unit */
    int64_t reach;        /* where the packet ends that reaches furthest */
    int64_t latest;       /* time of the last packet that has one */
    int64_t damaged;      /* the same of the last packet, if it could not be decoded */
    int64_t lost;         /* the time between those and the packets after them */
    int64_t skip, discard; /* when packets are copied: samples not to be heard at the start, and at the end */
    int64_t left_out;     /* packets at the start that are not to be heard; later ones are an edit list's */
    int64_t edited;
    int64_t bad_packets, frames;
    int ended_early, encrypted;
};

static int failed(const char *doing, int err)
{
    char text[AV_ERROR_MAX_STRING_SIZE] = "";
    const char *code = "internal";

    av_strerror(err, text, sizeof text);
    switch (err) {
    case AVERROR(ENOMEM): code = "memory"; break;
    case AVERROR(EIO): code = "io"; break;
    case AVERROR_INVALIDDATA: case AVERROR_EOF: case AVERROR_DEMUXER_NOT_FOUND: code = "not_media"; break;
    case AVERROR_DECODER_NOT_FOUND: case AVERROR_PATCHWELCOME: case AVERROR(ENOSYS): code = "unsupported"; break;
    }
    wire_failure(code, "%s: %s", doing, text);
    return -1;
}

struct track *track_open(const char *url)
{
    struct track *t = av_mallocz(sizeof *t);
    AVDictionary *options = NULL;
    int err = AVERROR(ENOMEM);

    if (!t || !(t->packet = av_packet_alloc()) || !(t->decoded = av_frame_alloc()) || !(t->out = av_frame_alloc()) ||
        !(t->file = avformat_alloc_context()))
        goto fail;
    /* Of the pictures nothing is wanted, not even their rate. */
    av_dict_set(&options, "fpsprobesize", "0", 0);
    av_dict_set(&options, "protocol_whitelist", av_strstart(url, "ranged:", NULL) ? "ranged" : "file", 0);
    err = avformat_open_input(&t->file, url, NULL, &options);
    av_dict_free(&options);
    for (int i = 0; i < MOST_STREAMS; i++)
        t->durations[i] = err >= 0 && i < (int)t->file->nb_streams ? t->file->streams[i]->duration : AV_NOPTS_VALUE;
    if (err >= 0)
        err = avformat_find_stream_info(t->file, NULL);
    if (err >= 0)
        return t;
fail:
    /* A file that is no media at all fails in as many ways as there are demuxers. */
    if (err != AVERROR(ENOMEM) && err != AVERROR(EIO))
        err = AVERROR_INVALIDDATA;
    failed("open", err);
    track_close(t);
    return NULL;
}

void track_close(struct track *t)
{
    if (!t)
        return;
    avfilter_graph_free(&t->graph);
    avcodec_free_context(&t->decoder);
    avformat_close_input(&t->file);
    av_packet_free(&t->packet);
    av_frame_free(&t->decoded);
    av_frame_free(&t->out);
    av_channel_layout_uninit(&t->layout);
    av_free(t);
}

/* ---- what the file is --------------------------------------------------- */

/* A file may say more of itself than anybody wants to hear: tags end when there is this much. */
#define MOST_TAGS (1 << 20)

static void put_tags(struct json *j, const AVDictionary *tags)
{
    static const char *const names[] = {
        "title", "artist", "album", "album_artist", "date", "track", "genre", "comment", "DURATION",
    };
    int n = 0;

    json_put(j, ",\"tags\":{");
    for (size_t i = 0; i < sizeof names / sizeof *names && j->size < MOST_TAGS; i++) {
        const AVDictionaryEntry *e = av_dict_get(tags, names[i], NULL, 0);
        if (!e)
            continue;
        json_put(j, "%s\"%s\":", n++ ? "," : "", names[i]);
        json_string(j, e->value);
    }
    json_put(j, "}");
}

static void put_seconds(struct json *j, const char *name, int64_t value, AVRational base)
{
    if (value != AV_NOPTS_VALUE && base.den)
        json_put(j, ",\"%s\":%.6f", name, value * av_q2d(base));
}

static void put_stream(struct json *j, const AVStream *st, int64_t duration)
{
    const AVCodecParameters *par = st->codecpar;
    const AVCodecDescriptor *codec = avcodec_descriptor_get(par->codec_id);
    const char *type = av_get_media_type_string(par->codec_type);
    char fourcc[AV_FOURCC_MAX_STRING_SIZE];

    json_put(j, "{\"index\":%d,\"codec_type\":\"%s\",\"codec_name\":", st->index, type ? type : "unknown");
    json_string(j, codec ? codec->name : "");
    json_put(j, ",\"codec_tag_string\":");
    json_string(j, av_fourcc_make_string(fourcc, par->codec_tag));
    json_put(j, ",\"channels\":%d,\"sample_rate\":%d", par->ch_layout.nb_channels, par->sample_rate);
    put_seconds(j, "duration", duration, st->time_base);
    put_seconds(j, "start_time", st->start_time, st->time_base);
    json_put(j, ",\"disposition\":{\"default\":%d,\"attached_pic\":%d}", !!(st->disposition & AV_DISPOSITION_DEFAULT),
             !!(st->disposition & AV_DISPOSITION_ATTACHED_PIC));
    put_tags(j, st->metadata);
    json_put(j, "}");
}

void track_describe(struct track *t)
{
    struct json j = { 0 };
    const AVFormatContext *f = t->file;

    json_put(&j, "{\"streams\":[");
    for (unsigned i = 0; i < f->nb_streams && i < MOST_STREAMS; i++) {
        json_put(&j, "%s", i ? "," : "");
        put_stream(&j, f->streams[i], t->durations[i]);
    }
    json_put(&j, "],\"chapters\":[");
    for (unsigned i = 0; i < f->nb_chapters && i < 1000; i++) {
        const AVChapter *c = f->chapters[i];
        json_put(&j, "%s{\"id\":%u", i ? "," : "", i);
        put_seconds(&j, "start_time", c->start, c->time_base);
        put_seconds(&j, "end_time", c->end, c->time_base);
        put_tags(&j, c->metadata);
        json_put(&j, "}");
    }
    json_put(&j, "],\"format\":{\"format_name\":");
    json_string(&j, f->iformat->name);
    put_seconds(&j, "duration", f->duration, AV_TIME_BASE_Q);
    put_tags(&j, f->metadata);
    json_put(&j, "}}");
    wire_json(EVENT_INFO, &j);
}

void track_picture(struct track *t, int stream)
{
    if (stream >= 0 && stream < (int)t->file->nb_streams) {
        const AVPacket *p = &t->file->streams[stream]->attached_pic;
        wire_send(EVENT_PICTURE, p->data, p->size > 0 ? p->size : 0);
    }
}

/* ---- decoding ----------------------------------------------------------- */

static int choose(struct track *t, int stream)
{
    if (stream < 0 || stream >= (int)t->file->nb_streams ||
        t->file->streams[stream]->codecpar->codec_type != AVMEDIA_TYPE_AUDIO) {
        wire_failure("internal", "stream %d is no audio track", stream);
        return -1;
    }
    for (unsigned i = 0; i < t->file->nb_streams; i++)
        if ((int)i != stream)
            t->file->streams[i]->discard = AVDISCARD_ALL;
    t->stream = t->file->streams[stream];
    t->first = t->reach = t->latest = t->damaged = AV_NOPTS_VALUE;
    return 0;
}

int track_select(struct track *t, const struct command *c)
{
    const AVCodec *codec;
    int err, rate;

    t->cmd = *c;
    if (choose(t, c->stream) < 0)
        return -1;
    codec = avcodec_find_decoder(t->stream->codecpar->codec_id);
    if (!codec) {
        wire_failure("no_decoder", "no decoder for %s", avcodec_get_name(t->stream->codecpar->codec_id));
        return -1;
    }
    if (!(t->decoder = avcodec_alloc_context3(codec)))
        return failed("decode", AVERROR(ENOMEM));
    err = avcodec_parameters_to_context(t->decoder, t->stream->codecpar);
    if (err >= 0) {
        t->decoder->pkt_timebase = t->stream->time_base;
        t->decoder->thread_count = 1; /* the encoders have the other cores */
        err = avcodec_open2(t->decoder, codec, NULL);
    }
    if (err < 0)
        return failed("open the decoder", err == AVERROR(ENOMEM) ? err : AVERROR_PATCHWELCOME);
    rate = t->stream->codecpar->sample_rate > 0 ? t->stream->codecpar->sample_rate : c->rate;
    t->start = llrint(c->start * rate);
    t->end = c->end > 0 ? llrint(c->end * rate) : INT64_MAX;
    return 0;
}

/* No packet has come: 0 at the end of the file, or -1 for a failure. */
static int ended(struct track *t, int err)
{
    const AVIOContext *pb = t->file->pb;

    if (err == AVERROR(ENOMEM))
        return failed("read", err);
    /* A demuxer may call it EIO, too, when a file ends in the middle of something. */
    if (pb && pb->error < 0 && pb->error != AVERROR_EOF)
        return failed("read", AVERROR(EIO));
    t->ended_early |= err != AVERROR_EOF;
    return 0;
}

/* From the start of the first packet to the end of the furthest; 0 while there is none that has a time. */
static int64_t span(const struct track *t)
{
    return t->first == AV_NOPTS_VALUE ? 0 : FFMAX(av_sat_sub64(t->reach, t->first), 0);
}

/* What is damaged has ended. A parser may have made one packet of many: it is the time that counts. */
static void note_loss(struct track *t, int64_t until)
{
    if (t->damaged != AV_NOPTS_VALUE && until > t->damaged)
        t->lost = av_sat_add64(t->lost, av_sat_sub64(until, t->damaged));
    t->damaged = AV_NOPTS_VALUE;
}

/* Take note of a packet of the track. */
static void note_packet(struct track *t)
{
    const AVPacket *p = t->packet;

    if (t->first == AV_NOPTS_VALUE)
        t->first = p->pts;
    if (p->pts != AV_NOPTS_VALUE) {
        note_loss(t, p->pts);
        t->latest = p->pts;
        t->reach = FFMAX(t->reach, av_sat_add64(p->pts, FFMAX(p->duration, 0)));
    }
    if (av_packet_get_side_data(p, AV_PKT_DATA_ENCRYPTION_INFO, NULL))
        t->encrypted = 1;
}

/* Take note that the last packet could not be decoded. */
static void note_damage(struct track *t)
{
    t->bad_packets++;
    t->damaged = t->latest;
}

/* The next packet into the decoder; at the end of the file, the end. */
static int feed(struct track *t)
{
    int err = av_read_frame(t->file, t->packet);

    if (err < 0) {
        if (ended(t, err) < 0)
            return -1;
        t->draining = 1;
        avcodec_send_packet(t->decoder, NULL);
        return 0;
    }
    if (t->packet->stream_index == t->stream->index) {
        note_packet(t);
        err = avcodec_send_packet(t->decoder, t->packet);
        if (err == AVERROR(ENOMEM))
            return failed("decode", err);
        if (err < 0)
            note_damage(t);
    }
    av_packet_unref(t->packet);
    return 0;
}

/* Take away what of the frame lies outside of the part asked for; 0 when nothing is left. */
static int cut(struct track *t, AVFrame *f)
{
    int64_t at = t->position, skip, left;
    int rate = t->stream->codecpar->sample_rate;
    int planes = av_sample_fmt_is_planar(f->format) ? f->ch_layout.nb_channels : 1;
    int step = av_get_bytes_per_sample(f->format) * (planes > 1 || f->ch_layout.nb_channels == 1 ? 1 : f->ch_layout.nb_channels);

    if (f->sample_rate != rate && rate > 0 && f->sample_rate > 0) { /* changed on the way: whole frames only */
        t->position += av_rescale(f->nb_samples, rate, f->sample_rate);
        t->done |= t->position >= t->end;
        return at >= t->start && at < t->end;
    }
    t->position += f->nb_samples;
    skip = FFMIN(FFMAX(t->start - at, 0), f->nb_samples);
    left = FFMIN(t->position, t->end) - (at + skip);
    if (t->position >= t->end)
        t->done = 1;
    if (left <= 0)
        return 0;
    for (int i = 0; i < planes; i++)
        f->extended_data[i] += skip * step;
    if (f->extended_data != f->data)
        for (int i = 0; i < planes && i < AV_NUM_DATA_POINTERS; i++)
            f->data[i] = f->extended_data[i];
    f->nb_samples = (int)left;
    return 1;
}

/* The next decoded frame, cut: 1, or 0 at the end, or -1. */
static int decode(struct track *t)
{
    while (!t->done) {
        int err = avcodec_receive_frame(t->decoder, t->decoded);
        if (err == 0) {
            if (t->decoded->nb_samples <= 0 || t->decoded->ch_layout.nb_channels <= 0)
                continue;
            t->frames++;
            if (cut(t, t->decoded))
                return 1;
            av_frame_unref(t->decoded);
        } else if (err == AVERROR(EAGAIN) && !t->draining) {
            if (feed(t) < 0)
                return -1;
        } else if (err == AVERROR(ENOMEM)) {
            return failed("decode", err);
        } else if (err == AVERROR_EOF || err == AVERROR(EAGAIN)) {
            t->done = 1;
        } else if (!t->draining) {
            note_damage(t);
            if (feed(t) < 0)
                return -1;
        } else {
            note_damage(t);
            t->done = 1;
        }
    }
    return 0;
}

/* ---- filters ------------------------------------------------------------ */

static int as_wanted(const struct track *t, const AVFrame *f)
{
    return f->format == AV_SAMPLE_FMT_FLTP && f->sample_rate == t->cmd.rate &&
           f->ch_layout.nb_channels == t->cmd.channels && !t->cmd.gain && strcmp(t->cmd.verb, "measure");
}

static void describe_filters(const struct track *t, const AVFrame *f, char *to, size_t room)
{
    const struct command *c = &t->cmd;
    const char *layout = c->channels == 1 ? "mono" : "stereo";

    /* Mixing down follows swresample's matrix (ITU-R BS.775), brought below full scale: it cannot clip. */
    if (f->ch_layout.nb_channels == c->channels)
        snprintf(to, room, "aformat=channel_layouts=%s", layout);
    else
        snprintf(to, room, "aresample=ochl=%s:rematrix_maxval=1", layout);
    if (!strcmp(c->verb, "measure"))
        /* True peaks are found at 192 kHz, as loudnorm itself would. What it is told of the sound is made up, such
         * that it leaves the sound alone: measuring is all that is wanted, and the cheaper. */
        av_strlcatf(to, room, ",aresample=192000,loudnorm=I=-16:TP=0:LRA=50:linear=true:"
                    "measured_I=-16:measured_LRA=1:measured_TP=-90:measured_thresh=-30:print_format=json");
    else if (c->gain)
        av_strlcatf(to, room, ",loudnorm=I=-16:TP=-1.5:LRA=50:linear=true:"
                    "measured_I=%.2f:measured_LRA=%.2f:measured_TP=%.2f:measured_thresh=%.2f", c->i, c->lra, c->tp, c->thresh);
    if (f->sample_rate != c->rate || c->gain)
        av_strlcatf(to, room, ",aresample=%d:filter_size=64:filter_type=kaiser:kaiser_beta=12:cutoff=0.97", c->rate);
    av_strlcatf(to, room, ",aformat=sample_fmts=fltp");
}

/* Make the graph for frames such as f. */
static int make_graph(struct track *t, const AVFrame *f)
{
    char args[256], layout[128], filters[1024];
    AVFilterInOut *in = NULL, *out = NULL;
    AVChannelLayout known = { 0 };
    int err;

    avfilter_graph_free(&t->graph);
    t->format = f->format;
    t->rate = f->sample_rate;
    if ((err = av_channel_layout_copy(&t->layout, &f->ch_layout)) < 0)
        return failed("filter", err);
    if (f->ch_layout.order == AV_CHANNEL_ORDER_UNSPEC)
        av_channel_layout_default(&known, f->ch_layout.nb_channels);
    else if ((err = av_channel_layout_copy(&known, &f->ch_layout)) < 0)
        return failed("filter", err);
    av_channel_layout_describe(&known, layout, sizeof layout);
    av_channel_layout_uninit(&known);

    if (!(t->graph = avfilter_graph_alloc()))
        return failed("filter", AVERROR(ENOMEM));
    t->graph->nb_threads = 1;
    snprintf(args, sizeof args, "time_base=1/%d:sample_rate=%d:sample_fmt=%s:channel_layout=%s", f->sample_rate,
             f->sample_rate, av_get_sample_fmt_name(f->format), layout);
    describe_filters(t, f, filters, sizeof filters);
    err = avfilter_graph_create_filter(&t->from, avfilter_get_by_name("abuffer"), "in", args, NULL, t->graph);
    if (err >= 0)
        err = avfilter_graph_create_filter(&t->to, avfilter_get_by_name("abuffersink"), "out", NULL, NULL, t->graph);
    if (err >= 0) {
        out = avfilter_inout_alloc();
        in = avfilter_inout_alloc();
        if (!out || !in) {
            err = AVERROR(ENOMEM);
        } else {
            *out = (AVFilterInOut){ .name = av_strdup("in"), .filter_ctx = t->from };
            *in = (AVFilterInOut){ .name = av_strdup("out"), .filter_ctx = t->to };
            err = avfilter_graph_parse_ptr(t->graph, filters, &in, &out, NULL);
        }
    }
    avfilter_inout_free(&in);
    avfilter_inout_free(&out);
    if (err >= 0)
        err = avfilter_graph_config(t->graph, NULL);
    return err < 0 ? failed("mix the channels", err == AVERROR(ENOMEM) ? err : AVERROR_PATCHWELCOME) : 0;
}

static int graph_fits(const struct track *t, const AVFrame *f)
{
    return t->graph && f->format == (int)t->format && f->sample_rate == t->rate &&
           !av_channel_layout_compare(&t->layout, &f->ch_layout);
}

/* The next frame as it is wanted, in out: 1, or 0 at the end, or -1. */
static int next_frame(struct track *t)
{
    int ret;

    av_frame_unref(t->out);
    for (;;) {
        if (t->graph) {
            ret = av_buffersink_get_frame(t->to, t->out);
            if (ret >= 0)
                return 1;
            if (ret != AVERROR(EAGAIN) && ret != AVERROR_EOF)
                return failed("filter", ret);
            if (ret == AVERROR_EOF)
                avfilter_graph_free(&t->graph);
        }
        if (t->flushing && !t->graph && !t->decoded->nb_samples)
            return 0;
        if (!t->decoded->nb_samples) { /* else it is one that waits for the last graph to run dry */
            ret = t->flushing ? 0 : decode(t);
            if (ret < 0)
                return -1;
            if (ret == 0) {
                t->flushing = 1;
                if (t->graph && av_buffersrc_add_frame(t->from, NULL) < 0)
                    avfilter_graph_free(&t->graph);
                continue;
            }
        }
        if (t->graph && !graph_fits(t, t->decoded)) {
            if (av_buffersrc_add_frame(t->from, NULL) < 0)
                avfilter_graph_free(&t->graph);
            continue;
        }
        if (!t->graph) {
            if (as_wanted(t, t->decoded)) {
                av_frame_move_ref(t->out, t->decoded);
                return 1;
            }
            if (make_graph(t, t->decoded) < 0)
                return -1;
        }
        t->decoded->pts = AV_NOPTS_VALUE;
        ret = av_buffersrc_add_frame(t->from, t->decoded);
        av_frame_unref(t->decoded);
        if (ret < 0)
            return failed("filter", ret);
    }
}

static void take(float *to, const float *from, long n, float scale)
{
    for (long i = 0; i < n; i++) {
        float x = from[i] * 32768.0f;
        if (!(x > -LOUDEST && x < LOUDEST))
            x = x != x ? 0 : x < 0 ? -LOUDEST : LOUDEST;
        to[i] = x * scale;
    }
}

long track_samples(struct track *t, float *to[2], long count, float scale)
{
    long got = 0;

    while (got < count) {
        long n;
        if (!t->have) {
            int ret = next_frame(t);
            if (ret < 0)
                return -1;
            if (ret == 0)
                break;
            t->have = 1;
            t->used = 0;
        }
        n = FFMIN(count - got, t->out->nb_samples - t->used);
        for (int ch = 0; ch < t->cmd.channels; ch++)
            take(to[ch] + got, (const float *)t->out->extended_data[ch] + t->used, n, scale);
        got += n;
        t->used += n;
        t->have = t->used < t->out->nb_samples;
    }
    return got;
}

int track_run(struct track *t)
{
    int ret;
    int64_t samples = 0;

    while ((ret = next_frame(t)) > 0) {
        uint64_t at;
        samples += t->out->nb_samples;
        at = t->position;
        if (t->frames % 256 == 0)
            wire_send(EVENT_PROGRESS, &at, sizeof at);
    }
    avfilter_graph_free(&t->graph); /* loudnorm says what it found when it goes */
    return ret;
}

/* ---- copying ------------------------------------------------------------ */

/* What the demuxer says a decoder should leave out. */
static void note_skips(struct track *t, const AVPacket *p, uint64_t at, uint64_t *last)
{
    size_t size;
    const uint8_t *side = av_packet_get_side_data(p, AV_PKT_DATA_SKIP_SAMPLES, &size);

    if (side && size >= 8) {
        if (at == 0)
            t->skip = AV_RL32(side);
        else
            t->edited += AV_RL32(side) > 0;
        t->discard = AV_RL32(side + 4);
        *last = at;
    } else if (t->discard > 0 && at > *last + 2) { /* what follows at once may be a tag */
        t->edited++;
        t->discard = 0;
    }
}

int track_copy(struct track *t, int stream)
{
    static uint8_t buffer[64 << 10];
    size_t size = 0;
    uint64_t packets = 0, heard = 0, last = 0;
    int err;

    if (choose(t, stream) < 0)
        return -1;
    if (t->stream->codecpar->codec_id != AV_CODEC_ID_MP3) {
        wire_failure("internal", "stream %d is no MP3, which alone is copied", stream);
        return -1;
    }
    while ((err = av_read_frame(t->file, t->packet)) >= 0) {
        if (t->packet->stream_index == stream) {
            note_packet(t);
            note_skips(t, t->packet, packets, &last);
            if (!(t->packet->flags & AV_PKT_FLAG_DISCARD))
                heard++;
            else if (heard)
                t->edited++;
            else
                t->left_out++;
            if (size + t->packet->size > sizeof buffer) {
                wire_send(EVENT_PACKETS, buffer, size);
                size = 0;
            }
            if (t->packet->size > (int)sizeof buffer) {
                wire_send(EVENT_PACKETS, t->packet->data, t->packet->size);
            } else if (t->packet->size > 0) {
                memcpy(buffer + size, t->packet->data, t->packet->size);
                size += t->packet->size;
            }
            if (++packets % 256 == 0 && t->stream->codecpar->sample_rate > 0) {
                uint64_t at = av_rescale_q(span(t), t->stream->time_base, (AVRational){ 1, t->stream->codecpar->sample_rate });
                wire_send(EVENT_PROGRESS, &at, sizeof at);
            }
        }
        av_packet_unref(t->packet);
    }
    if (ended(t, err) < 0)
        return -1;
    wire_send(EVENT_PACKETS, buffer, size);
    return 0;
}

void track_remarks(struct track *t, struct json *j)
{
    note_loss(t, t->reach);
    put_seconds(j, "first", t->first, t->stream->time_base);
    put_seconds(j, "span", span(t), t->stream->time_base);
    put_seconds(j, "lost", t->lost, t->stream->time_base);
    if (t->skip || t->discard || t->left_out || t->edited)
        json_put(j, ",\"skip\":%lld,\"discard\":%lld,\"left_out\":%lld,\"edited\":%lld", (long long)t->skip,
                 (long long)t->discard, (long long)t->left_out, (long long)t->edited);
    json_put(j, ",\"bad_packets\":%lld,\"decoded_frames\":%lld,\"ended_early\":%s,\"encrypted\":%s",
             (long long)t->bad_packets, (long long)t->frames, t->ended_early ? "true" : "false", t->encrypted ? "true" : "false");
}
