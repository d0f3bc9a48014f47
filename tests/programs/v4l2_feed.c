/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The rules of feeding an input by V4L2 (driver/docs/clients.md, "Readiness" and "What a device must answer",
 * driver/docs/rules.md, "Opening and claiming"), see v4l2_case.h. --device is an input. A case that has
 * {"event":"setup"} waits there for an order: somebody may come to watch. */
#include <pthread.h>
#include <sys/wait.h>

#include "v4l2_case.h"

#define OUTPUT V4L2_BUF_TYPE_VIDEO_OUTPUT

static char *program;

static int set(int fd, const char *name, uint32_t width, uint32_t height, struct v4l2_format *f)
{
    memset(f, 0, sizeof *f);
    f->type = OUTPUT;
    f->fmt.pix.pixelformat = fourcc(name);
    f->fmt.pix.width = width;
    f->fmt.pix.height = height;
    return answer(fd, VIDIOC_S_FMT, f);
}

static void set_up(int fd, const char *name, uint32_t width, uint32_t height, struct v4l2_format *f)
{
    if (set(fd, name, width, height, f))
        fail("VIDIOC_S_FMT");
    say("{\"event\":\"setup\"}");
    if (!order())
        fail("order");
}

/* What a process of its own gets for S_FMT: its exit status is the errno. */
static void case_set(void)
{
    struct v4l2_format f;
    struct v4l2_capability cap;
    int fd = open_node(O_RDWR), given = set(fd, "YUYV", 640, 480, &f);
    GIVES(0, fd, VIDIOC_QUERYCAP, &cap);
    _exit(wrongs ? 255 : given);
}

/* The first call that sets a format, allocates or writes claims; who comes second gets EBUSY there. A claim
 * that has neither buffers nor frames yet goes over to another descriptor of the same process, as on a
 * device, where S_FMT alone owns nothing. */
static void case_claims(void)
{
    static const char *const ways[] = { "S_FMT", "REQBUFS", "write" };
    unsigned char *frame = calloc(1, 614400);
    size_t i, k;
    for (i = 0; i < 3; i++) {
        int a = open_node(O_RDWR | O_CLOEXEC), b = open_node(O_RDWR | O_CLOEXEC), given = 0, status;
        struct v4l2_format f;
        struct v4l2_capability cap;
        uint32_t count;
        pid_t pid;
        ssize_t n;
        /* Asking claims nothing. */
        GIVES(0, b, VIDIOC_QUERYCAP, &cap);
        f = format_of(b, OUTPUT);
        GIVES(0, b, VIDIOC_TRY_FMT, &f);
        for (k = 0; k < 2; k++) {
            int fd = k ? b : a, wanted = k && i ? EBUSY : 0;
            if (i == 0) {
                given = set(fd, "YUYV", 640, 480, &f);
            } else if (i == 1) {
                count = 4;
                given = ask_buffers(fd, OUTPUT, V4L2_MEMORY_MMAP, &count);
            } else {
                f = format_of(fd, OUTPUT);
                n = write(fd, frame, f.fmt.pix.sizeimage);
                given = n == (ssize_t)f.fmt.pix.sizeimage ? 0 : n == -1 ? errno : -1;
            }
            expect(given == wanted, "%s of descriptor %zu gives %s, not %s", ways[i], k, strerrorname_np(wanted),
                   strerrorname_np(given));
        }
        if (i) {
            given = set(b, "YUYV", 640, 480, &f);
            expect(given == EBUSY, "S_FMT beside %s gives EBUSY, not %s", ways[i], strerrorname_np(given));
        }
        GIVES(0, b, VIDIOC_QUERYCAP, &cap);
        f = format_of(b, OUTPUT);
        GIVES(0, b, VIDIOC_TRY_FMT, &f);
        pid = fork();
        if (pid == 0) {
            execl(program, program, "set", "--device", opt.device, (char *)NULL);
            _exit(254);
        }
        waitpid(pid, &status, 0);
        given = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        expect(given == EBUSY, "another process gets EBUSY beside %s, too, not %s", ways[i], strerrorname_np(given));
        close(a);
        given = set(b, "YUYV", 640, 480, &f);
        expect(given == 0, "S_FMT after the claim's end gives 0, not %s", strerrorname_np(given));
        close(b);
    }
}

