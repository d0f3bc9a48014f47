/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A pipe's option `exclusive` (driver/docs/rules.md, "Sharing"): one open file in all has the stream, whoever opens,
 * asks and sets. See v4l2_case.h. --device is an output of a pipe with that option, fed with --size YUV420P. Two
 * processes have it open, this one and a child; each does what a letter says. */
#include <sys/wait.h>

#include "v4l2_take.h"

/* What a process has of the device. */
static int fd = -1;
static struct queue q;
static unsigned char *mapped;
static size_t mapped_len;

static int look_around(void)
{
    struct v4l2_capability cap;
    struct v4l2_format f;
    struct v4l2_fmtdesc d;
    int given;
    memset(&d, 0, sizeof d);
    memset(&f, 0, sizeof f);
    d.type = f.type = CAPTURE;
    given = answer(fd, VIDIOC_QUERYCAP, &cap);
    given = given ? given : answer(fd, VIDIOC_ENUM_FMT, &d);
    given = given ? given : answer(fd, VIDIOC_G_FMT, &f);
    given = given ? given : answer(fd, VIDIOC_TRY_FMT, &f);
    given = given ? given : answer(fd, VIDIOC_S_FMT, &f);
    return given;
}

static int create(void)
{
    struct v4l2_create_buffers c;
    memset(&c, 0, sizeof c);
    c.count = 2;
    c.memory = V4L2_MEMORY_MMAP;
    c.format = format_of(fd, CAPTURE);
    return answer(fd, VIDIOC_CREATE_BUFS, &c);
}

static int take_three(void)
{
    int i;
    start(fd, &q, 4);
    for (i = 0; i < 3; i++)
        take(fd, &q, 1);
    return 0;
}

static int read_frame(void)
{
    unsigned char *frame = malloc(len);
    uint32_t number;
    ssize_t n = read(fd, frame, len);
    int given = n < 0 ? errno : 0;
    expect(n < 0 || (n == (ssize_t)len && pattern_number(frame, len, &number) &&
                     pattern_differs(frame, len, number) < 0),
           "a whole frame by read");
    free(frame);
    return given;
}

