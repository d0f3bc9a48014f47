/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Watches as today's programs do: --io mmap (REQBUFS, QBUF, STREAMON, DQBUF) or --io read; it waits inside
 * the call or --by poll, select or epoll on a descriptor that does not block. --format and --size are set
 * first and have to be given back. --keep N holds N frames, and looks at each again before it gives it back.
 * With --restart it begins again when DQBUF or QBUF gives EIO: the format may be another one now.
 * Besides the frames' bytes it looks at what V4L2 says of them; the event "stream" tells:
 *     sequence    of the first frame
 *     skew        frames whose number and sequence do not go on together (a gap not counted, or one too many)
 *     stamps      timestamps that are not between STREAMON and now, or not later than the one before; the first frame may
 *                 be the picture that was there, and older
 *     leap        the most nanoseconds by which a step from a timestamp to the next differs from the time that passed
 *     wrong       other fields that are not as they have to be
 *     cards       frames of no test pusher; each is told in an event "card"
 *     interval    nanoseconds from card to card by their timestamps: the median of all
 *     distinct    cards that are not as the one before */
#include "v4l2.h"

static struct {
    long frames, cards, skew, stamps, wrong, distinct;
    uint32_t sequence, last_sequence, number, at;
    int have_number;
    int64_t start, last_stamp, last_card, last_seen, leap;
    uint64_t card;
    /* Nanoseconds from card to card. */
    int64_t intervals[1024];
} meta;

static struct v4l2_pix_format pix;
static struct queue q;

static void wrong(const char *what)
{
    meta.wrong++;
    say("{\"event\":\"wrong\",\"what\":\"%s\"}", what);
}

static uint64_t digest(const unsigned char *bytes, size_t len)
{
    uint64_t h = 0xcbf29ce484222325u;
    while (len--)
        h = (h ^ *bytes++) * 0x100000001b3u;
    return h;
}

/* A frame that no test pusher wrote: the placeholder. It is the `steps`th after the frame before it. */
static void card(const unsigned char *frame, size_t len, int64_t stamp, uint32_t steps)
{
    uint64_t h = digest(frame, len);
    size_t i = 1;
    while (i < len && frame[i] == frame[0])
        i++;
    if (i >= len)
        wrong("the card has something on it");
    if (!is_compressed(pix.pixelformat) && len != pix.sizeimage)
        wrong("the card's length");
    if (meta.cards) {
        meta.intervals[(meta.cards - 1) % 1024] = (stamp - meta.last_card) / (steps ? steps : 1);
        if (h != meta.card)
            meta.distinct++;
    }
    meta.cards++;
    meta.card = h;
    meta.last_card = stamp;
    say("{\"event\":\"card\",\"n\":%ld}", meta.cards);
}

