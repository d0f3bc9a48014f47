/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the storms of zero-copy mode share: a page that all their processes have, the moments at which
 * somebody is struck, counted in operations, and a small device whose pusher can be struck at each of them.
 *
 * A round has an act (what befalls its victim), a moment (where in a request), and a countdown (how many
 * such moments pass before). Nobody waits for a length of time; SIGALRM only tells of a round that hangs. */
#ifndef VLOOPBACK_TESTS_ZC_STORM_H
#define VLOOPBACK_TESTS_ZC_STORM_H

#include <linux/futex.h>
#include <linux/videodev2.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "zc.h"

enum act { KILL, STOP_CONT, STOP_KILL, CLOSE, EXEC, FORK, EXIT, ACTS };
/* OWN: after an operation of the victim's own. The others are the pusher's: it is readable; it has read;
 * it has answered. */
enum moment { OWN, POSTED, READ, ANSWERED, MOMENTS };

/* As the API document recommends. */
#define REQUEST_BYTES 1024

struct request {
    unsigned long number;
    unsigned char data[REQUEST_BYTES - sizeof(unsigned long)];
};

/* Seconds that a round may take, on a slow machine too. */
#ifndef ROUND_SECONDS
#define ROUND_SECONDS 60
#endif

/* Wrong things after which a storm ends. */
#define MANY 20

/* What all processes of a storm share. */
struct storm {
    atomic_int victim;    /* the process that begins when it finds itself here */
    atomic_int act, moment, countdown, armed;
    atomic_int waits;     /* the pusher waits at the moment until its partner was struck */
    atomic_int odd;       /* a variant of the act */
    atomic_int alone;     /* until it is struck nobody else asks: it is struck in its own request */
    atomic_int fired;     /* 1: the victim's own thread is to act; 2: too late */
    atomic_int round;     /* from 1 on */
    atomic_int present;   /* the last round whose victim has the device open: none is struck before */
    atomic_int settled;   /* the last round whose act is done */
    atomic_int struck;    /* rounds that were struck */
    atomic_int generation; /* pushers that have mapped */
    atomic_int pushers;   /* processes that may hold the input */
    atomic_int steps;     /* operations of those who live through the storm */
    atomic_int buffers;   /* frames of their stream */
    atomic_int stop, wrongs, number;
    atomic_int requests, closings, empty;
    atomic_int clients;   /* that were there in all */
    atomic_int errors[256]; /* by errno, of those who live through the storm */
    struct request pending; /* what was read last */
};

static struct storm *storm;
static int storm_fd;
static int device = -1;

static UNUSED void is_wrong(const char *what, long a, long b)
{
    storm->wrongs++;
    tell("{\"event\":\"wrong\",\"what\":\"%s\",\"pid\":%ld,\"a\":%ld,\"b\":%ld,\"act\":%ld,\"moment\":%ld}", what,
         (long)getpid(), a, b, (long)storm->act, (long)storm->moment);
}

static UNUSED void wait_while(atomic_int *word, int value)
{
    while (*word == value)
        syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0);
}

static UNUSED void set(atomic_int *word, int value)
{
    *word = value;
    syscall(SYS_futex, word, FUTEX_WAKE, 1 << 30, NULL, NULL, 0);
}

static UNUSED void settle(void)
{
    set(&storm->settled, storm->round);
}

/* Waits until the act of this round is done. */
static UNUSED void wait_until_settled(int round)
{
    int settled;
    while ((settled = storm->settled) < round)
        wait_while(&storm->settled, settled);
}

/* Who lives through the storm asks nothing while a victim is to be struck alone. */
static UNUSED void stand_back(void)
{
    while (storm->alone && storm->armed)
        wait_while(&storm->armed, 1);
}

static UNUSED void count(atomic_int *word)
{
    atomic_fetch_add(word, 1);
    syscall(SYS_futex, word, FUTEX_WAKE, 1 << 30, NULL, NULL, 0);
}

/* Whether it is the round's moment, now that this one has come. */
static UNUSED int due(int moment)
{
    if (!storm->armed || storm->present != storm->round || storm->moment != moment || storm->countdown-- > 0)
        return 0;
    set(&storm->armed, 0);
    storm->struck++;
    return 1;
}