static int map_v4l1(void)
{
    struct video_mbuf mbuf;
    int given = answer(fd, VIDIOCGMBUF, &mbuf);
    if (given)
        return given;
    mapped_len = (size_t)mbuf.size;
    mapped = mmap(NULL, mapped_len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return mapped == MAP_FAILED ? errno : 0;
}

/* Does what the letter says; its errno. */
static int act(char what)
{
    struct video_picture picture;
    uint32_t count = what == '0' ? 0 : 4;
    switch (what) {
    case 'o':
        fd = open(opt.device, O_RDWR);
        return fd < 0 ? errno : 0;
    case 'c':
        return close(fd) ? errno : 0;
    case 'l':
        return look_around();
    case 'p':
        return answer(fd, VIDIOCGPICT, &picture);
    case 'b':
    case '0':
        return ask_buffers(fd, CAPTURE, V4L2_MEMORY_MMAP, &count);
    case 'B':
        return create();
    case 's':
        return take_three();
    case 'x':
        return stream(fd, &q, 0) ? errno : 0;
    case 'r':
        return read_frame();
    case 'm':
        return map_v4l1();
    case 'u':
        return munmap(mapped, mapped_len) ? errno : 0;
    default:
        fail("a letter");
        return -1;
    }
}

/* The other process. */
static pid_t other;
static int to_other, from_other;

static void begin_other(void)
{
    int to[2], from[2];
    if (pipe(to) || pipe(from))
        fail("pipe");
    other = fork();
    if (other < 0)
        fail("fork");
    if (other == 0) {
        char what;
        close(to[1]);
        close(from[0]);
        /* Of its parent's it has nothing. */
        if (fd >= 0)
            close(fd);
        while (read(to[0], &what, 1) == 1) {
            int given = act(what);
            if (write(from[1], &given, sizeof given) != sizeof given)
                _exit(3);
        }
        _exit(wrongs ? 1 : 0);
    }
    close(to[0]);
    close(from[1]);
    to_other = to[1];
    from_other = from[0];
}

static int ask_other(char what)
{
    int given;
    if (write(to_other, &what, 1) != 1 || read(from_other, &given, sizeof given) != sizeof given)
        fail("the other process");
    return given;
}

static void end_other(int signal_number)
{
    int status;
    if (signal_number)
        kill(other, signal_number);
    close(to_other);
    close(from_other);
    if (waitpid(other, &status, 0) != other)
        fail("waitpid");
    expect(signal_number ? WIFSIGNALED(status) : status == 0, "the other process ends with 0x%x", status);
}

static void each_gives(int line, const char *who, int (*ask)(char), const char *letters, int expected)
{
    for (; *letters; letters++) {
        int given = ask(*letters);
        expect(given == expected, "line %d: %s %c gives %s, not %s", line, who, *letters, strerrorname_np(given),
               strerrorname_np(expected));
    }
}
#define ME(letters, expected) each_gives(__LINE__, "my", act, letters, expected)
#define OTHER(letters, expected) each_gives(__LINE__, "the other's", ask_other, letters, expected)

static void case_owner(void)
{
    begin_other();
    ME("ol", 0);
    OTHER("olp", 0);
    /* Buffers own. */
    ME("b", 0);
    OTHER("bBrm", EBUSY);
    OTHER("lp0", 0);
    ME("s", 0);
    OTHER("bBrm", EBUSY);
    /* Without a stream there still are the buffers. */
    ME("x", 0);
    OTHER("b", EBUSY);
    ME("0", 0);
    OTHER("B", 0);
    ME("bBrm", EBUSY);
    ME("lp", 0);
    OTHER("0s", 0);
    ME("b", EBUSY);
    OTHER("x0", 0);
    /* A read owns until the close. */
    ME("r", 0);
    OTHER("bBrm", EBUSY);
    ME("r", 0);
    ME("co", 0);
    OTHER("rr", 0);
    ME("bBrm", EBUSY);
    OTHER("co", 0);
    /* A mapping in V4L1's way, as long as it is there. */
    ME("m", 0);
    OTHER("bBrm", EBUSY);
    ME("u", 0);
    OTHER("m", 0);
    ME("b", EBUSY);
    OTHER("u", 0);
    ME("s", 0);
    end_other(0);
}

/* Whoever is killed owns nothing any more, at once. */
static void case_killed(void)
{
    int round;
    ME("o", 0);
    for (round = 0; round < 20; round++) {
        begin_other();
        OTHER("o", 0);
        OTHER(round % 3 == 0 ? "s" : round % 3 == 1 ? "r" : "m", 0);
        ME("b", EBUSY);
        end_other(SIGKILL);
        ME("s", 0);
        ME("x0", 0);
        say("{\"event\":\"round\"}");
    }
}

/* The open file owns, whichever process has it: a fork, and after it the parent again. */
static void case_shared(void)
{
    uint32_t number;
    int status, i;
    pid_t pid;
    ME("o", 0);
    ME("s", 0);
    begin_other();
    OTHER("o", 0);
    pid = fork();
    if (pid == 0) {
        wrongs = 0;
        for (i = 0; i < 3; i++)
            take(fd, &q, 1);
        OTHER("b", EBUSY);
        close(fd);
        OTHER("b", EBUSY);
        _exit(wrongs ? 1 : 0);
    }
    if (waitpid(pid, &status, 0) != pid)
        fail("waitpid");
    expect(status == 0, "a child with the same open file ends with 0x%x", status);
    OTHER("b", EBUSY);
    number = take(fd, &q, 1);
    expect(take(fd, &q, 1) > number, "the stream goes on");
    ME("c", 0);
    OTHER("s", 0);
    end_other(0);
}

/* The same at a zero-copy pusher. */
static void case_zero(void)
{
    begin_other();
    ME("op", 0);
    OTHER("op", 0);
    ME("m", 0);
    OTHER("m", EBUSY);
    OTHER("p", 0);
    ME("co", 0);
    OTHER("m", 0);
    ME("m", EBUSY);
    ME("p", 0);
    OTHER("co", 0);
    ME("b", 0);
    OTHER("m", EBUSY);
    ME("0", 0);
    OTHER("m", 0);
    end_other(SIGKILL);
    ME("m", 0);
}

int main(int argc, char **argv)
{
    static const struct a_case cases[] = {
        { "owner", case_owner },
        { "killed", case_killed },
        { "shared", case_shared },
        { "zero", case_zero },
    };
    begin_taking(argc, argv);
    return run_case(cases, sizeof cases / sizeof *cases);
}