static void case_write(void)
{
    int fd = open_node(O_RDWR), given;
    unsigned char *frame = calloc(1, 2000000);
    struct v4l2_format f;
    uint32_t count;
    ssize_t n;
    size_t len, i;
    /* Without S_FMT the node's format counts: YUYV 640x480. */
    expect(write(fd, frame, 614400) == 614400, "a frame of the default format");
    if (set(fd, "YU12", 320, 240, &f))
        fail("VIDIOC_S_FMT");
    len = f.fmt.pix.sizeimage;
    n = write(fd, frame, 0);
    expect(n == 0, "write of no bytes takes none, not %zd", n);
    /* A stream of bytes: what is no frame is a part of one, or several. */
    for (i = 0; i < 5; i++) {
        const size_t part[] = { 1, len - 1, len + 1, 2 * len, 614400 };
        n = write(fd, frame, part[i]);
        expect(n == (ssize_t)part[i], "write of %zu bytes where a frame has %zu takes them, not %zd %s", part[i], len,
               n, n == -1 ? strerrorname_np(errno) : "");
    }
    expect(write(fd, frame, len) == (ssize_t)len, "a whole frame's bytes");
    count = 4;
    given = ask_buffers(fd, OUTPUT, V4L2_MEMORY_MMAP, &count);
    expect(given == EBUSY || given == 0, "REQBUFS after write gives %s", strerrorname_np(given));
    close(fd);
    fd = open_node(O_RDWR);
    if (set(fd, "MJPG", 320, 240, &f))
        fail("VIDIOC_S_FMT");
    len = f.fmt.pix.sizeimage;
    for (i = 1; i <= len; i = i * 3 + 1)
        expect(write(fd, frame, i) == (ssize_t)i, "a compressed frame of %zu bytes", i);
    expect(write(fd, frame, len) == (ssize_t)len, "the longest compressed frame");
    given = write(fd, frame, len + 1) < 0 ? errno : 0;
    expect(given == EINVAL, "one that is too long gives EINVAL, not %s", strerrorname_np(given));
    close(fd);
    fd = open_node(O_RDWR);
    if (set(fd, "YU12", 320, 240, &f))
        fail("VIDIOC_S_FMT");
    count = 4;
    if (ask_buffers(fd, OUTPUT, V4L2_MEMORY_MMAP, &count))
        fail("VIDIOC_REQBUFS");
    given = write(fd, frame, f.fmt.pix.sizeimage) < 0 ? errno : 0;
    expect(given == EBUSY, "write beside buffers gives EBUSY, not %s", strerrorname_np(given));
    fd = open_node(O_RDONLY);
    expect(write(fd, frame, 614400) == -1, "write to a descriptor for reading fails");
}

static void state(int fd, const struct queue *q, unsigned index, uint32_t flags, const char *what)
{
    struct v4l2_buffer b = buffer_of(q, index);
    uint32_t all = V4L2_BUF_FLAG_MAPPED | V4L2_BUF_FLAG_QUEUED | V4L2_BUF_FLAG_ERROR;
    GIVES(0, fd, VIDIOC_QUERYBUF, &b);
    expect((b.flags & all) == flags, "%s: buffer %u has flags 0x%x, has to have 0x%x", what, index, b.flags & all,
           flags);
    expect(b.length == q->buffer[index].length && b.index == index && b.type == OUTPUT, "%s: length, index, type", what);
}