static void look_at_buffer(const struct v4l2_buffer *b)
{
    const unsigned char *frame = q.buffer[b->index].start;
    uint32_t number, steps = 1;
    int64_t stamp = stamp_ns(b), now = now_ns();
    int64_t leap = stamp - meta.last_stamp - (now - meta.last_seen);
    int monotonic;
    if (b->type != V4L2_BUF_TYPE_VIDEO_CAPTURE || b->memory != V4L2_MEMORY_MMAP)
        wrong("type and memory");
    if (b->length != q.buffer[b->index].length)
        wrong("length as in QUERYBUF");
    if (b->flags & (V4L2_BUF_FLAG_QUEUED | V4L2_BUF_FLAG_DONE | V4L2_BUF_FLAG_ERROR))
        wrong("no flag QUEUED, DONE or ERROR");
    if (!(b->flags & V4L2_BUF_FLAG_MAPPED))
        wrong("flag MAPPED");
    /* Else it is a time of the pusher's own. */
    monotonic = (b->flags & V4L2_BUF_FLAG_TIMESTAMP_MASK) == V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    if (!monotonic && (b->flags & V4L2_BUF_FLAG_TIMESTAMP_MASK) != V4L2_BUF_FLAG_TIMESTAMP_COPY)
        wrong("flag TIMESTAMP_MONOTONIC or COPY");
    if (b->field != V4L2_FIELD_NONE)
        wrong("field NONE");
    if (b->reserved || b->reserved2)
        wrong("reserved fields");
    /* Microseconds are cut off, so that a stamp may seem to lie a little before. */
    if (meta.frames && (stamp < meta.start - 1000 || stamp < meta.last_stamp))
        meta.stamps++;
    else if (monotonic && stamp > now && !opt.clock)
        meta.stamps++;
    if (meta.frames && llabs(leap) > meta.leap)
        meta.leap = llabs(leap);
    meta.last_stamp = stamp;
    meta.last_seen = now;
    if (!meta.frames)
        meta.sequence = b->sequence;
    else if ((int32_t)(b->sequence - meta.last_sequence) <= 0)
        wrong("the sequence grows");
    else
        steps = b->sequence - meta.last_sequence;
    meta.last_sequence = b->sequence;
    meta.frames++;
    if (!pattern_number(frame, b->bytesused, &number)) {
        card(frame, b->bytesused, stamp, steps);
        meta.have_number = 0;
        return;
    }
    if (b->bytesused != length_of(&pix, number))
        wrong("bytesused");
    if (meta.have_number && number - meta.number != b->sequence - meta.at) {
        meta.skew++;
        say("{\"event\":\"skew\",\"n\":%u,\"sequence\":%u,\"after\":%u,\"at\":%u}", number, b->sequence, meta.number,
            meta.at);
    }
    meta.have_number = 1;
    meta.number = number;
    meta.at = b->sequence;
    look(frame, b->bytesused);
}

static int by_length(const void *one, const void *other)
{
    int64_t a = *(const int64_t *)one, b = *(const int64_t *)other;
    return a < b ? -1 : a > b;
}

/* A machine that stops for a moment makes a few intervals long, but not the median. */
static long long interval(void)
{
    size_t count = meta.cards > 1024 ? 1024 : meta.cards > 1 ? (size_t)meta.cards - 1 : 0;
    qsort(meta.intervals, count, sizeof *meta.intervals, by_length);
    return count ? (long long)meta.intervals[count / 2] : 0;
}

static void tell(void)
{
    say("{\"event\":\"stream\",\"sequence\":%u,\"skew\":%ld,\"stamps\":%ld,\"wrong\":%ld,\"cards\":%ld,"
        "\"leap\":%lld,\"interval\":%lld,\"distinct\":%ld}",
        meta.sequence, meta.skew, meta.stamps, meta.wrong, meta.cards, (long long)meta.leap,
        interval(), meta.distinct);
}

/* Waits for a frame, where the call itself is not to. */
static void wait_for_frame(int fd)
{
    int ready;
    if (!opt.by)
        return;
    ready = readiness(fd, opt.by, POLLIN, -1);
    if (ready & (POLLOUT | POLLPRI))
        wrong("readable and nothing else");
}

static void restart(int fd);

static void begin_stream(int fd, const char *event)
{
    queue_open(fd, &q, V4L2_BUF_TYPE_VIDEO_CAPTURE, opt.buffers, PROT_READ | PROT_WRITE);
    /* Another pusher may have come since the format was asked for. The buffers are of one format; if this is
     * another one, STREAMON tells. */
    pix = format_in_force(fd, V4L2_BUF_TYPE_VIDEO_CAPTURE);
    queue_put_all(fd, &q);
    meta.start = now_ns();
    meta.frames = meta.have_number = 0;
    if (stream(fd, &q, 1)) {
        if (errno != EIO || !opt.restart)
            fail("VIDIOC_STREAMON");
        /* The format has changed since REQBUFS. */
        restart(fd);
        return;
    }
    say_format(event, &pix);
}