static UNUSED void attach_storm(int fd)
{
    storm_fd = fd;
    storm = mmap(NULL, sizeof *storm, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (storm == MAP_FAILED)
        fail("mmap of the storm's page");
}

static UNUSED void make_storm(void)
{
    int fd = memfd_create("storm", 0);
    if (fd < 0 || ftruncate(fd, sizeof *storm))
        fail("memfd_create");
    attach_storm(fd);
}

static UNUSED void on_alarm(int signal_number)
{
    (void)signal_number;
    tell("{\"event\":\"failed\",\"call\":\"%s\",\"errno\":0,\"victim\":%ld,\"act\":%ld,\"moment\":%ld,\"countdown\":%ld,"
         "\"armed\":%ld,\"fired\":%ld,\"settled\":%ld,\"waits\":%ld,\"odd\":%ld,\"alone\":%ld,\"steps\":%ld,\"buffers\":%ld,"
         "\"closings\":%ld,\"clients\":%ld}",
         storm->stop ? "an end that does not come: closings are lost" : "a round that hangs", (long)storm->victim,
         (long)storm->act, (long)storm->moment, (long)storm->countdown, (long)storm->armed, (long)storm->fired,
         (long)storm->settled, (long)storm->waits, (long)storm->odd, (long)storm->alone, (long)storm->steps,
         (long)storm->buffers, (long)storm->closings, (long)storm->clients);
    _exit(4);
}

/* --acts: which befall somebody, a bit each. */
static long acts = (1 << ACTS) - 1;
/* --spill: the pusher keeps memory. */
static int spill;

static UNUSED void choose_acts(char **argv)
{
    const char *chosen = own_option(argv, "--acts", 1);
    spill = own_option(argv, "--spill", 0) != NULL;
    if (chosen)
        acts = strtol(chosen, NULL, 0);
}

/* What the round with this number is: all acts at all moments come in turn. */
static UNUSED void begin_round(long round)
{
    storm->victim = 0;
    storm->act = (int)(round % ACTS);
    while (!(acts >> storm->act & 1))
        storm->act = (storm->act + 1) % ACTS;
    storm->moment = (int)(round / ACTS % MOMENTS);
    storm->countdown = (int)(round / (ACTS * MOMENTS) % 5);
    storm->waits = (int)(round / 3 % 2);
    storm->odd = (int)(round / 2 % 2);
    storm->alone = (int)(round / 5 % 2);
    storm->fired = 0;
    storm->round = (int)round + 1;
    set(&storm->armed, 1);
    alarm(ROUND_SECONDS);
}

/* Starts a process of the storm's; the child returns from here when it is its turn. */
static UNUSED pid_t start_victim(void)
{
    pid_t pid = fork();
    if (pid < 0)
        fail("fork");
    if (pid == 0) {
        while (storm->victim != getpid())
            wait_while(&storm->victim, 0);
        return 0;
    }
    set(&storm->victim, pid);
    return pid;
}

/* Stands still until the test has looked at everybody. */
static UNUSED void measured(long round, long server, long client, long reader)
{
    alarm(0);
    say("{\"event\":\"measure\",\"round\":%ld,\"server\":%ld,\"client\":%ld,\"reader\":%ld}", round, server, client,
        reader);
    if (!order())
        exit(0);
}

static UNUSED void storm_result(long rounds)
{
    char errors[200] = "";
    size_t n = 0;
    int i;
    alarm(0);
    for (i = 1; i < 256 && n < sizeof errors - 24; i++)
        if (storm->errors[i])
            n += (size_t)snprintf(errors + n, sizeof errors - n, "%s\"%d\":%d", n ? "," : "", i, storm->errors[i]);
    say("{\"event\":\"result\",\"rounds\":%ld,\"struck\":%d,\"wrong\":%d,\"steps\":%d,\"buffers\":%d,\"requests\":%d,\"closings\":%d,"
        "\"empty\":%d,\"errors\":{%s}}",
        rounds, storm->struck, storm->wrongs, storm->steps, storm->buffers, storm->requests, storm->closings, storm->empty, errors);
}

/* ------------------------------------------------------------------------------------ the device */

#define WIDTH 64
#define HEIGHT 48
#define PICTURE (WIDTH * HEIGHT)
#define PLACE 4096
#define FRAMES 2

static unsigned char *memory;

/* What a partner does at the pusher's moments. */
static void (*strike)(void);

static UNUSED void map_device(void)
{
    memory = mmap(NULL, FRAMES * PLACE, PROT_READ | PROT_WRITE, MAP_SHARED, device, 0);
    if (memory == MAP_FAILED)
        fail("mmap of the input");
}

static UNUSED void give(unsigned long number, void *data)
{
    /* Whoever asked may be gone: the answer then is nothing. A closed descriptor has no answers. */
    if (ioctl(device, number, data) && device >= 0)
        is_wrong("an answer", (long)number, errno);
}

static UNUSED void give_answer(struct request *request)
{
    union {
        struct video_capability cap;
        struct video_picture picture;
        struct video_window window;
        struct video_mbuf mbuf;
    } u;
    int frame;
    memset(&u, 0, sizeof u);
    switch (request->number) {
    case VIDIOCGCAP:
        strcpy(u.cap.name, "storm");
        u.cap.type = VID_TYPE_CAPTURE;
        u.cap.channels = 1;
        u.cap.maxwidth = u.cap.minwidth = WIDTH;
        u.cap.maxheight = u.cap.minheight = HEIGHT;
        give(request->number, &u);
        break;
    case VIDIOCGPICT:
        u.picture.palette = VIDEO_PALETTE_GREY;
        u.picture.depth = 8;
        give(request->number, &u);
        break;
    case VIDIOCGWIN:
        u.window.width = WIDTH;
        u.window.height = HEIGHT;
        give(request->number, &u);
        break;
    case VIDIOCGMBUF:
        u.mbuf.size = FRAMES * PLACE;
        u.mbuf.frames = FRAMES;
        u.mbuf.offsets[1] = PLACE;
        give(request->number, &u);
        break;
    case VIDIOCSYNC:
        memcpy(&frame, request->data, sizeof frame);
        if (frame >= 0 && frame < FRAMES)
            pattern_fill(memory + frame * PLACE, PICTURE, (uint32_t)++storm->number);
        if (opt.wrong_all && frame >= 0 && frame < FRAMES)
            memory[frame * PLACE + PICTURE / 2] ^= 1;
        /* fall through */
    case VIDIOCSPICT:
    case VIDIOCSWIN:
    case VIDIOCMCAPTURE:
        give(request->number, request->data);
        break;
    default:
        give(VIDIOCSINVALID, NULL);
    }
}

/* One thing that the device has for its pusher. */
static UNUSED void serve(void)
{
    struct request *request = &storm->pending;
    ssize_t n;
    if (due(POSTED))
        strike();
    n = read(device, request, sizeof *request);
    if (n == 0)
        storm->empty++;
    if (n < 0 && device >= 0)
        is_wrong("read", n, errno);
    if (n < (ssize_t)sizeof request->number)
        return;
    if (request->number == 0) {
        storm->closings++;
        if (opt.hold && dup(0) < 0)
            fail("a leak");
        /* Half a page. */
        if (spill && !memset(malloc(2048), 1, 2048))
            fail("a leak");
        return;
    }
    storm->requests++;
    if (due(READ))
        strike();
    give_answer(request);
    if (due(ANSWERED))
        strike();
}

static UNUSED void on_sigio(int signal_number)
{
    struct pollfd p = { .fd = device, .events = POLLIN };
    int saved = errno;
    (void)signal_number;
    if (device >= 0 && poll(&p, 1, 0) > 0)
        serve();
    errno = saved;
}

static UNUSED void on_end(int signal_number)
{
    (void)signal_number;
}

/* Takes what comes, in a SIGIO handler or after poll(), until there was `enough`; SIGTERM has it look. */
static UNUSED void serve_until(int by_handler, int (*enough)(void))
{
    sigset_t all, waiting;
    signal(SIGIO, on_sigio);
    signal(SIGTERM, on_end);
    sigfillset(&all);
    if (sigprocmask(SIG_BLOCK, &all, NULL))
        fail("sigprocmask");
    sigdelset(&all, SIGTERM);
    waiting = all;
    sigdelset(&waiting, SIGIO);
    while (!enough()) {
        struct pollfd p = { .fd = device, .events = POLLIN };
        if (by_handler)
            sigsuspend(&waiting);
        else if (ppoll(&p, 1, NULL, &all) > 0)
            serve();
    }
}

/* ------------------------------------------------------------------------------------ its clients */

/* Whether a frame is whole; its number in *number. */
static UNUSED int is_whole(const unsigned char *frame, uint32_t *number)
{
    return pattern_number(frame, PICTURE, number) && pattern_differs(frame, PICTURE, *number) < 0;
}

/* A V4L2 stream of a descriptor, begun as far as it goes; -1 with errno. */
static unsigned char *buffers[8] UNUSED;
static size_t buffer_len UNUSED;
static struct v4l2_buffer buffer UNUSED;

static UNUSED int begin_stream(int fd)
{
    struct v4l2_format format;
    struct v4l2_requestbuffers ask;
    int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    unsigned i;
    memset(&format, 0, sizeof format);
    memset(&ask, 0, sizeof ask);
    format.type = ask.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    format.fmt.pix.width = WIDTH;
    format.fmt.pix.height = HEIGHT;
    format.fmt.pix.pixelformat = V4L2_PIX_FMT_GREY;
    ask.count = 2;
    ask.memory = V4L2_MEMORY_MMAP;
    if (ioctl(fd, VIDIOC_S_FMT, &format) || ioctl(fd, VIDIOC_REQBUFS, &ask))
        return -1;
    if (format.fmt.pix.width != WIDTH || format.fmt.pix.pixelformat != V4L2_PIX_FMT_GREY) {
        /* Nobody feeds: it is the card's. */
        errno = EINVAL;
        return -1;
    }
    for (i = 0; i < ask.count && i < 8; i++) {
        memset(&buffer, 0, sizeof buffer);
        buffer.index = i;
        buffer.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
        buffer.memory = V4L2_MEMORY_MMAP;
        if (ioctl(fd, VIDIOC_QUERYBUF, &buffer))
            return -1;
        buffers[i] = mmap(NULL, buffer.length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)buffer.m.offset);
        buffer_len = buffer.length;
        if (buffers[i] == MAP_FAILED || ioctl(fd, VIDIOC_QBUF, &buffer))
            return -1;
    }
    return ioctl(fd, VIDIOC_STREAMON, &type);
}

