/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Streams beside other descriptors, threads and processes, and frames that a program keeps (driver/docs/clients.md,
 * "What a device must answer", driver/docs/rules.md, "Invariants"), see v4l2_case.h. --device is an output that is fed
 * with --size YUV420P. */
#include <pthread.h>
#include <sys/wait.h>

#include "v4l2_take.h"

/* Reads a frame within this process. */
static void read_one(int fd, const char *what)
{
    unsigned char *frame = malloc(len);
    uint32_t number;
    ssize_t n = read(fd, frame, len);
    expect(n == (ssize_t)len && pattern_number(frame, len, &number) && pattern_differs(frame, len, number) < 0,
           "%s: %zd %s", what, n, n < 0 ? strerrorname_np(errno) : "");
    free(frame);
}

static void expect_child(pid_t pid, const char *what)
{
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    expect(status == 0, "%s ends with 0x%x", what, status);
}

/* The pusher goes on by itself here: --find flowing. */
static void case_busy(void)
{
    int a = open_node(O_RDWR), b = open_node(O_RDWR), given;
    unsigned char *frame = malloc(len);
    uint32_t count = 4;
    struct queue q, other;
    pid_t pid;
    start(a, &q, 4);
    take(a, &q, 1);
    given = ask_buffers(b, CAPTURE, V4L2_MEMORY_MMAP, &count);
    expect(given == EBUSY, "REQBUFS of a second descriptor gives EBUSY, not %s", strerrorname_np(given));
    given = read(b, frame, len) < 0 ? errno : 0;
    expect(given == EBUSY, "read of a second descriptor gives EBUSY, not %s", strerrorname_np(given));
    given = read(a, frame, len) < 0 ? errno : 0;
    expect(given == EBUSY, "read beside buffers gives EBUSY, not %s", strerrorname_np(given));
    take(a, &q, 1);
    /* Another process streams along. */
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        int own = open_node(O_RDWR);
        wrongs = 0;
        start(own, &other, 4);
        for (given = 0; given < 5; given++)
            take(own, &other, 1);
        own = open_node(O_RDWR);
        count = 4;
        given = ask_buffers(own, CAPTURE, V4L2_MEMORY_MMAP, &count);
        expect(given == EBUSY, "a child's second descriptor gives EBUSY, not %s", strerrorname_np(given));
        _exit(wrongs ? 1 : 0);
    }
    for (given = 0; given < 5; given++)
        take(a, &q, 1);
    expect_child(pid, "a child that streams along");
    take(a, &q, 1);
    /* Once the buffers are given back, it is the other one's turn. */
    stream(a, &q, 0);
    count = 0;
    ask_buffers(a, CAPTURE, V4L2_MEMORY_MMAP, &count);
    start(b, &other, 4);
    take(b, &other, 1);
    count = 4;
    given = ask_buffers(a, CAPTURE, V4L2_MEMORY_MMAP, &count);
    expect(given == EBUSY, "REQBUFS of the first descriptor gives EBUSY now, not %s", strerrorname_np(given));
    /* close gives them back, too. */
    close(b);
    read_one(a, "read after the other one's close");
    count = 4;
    given = ask_buffers(a, CAPTURE, V4L2_MEMORY_MMAP, &count);
    expect(given == EBUSY, "REQBUFS after read gives EBUSY, not %s", strerrorname_np(given));
    close(a);
    a = open_node(O_RDWR);
    start(a, &q, 4);
    take(a, &q, 1);
}

static void case_mappings(void)
{
    int fd = open_node(O_RDWR), copy;
    struct queue q;
    struct v4l2_buffer b;
    unsigned char *twice[32], *before;
    unsigned i, round;
    queue_open(fd, &q, CAPTURE, 4, PROT_READ);
    for (i = 0; i < q.count; i++) {
        b = buffer_of(&q, i);
        GIVES(0, fd, VIDIOC_QUERYBUF, &b);
        twice[i] = mmap(NULL, b.length, PROT_READ, MAP_SHARED, fd, b.m.offset);
        if (twice[i] == MAP_FAILED)
            fail("a second mmap");
        expect(twice[i] != q.buffer[i].start, "a place of its own");
    }
    queue_put_all(fd, &q);
    if (stream(fd, &q, 1))
        fail("VIDIOC_STREAMON");
    for (round = 0; round < 12; round++) {
        if (round == 4) {
            /* The first of two descriptors goes, as in GStreamer. */
            copy = dup(fd);
            close(fd);
            fd = copy;
        }
        want();
        if (queue_take(fd, &q, &b))
            fail("VIDIOC_DQBUF");
        i = b.index;
        expect(pattern_differs(q.buffer[i].start, len, round) < 0, "frame %u where it was mapped first", round);
        expect(!memcmp(q.buffer[i].start, twice[i], len), "frame %u is the same in both places", round);
        if (round == 7) {
            /* One of the places goes. */
            munmap(q.buffer[i].start, q.buffer[i].length);
            q.buffer[i].start = twice[i];
        }
        if (queue_put(fd, &q, i, 0))
            fail("VIDIOC_QBUF");
    }
    want();
    if (queue_take(fd, &q, &b))
        fail("VIDIOC_DQBUF");
    before = malloc(len);
    memcpy(before, q.buffer[b.index].start, len);
    close(fd);
    expect(!memcmp(before, q.buffer[b.index].start, len), "a frame stays after close");
    fd = open_node(O_RDWR);
    {
        struct queue fresh;
        start(fd, &fresh, 4);
        for (round = 0; round < 8; round++) {
            want();
            take(fd, &fresh, 1);
        }
    }
    expect(!memcmp(before, q.buffer[b.index].start, len), "and while frames come for another");
    for (i = 0; i < q.count; i++)
        expect(munmap(twice[i], q.buffer[i].length) == 0, "munmap");
}

