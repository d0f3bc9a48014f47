/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What all V4L2 programs share: format codes, buffers that are mapped, waiting in each of the three
 * ways, and the length that a test frame has. */
#ifndef VLOOPBACK_TESTS_V4L2_H
#define VLOOPBACK_TESTS_V4L2_H

#include <linux/videodev2.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <time.h>

#include "client.h"

/* The code of a format's name: up to four letters, spaces after them. */
static UNUSED uint32_t fourcc(const char *name)
{
    uint32_t code = 0;
    int i;
    for (i = 0; i < 4; i++)
        code |= (uint32_t)(unsigned char)(*name ? *name++ : ' ') << (8 * i);
    return code;
}

/* The name of a code, in one of a few places that are used in turn. */
static UNUSED const char *name_of(uint32_t code)
{
    static char names[4][8];
    static int turn;
    char *name = names[turn++ % 4];
    int i;
    memset(name, 0, sizeof names[0]);
    for (i = 0; i < 4; i++) {
        char c = (char)(code >> (8 * i));
        name[i] = c > ' ' && c < 127 ? c : i == 3 ? 0 : '?';
    }
    return name;
}

static UNUSED int is_compressed(uint32_t code)
{
    static const char *const names[] = { "MJPG", "JPEG", "dvsd", "MPEG", "MPG1", "MPG2", "MPG4", "XVID", "H263",
                                         "H264", "AVC1", "M264", "VC1G", "VC1L", "HEVC", "VP80", "VP90", "AV01" };
    size_t i;
    for (i = 0; i < sizeof names / sizeof *names; i++)
        if (code == fourcc(names[i]))
            return 1;
    return 0;
}

/* Bytes of test frame `number`: compressed frames vary in length. */
static UNUSED size_t length_of(const struct v4l2_pix_format *pix, uint32_t number)
{
    if (!is_compressed(pix->pixelformat))
        return pix->sizeimage;
    return 64 + (size_t)number * 977 % (pix->sizeimage - 63);
}

/* Nanoseconds of CLOCK_MONOTONIC. */
static UNUSED int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static UNUSED int64_t stamp_ns(const struct v4l2_buffer *b)
{
    return (int64_t)b->timestamp.tv_sec * 1000000000 + (int64_t)b->timestamp.tv_usec * 1000;
}

/* The buffers of an open file, all mapped. */
struct queue {
    uint32_t type;
    unsigned count;
    struct {
        unsigned char *start;
        size_t length;
        int queued;
    } buffer[VIDEO_MAX_FRAME];
};

static UNUSED struct v4l2_buffer buffer_of(const struct queue *q, unsigned index)
{
    struct v4l2_buffer b;
    memset(&b, 0, sizeof b);
    b.type = q->type;
    b.memory = V4L2_MEMORY_MMAP;
    b.index = index;
    return b;
}

/* REQBUFS, and QUERYBUF and mmap of each buffer. */
static UNUSED void queue_open(int fd, struct queue *q, uint32_t type, int buffers, int prot)
{
    struct v4l2_requestbuffers r;
    unsigned i;
    memset(q, 0, sizeof *q);
    q->type = type;
    memset(&r, 0, sizeof r);
    r.type = type;
    r.memory = V4L2_MEMORY_MMAP;
    r.count = (unsigned)buffers;
    if (ioctl(fd, VIDIOC_REQBUFS, &r))
        fail("VIDIOC_REQBUFS");
    errno = 0;
    if (r.count < 2 || r.count > VIDEO_MAX_FRAME)
        fail("VIDIOC_REQBUFS gives 2 to 32");
    q->count = r.count;
    for (i = 0; i < q->count; i++) {
        struct v4l2_buffer b = buffer_of(q, i);
        if (ioctl(fd, VIDIOC_QUERYBUF, &b))
            fail("VIDIOC_QUERYBUF");
        q->buffer[i].length = b.length;
        q->buffer[i].start = mmap(NULL, b.length, prot, MAP_SHARED, fd, b.m.offset);
        if (q->buffer[i].start == MAP_FAILED)
            fail("mmap of a buffer");
    }
}

static UNUSED int queue_put(int fd, struct queue *q, unsigned index, size_t bytesused)
{
    struct v4l2_buffer b = buffer_of(q, index);
    b.bytesused = (uint32_t)bytesused;
    if (ioctl(fd, VIDIOC_QBUF, &b))
        return -1;
    q->buffer[index].queued = 1;
    return 0;
}

static UNUSED void queue_put_all(int fd, struct queue *q)
{
    unsigned i;
    for (i = 0; i < q->count; i++)
        if (queue_put(fd, q, i, 0))
            fail("VIDIOC_QBUF");
}