static void case_queue(void)
{
    int fd = open_node(O_RDWR | O_NONBLOCK), type = OUTPUT, given;
    struct v4l2_format f;
    struct v4l2_buffer b;
    struct queue q;
    uint32_t count, i;
    size_t len;
    set_up(fd, "YU12", 320, 240, &f);
    len = f.fmt.pix.sizeimage;
    /* Who has never asked for buffers may be one that writes. */
    GIVES(0, fd, VIDIOC_STREAMON, &type);
    count = 0;
    expect(ask_buffers(fd, OUTPUT, V4L2_MEMORY_MMAP, &count) == 0 && count == 0, "REQBUFS(0) before anything");
    GIVES(EINVAL, fd, VIDIOC_STREAMON, &type);
    count = 4;
    given = ask_buffers(fd, V4L2_BUF_TYPE_VIDEO_CAPTURE, V4L2_MEMORY_MMAP, &count);
    expect(given == EINVAL, "REQBUFS of the wrong type gives EINVAL, not %s", strerrorname_np(given));
    given = ask_buffers(fd, OUTPUT, V4L2_MEMORY_OVERLAY, &count);
    expect(given == EINVAL, "REQBUFS of OVERLAY gives EINVAL, not %s", strerrorname_np(given));
    count = 256;
    given = ask_buffers(fd, OUTPUT, V4L2_MEMORY_MMAP, &count);
    expect(given == 0 && count >= 2 && count <= 32, "REQBUFS of 256: %s, %u", strerrorname_np(given), count);
    count = 1;
    given = ask_buffers(fd, OUTPUT, V4L2_MEMORY_MMAP, &count);
    expect(given == 0 && count >= 2 && count <= 8, "REQBUFS of 1: %s, %u", strerrorname_np(given), count);
    queue_open(fd, &q, OUTPUT, 4, PROT_READ | PROT_WRITE);
    expect(q.count >= 4 && q.count <= 8, "REQBUFS of 4 gives %u", q.count);
    for (i = 0; i < q.count; i++)
        state(fd, &q, i, V4L2_BUF_FLAG_MAPPED, "fresh");
    b = buffer_of(&q, 0);
    GIVES(EINVAL, fd, VIDIOC_DQBUF, &b);
    b = buffer_of(&q, q.count);
    GIVES(EINVAL, fd, VIDIOC_QBUF, &b);
    b = buffer_of(&q, 0);
    b.bytesused = b.length = (uint32_t)q.buffer[0].length;
    b.bytesused++;
    GIVES(EINVAL, fd, VIDIOC_QBUF, &b);
    pattern_fill(q.buffer[0].start, len, 0);
    b = buffer_of(&q, 0);
    b.bytesused = (uint32_t)len;
    GIVES(0, fd, VIDIOC_QBUF, &b);
    expect(b.flags & V4L2_BUF_FLAG_QUEUED && b.flags & V4L2_BUF_FLAG_MAPPED, "QBUF says QUEUED and MAPPED: 0x%x",
           b.flags);
    b = buffer_of(&q, 0);
    b.bytesused = (uint32_t)len;
    GIVES(EINVAL, fd, VIDIOC_QBUF, &b);
    GIVES(0, fd, VIDIOC_STREAMON, &type);
    given = readiness(fd, "poll", POLLOUT, -1);
    expect(given & POLLOUT && !(given & POLLIN), "writable: 0x%x", given);
    given = answer(fd, VIDIOC_DQBUF, &b);
    expect(given == 0 && b.index == 0, "DQBUF gives the buffer back: %s", strerrorname_np(given));
    expect(!(b.flags & (V4L2_BUF_FLAG_QUEUED | V4L2_BUF_FLAG_DONE | V4L2_BUF_FLAG_ERROR)), "DQBUF: flags 0x%x", b.flags);
    b = buffer_of(&q, 0);
    GIVES(EAGAIN, fd, VIDIOC_DQBUF, &b);
    /* All of them, several times over: each comes back in the order that it went. */
    for (i = 1; i < 40; i++) {
        unsigned k = i % q.count;
        pattern_fill(q.buffer[k].start, len, i);
        /* bytesused 0 is the whole buffer of a raw format, as in the kernel. */
        q.buffer[k].queued = 0;
        if (queue_put(fd, &q, k, i % 3 ? len : 0))
            fail("VIDIOC_QBUF");
        given = readiness(fd, "poll", POLLOUT, -1);
        expect(given & POLLOUT && !(given & POLLIN), "writable: 0x%x", given);
        if (queue_take(fd, &q, &b))
            fail("VIDIOC_DQBUF");
        expect(b.index == k, "buffer %u comes back, not %u", k, b.index);
    }
    for (i = 0; i < 3; i++) {
        given = readiness(fd, i == 0 ? "poll" : i == 1 ? "select" : "epoll", 0, 0);
        expect(given == POLLOUT, "with free buffers writable and nothing else: 0x%x", given);
    }
    f.fmt.pix.width = 64;
    f.fmt.pix.height = 48;
    given = answer(fd, VIDIOC_S_FMT, &f);
    expect(given == EBUSY || (given == 0 && f.fmt.pix.sizeimage == len), "S_FMT beside buffers: %s", strerrorname_np(given));
    GIVES(0, fd, VIDIOC_STREAMOFF, &type);
    for (i = 0; i < q.count; i++)
        state(fd, &q, i, V4L2_BUF_FLAG_MAPPED, "after STREAMOFF");
    count = 0;
    expect(ask_buffers(fd, OUTPUT, V4L2_MEMORY_MMAP, &count) == 0, "REQBUFS(0)");
    q.buffer[0].start[0] = 1;
    if (set(fd, "YU12", 64, 48, &f))
        fail("VIDIOC_S_FMT after REQBUFS(0)");
    expect(f.fmt.pix.width == 64, "the format can be changed again");
}

