/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What all V4L1 clients share: every byte of every frame is looked at, and what was seen is told in
 * one line at the end. */
#ifndef VLOOPBACK_TESTS_CLIENT_H
#define VLOOPBACK_TESTS_CLIENT_H

#include "common.h"

static struct {
    long received; /* frames whose every byte was right */
    long first, last;
    long gaps;     /* frames that were skipped */
    long back;     /* frames that came a second time or too late */
    long torn;     /* frames with a byte that is not theirs */
    long foreign;  /* frames that no test pusher wrote */
    long errors;   /* failed calls */
    long in_a_row;
    long eintr;
} seen UNUSED = { .first = -1, .last = -1 };

/* Looks at one frame. Returns whether it was a right one. */
static UNUSED int look(const void *frame, size_t len)
{
    uint32_t number;
    long place;
    seen.in_a_row = 0;
    if (!pattern_number(frame, len, &number)) {
        seen.foreign++;
        return 0;
    }
    place = pattern_differs(frame, len, number);
    if (place >= 0) {
        seen.torn++;
        say("{\"event\":\"torn\",\"n\":%u,\"byte\":%ld}", number, place);
        return 0;
    }
    if (seen.first < 0)
        seen.first = number;
    else if ((long)number <= seen.last)
        seen.back++;
    else
        seen.gaps += (long)number - seen.last - 1;
    seen.last = number;
    seen.received++;
    if (opt.report && seen.received % opt.report == 0)
        say("{\"event\":\"frame\",\"n\":%u}", number);
    return 1;
}

static UNUSED void result(void)
{
    say("{\"event\":\"result\",\"received\":%ld,\"first\":%ld,\"last\":%ld,\"gaps\":%ld,\"back\":%ld,"
        "\"torn\":%ld,\"foreign\":%ld,\"errors\":%ld,\"eintr\":%ld}",
        seen.received, seen.first, seen.last, seen.gaps, seen.back, seen.torn, seen.foreign, seen.errors,
        seen.eintr);
    exit(seen.torn || seen.back ? 1 : 0);
}

/* Whether there is more to do. */
static UNUSED int more(void)
{
    return opt.frames ? seen.received + seen.torn < opt.frames : !told();
}

/* Tells of a failed call; ends the program when it has had enough of them in a row. */
static UNUSED void failed(const char *call)
{
    int e = errno;
    if (e == EINTR)
        seen.eintr++;
    seen.errors++;
    seen.in_a_row++;
    say("{\"event\":\"error\",\"call\":\"%s\",\"errno\":%d}", call, e);
    if (seen.in_a_row >= opt.patience || (opt.ask && !order()))
        result();
}

/* The driver's memory for this client. */
struct mapping {
    struct video_mbuf mbuf;
    unsigned char *base;
};

static UNUSED void map_frames(int fd, int prot, struct mapping *m)
{
    memset(m, 0, sizeof *m);
    if (ioctl(fd, VIDIOCGMBUF, &m->mbuf))
        fail("VIDIOCGMBUF");
    m->base = mmap(NULL, m->mbuf.size, prot, MAP_SHARED, fd, 0);
    if (m->base == MAP_FAILED)
        fail("mmap");
    say("{\"event\":\"mapped\",\"size\":%d,\"frames\":%d,\"offset1\":%d}", m->mbuf.size, m->mbuf.frames,
        m->mbuf.offsets[1]);
}

static UNUSED int arm(int fd, int frame, int palette, int width, int height)
{
    struct video_mmap v;
    memset(&v, 0, sizeof v);
    v.frame = frame;
    v.format = palette;
    v.width = width;
    v.height = height;
    return ioctl(fd, VIDIOCMCAPTURE, &v);
}

/* Arms `frame` with the palettes 15, 7, 8, 4, 1 and the rest until the driver takes one; that one
 * becomes opt.palette. */
static UNUSED void arm_by_probing(int fd, int frame)
{
    static const int tries[] = { 15, 7, 8, 4, 1, 5, 3, 6, 9, 13, 2, 14, 16 };
    size_t i;
    for (i = 0; i < sizeof tries / sizeof *tries; i++)
        if (!arm(fd, frame, tries[i], opt.width, opt.height)) {
            opt.palette = tries[i];
            return;
        }
    fail("VIDIOCMCAPTURE");
}

static UNUSED int open_client(int flags)
{
    int fd = open(opt.device, flags | (opt.nonblock ? O_NONBLOCK : 0));
    if (fd < 0)
        fail("open");
    say("{\"event\":\"open\",\"device\":\"%s\"}", opt.device);
    return fd;
}

/* Takes the size that the window tells. */
static UNUSED void size_from_window(int fd)
{
    struct video_window window;
    memset(&window, 0, sizeof window);
    if (ioctl(fd, VIDIOCGWIN, &window))
        fail("VIDIOCGWIN");
    opt.width = window.width;
    opt.height = window.height;
}

#endif