static UNUSED int queue_take(int fd, struct queue *q, struct v4l2_buffer *b)
{
    *b = buffer_of(q, 0);
    if (ioctl(fd, VIDIOC_DQBUF, b))
        return -1;
    errno = 0;
    if (b->index >= q->count || !q->buffer[b->index].queued)
        fail("VIDIOC_DQBUF gives a buffer that was queued");
    q->buffer[b->index].queued = 0;
    return 0;
}

static UNUSED int stream(int fd, const struct queue *q, int on)
{
    int type = (int)q->type;
    return ioctl(fd, on ? VIDIOC_STREAMON : VIDIOC_STREAMOFF, &type);
}

/* What a descriptor is ready for now, or within `timeout` milliseconds (-1: for ever), by poll, select or
 * epoll: POLLIN, POLLOUT, POLLPRI, POLLERR, POLLHUP. For poll and epoll all are asked for; a select that
 * waits does so only for what it is to wait for, `events`. */
static UNUSED int readiness(int fd, const char *by, int events, int timeout)
{
    if (!strcmp(by, "select")) {
        struct timeval none = { 0, 0 };
        fd_set r, w, x;
        int n, ready = 0;
        FD_ZERO(&r);
        FD_ZERO(&w);
        FD_ZERO(&x);
        if (events & POLLIN || timeout == 0)
            FD_SET(fd, &r);
        if (events & POLLOUT || timeout == 0)
            FD_SET(fd, &w);
        FD_SET(fd, &x);
        do
            n = select(fd + 1, &r, &w, &x, timeout < 0 ? NULL : &none);
        while (n < 0 && errno == EINTR);
        if (n < 0)
            fail("select");
        if (FD_ISSET(fd, &r))
            ready |= POLLIN;
        if (FD_ISSET(fd, &w))
            ready |= POLLOUT;
        if (FD_ISSET(fd, &x))
            ready |= POLLPRI;
        return ready;
    }
    if (!strcmp(by, "epoll")) {
        struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLPRI }, got = { .events = 0 };
        int set = epoll_create1(EPOLL_CLOEXEC), n;
        if (timeout)
            e.events = (uint32_t)events;
        if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, fd, &e))
            fail("epoll_ctl");
        do
            n = epoll_wait(set, &got, 1, timeout);
        while (n < 0 && errno == EINTR);
        if (n < 0)
            fail("epoll_wait");
        close(set);
        return n ? (int)got.events : 0;
    }
    {
        struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT | POLLPRI };
        int n;
        if (timeout)
            p.events = (short)events;
        do
            n = poll(&p, 1, timeout);
        while (n < 0 && errno == EINTR);
        if (n < 0)
            fail("poll");
        return n ? p.revents & (POLLIN | POLLOUT | POLLPRI | POLLERR | POLLHUP | POLLNVAL) : 0;
    }
}

/* The format in force at this descriptor. */
static UNUSED struct v4l2_pix_format format_in_force(int fd, uint32_t type)
{
    struct v4l2_format f;
    memset(&f, 0, sizeof f);
    f.type = type;
    if (ioctl(fd, VIDIOC_G_FMT, &f))
        fail("VIDIOC_G_FMT");
    return f.fmt.pix;
}

/* The format in force at this descriptor, after setting the one that --format and --size ask for. A node
 * that gives another than was asked for ends the program. */
static UNUSED struct v4l2_pix_format set_format(int fd, uint32_t type)
{
    struct v4l2_format f;
    memset(&f, 0, sizeof f);
    f.type = type;
    if (ioctl(fd, VIDIOC_G_FMT, &f))
        fail("VIDIOC_G_FMT");
    if (opt.format) {
        uint32_t code = fourcc(opt.format);
        f.fmt.pix.pixelformat = code;
        f.fmt.pix.width = (uint32_t)opt.width;
        f.fmt.pix.height = (uint32_t)opt.height;
        f.fmt.pix.field = V4L2_FIELD_ANY;
        f.fmt.pix.bytesperline = f.fmt.pix.sizeimage = 0;
        if (ioctl(fd, VIDIOC_S_FMT, &f))
            fail("VIDIOC_S_FMT");
        errno = 0;
        if (f.fmt.pix.pixelformat != code || f.fmt.pix.width != (uint32_t)opt.width ||
            f.fmt.pix.height != (uint32_t)opt.height)
            fail("VIDIOC_S_FMT gives what was asked for");
    }
    return f.fmt.pix;
}

static UNUSED void say_format(const char *event, const struct v4l2_pix_format *pix)
{
    say("{\"event\":\"%s\",\"format\":\"%s\",\"width\":%u,\"height\":%u,\"sizeimage\":%u}", event,
        name_of(pix->pixelformat), pix->width, pix->height, pix->sizeimage);
}

#endif
