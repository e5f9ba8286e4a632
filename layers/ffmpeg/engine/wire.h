/*
 * What the engine and its parent say to each other: protocol version 1, which
 * layers/ffmpeg/README.md specifies.
 */
#ifndef ENGINE_WIRE_H
#define ENGINE_WIRE_H

#include <stddef.h>
#include <stdint.h>

#define ENGINE_PROTOCOL 1

enum event {
    EVENT_INFO = 1,     /* JSON: what the file is */
    EVENT_PICTURE = 2,  /* the cover, as it is in the file */
    EVENT_MP3 = 3,      /* bytes of the MP3, in order */
    EVENT_PROGRESS = 4, /* u64: samples that are done */
    EVENT_PACKETS = 5,  /* bytes of the track, in order, as they are in the file */
    EVENT_END = 6,      /* JSON: how it went; the last event */
    EVENT_FAILURE = 7,  /* JSON: code and text; the last event */
};

/* Text that grows; should memory run out for it, that is reported and the process ends. */
struct json {
    char *text;
    size_t size, room;
};

void json_put(struct json *j, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Put a quoted string, cut to JSON_LONGEST bytes; bytes that are no UTF-8 are the reader's to replace. */
#define JSON_LONGEST (16 << 10)
void json_string(struct json *j, const char *s);

/* The descriptor that events go to. Sending is safe from any thread; a parent that is gone ends the process. */
void wire_open(int events);
void wire_send(enum event type, const void *data, size_t size);
void wire_json(enum event type, struct json *j);
/* Report a failure by its code: one of not_media, io, no_decoder, unsupported, memory, internal. */
void wire_failure(const char *code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Read the command, one line of words: a verb, and settings name=number. Returns 0, or -1 if there is none.
 */
struct command {
    char verb[16];
    int stream, picture, channels, rate, vbr, cbr, workers, gain;
    long long frames;     /* expected number of MP3 frames, 0: not known */
    double start, end;    /* seconds; end 0: to the end */
    double i, tp, lra, thresh; /* what was measured, with gain=1 */
};
int wire_command(int fd, struct command *c);

#endif
