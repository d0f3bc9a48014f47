/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The rules of streaming from an output (driver/docs/clients.md, "Readiness" and "What a device must answer"), see
 * v4l2_case.h. --device is an output that is fed with --size YUV420P; each frame that is pushed was asked for by an
 * event "want". --by says how a case looks at readiness. */
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "v4l2_take.h"

static void case_reqbufs(void)
{
    static const struct {
        uint32_t asked, least, most;
    } counts[] = { { 256, 2, 32 }, { 1, 2, 8 }, { 2, 2, 8 }, { 4, 4, 8 }, { 5, 5, 8 }, { 0xffffffff, 2, 32 }, { 32, 2, 32 } };
    static const uint32_t memories[] = { 0, V4L2_MEMORY_OVERLAY, 77 };
    static const uint32_t types[] = { 0, V4L2_BUF_TYPE_VIDEO_OUTPUT, V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE, 99 };
    int fd = open_node(O_RDWR), type = CAPTURE, given;
    struct v4l2_requestbuffers r;
    struct v4l2_buffer b;
    uint32_t count;
    size_t i;
    GIVES(EINVAL, fd, VIDIOC_STREAMON, &type);
    memset(&r, 0xa5, sizeof r);
    r.count = 0;
    r.type = CAPTURE;
    r.memory = V4L2_MEMORY_MMAP;
    GIVES(0, fd, VIDIOC_REQBUFS, &r);
    expect(r.count == 0, "REQBUFS(0) before anything gives 0");
    expect(r.capabilities & V4L2_BUF_CAP_SUPPORTS_MMAP, "REQBUFS: V4L2_BUF_CAP_SUPPORTS_MMAP");
    expect(r.flags == 0 && is_zero(r.reserved, sizeof r.reserved), "REQBUFS: reserved fields are 0");
    GIVES(EINVAL, fd, VIDIOC_STREAMON, &type);
    GIVES(0, fd, VIDIOC_STREAMOFF, &type);
    type = V4L2_BUF_TYPE_VIDEO_OUTPUT;
    GIVES(EINVAL, fd, VIDIOC_STREAMON, &type);
    GIVES(EINVAL, fd, VIDIOC_STREAMOFF, &type);
    memset(&b, 0, sizeof b);
    b.type = CAPTURE;
    b.memory = V4L2_MEMORY_MMAP;
    GIVES(EINVAL, fd, VIDIOC_QUERYBUF, &b);
    GIVES(EINVAL, fd, VIDIOC_QBUF, &b);
    GIVES(EINVAL, fd, VIDIOC_DQBUF, &b);
    for (i = 0; i < sizeof memories / sizeof *memories; i++) {
        count = 4;
        given = ask_buffers(fd, CAPTURE, memories[i], &count);
        expect(given == EINVAL, "REQBUFS of memory %u gives EINVAL, not %s", memories[i], strerrorname_np(given));
    }
    for (i = 0; i < sizeof types / sizeof *types; i++) {
        count = 4;
        given = ask_buffers(fd, types[i], V4L2_MEMORY_MMAP, &count);
        expect(given == EINVAL, "REQBUFS of type %u gives EINVAL, not %s", types[i], strerrorname_np(given));
    }
    for (i = 0; i < sizeof counts / sizeof *counts; i++) {
        count = counts[i].asked;
        given = ask_buffers(fd, CAPTURE, V4L2_MEMORY_MMAP, &count);
        expect(given == 0, "REQBUFS of %u gives 0, not %s", counts[i].asked, strerrorname_np(given));
        expect(count >= counts[i].least && count <= counts[i].most, "REQBUFS of %u gives %u", counts[i].asked, count);
    }
    count = 0;
    given = ask_buffers(fd, CAPTURE, V4L2_MEMORY_MMAP, &count);
    expect(given == 0 && count == 0, "REQBUFS(0) gives them back");
    type = CAPTURE;
    GIVES(EINVAL, fd, VIDIOC_STREAMON, &type);
}

