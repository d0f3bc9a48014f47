/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What every test program shares: its options, its reports (one JSON object a line on standard
 * output) and its orders (one line each on standard input). A program never waits for a length of
 * time; what paces it is a frame clock (a timerfd, as a camera would be) or an order. */
#ifndef VLOOPBACK_TESTS_COMMON_H
#define VLOOPBACK_TESTS_COMMON_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <linux/videodev.h>

#include "pattern.h"

#define UNUSED __attribute__((unused))

/* The options; each program uses those that mean something to it. */
static struct {
    const char *device;  /* --device PATH */
    const char *find;    /* --find proc|sysfs|uname|gcap|devfs|type|split|lsmod|modules */
    int width, height;   /* --size WxH, default 320x240 */
    int palette;         /* --palette N, default YUV420P */
    long frames;         /* --frames N, 0: until standard input ends */
    long first;          /* --first N: number of the first frame */
    int fps;             /* --fps N, 0: flat out */
    long wrong;          /* --wrong-frame N: this frame has one bit wrong */
    int step;            /* --step: one order a frame */
    int wait;            /* --wait: an order before the first frame */
    int hold;            /* --hold: stay open until standard input ends */
    int ask;             /* --ask: an order after every failed call */
    long report;         /* --report N: tell of every Nth frame */
    long patience;       /* --patience N: failed calls in a row until it gives up */
    unsigned seed;       /* --seed N */
    long alarm_ms;       /* --alarm-ms N */
    int nonblock;        /* --nonblock */
    const char *sizes;   /* --sizes WxH,WxH… */
    const char *format;  /* --format FOURCC: V4L2's name of the pixel format */
    const char *clock;   /* --clock zero|date|monotonic: whose timestamps a V4L2 pusher gives; none else */
    const char *io;      /* --io mmap|read|write: how frames go to and from a V4L2 node */
    const char *by;      /* --by poll|select|epoll: how it waits for its turn; else the call itself does */
    int buffers;         /* --buffers N: V4L2 buffers to ask for, default 4 */
    int keep;            /* --keep N: dequeued frames that are held and looked at again */
    int wrong_all;       /* --wrong-all: every frame has one bit wrong */
    int restart;         /* --restart: begin the stream again when it ends by an error */
    long interval_ms;    /* --interval-ms N: what a V4L2 pusher calls its rate, a frame in N ms */
    const char *name;    /* the first word that is no option: a case's name */
} opt UNUSED;

/* One JSON line, written at once: a pipe's reader never sees half of it. */
static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static UNUSED void say(const char *format, ...)
{
    char line[1024];
    va_list args;
    int saved = errno, n;
    va_start(args, format);
    n = vsnprintf(line, sizeof line - 1, format, args);
    va_end(args);
    if (n > (int)sizeof line - 2)
        n = sizeof line - 2;
    line[n++] = '\n';
    if (write(1, line, n) != n)
        _exit(3);
    errno = saved;
}

/* Tells what failed and ends. */
static UNUSED void fail(const char *what)
{
    say("{\"event\":\"failed\",\"call\":\"%s\",\"errno\":%d}", what, errno);
    exit(1);
}

/* The next order; 0 when there will be no more. */
static UNUSED int order(void)
{
    char c;
    ssize_t n;
    for (;;) {
        n = read(0, &c, 1);
        if (n == 1 && c == '\n')
            return 1;
        if (n == 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return 0;
    }
}

/* Whether standard input has ended or has an order; takes nothing. */
static UNUSED int told(void)
{
    struct pollfd p = { .fd = 0, .events = POLLIN };
    return poll(&p, 1, 0) > 0;
}

/* A frame clock of `per_second` ticks. */
static UNUSED int clock_open(long per_second)
{
    struct itimerspec t;
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    if (fd < 0)
        fail("timerfd_create");
    memset(&t, 0, sizeof t);
    t.it_value.tv_nsec = t.it_interval.tv_nsec = per_second > 1 ? 1000000000 / per_second : 999999999;
    if (timerfd_settime(fd, 0, &t, NULL))
        fail("timerfd_settime");
    return fd;
}

static UNUSED void clock_tick(int fd)
{
    uint64_t ticks;
    while (read(fd, &ticks, sizeof ticks) < 0 && errno == EINTR)
        ;
}

/* Bytes of a frame; 0 for a palette that none of the programs speaks. */
static UNUSED size_t frame_len(int palette, int width, int height)
{
    size_t n = (size_t)width * height;
    switch (palette) {
    case VIDEO_PALETTE_GREY:
    case VIDEO_PALETTE_HI240:
        return n;
    case VIDEO_PALETTE_YUV410P:
        return n + n / 8;
    case VIDEO_PALETTE_RGB565:
    case VIDEO_PALETTE_RGB555:
    case VIDEO_PALETTE_YUV422:
    case VIDEO_PALETTE_YUYV:
    case VIDEO_PALETTE_UYVY:
    case VIDEO_PALETTE_YUV422P:
        return n * 2;
    case VIDEO_PALETTE_RGB24:
        return n * 3;
    case VIDEO_PALETTE_RGB32:
        return n * 4;
    case VIDEO_PALETTE_YUV420:
    case VIDEO_PALETTE_YUV411:
    case VIDEO_PALETTE_YUV411P:
    case VIDEO_PALETTE_YUV420P:
        return n + n / 2;
    default:
        return 0;
    }
}

static UNUSED int palette_depth(int palette)
{
    return (int)frame_len(palette, 8, 8) / 8;
}

static UNUSED long number_after(char **argv, int *i)
{
    if (!argv[*i + 1]) {
        fprintf(stderr, "%s: %s needs a value\n", argv[0], argv[*i]);
        exit(2);
    }
    return strtol(argv[++*i], NULL, 0);
}

/* Takes an option of one program's own out of the arguments before begin() sees them. Returns its
 * value, or "" where it has none; NULL if it is not there. */
static UNUSED const char *own_option(char **argv, const char *name, int has_value)
{
    int i, k;
    for (i = 1; argv[i]; i++) {
        const char *value = "";
        int width = 1;
        if (strcmp(argv[i], name))
            continue;
        if (has_value) {
            value = argv[i + 1];
            width = 2;
            if (!value) {
                fprintf(stderr, "%s: %s needs a value\n", argv[0], name);
                exit(2);
            }
        }
        for (k = i; argv[k + width - 1]; k++)
            argv[k] = argv[k + width];
        return value;
    }
    return NULL;
}

/* Reads the options and tells that the program runs. */
/* What the kernel says a thread or process does: 'S' while it sleeps; 0 if there is none. */
static UNUSED char state_of(pid_t thread)
{
    char path[64], line[256];
    const char *name_end = NULL;
    FILE *stat;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)thread);
    stat = fopen(path, "r");
    if (stat && fgets(line, sizeof line, stat))
        name_end = strrchr(line, ')');
    if (stat)
        fclose(stat);
    return name_end && name_end[1] ? name_end[2] : 0;
}

