/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Buffers of every kind of memory, at both nodes, see v4l2_case.h. --device is an output, --find its input: the
 * program is pusher and client at once, so that each frame is there when it is looked for. */
#include <sys/resource.h>

#include "v4l2_take.h"

#define OUTPUT V4L2_BUF_TYPE_VIDEO_OUTPUT
#define BUFFERS 4

static int input;       /* the pusher's descriptor */
static uint32_t pushed; /* frames so far */

static size_t whole(size_t bytes)
{
    return (bytes + 4095) & ~(size_t)4095;
}

/* Opens the input and sets the format. */
static void begin_pushing(void)
{
    struct v4l2_format f;
    input = open(opt.find, O_RDWR);
    if (input < 0)
        fail("open of the input");
    memset(&f, 0, sizeof f);
    f.type = OUTPUT;
    f.fmt.pix.width = (uint32_t)opt.width;
    f.fmt.pix.height = (uint32_t)opt.height;
    f.fmt.pix.pixelformat = V4L2_PIX_FMT_YUV420;
    if (ioctl(input, VIDIOC_S_FMT, &f) || f.fmt.pix.sizeimage != len)
        fail("VIDIOC_S_FMT");
}

/* One frame by write(). */
static void push(void)
{
    static unsigned char *frame;
    if (!frame && !(frame = malloc(len)))
        fail("malloc");
    pattern_fill(frame, len, ++pushed);
    if (opt.wrong_all)
        frame[len / 2] ^= 1;
    if (write(input, frame, len) != (ssize_t)len)
        fail("write of a frame");
}

static void is_frame(const void *bytes, uint32_t number, const char *what)
{
    uint32_t seen = 0;
    expect(pattern_number(bytes, len, &seen) && seen == number, "%s: frame %u, has to be %u", what, seen, number);
    expect(pattern_differs(bytes, len, number) < 0, "%s: frame %u is whole", what, number);
}

static struct v4l2_buffer named(uint32_t type, uint32_t memory, uint32_t index)
{
    struct v4l2_buffer b;
    memset(&b, 0, sizeof b);
    b.type = type;
    b.memory = memory;
    b.index = index;
    return b;
}

static void streams(int fd, int type, int on)
{
    if (ioctl(fd, on ? VIDIOC_STREAMON : VIDIOC_STREAMOFF, &type))
        fail("VIDIOC_STREAMON or STREAMOFF");
}

static int memory_file(size_t bytes, unsigned seals)
{
    int fd = memfd_create("frames", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || ftruncate(fd, (off_t)bytes) || (seals && fcntl(fd, F_ADD_SEALS, seals)))
        fail("memfd_create");
    return fd;
}