/* A pusher that is not ready for its turn hurts nobody: it dies with a buffer half filled. */
static void case_half(void)
{
    int fd = open_node(O_RDWR), i;
    struct v4l2_format f;
    struct v4l2_buffer b;
    struct queue q;
    set_up(fd, "YU12", 320, 240, &f);
    queue_open(fd, &q, OUTPUT, 4, PROT_READ | PROT_WRITE);
    for (i = 0; i < 10; i++) {
        unsigned k = (unsigned)i % q.count;
        if (i >= (int)q.count && queue_take(fd, &q, &b))
            fail("VIDIOC_DQBUF");
        else if (i >= (int)q.count)
            k = b.index;
        pattern_fill(q.buffer[k].start, f.fmt.pix.sizeimage, (uint32_t)i);
        if (queue_put(fd, &q, k, f.fmt.pix.sizeimage) || (i == 0 && stream(fd, &q, 1)))
            fail("VIDIOC_QBUF");
    }
    if (queue_take(fd, &q, &b))
        fail("VIDIOC_DQBUF");
    memset(q.buffer[b.index].start, 0x55, f.fmt.pix.sizeimage / 2);
    say("{\"event\":\"half\"}");
    raise(SIGKILL);
}

/* The next pusher wants a ring of another size. A client that is readable for the last one's frame gets it
 * all the same (driver/docs/clients.md, "Readiness": readable exactly when a frame can be dequeued). --device is the
 * output. */