/* What QUERYBUF, QBUF and DQBUF say of a buffer in each of its states. */
static void state(int fd, struct queue *q, unsigned index, uint32_t flags, const char *what)
{
    struct v4l2_buffer b = buffer_of(q, index);
    uint32_t all = V4L2_BUF_FLAG_MAPPED | V4L2_BUF_FLAG_QUEUED | V4L2_BUF_FLAG_DONE | V4L2_BUF_FLAG_ERROR;
    GIVES(0, fd, VIDIOC_QUERYBUF, &b);
    expect((b.flags & all) == flags, "%s: buffer %u has flags 0x%x, has to have 0x%x", what, index, b.flags & all,
           flags);
    expect((b.flags & V4L2_BUF_FLAG_TIMESTAMP_MASK) == V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC, "%s: monotonic time", what);
    expect(b.index == index && b.type == CAPTURE && b.memory == V4L2_MEMORY_MMAP, "%s: index, type, memory", what);
    expect(b.length == q->buffer[index].length && b.length >= len, "%s: length", what);
    expect(b.reserved2 == 0 && b.reserved == 0, "%s: reserved fields are 0", what);
}

static void case_states(void)
{
    int fd = open_node(O_RDWR), type = CAPTURE, given;
    struct v4l2_requestbuffers r;
    struct v4l2_buffer b;
    struct v4l2_format f;
    struct queue q;
    uint32_t offsets[32], count;
    unsigned i, k;
    memset(&r, 0, sizeof r);
    memset(&q, 0, sizeof q);
    r.count = 4;
    r.type = q.type = CAPTURE;
    r.memory = V4L2_MEMORY_MMAP;
    GIVES(0, fd, VIDIOC_REQBUFS, &r);
    q.count = r.count;
    for (i = 0; i < q.count; i++) {
        memset(&b, 0xa5, sizeof b);
        b.index = i;
        b.type = CAPTURE;
        b.memory = V4L2_MEMORY_MMAP;
        GIVES(0, fd, VIDIOC_QUERYBUF, &b);
        q.buffer[i].length = b.length;
        offsets[i] = b.m.offset;
        expect(b.bytesused == 0 && b.sequence == 0 && is_zero(&b.timestamp, sizeof b.timestamp),
               "QUERYBUF of a fresh buffer: nothing was in it");
        expect(is_zero(&b.timecode, sizeof b.timecode), "QUERYBUF: no timecode");
        expect(b.length % 4096 == 0 || b.length == len, "QUERYBUF: length");
        expect(b.m.offset % 4096 == 0, "QUERYBUF: an offset of whole pages");
        for (k = 0; k < i; k++)
            expect(offsets[k] != b.m.offset, "QUERYBUF: an offset of its own");
        state(fd, &q, i, 0, "fresh");
        q.buffer[i].start = mmap(NULL, b.length, PROT_READ, MAP_SHARED, fd, b.m.offset);
        if (q.buffer[i].start == MAP_FAILED)
            fail("mmap");
        state(fd, &q, i, V4L2_BUF_FLAG_MAPPED, "mapped");
    }
    given = mmap(NULL, q.buffer[0].length, PROT_READ, MAP_SHARED, fd, 0x7ffff000) == MAP_FAILED ? errno : 0;
    expect(given == EINVAL, "mmap of an offset that no buffer has gives EINVAL, not %s", strerrorname_np(given));
    for (i = 0; i < 2; i++) {
        b = buffer_of(&q, i ? 0xffffffff : q.count);
        GIVES(EINVAL, fd, VIDIOC_QUERYBUF, &b);
        b = buffer_of(&q, i ? 0xffffffff : q.count);
        GIVES(EINVAL, fd, VIDIOC_QBUF, &b);
    }
    b = buffer_of(&q, 0);
    b.type = V4L2_BUF_TYPE_VIDEO_OUTPUT;
    GIVES(EINVAL, fd, VIDIOC_QUERYBUF, &b);
    GIVES(EINVAL, fd, VIDIOC_QBUF, &b);
    GIVES(EINVAL, fd, VIDIOC_DQBUF, &b);
    b = buffer_of(&q, 0);
    b.memory = V4L2_MEMORY_USERPTR;
    GIVES(EINVAL, fd, VIDIOC_QBUF, &b);
    /* Queued before the stream. */
    b = buffer_of(&q, 0);
    GIVES(0, fd, VIDIOC_QBUF, &b);
    expect(b.flags & V4L2_BUF_FLAG_QUEUED && b.flags & V4L2_BUF_FLAG_MAPPED && !(b.flags & V4L2_BUF_FLAG_DONE),
           "QBUF says QUEUED and MAPPED, not DONE: 0x%x", b.flags);
    q.buffer[0].queued = 1;
    state(fd, &q, 0, V4L2_BUF_FLAG_MAPPED | V4L2_BUF_FLAG_QUEUED, "queued");
    b = buffer_of(&q, 0);
    GIVES(EINVAL, fd, VIDIOC_QBUF, &b);
    b = buffer_of(&q, 0);
    GIVES(EINVAL, fd, VIDIOC_DQBUF, &b);
    GIVES(0, fd, VIDIOC_STREAMON, &type);
    GIVES(0, fd, VIDIOC_STREAMON, &type);
    b = buffer_of(&q, 0);
    GIVES(EINVAL, fd, VIDIOC_QBUF, &b);
    if (queue_put(fd, &q, 1, 0))
        fail("VIDIOC_QBUF");
    want();
    if (queue_take(fd, &q, &b))
        fail("VIDIOC_DQBUF");
    expect(b.sequence == 0 && b.bytesused == len, "the first frame: sequence %u, bytesused %u", b.sequence, b.bytesused);
    expect(b.index == 0, "buffers are filled in the order of their QBUF");
    state(fd, &q, 0, V4L2_BUF_FLAG_MAPPED, "dequeued");
    state(fd, &q, 1, V4L2_BUF_FLAG_MAPPED | V4L2_BUF_FLAG_QUEUED, "still queued");
    /* The format belongs to the buffers now; a REQBUFS beside the stream does not change them. */
    f = format_of(fd, CAPTURE);
    f.fmt.pix.width = 64;
    f.fmt.pix.height = 48;
    given = answer(fd, VIDIOC_S_FMT, &f);
    expect(given == EBUSY || (given == 0 && f.fmt.pix.sizeimage == len), "S_FMT beside buffers gives %s and %ux%u",
           strerrorname_np(given), f.fmt.pix.width, f.fmt.pix.height);
    expect(format_of(fd, CAPTURE).fmt.pix.sizeimage == len, "the format stays");
    count = 4;
    given = ask_buffers(fd, CAPTURE, V4L2_MEMORY_MMAP, &count);
    expect(given == EBUSY, "REQBUFS while it streams gives EBUSY, not %s", strerrorname_np(given));
    /* STREAMOFF takes all buffers out of the queue. */
    GIVES(0, fd, VIDIOC_STREAMOFF, &type);
    GIVES(0, fd, VIDIOC_STREAMOFF, &type);
    for (i = 0; i < q.count; i++)
        state(fd, &q, i, V4L2_BUF_FLAG_MAPPED, "after STREAMOFF");
    b = buffer_of(&q, 0);
    GIVES(EINVAL, fd, VIDIOC_DQBUF, &b);
    count = 0;
    given = ask_buffers(fd, CAPTURE, V4L2_MEMORY_MMAP, &count);
    expect(given == 0, "REQBUFS(0) of mapped buffers gives 0, not %s", strerrorname_np(given));
    b = buffer_of(&q, 0);
    GIVES(EINVAL, fd, VIDIOC_QUERYBUF, &b);
    /* Memory that the program has not unmapped stays its own. */
    expect(q.buffer[0].start[len - 1] || 1, "memory stays");
}