/* The program's own memory at both nodes. */
static void case_userptr(void)
{
    int fd = open_node(O_RDWR), given;
    unsigned char *own[BUFFERS], *readonly = mmap(NULL, whole(len), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct v4l2_buffer b;
    uint32_t count = BUFFERS, i;
    begin_pushing();
    given = ask_buffers(fd, CAPTURE, V4L2_MEMORY_USERPTR, &count);
    expect(given == 0 && count == BUFFERS, "REQBUFS: %s, %u", strerrorname_np(given), count);
    b = named(CAPTURE, V4L2_MEMORY_USERPTR, 0);
    GIVES(0, fd, VIDIOC_QUERYBUF, &b);
    expect(b.length == len, "QUERYBUF tells the length that is needed: %u", b.length);
    expect(mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED, "the program's memory is not mapped by the device");
    GIVES(EFAULT, fd, VIDIOC_QBUF, &b);
    b.m.userptr = 0xdead0000;
    GIVES(EFAULT, fd, VIDIOC_QBUF, &b);
    b.m.userptr = (unsigned long)readonly;
    GIVES(EFAULT, fd, VIDIOC_QBUF, &b);
    for (i = 0; i < BUFFERS; i++) {
        /* At an odd address: nobody said that it is to be aligned. */
        own[i] = (unsigned char *)malloc(len + 16) + 1;
        memset(own[i], 0xee, len + 4);
        b = named(CAPTURE, V4L2_MEMORY_USERPTR, i);
        b.m.userptr = (unsigned long)own[i];
        b.length = (uint32_t)len - 1;
        GIVES(EINVAL, fd, VIDIOC_QBUF, &b);
        b.length = (uint32_t)len;
        b.memory = V4L2_MEMORY_MMAP;
        GIVES(EINVAL, fd, VIDIOC_QBUF, &b);
        b.memory = V4L2_MEMORY_USERPTR;
        GIVES(0, fd, VIDIOC_QBUF, &b);
        expect(b.flags & V4L2_BUF_FLAG_QUEUED && b.m.userptr == (unsigned long)own[i], "QBUF tells the address");
        GIVES(EINVAL, fd, VIDIOC_QBUF, &b);
    }
    streams(fd, CAPTURE, 1);
    for (i = 0; i < 20; i++) {
        push();
        b = named(CAPTURE, V4L2_MEMORY_USERPTR, 0);
        GIVES(0, fd, VIDIOC_DQBUF, &b);
        /* In the order in which they were queued. */
        expect(b.index == i % BUFFERS && b.m.userptr == (unsigned long)own[b.index], "buffer %u is %u", i, b.index);
        expect(b.bytesused == len && b.sequence == i, "frame %u: %u bytes, sequence %u", i, b.bytesused, b.sequence);
        is_frame(own[b.index], pushed, "USERPTR");
        expect(own[b.index][len] == 0xee, "nothing is written behind the frame");
        memset(own[b.index], 0xee, len);
        GIVES(0, fd, VIDIOC_QBUF, &b);
    }
    streams(fd, CAPTURE, 0);
    /* Memory that is taken away while it is queued is the program's fault, and its error alone. */
    own[0] = mmap(NULL, whole(len), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    b = named(CAPTURE, V4L2_MEMORY_USERPTR, 0);
    b.m.userptr = (unsigned long)own[0];
    b.length = (uint32_t)len;
    GIVES(0, fd, VIDIOC_QBUF, &b);
    munmap(own[0], whole(len));
    streams(fd, CAPTURE, 1);
    push();
    GIVES(EFAULT, fd, VIDIOC_DQBUF, &b);
    streams(fd, CAPTURE, 0);
    count = 0;
    given = ask_buffers(fd, CAPTURE, V4L2_MEMORY_USERPTR, &count);
    expect(given == 0, "REQBUFS(0): %s", strerrorname_np(given));
}

/* Memory that comes by a descriptor. */
static void case_dmabuf(void)
{
    int fd = open_node(O_RDWR), file[BUFFERS], loose, ends[2], given;
    unsigned char *seen[BUFFERS];
    struct v4l2_buffer b;
    uint32_t count = BUFFERS, i;
    begin_pushing();
    given = ask_buffers(fd, CAPTURE, V4L2_MEMORY_DMABUF, &count);
    expect(given == 0 && count == BUFFERS, "REQBUFS: %s, %u", strerrorname_np(given), count);
    loose = memory_file(whole(len), 0);
    if (pipe(ends))
        fail("pipe");
    for (i = 0; i < 5; i++) {
        int bad[] = { -1, 1000, fd, ends[0], loose };
        b = named(CAPTURE, V4L2_MEMORY_DMABUF, 0);
        b.m.fd = bad[i];
        given = answer(fd, VIDIOC_QBUF, &b);
        expect(given == EINVAL, "descriptor %d that is no such memory: %s", bad[i], strerrorname_np(given));
    }
    loose = memory_file(4096, F_SEAL_SHRINK);
    b.m.fd = loose;
    GIVES(EINVAL, fd, VIDIOC_QBUF, &b);
    for (i = 0; i < BUFFERS; i++) {
        file[i] = memory_file(whole(len), F_SEAL_SHRINK);
        seen[i] = mmap(NULL, len, PROT_READ, MAP_SHARED, file[i], 0);
        b = named(CAPTURE, V4L2_MEMORY_DMABUF, i);
        b.m.fd = file[i];
        GIVES(0, fd, VIDIOC_QBUF, &b);
    }
    /* Once it is queued the memory is the device's, whatever becomes of the number. */
    close(file[1]);
    streams(fd, CAPTURE, 1);
    for (i = 0; i < 20; i++) {
        push();
        b = named(CAPTURE, V4L2_MEMORY_DMABUF, 0);
        GIVES(0, fd, VIDIOC_DQBUF, &b);
        expect(b.index == i % BUFFERS && b.m.fd == file[b.index] && b.length >= len, "buffer %u is %u", i, b.index);
        is_frame(seen[b.index], pushed, "DMABUF");
        if (b.index == 1 && i < BUFFERS) {
            file[1] = memory_file(whole(len), F_SEAL_SHRINK);
            seen[1] = mmap(NULL, len, PROT_READ, MAP_SHARED, file[1], 0);
        }
        b.m.fd = file[b.index];
        b.length = 0;
        GIVES(0, fd, VIDIOC_QBUF, &b);
    }
}

static int export(int fd, uint32_t type, uint32_t index, uint32_t flags, int *given)
{
    struct v4l2_exportbuffer e;
    memset(&e, 0, sizeof e);
    e.type = type;
    e.index = index;
    e.flags = flags;
    e.fd = -1;
    *given = answer(fd, VIDIOC_EXPBUF, &e);
    return e.fd;
}

/* EXPBUF needs one number, and says so where none is left (dma_buf_fd: EMFILE). */
static void few_numbers(int fd)
{
    struct rlimit all, few;
    int given, out, next = open("/dev/null", O_RDONLY);
    close(next);
    if (getrlimit(RLIMIT_NOFILE, &all))
        fail("getrlimit");
    few = all;
    few.rlim_cur = (rlim_t)next;
    setrlimit(RLIMIT_NOFILE, &few);
    export(fd, CAPTURE, 0, O_RDWR, &given);
    expect(given == EMFILE, "no number is left: %s", strerrorname_np(given));
    few.rlim_cur++;
    setrlimit(RLIMIT_NOFILE, &few);
    out = export(fd, CAPTURE, 0, O_RDWR, &given);
    expect(given == 0 && out == next, "one is left: %s, %d", strerrorname_np(given), out);
    close(out);
    setrlimit(RLIMIT_NOFILE, &all);
}

/* Descriptors of buffers. */
static void case_export(void)
{
    int fd = open_node(O_RDWR), given, out, again, readonly;
    unsigned char *shown[BUFFERS];
    struct queue q;
    struct v4l2_buffer b;
    uint32_t i, count;
    begin_pushing();
    export(fd, CAPTURE, 0, O_RDWR, &given);
    expect(given == EINVAL, "before REQBUFS: %s", strerrorname_np(given));
    queue_open(fd, &q, CAPTURE, BUFFERS, PROT_READ | PROT_WRITE);
    export(fd, CAPTURE, 99, O_RDWR, &given);
    expect(given == EINVAL, "no such buffer: %s", strerrorname_np(given));
    export(fd, OUTPUT, 0, O_RDWR, &given);
    expect(given == EINVAL, "the other type: %s", strerrorname_np(given));
    export(fd, CAPTURE, 0, O_RDWR | O_TRUNC, &given);
    expect(given == EINVAL, "a flag that has no meaning: %s", strerrorname_np(given));
    few_numbers(fd);
    out = export(fd, CAPTURE, 0, O_RDWR, &given);
    expect(given == 0 && !(fcntl(out, F_GETFD) & FD_CLOEXEC), "without O_CLOEXEC: %s", strerrorname_np(given));
    again = export(fd, CAPTURE, 0, O_RDWR | O_CLOEXEC, &given);
    expect(given == 0 && fcntl(again, F_GETFD) & FD_CLOEXEC, "with O_CLOEXEC: %s", strerrorname_np(given));
    readonly = export(fd, CAPTURE, 0, O_RDONLY, &given);
    expect(given == 0 && mmap(NULL, len, PROT_WRITE, MAP_SHARED, readonly, 0) == MAP_FAILED, "for reading only");
    shown[0] = mmap(NULL, len, PROT_READ, MAP_SHARED, again, 0);
    close(out);
    close(again);
    queue_put_all(fd, &q);
    if (stream(fd, &q, 1))
        fail("VIDIOC_STREAMON");
    for (i = 0; i < 30; i++) {
        if (i == 6)
            /* In mid-stream, while the program has a frame in one: it is in the exported memory, too. */
            for (count = 1; count < BUFFERS; count++) {
                out = export(fd, CAPTURE, count, O_RDONLY, &given);
                expect(given == 0, "EXPBUF in mid-stream: %s", strerrorname_np(given));
                shown[count] = mmap(NULL, len, PROT_READ, MAP_SHARED, out, 0);
                close(out);
            }
        push();
        if (queue_take(fd, &q, &b))
            fail("VIDIOC_DQBUF");
        is_frame(q.buffer[b.index].start, pushed, "by the device");
        if (i >= 6 || b.index == 0)
            is_frame(shown[b.index], pushed, "by the exported descriptor");
        if (queue_put(fd, &q, b.index, 0))
            fail("VIDIOC_QBUF");
    }
    /* The program's frame stays its own: exported in its hands. */
    push();
    if (queue_take(fd, &q, &b) || stream(fd, &q, 0))
        fail("VIDIOC_DQBUF");
    is_frame(q.buffer[b.index].start, pushed, "after STREAMOFF");
    is_frame(shown[b.index], pushed, "after STREAMOFF, exported");
    /* Orphans: the buffers are gone, what is mapped of them is not. */
    count = 0;
    given = ask_buffers(fd, CAPTURE, V4L2_MEMORY_MMAP, &count);
    expect(given == 0, "REQBUFS(0) while mapped: %s", strerrorname_np(given));
    close(fd);
    is_frame(q.buffer[b.index].start, pushed, "an orphan");
    is_frame(shown[b.index], pushed, "an exported orphan");
}

/* CREATE_BUFS: its errno; the answer in *c. */
static int create(int fd, uint32_t type, uint32_t memory, uint32_t count, uint32_t size, struct v4l2_create_buffers *c)
{
    memset(c, 0xa5, sizeof *c);
    c->count = count;
    c->memory = memory;
    c->format = format_of(fd, type);
    if (size)
        c->format.fmt.pix.sizeimage = size;
    return answer(fd, VIDIOC_CREATE_BUFS, c);
}

static void case_create(void)
{
    int fd = open_node(O_RDWR), given;
    struct v4l2_create_buffers c;
    struct v4l2_buffer b;
    unsigned char *start[8];
    uint32_t i, last, large = (uint32_t)(2 * len + 5);
    begin_pushing();
    given = create(fd, CAPTURE, V4L2_MEMORY_MMAP, 0, 0, &c);
    expect(given == 0 && c.index == 0 && c.count == 0, "count 0 only asks: %s", strerrorname_np(given));
    expect(c.capabilities & V4L2_BUF_CAP_SUPPORTS_USERPTR && c.capabilities & V4L2_BUF_CAP_SUPPORTS_DMABUF, "capabilities");
    ZERO(c.reserved, "CREATE_BUFS");
    given = create(fd, CAPTURE, 77, 0, 0, &c);
    expect(given == EINVAL, "memory that there is not: %s", strerrorname_np(given));
    given = create(fd, CAPTURE, V4L2_MEMORY_MMAP, 2, (uint32_t)len - 1, &c);
    expect(given == EINVAL, "less than a frame: %s", strerrorname_np(given));
    given = create(fd, CAPTURE, V4L2_MEMORY_MMAP, 1, 0, &c);
    expect(given == 0 && c.index == 0 && c.count == 1, "exactly one: %s, %u", strerrorname_np(given), c.count);
    given = create(fd, CAPTURE, V4L2_MEMORY_MMAP, 1, large, &c);
    expect(given == 0 && c.index == 1 && c.count == 1, "a larger one: %s, %u", strerrorname_np(given), c.count);
    given = create(fd, CAPTURE, V4L2_MEMORY_USERPTR, 1, 0, &c);
    expect(given == EINVAL, "of another kind: %s", strerrorname_np(given));
    last = 2;
    for (i = 0; i < last; i++) {
        b = named(CAPTURE, V4L2_MEMORY_MMAP, i);
        GIVES(0, fd, VIDIOC_QUERYBUF, &b);
        expect(b.length == (i ? large : len), "buffer %u has %u bytes", i, b.length);
        start[i] = mmap(NULL, b.length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, b.m.offset);
        expect(start[i] != MAP_FAILED, "mmap of buffer %u", i);
        GIVES(0, fd, VIDIOC_QBUF, &b);
    }
    streams(fd, CAPTURE, 1);
    for (i = 0; i < 30; i++) {
        if (i == 10) {
            given = create(fd, CAPTURE, V4L2_MEMORY_MMAP, 2, 0, &c);
            expect(given == 0 && c.index == 2 && c.count == 2, "while it streams: %s, %u", strerrorname_np(given), c.index);
            for (; last < 4; last++) {
                b = named(CAPTURE, V4L2_MEMORY_MMAP, last);
                GIVES(0, fd, VIDIOC_QUERYBUF, &b);
                start[last] = mmap(NULL, b.length, PROT_READ, MAP_SHARED, fd, b.m.offset);
                GIVES(0, fd, VIDIOC_QBUF, &b);
            }
        }
        push();
        b = named(CAPTURE, V4L2_MEMORY_MMAP, 0);
        GIVES(0, fd, VIDIOC_DQBUF, &b);
        expect(b.index < last && b.bytesused == len, "buffer %u, %u bytes", b.index, b.bytesused);
        is_frame(start[b.index], pushed, "CREATE_BUFS");
        GIVES(0, fd, VIDIOC_QBUF, &b);
    }
    given = create(fd, CAPTURE, V4L2_MEMORY_MMAP, 100, 0, &c);
    expect(given == 0 && c.index == 4 && c.count == VIDEO_MAX_FRAME - 4, "as many as can be: %u", c.count);
    given = create(fd, CAPTURE, V4L2_MEMORY_MMAP, 1, 0, &c);
    expect(given == ENOBUFS, "one too many: %s", strerrorname_np(given));
    given = create(fd, CAPTURE, V4L2_MEMORY_MMAP, 0, 0, &c);
    expect(given == 0 && c.index == VIDEO_MAX_FRAME, "count 0 tells how many there are: %u", c.index);
}

static void case_prepare(void)
{
    int fd = open_node(O_RDWR);
    struct queue q;
    struct v4l2_buffer b;
    begin_pushing();
    queue_open(fd, &q, CAPTURE, BUFFERS, PROT_READ);
    b = buffer_of(&q, 99);
    GIVES(EINVAL, fd, VIDIOC_PREPARE_BUF, &b);
    b = buffer_of(&q, 0);
    GIVES(0, fd, VIDIOC_PREPARE_BUF, &b);
    expect(b.flags & V4L2_BUF_FLAG_PREPARED && !(b.flags & V4L2_BUF_FLAG_QUEUED), "prepared: flags 0x%x", b.flags);
    GIVES(EINVAL, fd, VIDIOC_PREPARE_BUF, &b);
    queue_put_all(fd, &q);
    b = buffer_of(&q, 0);
    GIVES(0, fd, VIDIOC_QUERYBUF, &b);
    expect(!(b.flags & V4L2_BUF_FLAG_PREPARED) && b.flags & V4L2_BUF_FLAG_QUEUED, "queued: flags 0x%x", b.flags);
    GIVES(EINVAL, fd, VIDIOC_PREPARE_BUF, &b);
    if (stream(fd, &q, 1))
        fail("VIDIOC_STREAMON");
    push();
    take(fd, &q, 0);
    b = buffer_of(&q, 0);
    GIVES(0, fd, VIDIOC_QUERYBUF, &b);
    if (!(b.flags & V4L2_BUF_FLAG_QUEUED))
        GIVES(0, fd, VIDIOC_PREPARE_BUF, &b);
    if (stream(fd, &q, 0))
        fail("VIDIOC_STREAMOFF");
    GIVES(0, fd, VIDIOC_QUERYBUF, &b);
    expect(!(b.flags & V4L2_BUF_FLAG_PREPARED), "STREAMOFF: flags 0x%x", b.flags);
}

/* A client that takes what the cases of the pusher's side push. */
static int client;
static struct queue taken;

static struct v4l2_buffer arrives(const char *what)
{
    struct v4l2_buffer b;
    if (queue_take(client, &taken, &b))
        fail("VIDIOC_DQBUF of the client");
    expect(b.bytesused == len, "%s: %u bytes", what, b.bytesused);
    is_frame(taken.buffer[b.index].start, pushed, what);
    if (queue_put(client, &taken, b.index, 0))
        fail("VIDIOC_QBUF of the client");
    return b;
}

static void fill(unsigned char *frame)
{
    pattern_fill(frame, len, ++pushed);
    if (opt.wrong_all)
        frame[len / 2] ^= 1;
}

static void case_push_userptr(void)
{
    unsigned char *own[BUFFERS];
    struct v4l2_buffer b;
    uint32_t count = BUFFERS, i;
    int given;
    begin_pushing();
    given = ask_buffers(input, OUTPUT, V4L2_MEMORY_USERPTR, &count);
    expect(given == 0 && count == BUFFERS, "REQBUFS: %s, %u", strerrorname_np(given), count);
    client = open_node(O_RDWR);
    start(client, &taken, BUFFERS);
    for (i = 0; i < BUFFERS; i++)
        own[i] = (unsigned char *)malloc(len + 16) + 3;
    b = named(OUTPUT, V4L2_MEMORY_USERPTR, 0);
    b.length = b.bytesused = (uint32_t)len;
    GIVES(EFAULT, input, VIDIOC_QBUF, &b);
    for (i = 0; i < 20; i++) {
        if (i < BUFFERS)
            b = named(OUTPUT, V4L2_MEMORY_USERPTR, i);
        else {
            b = named(OUTPUT, V4L2_MEMORY_USERPTR, 0);
            GIVES(0, input, VIDIOC_DQBUF, &b);
            expect(b.m.userptr == (unsigned long)own[b.index], "DQBUF tells the address");
        }
        fill(own[b.index]);
        b.m.userptr = (unsigned long)own[b.index];
        b.length = b.bytesused = (uint32_t)len;
        GIVES(0, input, VIDIOC_QBUF, &b);
        if (i == 0)
            streams(input, OUTPUT, 1);
        arrives("a pusher's USERPTR");
    }
}

static void case_push_dmabuf(void)
{
    int file[BUFFERS], given;
    unsigned char *own[BUFFERS];
    struct v4l2_buffer b;
    uint32_t count = BUFFERS, i;
    begin_pushing();
    given = ask_buffers(input, OUTPUT, V4L2_MEMORY_DMABUF, &count);
    expect(given == 0 && count == BUFFERS, "REQBUFS: %s, %u", strerrorname_np(given), count);
    client = open_node(O_RDWR);
    start(client, &taken, BUFFERS);
    for (i = 0; i < BUFFERS; i++) {
        file[i] = memory_file(whole(len), F_SEAL_SHRINK);
        own[i] = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, file[i], 0);
    }
    streams(input, OUTPUT, 1);
    for (i = 0; i < 20; i++) {
        b = named(OUTPUT, V4L2_MEMORY_DMABUF, i % BUFFERS);
        if (i >= BUFFERS)
            GIVES(0, input, VIDIOC_DQBUF, &b);
        fill(own[b.index]);
        b.m.fd = file[b.index];
        b.length = 0;
        b.bytesused = (uint32_t)len;
        GIVES(0, input, VIDIOC_QBUF, &b);
        arrives("a pusher's DMABUF");
    }
}

/* What a pusher writes into exported buffers, and into more and larger ones than the pipe has slots. */
static void case_push_export(void)
{
    struct queue q;
    struct v4l2_create_buffers c;
    struct v4l2_buffer b;
    unsigned char *own[16];
    int out, given;
    uint32_t i;
    begin_pushing();
    queue_open(input, &q, OUTPUT, BUFFERS, PROT_READ | PROT_WRITE);
    client = open_node(O_RDWR);
    start(client, &taken, BUFFERS);
    for (i = 0; i < BUFFERS; i++)
        own[i] = q.buffer[i].start;
    fill(own[2]);
    out = export(input, OUTPUT, 2, O_RDWR, &given);
    expect(given == 0, "EXPBUF: %s", strerrorname_np(given));
    own[2] = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, out, 0);
    is_frame(own[2], pushed, "what was in the buffer");
    given = create(input, OUTPUT, V4L2_MEMORY_MMAP, 8, (uint32_t)(len + 5000), &c);
    expect(given == 0 && c.index == BUFFERS && c.count == 8, "CREATE_BUFS: %s, %u", strerrorname_np(given), c.count);
    for (i = BUFFERS; i < BUFFERS + 8; i++) {
        b = named(OUTPUT, V4L2_MEMORY_MMAP, i);
        GIVES(0, input, VIDIOC_QUERYBUF, &b);
        own[i] = mmap(NULL, b.length, PROT_READ | PROT_WRITE, MAP_SHARED, input, b.m.offset);
        expect(own[i] != MAP_FAILED, "mmap of buffer %u", i);
    }
    streams(input, OUTPUT, 1);
    for (i = 0; i < 60; i++) {
        b = named(OUTPUT, V4L2_MEMORY_MMAP, i);
        if (i >= BUFFERS + 8) {
            b = named(OUTPUT, V4L2_MEMORY_MMAP, 0);
            GIVES(0, input, VIDIOC_DQBUF, &b);
        }
        fill(own[b.index]);
        b.bytesused = (uint32_t)len;
        GIVES(0, input, VIDIOC_QBUF, &b);
        arrives("exported and created");
    }
}

