/*
 * The engine: `ffmpeg engine VERSION URL COMMANDS EVENTS` opens the file, says what it is,
 * and does what it is then told to; the numbers are inherited descriptors. wire.h and
 * layers/ffmpeg/README.md have the protocol. `ffmpeg engine` alone says what it is.
 *
 * Part of mp3converter; GNU Lesser General Public License 2.1 or later, as what it is linked with.
 */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__aarch64__)
#include <sys/auxv.h>
#include <asm/hwcap.h>
#endif

#include "libavutil/log.h"

#include "engine.h"
#include "pool.h"
#include "track.h"
#include "wire.h"

#ifndef ENGINE_NEEDS
#define ENGINE_NEEDS 0
#endif

/* The instructions that LAME is compiled for and this processor lacks, or NULL. */
static const char *missing(void)
{
#if ENGINE_NEEDS && defined(__x86_64__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2"))
        return "AVX2";
    if (!__builtin_cpu_supports("fma"))
        return "FMA";
    if (!__builtin_cpu_supports("bmi2"))
        return "BMI2";
#elif ENGINE_NEEDS && defined(__aarch64__)
    unsigned long has = getauxval(AT_HWCAP);
    if (!(has & HWCAP_ATOMICS))
        return "LSE atomics";
    if (!(has & HWCAP_ASIMDDP))
        return "dot product";
#endif
    return NULL;
}

static int run(struct track *t, const struct command *c)
{
    struct json j = { 0 };

    track_picture(t, c->picture);
    if (!strcmp(c->verb, "copy")) {
        if (track_copy(t, c->stream) < 0)
            return -1;
        json_put(&j, "{\"copied\":true");
        track_remarks(t, &j);
        json_put(&j, "}");
        wire_json(EVENT_END, &j);
        return 0;
    }
    if (c->channels < 1 || c->channels > 2 || c->rate < 8000 || c->rate > 48000) {
        wire_failure("internal", "%d channels at %d Hz", c->channels, c->rate);
        return -1;
    }
    if (track_select(t, c) < 0)
        return -1;
    if (!strcmp(c->verb, "measure")) {
        av_log_set_level(AV_LOG_INFO); /* where loudnorm says it */
        if (track_run(t) < 0)
            return -1;
        json_put(&j, "{\"measured\":true");
        track_remarks(t, &j);
        json_put(&j, "}");
        wire_json(EVENT_END, &j);
        return 0;
    }
    if (!strcmp(c->verb, "encode"))
        return pool_encode(t, c);
    wire_failure("internal", "unknown verb");
    return -1;
}

int engine_main(int argc, char **argv)
{
    const char *lacks = missing();
    struct command command;
    struct track *t;

    if (lacks) {
        fprintf(stderr, "this processor has no %s, which this build of the engine needs\n", lacks);
        return 3;
    }
    if (argc == 1) {
        printf("engine %d\n", ENGINE_PROTOCOL);
        return 0;
    }
    if (argc != 5 || atoi(argv[1]) != ENGINE_PROTOCOL) {
        fprintf(stderr, "usage: engine %d URL COMMANDS EVENTS\n", ENGINE_PROTOCOL);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    mallopt(M_ARENA_MAX, 1); /* each further one would reserve 64 MiB of address space, which is limited */
    av_log_set_level(AV_LOG_WARNING);
    wire_open(atoi(argv[4]));
    t = track_open(argv[2]);
    if (!t)
        return 0;
    track_describe(t);
    if (wire_command(atoi(argv[3]), &command) == 0)
        run(t, &command);
    return 0; /* without taking things down one by one: they go with the process */
}