static void case_eagain(void)
{
    int fd = open_node(O_RDWR | O_NONBLOCK), round;
    struct queue q;
    struct v4l2_buffer b;
    start(fd, &q, 4);
    for (round = 0; round < 2; round++) {
        /* Who begins a stream sees the picture that is there, at once. */
        if (round)
            take(fd, &q, 1);
        b = buffer_of(&q, 0);
        GIVES(EAGAIN, fd, VIDIOC_DQBUF, &b);
        want();
        take(fd, &q, 1);
        b = buffer_of(&q, 0);
        GIVES(EAGAIN, fd, VIDIOC_DQBUF, &b);
        /* Once more with a descriptor that is told to only later, as v4l2-ctl does. */
        close(fd);
        fd = open_node(O_RDWR);
        start(fd, &q, 4);
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    }
}

/* A call in a thread of its own, and a look whether that thread sleeps. */
static struct {
    int fd, reads;
    struct queue q;
    volatile pid_t tid;
    int result, error;
} sleeper;

static void *sleep_in_call(void *arg)
{
    (void)arg;
    sleeper.tid = (pid_t)syscall(SYS_gettid);
    errno = 0;
    if (sleeper.reads) {
        void *frame = malloc(len);
        sleeper.result = (int)read(sleeper.fd, frame, len);
    } else {
        struct v4l2_buffer b = buffer_of(&sleeper.q, 0);
        sleeper.result = ioctl(sleeper.fd, VIDIOC_DQBUF, &b);
    }
    sleeper.error = errno;
    return NULL;
}

