/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What both nodes' programs meet when the server is killed (driver/docs/rules.md, "The server"), see v4l2_case.h. The
 * first word says in which call an output's program waits: dqbuf, read, poll, select, epoll; or input: a pusher's. It
 * tells "waits" before the call and "woke" after it. Then every call has to give ENODEV. At the next order there is
 * another server: what is opened then is served, and the old descriptor stays as it is. */
#include "v4l2_case.h"

#define CAPTURE V4L2_BUF_TYPE_VIDEO_CAPTURE
#define OUTPUT V4L2_BUF_TYPE_VIDEO_OUTPUT

/* Bytes of a frame of YUV420P of 64x48, the format that --format and --size ask for. */
#define LEN 4608

static uint32_t type = CAPTURE;
static char room[1 << 20];

/* Every request that a node knows, and the rest of what can be done with it. */
static void all_gone(int fd)
{
    static const struct {
        unsigned long request;
        const char *name;
    } requests[] = {
#define R(x) { VIDIOC_##x, #x }
        R(QUERYCAP), R(ENUM_FMT), R(G_FMT), R(S_FMT), R(TRY_FMT), R(REQBUFS), R(QUERYBUF), R(QBUF), R(DQBUF),
        R(STREAMON), R(STREAMOFF), R(G_PARM), R(S_PARM), R(G_PRIORITY), R(S_PRIORITY), R(ENUMINPUT), R(G_INPUT),
        R(S_INPUT), R(ENUMOUTPUT), R(G_OUTPUT), R(S_OUTPUT), R(ENUM_FRAMESIZES), R(ENUM_FRAMEINTERVALS),
        R(QUERYCTRL), R(G_CTRL), R(S_CTRL), R(G_EXT_CTRLS), R(S_EXT_CTRLS), R(CREATE_BUFS), R(PREPARE_BUF),
        R(EXPBUF), R(SUBSCRIBE_EVENT), R(UNSUBSCRIBE_EVENT), R(DQEVENT), R(LOG_STATUS),
#undef R
    };
    size_t i;
    int ready;
    struct pollfd p = { .fd = fd, .events = 0 };
    for (i = 0; i < sizeof requests / sizeof *requests; i++) {
        int given;
        memset(room, 0, 1024);
        memcpy(room, &type, sizeof type);
        given = answer(fd, requests[i].request, room);
        expect(given == ENODEV, "%s gives ENODEV, not %s", requests[i].name, strerrorname_np(given));
    }
    expect(read(fd, room, sizeof room) < 0 && errno == (type == CAPTURE ? ENODEV : errno), "read: %s",
           strerrorname_np(errno));
    if (type == OUTPUT)
        expect(write(fd, room, LEN) < 0 && errno == ENODEV, "write gives ENODEV, not %s", strerrorname_np(errno));
    expect(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED && errno == ENODEV,
           "mmap gives ENODEV, not %s", strerrorname_np(errno));
    /* Its end may come a moment after its calls' errors; then poll tells, whatever it is asked for. */
    ready = poll(&p, 1, -1);
    expect(ready == 1 && p.revents & POLLHUP, "poll tells: %d, 0x%x", ready, (unsigned)p.revents);
    p.events = POLLIN;
    ready = poll(&p, 1, -1);
    expect(ready == 1 && p.revents & POLLHUP, "and then at once: %d, 0x%x", ready, (unsigned)p.revents);
}

/* The rest of every case, once the server is gone. */
static void after(int fd, struct queue *q)
{
    int again;
    unsigned i;
    struct v4l2_capability cap;
    all_gone(fd);
    /* What is mapped stays. */
    for (i = 0; q && i < q->count; i++)
        q->buffer[i].start[0]++;
    say("{\"event\":\"gone\"}");
    if (!order())
        fail("order");
    again = open_node(O_RDWR);
    GIVES(0, again, VIDIOC_QUERYCAP, &cap);
    all_gone(fd);
    for (i = 0; q && i < q->count; i++)
        expect(munmap(q->buffer[i].start, q->buffer[i].length) == 0, "munmap");
    expect(close(fd) == 0, "close");
    GIVES(0, again, VIDIOC_QUERYCAP, &cap);
}

static void woke(int error)
{
    say("{\"event\":\"woke\",\"errno\":%d}", error);
}

static void case_dqbuf(void)
{
    int fd = open_node(O_RDWR);
    struct queue q;
    struct v4l2_buffer b;
    queue_open(fd, &q, CAPTURE, 4, PROT_READ | PROT_WRITE);
    queue_put_all(fd, &q);
    if (stream(fd, &q, 1))
        fail("VIDIOC_STREAMON");
    b = buffer_of(&q, 0);
    say("{\"event\":\"waits\"}");
    woke(answer(fd, VIDIOC_DQBUF, &b));
    after(fd, &q);
}

static void case_read(void)
{
    int fd = open_node(O_RDWR);
    ssize_t n;
    say("{\"event\":\"waits\"}");
    n = read(fd, room, sizeof room);
    if (n >= 0)
        say("{\"event\":\"wrong\",\"what\":\"read gives %zd\"}", n);
    woke(n < 0 ? errno : 0);
    after(fd, NULL);
}

static void case_ready(void)
{
    int fd = open_node(O_RDWR | O_NONBLOCK), ready;
    struct queue q;
    struct v4l2_buffer b;
    queue_open(fd, &q, CAPTURE, 4, PROT_READ | PROT_WRITE);
    queue_put_all(fd, &q);
    if (stream(fd, &q, 1))
        fail("VIDIOC_STREAMON");
    say("{\"event\":\"waits\"}");
    ready = readiness(fd, opt.name, POLLIN, -1);
    expect(ready & (POLLIN | POLLHUP | POLLERR), "%s says 0x%x", opt.name, (unsigned)ready);
    b = buffer_of(&q, 0);
    woke(answer(fd, VIDIOC_DQBUF, &b));
    after(fd, &q);
}

static void case_input(void)
{
    int fd, given;
    struct queue q;
    unsigned i;
    type = OUTPUT;
    fd = open_node(O_RDWR);
    set_format(fd, type);
    queue_open(fd, &q, OUTPUT, 4, PROT_READ | PROT_WRITE);
    for (i = 0; i < 2; i++)
        if (queue_put(fd, &q, i, LEN))
            fail("VIDIOC_QBUF");
    if (stream(fd, &q, 1))
        fail("VIDIOC_STREAMON");
    say("{\"event\":\"waits\"}");
    if (!order())
        fail("order");
    given = queue_put(fd, &q, 2, LEN) ? errno : 0;
    woke(given);
    after(fd, &q);
}

int main(int argc, char **argv)
{
    static const struct a_case cases[] = {
        { "dqbuf", case_dqbuf },   { "read", case_read },   { "poll", case_ready },
        { "select", case_ready },  { "epoll", case_ready }, { "input", case_input },
    };
    begin(argc, argv);
    return run_case(cases, sizeof cases / sizeof *cases);
}
