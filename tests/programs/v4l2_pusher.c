/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Pushes as today's programs do: QUERYCAP, S_FMT (--format and --size), then --io write, or --io mmap: the
 * driver's buffers are filled in place and queued. Frames of compressed formats vary in length. */
#include "v4l2.h"

static struct v4l2_pix_format pix;
static long written, errors;

/* Whether there is another frame to push, and it is time. */
static int turn(long number, int clock)
{
    if (opt.frames && number >= opt.first + opt.frames)
        return 0;
    if (opt.step)
        return order();
    if (clock >= 0)
        clock_tick(clock);
    return opt.frames || !told();
}

static size_t fill(unsigned char *frame, long number)
{
    size_t len = length_of(&pix, (uint32_t)number);
    pattern_fill(frame, len, (uint32_t)number);
    if (number == opt.wrong || opt.wrong_all)
        frame[len / 2] ^= 1;
    return len;
}

/* Tells of a failed call; whether it has had enough of them. */
static int given_up(const char *call)
{
    errors++;
    say("{\"event\":\"error\",\"call\":\"%s\",\"errno\":%d}", call, errno);
    return errors >= opt.patience;
}

static void pushed(long number)
{
    written++;
    if (opt.report && number % opt.report == 0)
        say("{\"event\":\"frame\",\"n\":%ld}", number);
}

static long by_write(int fd, int clock)
{
    unsigned char *frame = malloc(pix.sizeimage);
    long number;
    for (number = opt.first; turn(number, clock); number++) {
        size_t len = fill(frame, number);
        ssize_t n = write(fd, frame, len);
        if (n != (ssize_t)len) {
            if (n >= 0)
                errno = 0;
            if (given_up("write"))
                break;
            continue;
        }
        pushed(number);
    }
    free(frame);
    return number;
}

/* Gives a buffer with the frame's time by the clock that was asked for: from zero, the date, or CLOCK_MONOTONIC. */
static int put_with_time(int fd, struct queue *q, unsigned index, size_t len)
{
    static int64_t begin;
    struct v4l2_buffer b = buffer_of(q, index);
    int64_t time = now_ns();
    if (!begin)
        begin = time;
    if (!strcmp(opt.clock, "zero")) {
        time -= begin;
    } else if (!strcmp(opt.clock, "date")) {
        struct timespec date;
        clock_gettime(CLOCK_REALTIME, &date);
        time = (int64_t)date.tv_sec * 1000000000 + date.tv_nsec;
    }
    b.bytesused = (uint32_t)len;
    b.timestamp.tv_sec = time / 1000000000;
    b.timestamp.tv_usec = time % 1000000000 / 1000;
    if (ioctl(fd, VIDIOC_QBUF, &b))
        return -1;
    q->buffer[index].queued = 1;
    return 0;
}

static long by_mmap(int fd, int clock)
{
    struct queue q;
    struct v4l2_buffer b;
    unsigned fresh = 0, index;
    long number;
    int on = 0;
    queue_open(fd, &q, V4L2_BUF_TYPE_VIDEO_OUTPUT, opt.buffers, PROT_READ | PROT_WRITE);
    for (number = opt.first; turn(number, clock); number++) {
        if (fresh < q.count) {
            index = fresh++;
        } else if (queue_take(fd, &q, &b)) {
            if (given_up("VIDIOC_DQBUF"))
                break;
            continue;
        } else {
            index = b.index;
        }
        size_t bytes = fill(q.buffer[index].start, number);
        if (opt.clock ? put_with_time(fd, &q, index, bytes) : queue_put(fd, &q, index, bytes)) {
            if (given_up("VIDIOC_QBUF"))
                break;
            continue;
        }
        if (!on++ && stream(fd, &q, 1))
            fail("VIDIOC_STREAMON");
        pushed(number);
    }
    return number;
}

int main(int argc, char **argv)
{
    struct v4l2_capability cap;
    long next;
    int fd, clock;
    begin(argc, argv);
    fd = open(opt.device, O_RDWR);
    if (fd < 0)
        fail("open");
    say("{\"event\":\"open\",\"device\":\"%s\"}", opt.device);
    memset(&cap, 0, sizeof cap);
    if (ioctl(fd, VIDIOC_QUERYCAP, &cap))
        fail("VIDIOC_QUERYCAP");
    if (!(cap.capabilities & V4L2_CAP_VIDEO_OUTPUT))
        fail("V4L2_CAP_VIDEO_OUTPUT");
    pix = set_format(fd, V4L2_BUF_TYPE_VIDEO_OUTPUT);
    if (opt.interval_ms) {
        struct v4l2_streamparm parm;
        memset(&parm, 0, sizeof parm);
        parm.type = V4L2_BUF_TYPE_VIDEO_OUTPUT;
        parm.parm.output.timeperframe.numerator = (uint32_t)opt.interval_ms;
        parm.parm.output.timeperframe.denominator = 1000;
        if (ioctl(fd, VIDIOC_S_PARM, &parm))
            fail("VIDIOC_S_PARM");
    }
    say_format("setup", &pix);
    if (opt.wait && !order())
        return 0;
    clock = opt.fps ? clock_open(opt.fps) : -1;
    next = strcmp(opt.io, "write") ? by_mmap(fd, clock) : by_write(fd, clock);
    say("{\"event\":\"pushed\",\"written\":%ld,\"errors\":%ld,\"next\":%ld}", written, errors, next);
    if (opt.hold)
        while (order())
            ;
    close(fd);
    return errors ? 1 : 0;
}