/* What a program does when its stream has ended by itself. */
static void restart(int fd)
{
    struct v4l2_requestbuffers none;
    unsigned i;
    if (stream(fd, &q, 0))
        fail("VIDIOC_STREAMOFF after the error");
    for (i = 0; i < q.count; i++)
        munmap(q.buffer[i].start, q.buffer[i].length);
    memset(&none, 0, sizeof none);
    none.type = q.type;
    none.memory = V4L2_MEMORY_MMAP;
    if (ioctl(fd, VIDIOC_REQBUFS, &none))
        fail("VIDIOC_REQBUFS of none");
    pix = set_format(fd, V4L2_BUF_TYPE_VIDEO_CAPTURE);
    begin_stream(fd, "restarted");
}

/* Whether the last call failed because the stream has ended; then it has begun again. */
static int ended(int fd)
{
    if (errno != EIO || !opt.restart)
        return 0;
    restart(fd);
    return 1;
}

static void by_mmap(int fd)
{
    struct v4l2_buffer b;
    unsigned held[VIDEO_MAX_FRAME];
    uint32_t numbers[VIDEO_MAX_FRAME];
    int kept = 0;
    while (more()) {
        long place, before = seen.received;
        wait_for_frame(fd);
        if (queue_take(fd, &q, &b)) {
            if (errno == EAGAIN && opt.by)
                wrong("EAGAIN after it was readable");
            if (ended(fd)) {
                kept = 0;
                continue;
            }
            failed("VIDIOC_DQBUF");
            continue;
        }
        look_at_buffer(&b);
        if (opt.keep && seen.received > before) {
            pattern_number(q.buffer[b.index].start, b.bytesused, &numbers[kept]);
            held[kept++] = b.index;
            if (kept <= opt.keep)
                continue;
            /* The oldest one, once more. */
            place = pattern_differs(q.buffer[held[0]].start, length_of(&pix, numbers[0]), numbers[0]);
            if (place >= 0) {
                seen.torn++;
                say("{\"event\":\"torn\",\"n\":%u,\"byte\":%ld,\"held\":true}", numbers[0], place);
            }
            b.index = held[0];
            memmove(held, held + 1, (size_t)--kept * sizeof *held);
            memmove(numbers, numbers + 1, (size_t)kept * sizeof *numbers);
        }
        if (!queue_put(fd, &q, b.index, 0))
            continue;
        if (ended(fd))
            kept = 0;
        else
            failed("VIDIOC_QBUF");
    }
    if (stream(fd, &q, 0))
        failed("VIDIOC_STREAMOFF");
}

static void by_read(int fd)
{
    unsigned char *frame = malloc(pix.sizeimage);
    while (more()) {
        uint32_t number;
        ssize_t n;
        wait_for_frame(fd);
        n = read(fd, frame, pix.sizeimage);
        if (n < 0 && errno == EAGAIN && opt.nonblock) {
            /* The first read starts the stream; then the descriptor tells. */
            readiness(fd, opt.by ? opt.by : "poll", POLLIN, -1);
            continue;
        }
        if (n <= 0) {
            failed("read");
            continue;
        }
        if (!pattern_number(frame, (size_t)n, &number)) {
            card(frame, (size_t)n, now_ns(), 1);
            continue;
        }
        if ((size_t)n != length_of(&pix, number))
            wrong("bytes read");
        look(frame, (size_t)n);
    }
    free(frame);
}

int main(int argc, char **argv)
{
    struct v4l2_capability cap;
    int fd;
    begin(argc, argv);
    if (opt.by)
        opt.nonblock = 1;
    fd = open_client(O_RDWR);
    memset(&cap, 0, sizeof cap);
    if (ioctl(fd, VIDIOC_QUERYCAP, &cap))
        fail("VIDIOC_QUERYCAP");
    if (!(cap.capabilities & V4L2_CAP_VIDEO_CAPTURE))
        fail("V4L2_CAP_VIDEO_CAPTURE");
    pix = set_format(fd, V4L2_BUF_TYPE_VIDEO_CAPTURE);
    if (!strcmp(opt.io, "read")) {
        say_format("ready", &pix);
        by_read(fd);
    } else {
        begin_stream(fd, "ready");
        by_mmap(fd);
    }
    tell();
    close(fd);
    result();
}
