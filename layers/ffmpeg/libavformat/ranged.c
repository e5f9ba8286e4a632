/*
 * Random access over two pipes, served by the parent process
 *
 * This file is free software; you can redistribute it and/or
 * modify it under the terms of the GNU Lesser General Public
 * License as published by the Free Software Foundation; either
 * version 2.1 of the License, or (at your option) any later version.
 *
 * It is distributed in the hope that it will be useful,
 * but WITHOUT ANY WARRANTY; without even the implied warranty of
 * MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE.  See the GNU
 * Lesser General Public License for more details.
 *
 * You should have received a copy of the GNU Lesser General Public
 * License along with it; if not, write to the Free Software
 * Foundation, Inc., 51 Franklin Street, Fifth Floor, Boston, MA 02110-1301 USA
 */

/*
 * "ranged protocol v1". URL: ranged:<fdin>,<fdout>
 *
 * The parent owns the bytes; this process may ask for any range of them, and
 * needs neither a network nor a disk. Every request and every answer starts
 * with 16 bytes, little-endian.
 *
 *   request (written to fdout)   u32 op, u32 length, u64 offset
 *     op 1 READ                  length bytes wanted from offset
 *     op 3 SIZE                  length and offset are 0
 *   answer (read from fdin)      i32 status, u32 length, u64 value
 *     READ                       length bytes follow; fewer than wanted is
 *                                fine, 0 is the end of the object
 *     SIZE                       value is the size; status -1 if unknown
 *
 * A negative status is an error, except for SIZE.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libavutil/error.h"
#include "libavutil/intreadwrite.h"
#include "libavutil/log.h"
#include "avio.h"
#include "url.h"

#define OP_READ     1
#define OP_SIZE     3

#define HEADER_SIZE 16

/* What one request carries at most, and with it the size of the buffer above:
 * large enough that round trips do not count, small enough that little is
 * read in vain after a seek. */
#define CHUNK_SIZE  (256 * 1024)

/* A pipe of the usual 64 KiB would cut one chunk into four or more wake-ups. */
#define PIPE_SIZE   (512 * 1024)

typedef struct RangedContext {
    int fdin;
    int fdout;
    int64_t pos;
    int64_t size;       /* of the object; -1: unknown */
    int size_asked;
    int broken;         /* the two sides are out of step: nothing more can be said */
} RangedContext;

static int parse_fd(const char **p)
{
    char *end;
    long fd;

    errno = 0;
    fd = strtol(*p, &end, 10);
    if (errno || end == *p || fd < 0 || fd > INT_MAX)
        return -1;
    *p = end;
    return fd;
}

static int broken_pipe(URLContext *h, const char *doing, int err)
{
    RangedContext *c = h->priv_data;

    c->broken = 1;
    av_log(h, AV_LOG_ERROR, "%s: %s\n", doing,
           err ? strerror(err) : "the other side closed the pipe");
    return AVERROR(EIO);
}

static int send_request(URLContext *h, uint32_t op, uint32_t length, uint64_t offset)
{
    RangedContext *c = h->priv_data;
    unsigned char header[HEADER_SIZE];
    size_t sent = 0;

    AV_WL32(header,     op);
    AV_WL32(header + 4, length);
    AV_WL64(header + 8, offset);

    while (sent < HEADER_SIZE) {
        ssize_t n = write(c->fdout, header + sent, HEADER_SIZE - sent);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return broken_pipe(h, "write to the parent", errno);
        }
        sent += n;
    }
    return 0;
}

static int read_fully(URLContext *h, unsigned char *buf, size_t size)
{
    RangedContext *c = h->priv_data;

    while (size) {
        ssize_t n = read(c->fdin, buf, size);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return broken_pipe(h, "read from the parent", errno);
        }
        if (!n)
            return broken_pipe(h, "read from the parent", 0);
        buf  += n;
        size -= n;
    }
    return 0;
}

static int read_answer(URLContext *h, int32_t *status, uint32_t *length, uint64_t *value)
{
    unsigned char header[HEADER_SIZE];
    int ret = read_fully(h, header, HEADER_SIZE);

    if (ret < 0)
        return ret;
    *status = (int32_t)AV_RL32(header);
    *length = AV_RL32(header + 4);
    *value  = AV_RL64(header + 8);
    return 0;
}