/* A pusher's flags reach its clients, and its timestamps in the clients' clock: with the steps that it gave them. If
 * they are of CLOCK_MONOTONIC they are its own. */
static void case_push_times(void)
{
    static const uint32_t kinds[] = { 0, V4L2_BUF_FLAG_KEYFRAME, V4L2_BUF_FLAG_PFRAME, V4L2_BUF_FLAG_BFRAME };
    const uint32_t kept = V4L2_BUF_FLAG_KEYFRAME | V4L2_BUF_FLAG_PFRAME | V4L2_BUF_FLAG_BFRAME;
    struct queue q;
    struct v4l2_buffer b, seen;
    uint32_t i;
    int64_t last = 0;
    begin_pushing();
    queue_open(input, &q, OUTPUT, BUFFERS, PROT_READ | PROT_WRITE);
    client = open_node(O_RDWR);
    start(client, &taken, BUFFERS);
    streams(input, OUTPUT, 1);
    for (i = 0; i < 15; i++) {
        int64_t before = now_ns(), given = 0, stamp;
        uint32_t clock;
        b = buffer_of(&q, i % BUFFERS);
        if (i >= BUFFERS)
            GIVES(0, input, VIDIOC_DQBUF, &b);
        fill(q.buffer[b.index].start);
        b.bytesused = (uint32_t)len;
        b.flags = kinds[i % 4];
        if (i < 5)
            /* Taken a little before. */
            given = before / 1000 * 1000 - 40000000;
        else if (i < 10)
            /* Another clock. */
            given = 3000000000000000 + 250000 * (int64_t)i;
        b.timestamp.tv_sec = given / 1000000000;
        b.timestamp.tv_usec = given % 1000000000 / 1000;
        GIVES(0, input, VIDIOC_QBUF, &b);
        seen = arrives("with a time");
        expect((seen.flags & kept) == kinds[i % 4], "flags 0x%x", seen.flags);
        stamp = stamp_ns(&seen);
        clock = seen.flags & V4L2_BUF_FLAG_TIMESTAMP_MASK;
        if (i < 5) {
            expect(clock == V4L2_BUF_FLAG_TIMESTAMP_COPY, "copied: 0x%x", seen.flags);
            expect(stamp == given, "as it was");
        } else {
            expect(clock == V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC, "not copied: 0x%x", seen.flags);
            expect(stamp > last, "never back");
            if (i > 5 && i < 10)
                expect(stamp - last == 250000, "a step as it was given, not %lld", (long long)(stamp - last));
            else
                expect(stamp >= before / 1000 * 1000 && stamp <= now_ns() + 1250000, "of now");
        }
        last = stamp;
    }
}