static UNUSED void end_stream(int fd)
{
    struct v4l2_requestbuffers none;
    int type = V4L2_BUF_TYPE_VIDEO_CAPTURE, i;
    memset(&none, 0, sizeof none);
    none.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    none.memory = V4L2_MEMORY_MMAP;
    if (ioctl(fd, VIDIOC_STREAMOFF, &type))
        is_wrong("STREAMOFF", errno, 0);
    for (i = 0; i < 8; i++) {
        if (buffers[i] && buffers[i] != MAP_FAILED && munmap(buffers[i], buffer_len))
            is_wrong("munmap of a buffer", errno, i);
        buffers[i] = NULL;
    }
    if (ioctl(fd, VIDIOC_REQBUFS, &none))
        is_wrong("REQBUFS of none", errno, 0);
}

/* The stream's next frame, whole and newer than *last; or the card of a pipe that nobody feeds. */
static UNUSED int take_buffer(int fd, uint32_t *last)
{
    const unsigned char *frame;
    uint32_t number = 0;
    if (ioctl(fd, VIDIOC_DQBUF, &buffer))
        return -1;
    frame = buffers[buffer.index % 8];
    if (pattern_number(frame, PICTURE, &number)) {
        if (buffer.bytesused != PICTURE || !is_whole(frame, &number) || number <= *last)
            is_wrong("a buffer", number, *last);
        *last = number;
    }
    return ioctl(fd, VIDIOC_QBUF, &buffer);
}

#endif