static void case_handover(void)
{
    enum { LEN = 64 * 48 * 3 / 2, NUMBER = 41 };
    static unsigned char frame[LEN];
    char input[32];
    struct v4l2_requestbuffers r = { .count = 8, .type = OUTPUT, .memory = V4L2_MEMORY_MMAP };
    struct v4l2_format f;
    struct v4l2_buffer b;
    struct queue q;
    int node, client, pusher, given;
    if (sscanf(opt.device, "/dev/video%d", &node) != 1)
        fail(opt.device);
    snprintf(input, sizeof input, "/dev/video%d", node - 1);
    client = open(opt.device, O_RDWR | O_NONBLOCK);
    pusher = open(input, O_RDWR);
    if (client < 0 || pusher < 0)
        fail("open");
    if (set(pusher, "YU12", 64, 48, &f))
        fail("VIDIOC_S_FMT");
    queue_open(client, &q, V4L2_BUF_TYPE_VIDEO_CAPTURE, 4, PROT_READ);
    queue_put_all(client, &q);
    if (stream(client, &q, 1))
        fail("VIDIOC_STREAMON");
    pattern_fill(frame, LEN, NUMBER);
    expect(write(pusher, frame, LEN) == LEN, "write: %s", strerrorname_np(errno));
    given = readiness(client, "poll", POLLIN, -1);
    expect(given == POLLIN, "readable: 0x%x", given);
    close(pusher);
    pusher = open(input, O_RDWR);
    if (pusher < 0 || set(pusher, "YU12", 64, 48, &f))
        fail("the next pusher's VIDIOC_S_FMT");
    GIVES(0, pusher, VIDIOC_REQBUFS, &r);
    expect(r.count == 8, "8 buffers, not %u", r.count);
    expect(readiness(client, "poll", POLLIN, 0) == POLLIN, "readable still");
    given = queue_take(client, &q, &b) ? errno : 0;
    expect(given == 0, "and DQBUF gives %s", strerrorname_np(given));
    expect(given || (b.bytesused == LEN && pattern_differs(q.buffer[b.index].start, LEN, NUMBER) < 0),
           "that frame is taken whole");
    expect(readiness(client, "poll", POLLIN, 0) == 0, "once");
}

/* Takes what a client is readable for. */
static void take_cards(int client, struct queue *q, const char *when)
{
    struct v4l2_buffer b;
    int cards = 0, given = 0;
    for (; !given && readiness(client, "poll", POLLIN, 0) == POLLIN; cards++) {
        given = queue_take(client, q, &b) ? errno : 0;
        expect(given == 0, "%s: readable, and DQBUF gives %s", when, strerrorname_np(given));
        if (!given && queue_put(client, q, b.index, 0))
            fail("VIDIOC_QBUF");
    }
    expect(cards > 0, "%s: the card stays", when);
}

/* A V4L1 pusher sets a palette that V4L2 has no name for, and only then its size. A client that is readable for a
 * card before gets it in between, also when the pusher leaves then, and is told of the end after. --device is the
 * output. */
static void case_nameless(void)
{
    struct video_picture picture;
    struct video_window window;
    struct v4l2_buffer b;
    struct queue q;
    char input[32];
    int node, client, pusher = -1, round;
    if (sscanf(opt.device, "/dev/video%d", &node) != 1)
        fail(opt.device);
    snprintf(input, sizeof input, "/dev/video%d", node - 1);
    client = open(opt.device, O_RDWR | O_NONBLOCK);
    if (client < 0)
        fail("open");
    queue_open(client, &q, V4L2_BUF_TYPE_VIDEO_CAPTURE, 4, PROT_READ);
    queue_put_all(client, &q);
    if (stream(client, &q, 1))
        fail("VIDIOC_STREAMON");
    for (round = 0; round < 2; round++) {
        pusher = open(input, O_RDWR);
        if (pusher < 0)
            fail("open of the input");
        expect(readiness(client, "poll", POLLIN, -1) == POLLIN, "a card");
        GIVES(0, pusher, VIDIOCGPICT, &picture);
        picture.palette = VIDEO_PALETTE_YUV411;
        GIVES(0, pusher, VIDIOCSPICT, &picture);
        if (round == 0)
            close(pusher);
        take_cards(client, &q, round ? "in between" : "it has left");
    }
    GIVES(0, pusher, VIDIOCGWIN, &window);
    window.width = (uint32_t)opt.width;
    window.height = (uint32_t)opt.height;
    GIVES(0, pusher, VIDIOCSWIN, &window);
    b = buffer_of(&q, 0);
    GIVES(EIO, client, VIDIOC_DQBUF, &b);
}

int main(int argc, char **argv)
{
    static const struct a_case cases[] = {
        { "claims", case_claims }, { "set", case_set }, { "write", case_write }, { "queue", case_queue }, { "half", case_half },
        { "handover", case_handover }, { "nameless", case_nameless },
    };
    begin(argc, argv);
    program = argv[0];
    return run_case(cases, sizeof cases / sizeof *cases);
}
