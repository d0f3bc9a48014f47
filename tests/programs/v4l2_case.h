/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Programs that are a set of cases, one a run, named by the first word. What is not as it has to be is told
 * in an event "wrong" each; the end is the event "pass", or "failed" with how many were wrong. Where a case
 * wants a frame at one moment only, it says {"event":"want"} and goes on when an order tells that one was
 * pushed. */
#ifndef VLOOPBACK_TESTS_V4L2_CASE_H
#define VLOOPBACK_TESTS_V4L2_CASE_H

#include "v4l2.h"

static long wrongs;

static void expect(int fine, const char *format, ...) __attribute__((format(printf, 2, 3)));
static UNUSED void expect(int fine, const char *format, ...)
{
    char text[300];
    va_list args;
    if (fine)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    wrongs++;
    say("{\"event\":\"wrong\",\"what\":\"%s\"}", text);
}

/* The request's errno; 0 where it succeeds. A result that is neither 0 nor -1 is -1. */
static UNUSED int answer(int fd, unsigned long request, void *argument)
{
    int n;
    errno = 0;
    n = ioctl(fd, request, argument);
    return n == 0 ? 0 : n == -1 ? errno : -1;
}

#define GIVES(expected, fd, request, argument) gives(__LINE__, expected, fd, request, #request, argument)
static UNUSED void gives(int line, int expected, int fd, unsigned long request, const char *name, void *argument)
{
    int given = answer(fd, request, argument);
    expect(given == expected, "line %d: %s gives %s where it has to give %s", line, name, strerrorname_np(given),
           strerrorname_np(expected));
}

/* A long case is not stuck. */
static UNUSED void goes_on(void)
{
    say("{\"event\":\"goes on\"}");
}

/* All bytes of a field are 0. */
#define ZERO(field, what) expect(is_zero(&(field), sizeof(field)), "%s: " #field " is 0", what)
static UNUSED int is_zero(const void *bytes, size_t len)
{
    const unsigned char *b = bytes;
    while (len--)
        if (*b++)
            return 0;
    return 1;
}

static UNUSED void want(void)
{
    say("{\"event\":\"want\"}");
    if (!order())
        fail("order");
}

static UNUSED int open_node(int flags)
{
    int fd = open(opt.device, flags);
    if (fd < 0)
        fail("open");
    return fd;
}

static UNUSED struct v4l2_format format_of(int fd, uint32_t type)
{
    struct v4l2_format f;
    memset(&f, 0, sizeof f);
    f.type = type;
    if (ioctl(fd, VIDIOC_G_FMT, &f))
        fail("VIDIOC_G_FMT");
    return f;
}

/* A pusher's: YUV420P of --size. */
static UNUSED void choose_format(int fd)
{
    struct v4l2_format f = format_of(fd, V4L2_BUF_TYPE_VIDEO_OUTPUT);
    f.fmt.pix.width = (unsigned)opt.width;
    f.fmt.pix.height = (unsigned)opt.height;
    f.fmt.pix.pixelformat = V4L2_PIX_FMT_YUV420;
    GIVES(0, fd, VIDIOC_S_FMT, &f);
}

/* REQBUFS: its errno; the count that was given in *count. */
static UNUSED int ask_buffers(int fd, uint32_t type, uint32_t memory, uint32_t *count)
{
    struct v4l2_requestbuffers r;
    int given;
    memset(&r, 0, sizeof r);
    r.count = *count;
    r.type = type;
    r.memory = memory;
    given = answer(fd, VIDIOC_REQBUFS, &r);
    *count = r.count;
    return given;
}

struct a_case {
    const char *name;
    void (*run)(void);
};

/* Runs the case that is asked for and ends the program. */
static UNUSED int run_case(const struct a_case *cases, size_t count)
{
    size_t i;
    for (i = 0; i < count; i++)
        if (opt.name && !strcmp(cases[i].name, opt.name)) {
            cases[i].run();
            if (wrongs)
                say("{\"event\":\"failed\",\"wrong\":%ld}", wrongs);
            else
                say("{\"event\":\"pass\"}");
            return wrongs ? 1 : 0;
        }
    fprintf(stderr, "no case %s\n", opt.name ? opt.name : "");
    return 2;
}

#endif