/* Goes on once the thread sleeps in its call. */
static void until_asleep(void)
{
    char state;
    while (!sleeper.tid)
        sched_yield();
    while ((state = state_of(sleeper.tid)) && state != 'S')
        sched_yield();
}

static pthread_t begin_to_sleep(int fd, int reads)
{
    pthread_t t;
    if (reads) {
        /* The first read begins to stream; only then a frame is the thread's. */
        void *frame = malloc(len);
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        if (read(fd, frame, len) != -1 || errno != EAGAIN)
            fail("a first read with no frame");
        free(frame);
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    }
    sleeper.fd = fd;
    sleeper.reads = reads;
    sleeper.tid = 0;
    sleeper.result = -7;
    if (pthread_create(&t, NULL, sleep_in_call, NULL))
        fail("pthread_create");
    until_asleep();
    return t;
}

static void case_streamoff_ends_dqbuf(void)
{
    int fd = open_node(O_RDWR), round;
    pthread_t t;
    start(fd, &sleeper.q, 4);
    for (round = 0; round < 3; round++) {
        t = begin_to_sleep(fd, 0);
        if (stream(fd, &sleeper.q, 0))
            fail("VIDIOC_STREAMOFF");
        pthread_join(t, NULL);
        expect(sleeper.result == -1 && sleeper.error == EINVAL, "DQBUF ends with EINVAL, not %d %s", sleeper.result,
               strerrorname_np(sleeper.error));
        queue_put_all(fd, &sleeper.q);
        if (stream(fd, &sleeper.q, 1))
            fail("VIDIOC_STREAMON again");
        /* The picture that is there. */
        if (round)
            take(fd, &sleeper.q, 1);
        want();
        take(fd, &sleeper.q, 1);
    }
}

static void case_close_ends_dqbuf(void)
{
    int fd, round;
    for (round = 0; round < 2; round++) {
        pthread_t t;
        fd = open_node(O_RDWR);
        if (round == 0)
            start(fd, &sleeper.q, 4);
        t = begin_to_sleep(fd, round);
        close(fd);
        pthread_join(t, NULL);
        expect(sleeper.result <= 0, "a waiting call ends when its descriptor is closed: %d %s", sleeper.result,
               strerrorname_np(sleeper.error));
    }
}

static volatile sig_atomic_t signals;

static void on_signal(int number)
{
    (void)number;
    if (++signals == 3)
        say("{\"event\":\"want\"}");
}

/* A signal every 20 ms, so that one that came before the call blocked is not the last. */
static void every_20_ms(int flags, int on)
{
    struct sigaction action;
    struct itimerval timer = { { 0, on ? 20000 : 0 }, { 0, on ? 20000 : 0 } };
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = flags;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
}

static void case_signals(void)
{
    int fd = open_node(O_RDWR), i;
    struct queue q;
    struct v4l2_buffer b;
    start(fd, &q, 4);
    signals = 10; /* no frame is asked for */
    every_20_ms(0, 1);
    for (i = 0; i < 3; i++) {
        b = buffer_of(&q, 0);
        GIVES(EINTR, fd, VIDIOC_DQBUF, &b);
    }
    every_20_ms(0, 0);
    /* With SA_RESTART nobody sees that a handler ran. The third signal asks for a frame. */
    signals = 0;
    every_20_ms(SA_RESTART, 1);
    take(fd, &q, 1);
    expect(signals >= 3, "signals came");
    every_20_ms(SA_RESTART, 0);
    if (!order())
        fail("order");
    want();
    take(fd, &q, 1);
}