static UNUSED void begin(int argc, char **argv)
{
    int i;
    (void)argc;
    opt.width = 320;
    opt.height = 240;
    opt.palette = VIDEO_PALETTE_YUV420P;
    opt.wrong = -1;
    opt.patience = 1;
    opt.buffers = 4;
    opt.io = "mmap";
    signal(SIGPIPE, SIG_DFL);
    for (i = 1; argv[i]; i++) {
        const char *a = argv[i];
        if (!strcmp(a, "--device"))
            opt.device = argv[++i];
        else if (!strcmp(a, "--find"))
            opt.find = argv[++i];
        else if (!strcmp(a, "--sizes"))
            opt.sizes = argv[++i];
        else if (!strcmp(a, "--format"))
            opt.format = argv[++i];
        else if (!strcmp(a, "--clock"))
            opt.clock = argv[++i];
        else if (!strcmp(a, "--io"))
            opt.io = argv[++i];
        else if (!strcmp(a, "--by"))
            opt.by = argv[++i];
        else if (!strcmp(a, "--size")) {
            if (!argv[++i] || sscanf(argv[i], "%dx%d", &opt.width, &opt.height) != 2)
                exit(2);
        } else if (!strcmp(a, "--palette"))
            opt.palette = (int)number_after(argv, &i);
        else if (!strcmp(a, "--frames"))
            opt.frames = number_after(argv, &i);
        else if (!strcmp(a, "--first"))
            opt.first = number_after(argv, &i);
        else if (!strcmp(a, "--fps"))
            opt.fps = (int)number_after(argv, &i);
        else if (!strcmp(a, "--wrong-frame"))
            opt.wrong = number_after(argv, &i);
        else if (!strcmp(a, "--wrong-all"))
            opt.wrong_all = 1;
        else if (!strcmp(a, "--restart"))
            opt.restart = 1;
        else if (!strcmp(a, "--interval-ms"))
            opt.interval_ms = number_after(argv, &i);
        else if (!strcmp(a, "--buffers"))
            opt.buffers = (int)number_after(argv, &i);
        else if (!strcmp(a, "--keep"))
            opt.keep = (int)number_after(argv, &i);
        else if (!strcmp(a, "--report"))
            opt.report = number_after(argv, &i);
        else if (!strcmp(a, "--patience"))
            opt.patience = number_after(argv, &i);
        else if (!strcmp(a, "--seed"))
            opt.seed = (unsigned)number_after(argv, &i);
        else if (!strcmp(a, "--alarm-ms"))
            opt.alarm_ms = number_after(argv, &i);
        else if (!strcmp(a, "--step"))
            opt.step = 1;
        else if (!strcmp(a, "--wait"))
            opt.wait = 1;
        else if (!strcmp(a, "--hold"))
            opt.hold = 1;
        else if (!strcmp(a, "--ask"))
            opt.ask = 1;
        else if (!strcmp(a, "--nonblock"))
            opt.nonblock = 1;
        else if (a[0] != '-' && !opt.name)
            opt.name = a;
        else {
            fprintf(stderr, "%s: what is %s?\n", argv[0], a);
            exit(2);
        }
    }
    say("{\"event\":\"start\",\"pid\":%d}", (int)getpid());
}

#endif