/* Requests that only look. */
static void case_look(void)
{
    static const struct {
        uint32_t type, first, second;
    } nodes[] = { { CAPTURE, V4L2_SEL_TGT_CROP_DEFAULT, V4L2_SEL_TGT_CROP_BOUNDS },
                  { OUTPUT, V4L2_SEL_TGT_COMPOSE_DEFAULT, V4L2_SEL_TGT_COMPOSE_BOUNDS } };
    int fd[2], k;
    begin_pushing();
    fd[0] = open_node(O_RDWR);
    fd[1] = input;
    for (k = 0; k < 2; k++) {
        struct v4l2_selection s;
        struct v4l2_cropcap c;
        uint32_t target;
        for (target = 0; target < 0x110; target++) {
            int known = target == nodes[k].first || target == nodes[k].second;
            memset(&s, 0xa5, sizeof s);
            s.type = nodes[k].type;
            s.target = target;
            GIVES(known ? 0 : EINVAL, fd[k], VIDIOC_G_SELECTION, &s);
            if (known)
                expect(s.r.left == 0 && s.r.top == 0 && s.r.width == (uint32_t)opt.width && s.r.height == (uint32_t)opt.height,
                       "the whole picture");
        }
        memset(&c, 0, sizeof c);
        c.type = nodes[k].type;
        GIVES(0, fd[k], VIDIOC_CROPCAP, &c);
        expect(c.pixelaspect.numerator == 1 && c.pixelaspect.denominator == 1, "square pixels");
        c.type = nodes[!k].type;
        GIVES(EINVAL, fd[k], VIDIOC_CROPCAP, &c);
        GIVES(0, fd[k], VIDIOC_LOG_STATUS, NULL);
    }
}

int main(int argc, char **argv)
{
    static const struct a_case cases[] = {
        { "userptr", case_userptr },         { "dmabuf", case_dmabuf },
        { "export", case_export },           { "create", case_create },
        { "prepare", case_prepare },         { "push_userptr", case_push_userptr },
        { "push_dmabuf", case_push_dmabuf }, { "push_export", case_push_export },
        { "push_times", case_push_times },   { "look", case_look },
    };
    begin_taking(argc, argv);
    return run_case(cases, sizeof cases / sizeof *cases);
}