static int ask_size(URLContext *h)
{
    RangedContext *c = h->priv_data;
    int32_t status;
    uint32_t length;
    uint64_t value;
    int ret;

    if (c->size_asked)
        return 0;
    if ((ret = send_request(h, OP_SIZE, 0, 0)) < 0 ||
        (ret = read_answer(h, &status, &length, &value)) < 0)
        return ret;
    if (length)
        return broken_pipe(h, "size", EPROTO);
    c->size_asked = 1;
    c->size = status < 0 || value > INT64_MAX ? -1 : (int64_t)value;
    return 0;
}

static int ranged_open(URLContext *h, const char *url, int flags)
{
    RangedContext *c = h->priv_data;
    const char *p = url + strlen("ranged:");

    c->fdin = parse_fd(&p);
    if (c->fdin < 0 || *p++ != ',')
        return AVERROR(EINVAL);
    c->fdout = parse_fd(&p);
    if (c->fdout < 0 || *p)
        return AVERROR(EINVAL);
    if (fcntl(c->fdin, F_GETFD) < 0 || fcntl(c->fdout, F_GETFD) < 0)
        return AVERROR(EBADF);

    /* Only for speed: a smaller pipe, or a socket, does as well. */
#ifdef F_SETPIPE_SZ
    (void)fcntl(c->fdin, F_SETPIPE_SZ, PIPE_SIZE);
#endif

    c->size = -1;
    h->is_streamed = 0;
    h->max_packet_size = CHUNK_SIZE;
    return 0;
}

static int ranged_read(URLContext *h, unsigned char *buf, int size)
{
    RangedContext *c = h->priv_data;
    int32_t status;
    uint32_t length;
    uint64_t value;
    int ret;

    if (c->broken)
        return AVERROR(EIO);
    if (size <= 0)
        return 0;
    if (c->size >= 0 && c->pos >= c->size)
        return AVERROR_EOF;
    size = FFMIN(size, CHUNK_SIZE);

    if ((ret = send_request(h, OP_READ, size, c->pos)) < 0 ||
        (ret = read_answer(h, &status, &length, &value)) < 0)
        return ret;
    if (status < 0 && !length) {
        av_log(h, AV_LOG_ERROR, "read at %"PRId64": the parent reports error %"PRId32"\n",
               c->pos, status);
        return AVERROR(EIO);
    }
    if (status < 0 || length > (uint32_t)size)
        return broken_pipe(h, "read", EPROTO);
    if (!length)
        return AVERROR_EOF;
    if ((ret = read_fully(h, buf, length)) < 0)
        return ret;
    c->pos += length;
    return length;
}

static int64_t ranged_seek(URLContext *h, int64_t pos, int whence)
{
    RangedContext *c = h->priv_data;
    int64_t base = 0;
    int ret;

    if (c->broken)
        return AVERROR(EIO);
    if (whence == AVSEEK_SIZE || whence == SEEK_END) {
        if ((ret = ask_size(h)) < 0)
            return ret;
        if (c->size < 0)
            return AVERROR(ENOSYS);
        if (whence == AVSEEK_SIZE)
            return c->size;
        base = c->size;
    } else if (whence == SEEK_CUR) {
        base = c->pos;
    } else if (whence != SEEK_SET) {
        return AVERROR(EINVAL);
    }
    if (pos > 0 ? base > INT64_MAX - pos : base + pos < 0)
        return AVERROR(EINVAL);
    return c->pos = base + pos;
}

static int ranged_close(URLContext *h)
{
    RangedContext *c = h->priv_data;

    /* The parent takes the end of fdout for the end of the object's use. */
    if (c->fdin != c->fdout)
        close(c->fdin);
    close(c->fdout);
    return 0;
}

const URLProtocol ff_ranged_protocol = {
    .name              = "ranged",
    .url_open          = ranged_open,
    .url_read          = ranged_read,
    .url_seek          = ranged_seek,
    .url_close         = ranged_close,
    .priv_data_size    = sizeof(RangedContext),
    .default_whitelist = "ranged",
};