/* driver/docs/clients.md, "Readiness": never writable, readable exactly when a frame can be dequeued. */
static void case_ready(void)
{
    const char *by = opt.by ? opt.by : "poll";
    int fd = open_node(O_RDWR | O_NONBLOCK), round, r;
    struct queue q;
    struct v4l2_buffer b, held[32];
    unsigned kept = 0;
    /* Who polls before a first read must get to it, also after it asked what REQBUFS can do. */
    for (round = 0; round < 3; round++) {
        uint32_t count = 0;
        r = readiness(fd, by, 0, 0);
        expect(r == POLLIN, "%s: fresh, a first read may come: 0x%x", by, r);
        expect(ask_buffers(fd, CAPTURE, round ? V4L2_MEMORY_MMAP : V4L2_MEMORY_OVERLAY, &count) == (round ? 0 : EINVAL),
               "REQBUFS(0)");
    }
    queue_open(fd, &q, CAPTURE, 4, PROT_READ);
    queue_put_all(fd, &q);
    r = readiness(fd, by, 0, 0);
    expect(!(r & (POLLIN | POLLOUT)), "%s: nothing before STREAMON: 0x%x", by, r);
    if (stream(fd, &q, 1))
        fail("VIDIOC_STREAMON");
    for (round = 0; round < 4; round++) {
        r = readiness(fd, by, 0, 0);
        expect(r == 0, "%s: nothing while there is no frame: 0x%x", by, r);
        want();
        r = readiness(fd, by, POLLIN, -1);
        expect(r == POLLIN, "%s: readable when a frame is there: 0x%x", by, r);
        r = readiness(fd, by, 0, 0);
        expect(r == POLLIN, "%s: readable, nothing else: 0x%x", by, r);
        take(fd, &q, 1);
        r = readiness(fd, by, 0, 0);
        expect(r == 0, "%s: nothing once it was taken: 0x%x", by, r);
    }
    /* Two frames. */
    want();
    want();
    r = readiness(fd, by, POLLIN, -1);
    take(fd, &q, 1);
    r = readiness(fd, by, 0, 0);
    expect(r == POLLIN, "%s: readable while there is another frame: 0x%x", by, r);
    take(fd, &q, 1);
    r = readiness(fd, by, 0, 0);
    expect(r == 0, "%s: nothing after both: 0x%x", by, r);
    /* Without a queued buffer a frame can't be dequeued. */
    for (kept = 0; kept < q.count; kept++) {
        want();
        readiness(fd, by, POLLIN, -1);
        if (queue_take(fd, &q, &held[kept]))
            fail("VIDIOC_DQBUF");
    }
    want();
    r = readiness(fd, by, 0, 0);
    expect(!(r & (POLLIN | POLLOUT)), "%s: not readable without a queued buffer: 0x%x", by, r);
    b = buffer_of(&q, 0);
    r = answer(fd, VIDIOC_DQBUF, &b);
    expect(r == EAGAIN, "DQBUF without a queued buffer gives EAGAIN, not %s", strerrorname_np(r));
    if (queue_put(fd, &q, held[0].index, 0))
        fail("VIDIOC_QBUF");
    r = readiness(fd, by, POLLIN, -1);
    expect(r == POLLIN, "%s: readable again with one: 0x%x", by, r);
    take(fd, &q, 1);
    /* A wait that sleeps is woken. */
    say("{\"event\":\"want\"}");
    r = readiness(fd, by, POLLIN, -1);
    expect(r == POLLIN, "%s: a wait that sleeps is woken: 0x%x", by, r);
    if (!order())
        fail("order");
    take(fd, &q, 1);
    stream(fd, &q, 0);
    r = readiness(fd, by, 0, 0);
    expect(!(r & (POLLIN | POLLOUT)), "%s: nothing after STREAMOFF: 0x%x", by, r);
}

static void case_sequence(void)
{
    int fd = open_node(O_RDWR), round, i;
    struct queue q;
    struct v4l2_buffer b;
    uint32_t number, first = 0;
    int64_t before, last;
    queue_open(fd, &q, CAPTURE, 4, PROT_READ);
    for (round = 0; round < 3; round++) {
        queue_put_all(fd, &q);
        last = before = now_ns() - 1000;
        if (stream(fd, &q, 1))
            fail("VIDIOC_STREAMON");
        for (i = 0; i < 5; i++) {
            /* A stream that begins anew begins with the picture that is there, which has its own time. */
            int is_present = round && !i;
            if (!is_present)
                want();
            if (queue_take(fd, &q, &b))
                fail("VIDIOC_DQBUF");
            expect(b.sequence == (uint32_t)i, "sequence %u has to be %d", b.sequence, i);
            expect((stamp_ns(&b) > last) != is_present && stamp_ns(&b) <= now_ns(), "CLOCK_MONOTONIC, growing");
            last = stamp_ns(&b);
            if (!pattern_number(q.buffer[b.index].start, len, &number))
                fail("a frame");
            if (i == 0)
                first = number;
            expect(number - first == b.sequence, "frame %u has sequence %u", number, b.sequence);
            if (queue_put(fd, &q, b.index, 0))
                fail("VIDIOC_QBUF");
        }
        /* More frames than anybody keeps: what is lost shows as a gap, and what comes is in order. */
        for (i = 0; i < 40; i++)
            want();
        for (number = 0; number - first != 44;) {
            if (queue_take(fd, &q, &b))
                fail("VIDIOC_DQBUF");
            if (!pattern_number(q.buffer[b.index].start, len, &number))
                fail("a frame");
            expect(number - first == b.sequence, "after a gap frame %u has sequence %u", number - first, b.sequence);
            expect(pattern_differs(q.buffer[b.index].start, len, number) < 0, "a whole frame after a gap");
            expect(stamp_ns(&b) > last && stamp_ns(&b) <= now_ns(), "CLOCK_MONOTONIC, growing, after a gap");
            last = stamp_ns(&b);
            if (queue_put(fd, &q, b.index, 0))
                fail("VIDIOC_QBUF");
        }
        if (stream(fd, &q, 0))
            fail("VIDIOC_STREAMOFF");
        /* A frame between streams belongs to none, but of a slow pusher it is there for who comes. */
        usleep(300000);
        want();
    }
}