/* Others open, ask and close the node all the time. */
static volatile int disturbing = 1;
static volatile long disturbed;

static void *disturb(void *arg)
{
    (void)arg;
    while (disturbing) {
        int fd = open(opt.device, O_RDWR), n;
        struct v4l2_capability cap;
        struct v4l2_format f;
        struct v4l2_requestbuffers r;
        memset(&f, 0, sizeof f);
        f.type = CAPTURE;
        memset(&r, 0, sizeof r);
        r.type = CAPTURE;
        r.memory = V4L2_MEMORY_MMAP;
        if (fd < 0 || ioctl(fd, VIDIOC_QUERYCAP, &cap) || ioctl(fd, VIDIOC_G_FMT, &f) || ioctl(fd, VIDIOC_TRY_FMT, &f) ||
            ioctl(fd, VIDIOC_S_FMT, &f))
            fail("a request beside a stream");
        n = CAPTURE;
        ioctl(fd, VIDIOC_STREAMOFF, &n);
        ioctl(fd, VIDIOC_REQBUFS, &r);
        close(fd);
        disturbed++;
    }
    return NULL;
}

static void case_others(void)
{
    int fd = open_node(O_RDWR), round;
    struct queue q;
    struct v4l2_buffer b;
    pthread_t t;
    pid_t pid;
    start(fd, &q, 4);
    pid = fork();
    if (pid == 0) {
        /* The child has our descriptor; closing its own leaves our stream. */
        close(fd);
        disturb(NULL);
        _exit(0);
    }
    if (pthread_create(&t, NULL, disturb, NULL))
        fail("pthread_create");
    for (round = 0; round < 100 || disturbed < 20; round++) {
        uint32_t number;
        want();
        if (queue_take(fd, &q, &b))
            fail("VIDIOC_DQBUF");
        expect(pattern_number(q.buffer[b.index].start, len, &number) && number == (uint32_t)round &&
                   b.sequence == (uint32_t)round,
               "frame %d comes as it would alone", round);
        if (queue_put(fd, &q, b.index, 0))
            fail("VIDIOC_QBUF");
    }
    disturbing = 0;
    pthread_join(t, NULL);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    want();
    take(fd, &q, 1);
}

/* Frames that the program has stay as they are, whatever is pushed (driver/docs/rules.md, "Invariants" 1). */
static void case_held(void)
{
    int fd = open_node(O_RDWR), i;
    struct queue q;
    struct v4l2_buffer b[32];
    uint32_t number;
    unsigned kept;
    start(fd, &q, 8);
    for (kept = 0; kept < q.count; kept++) {
        want();
        if (queue_take(fd, &q, &b[kept]))
            fail("VIDIOC_DQBUF");
    }
    for (i = 0; i < 30; i++)
        want();
    for (kept = 0; kept < q.count; kept++) {
        expect(pattern_number(q.buffer[b[kept].index].start, len, &number) && number == kept &&
                   pattern_differs(q.buffer[b[kept].index].start, len, number) < 0,
               "frame %u stays", kept);
        if (queue_put(fd, &q, b[kept].index, 0))
            fail("VIDIOC_QBUF");
    }
    take(fd, &q, 1);
}

/* Threads share a stream: each frame goes to one of them, whole. */
static int shared_fd;
static struct queue shared;
static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned char shared_seen[4096];

static void *take_along(void *arg)
{
    int i;
    (void)arg;
    for (i = 0; i < 50; i++) {
        struct v4l2_buffer b = buffer_of(&shared, 0);
        uint32_t number = 0;
        int fine, again;
        if (ioctl(shared_fd, VIDIOC_DQBUF, &b))
            fail("VIDIOC_DQBUF in a thread");
        fine = pattern_number(shared.buffer[b.index].start, len, &number) &&
               pattern_differs(shared.buffer[b.index].start, len, number) < 0;
        pthread_mutex_lock(&shared_lock);
        again = fine && shared_seen[number % sizeof shared_seen]++;
        expect(fine, "a whole frame in a thread");
        expect(!again, "frame %u once", number);
        pthread_mutex_unlock(&shared_lock);
        b = buffer_of(&shared, b.index);
        if (ioctl(shared_fd, VIDIOC_QBUF, &b))
            fail("VIDIOC_QBUF in a thread");
    }
    return NULL;
}

static void case_threads(void)
{
    pthread_t t[4];
    int i;
    shared_fd = open_node(O_RDWR);
    start(shared_fd, &shared, 8);
    for (i = 0; i < 4; i++)
        if (pthread_create(&t[i], NULL, take_along, NULL))
            fail("pthread_create");
    for (i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
}

/* A forked child has the stream, too: what its parent began, it goes on with, and the parent after it. */
static void case_fork(void)
{
    int fd = open_node(O_RDWR), i, round;
    struct queue q;
    start(fd, &q, 4);
    take(fd, &q, 1);
    for (round = 0; round < 3; round++) {
        pid_t pid = fork();
        if (pid == 0) {
            wrongs = 0;
            for (i = 0; i < 5; i++)
                take(fd, &q, 1);
            if (round == 1)
                close(fd);
            _exit(wrongs ? 1 : 0);
        }
        expect_child(pid, "a child that goes on with the stream");
        for (i = 0; i < 5; i++)
            take(fd, &q, 1);
    }
}

int main(int argc, char **argv)
{
    static const struct a_case cases[] = {
        { "busy", case_busy }, { "mappings", case_mappings }, { "others", case_others },
        { "held", case_held }, { "threads", case_threads },   { "fork", case_fork },
    };
    begin_taking(argc, argv);
    return run_case(cases, sizeof cases / sizeof *cases);
}
