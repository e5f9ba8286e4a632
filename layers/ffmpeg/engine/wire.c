#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "wire.h"

static int events = -1;
static pthread_mutex_t sending = PTHREAD_MUTEX_INITIALIZER;
static int over; /* the last event has been sent; what other threads still have to say does not matter */

void json_put(struct json *j, const char *format, ...)
{
    for (;;) {
        va_list args;
        size_t room = j->room - j->size;
        char *grown;
        int n;

        va_start(args, format);
        n = vsnprintf(j->text ? j->text + j->size : NULL, j->text ? room : 0, format, args);
        va_end(args);
        if (n >= 0 && j->text && (size_t)n < room) {
            j->size += n;
            return;
        }
        grown = n < 0 ? NULL : realloc(j->text, 2 * j->room + n + 256);
        if (!grown) {
            wire_failure("memory", "no memory for what there is to say");
            exit(0);
        }
        j->text = grown;
        j->room = 2 * j->room + n + 256;
    }
}

void json_string(struct json *j, const char *s)
{
    const char *nul = memchr(s, 0, JSON_LONGEST), *end = nul ? nul : s + JSON_LONGEST;

    json_put(j, "\"");
    for (; s < end; s++) {
        unsigned char c = *s;
        if (c == '"' || c == '\\')
            json_put(j, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            json_put(j, "\\u%04x", c);
        else
            json_put(j, "%c", c);
    }
    json_put(j, "\"");
}

void wire_open(int fd)
{
    events = fd;
}

void wire_send(enum event type, const void *data, size_t size)
{
    uint32_t head[2] = { type, (uint32_t)size };
    struct iovec parts[2] = { { head, sizeof head }, { (void *)data, size } };
    int at = 0;

    pthread_mutex_lock(&sending);
    if (over)
        at = 2;
    over |= type == EVENT_END || type == EVENT_FAILURE;
    while (at < 2) {
        ssize_t n;
        if (parts[at].iov_len == 0) {
            at++;
            continue;
        }
        n = writev(events, parts + at, 2 - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            _exit(1); /* nobody is left to hear of it */
        for (; at < 2 && (size_t)n >= parts[at].iov_len; at++)
            n -= parts[at].iov_len;
        if (at < 2) {
            parts[at].iov_base = (char *)parts[at].iov_base + n;
            parts[at].iov_len -= n;
        }
    }
    pthread_mutex_unlock(&sending);
}

void wire_json(enum event type, struct json *j)
{
    wire_send(type, j->text, j->size);
    free(j->text);
    memset(j, 0, sizeof *j);
}

void wire_failure(const char *code, const char *format, ...)
{
    char text[512], out[1200];
    size_t n;
    va_list args;
    char *p = text;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (; *p; p++) /* it may come from the file */
        if ((unsigned char)*p < 0x20 || *p == '"' || *p == '\\')
            *p = ' ';
    n = snprintf(out, sizeof out, "{\"code\":\"%s\",\"text\":\"%s\"}", code, text);
    wire_send(EVENT_FAILURE, out, n);
}

static int set(struct command *c, const char *name, const char *value)
{
    struct { const char *name; int *i; long long *l; double *d; } fields[] = {
        { "stream", &c->stream }, { "picture", &c->picture }, { "channels", &c->channels }, { "rate", &c->rate },
        { "vbr", &c->vbr }, { "cbr", &c->cbr }, { "workers", &c->workers }, { "gain", &c->gain },
        { "frames", NULL, &c->frames },
        { "start", NULL, NULL, &c->start }, { "end", NULL, NULL, &c->end }, { "i", NULL, NULL, &c->i },
        { "tp", NULL, NULL, &c->tp }, { "lra", NULL, NULL, &c->lra }, { "thresh", NULL, NULL, &c->thresh },
    };
    for (size_t k = 0; k < sizeof fields / sizeof *fields; k++) {
        char *end;
        if (strcmp(fields[k].name, name))
            continue;
        if (fields[k].i)
            *fields[k].i = (int)strtol(value, &end, 10);
        else if (fields[k].l)
            *fields[k].l = strtoll(value, &end, 10);
        else
            *fields[k].d = strtod(value, &end);
        return end != value && *end == 0 ? 0 : -1;
    }
    return -1;
}

int wire_command(int fd, struct command *c)
{
    char line[1024], *word, *rest;
    size_t size = 0;

    memset(c, 0, sizeof *c);
    c->stream = c->picture = c->vbr = -1;
    for (;;) {
        ssize_t n = read(fd, line + size, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || size + 2 > sizeof line)
            return -1;
        if (line[size] == '\n')
            break;
        size++;
    }
    line[size] = 0;
    word = strtok_r(line, " ", &rest);
    if (!word || strlen(word) >= sizeof c->verb)
        return -1;
    strcpy(c->verb, word);
    while ((word = strtok_r(NULL, " ", &rest))) {
        char *value = strchr(word, '=');
        if (!value)
            return -1;
        *value++ = 0;
        if (set(c, word, value))
            return -1;
    }
    return 0;
}