static void case_read(void)
{
    int fd = open_node(O_RDONLY | O_NONBLOCK), i, r;
    unsigned char *frame = malloc(2 * len);
    uint32_t number;
    r = read(fd, frame, len) < 0 ? errno : 0;
    expect(r == EAGAIN, "read with no frame gives EAGAIN, not %s", strerrorname_np(r));
    for (i = 0; i < 3; i++) {
        r = readiness(fd, "poll", 0, 0);
        expect(r == 0, "nothing while there is no frame: 0x%x", r);
        want();
        r = readiness(fd, "poll", POLLIN, -1);
        expect(r == POLLIN, "readable: 0x%x", r);
        /* Room for more than a frame gives one frame. */
        expect(read(fd, frame, 2 * len) == (ssize_t)len, "read gives a frame");
        expect(pattern_number(frame, len, &number) && pattern_differs(frame, len, number) < 0, "a whole frame");
    }
    r = read(fd, NULL, len) < 0 ? errno : 0;
    expect(r == EAGAIN || r == EFAULT, "read to NULL gives %s", strerrorname_np(r));
    /* A descriptor that waits. */
    close(fd);
    fd = open_node(O_RDONLY);
    say("{\"event\":\"ready\"}");
    sleeper.tid = 0;
    {
        pthread_t t = begin_to_sleep(fd, 1);
        want();
        pthread_join(t, NULL);
        expect(sleeper.result == (int)len, "a read that waits gets its frame: %d", sleeper.result);
    }
}

/* A buffer that is queued while another thread waits in DQBUF with none queued ends that wait's reason. */
static void *put_later(void *arg)
{
    struct queue *q = arg;
    until_asleep();
    if (queue_put(sleeper.fd, q, 0, 0))
        fail("VIDIOC_QBUF");
    return NULL;
}

static void case_queue_later(void)
{
    int fd = open_node(O_RDWR);
    struct v4l2_buffer b;
    pthread_t t;
    queue_open(fd, &sleeper.q, CAPTURE, 2, PROT_READ);
    if (stream(fd, &sleeper.q, 1))
        fail("VIDIOC_STREAMON with nothing queued");
    want();
    sleeper.fd = fd;
    sleeper.tid = (pid_t)syscall(SYS_gettid);
    if (pthread_create(&t, NULL, put_later, &sleeper.q))
        fail("pthread_create");
    b = buffer_of(&sleeper.q, 0);
    GIVES(0, fd, VIDIOC_DQBUF, &b);
    pthread_join(t, NULL);
    expect(pattern_differs(sleeper.q.buffer[b.index].start, len, 0) < 0, "the frame that was there");
}

int main(int argc, char **argv)
{
    static const struct a_case cases[] = {
        { "reqbufs", case_reqbufs }, { "states", case_states },
        { "eagain", case_eagain },   { "streamoff", case_streamoff_ends_dqbuf },
        { "close", case_close_ends_dqbuf }, { "signals", case_signals },
        { "ready", case_ready },     { "sequence", case_sequence },
        { "read", case_read },       { "queue-later", case_queue_later },
    };
    begin_taking(argc, argv);
    return run_case(cases, sizeof cases / sizeof *cases);
}
