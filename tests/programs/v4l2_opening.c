/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* "Opening and Closing Devices" of the V4L2 specification, a case for each clause, see v4l2_case.h. --device is
 * an output that --find says nothing of, or the node that it names: output or input. Cases that take frames have
 * a pusher of --size YUV420P that pushes one an order. */
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "v4l2_take.h"

static int on_input;
static uint32_t type;

/* All that a program can ask for without changing anything, as one text. */
struct state {
    struct v4l2_format format;
    struct v4l2_streamparm parm;
    uint32_t priority;
    int connector;
    struct v4l2_control controls[32];
    int count;
};

/* The controls that there are. */
static int controls_of(int fd, struct v4l2_queryctrl *found, int most)
{
    struct v4l2_queryctrl c;
    int count = 0;
    memset(&c, 0, sizeof c);
    c.id = V4L2_CTRL_FLAG_NEXT_CTRL;
    while (count < most && !ioctl(fd, VIDIOC_QUERYCTRL, &c)) {
        if (!(c.flags & (V4L2_CTRL_FLAG_DISABLED | V4L2_CTRL_FLAG_WRITE_ONLY)) && c.type != V4L2_CTRL_TYPE_BUTTON &&
            c.type != V4L2_CTRL_TYPE_CTRL_CLASS && c.type <= V4L2_CTRL_TYPE_MENU)
            found[count++] = c;
        c.id |= V4L2_CTRL_FLAG_NEXT_CTRL;
    }
    errno = 0;
    return count;
}

static struct state properties(int fd)
{
    struct v4l2_queryctrl controls[32];
    struct state s;
    int i;
    memset(&s, 0, sizeof s);
    s.format.type = s.parm.type = type;
    GIVES(0, fd, VIDIOC_G_FMT, &s.format);
    GIVES(0, fd, VIDIOC_G_PARM, &s.parm);
    GIVES(0, fd, VIDIOC_G_PRIORITY, &s.priority);
    GIVES(0, fd, on_input ? VIDIOC_G_OUTPUT : VIDIOC_G_INPUT, &s.connector);
    s.count = controls_of(fd, controls, 32);
    for (i = 0; i < s.count; i++) {
        s.controls[i].id = controls[i].id;
        GIVES(0, fd, VIDIOC_G_CTRL, &s.controls[i]);
    }
    return s;
}

static int is_same(const struct state *a, const struct state *b)
{
    return !memcmp(a, b, sizeof *a);
}

/* How a program may open a node. */
static const int ways[] = { O_RDWR,
                            O_RDONLY,
                            O_WRONLY,
                            O_RDWR | O_NONBLOCK,
                            O_RDWR | O_EXCL,
                            O_RDWR | O_TRUNC,
                            O_RDWR | O_APPEND,
                            O_RDWR | O_SYNC,
                            O_RDWR | O_CREAT,
                            O_RDWR | O_CLOEXEC,
                            O_RDWR | O_NOCTTY | O_EXCL | O_TRUNC | O_NONBLOCK };
#define WAYS (sizeof ways / sizeof *ways)

static int open_way(int flags)
{
    int fd = open(opt.device, flags, 0600);
    expect(fd >= 0, "open with 0x%x: %s", (unsigned)flags, strerrorname_np(errno));
    return fd;
}

/* Runs the rest of a case in a process of its own. */
static void apart(void (*run)(void), const char *what)
{
    int status = -1;
    pid_t pid;
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        wrongs = 0;
        run();
        _exit(wrongs ? 1 : 0);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    expect(status == 0, "%s ends with 0x%x", what, status);
}

/* Device Naming. */
static void case_naming(void)
{
    int fd = open_node(O_RDWR);
    struct stat by_name, by_number;
    unsigned number = (unsigned)atoi(opt.device + strlen("/dev/video"));
    if (stat(opt.device, &by_name) || fstat(fd, &by_number))
        fail("stat");
    expect(S_ISCHR(by_name.st_mode) && S_ISCHR(by_number.st_mode), "a character device");
    expect(major(by_name.st_rdev) == 81 && minor(by_name.st_rdev) == number, "%u:%u is 81:%u", major(by_name.st_rdev),
           minor(by_name.st_rdev), number);
    expect(by_number.st_rdev == by_name.st_rdev, "fstat says what stat says");
}

/* Related Devices: one function a node. */
static void case_function(void)
{
    static const uint32_t types[] = { V4L2_BUF_TYPE_VIDEO_CAPTURE, V4L2_BUF_TYPE_VIDEO_OUTPUT,
                                      V4L2_BUF_TYPE_VIDEO_OVERLAY, V4L2_BUF_TYPE_VBI_CAPTURE,
                                      V4L2_BUF_TYPE_SLICED_VBI_CAPTURE, V4L2_BUF_TYPE_SDR_CAPTURE,
                                      V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE };
    int fd = open_node(O_RDWR);
    size_t i;
    for (i = 0; i < sizeof types / sizeof *types; i++) {
        int buffers = (int)types[i];
        struct v4l2_fmtdesc d;
        struct v4l2_format f;
        uint32_t count = 2;
        memset(&d, 0, sizeof d);
        memset(&f, 0, sizeof f);
        d.type = f.type = types[i];
        if (types[i] == type) {
            GIVES(0, fd, VIDIOC_ENUM_FMT, &d);
            GIVES(0, fd, VIDIOC_G_FMT, &f);
            continue;
        }
        GIVES(EINVAL, fd, VIDIOC_ENUM_FMT, &d);
        GIVES(EINVAL, fd, VIDIOC_G_FMT, &f);
        GIVES(EINVAL, fd, VIDIOC_STREAMON, &buffers);
        expect(ask_buffers(fd, types[i], V4L2_MEMORY_MMAP, &count) == EINVAL, "REQBUFS of type %u is EINVAL", types[i]);
    }
}

/* Multiple Opens: a node can be opened more than once, by one program and by several. */
static void open_many(void)
{
    int fds[20], i, k;
    for (i = 0; i < 20; i++)
        fds[i] = open_way(ways[i % (int)WAYS]);
    for (i = 0; i < 20; i++) {
        struct v4l2_capability cap;
        GIVES(0, fds[i], VIDIOC_QUERYCAP, &cap);
        for (k = 0; k < i; k++)
            expect(fds[i] != fds[k], "a descriptor of its own");
    }
    for (i = 0; i < 20; i++)
        expect(close(fds[i]) == 0, "close");
}

static void case_many(void)
{
    int fd = open_node(O_RDWR);
    struct state before = properties(fd), after;
    apart(open_many, "another program");
    open_many();
    after = properties(fd);
    expect(is_same(&before, &after), "others' opens change nothing");
}

/* What a panel application does. */
static void be_a_panel(void)
{
    int fd = open_node(O_RDWR | O_NONBLOCK), round, i, count;
    struct v4l2_queryctrl controls[32];
    for (round = 0; round < 50; round++) {
        struct v4l2_capability cap;
        struct v4l2_input in;
        struct v4l2_fmtdesc d;
        struct v4l2_frmsizeenum size;
        struct v4l2_frmivalenum interval;
        struct v4l2_streamparm parm;
        struct v4l2_format f = format_of(fd, CAPTURE);
        uint32_t priority = 0;
        int number = 77;
        GIVES(0, fd, VIDIOC_QUERYCAP, &cap);
        memset(&in, 0, sizeof in);
        GIVES(0, fd, VIDIOC_ENUMINPUT, &in);
        in.index = 1;
        GIVES(EINVAL, fd, VIDIOC_ENUMINPUT, &in);
        GIVES(0, fd, VIDIOC_G_INPUT, &number);
        GIVES(0, fd, VIDIOC_S_INPUT, &number);
        for (i = 0;; i++) {
            memset(&d, 0, sizeof d);
            d.type = CAPTURE;
            d.index = (uint32_t)i;
            if (answer(fd, VIDIOC_ENUM_FMT, &d))
                break;
            memset(&size, 0, sizeof size);
            size.pixel_format = d.pixelformat;
            GIVES(0, fd, VIDIOC_ENUM_FRAMESIZES, &size);
            memset(&interval, 0, sizeof interval);
            interval.pixel_format = d.pixelformat;
            interval.width = size.discrete.width;
            interval.height = size.discrete.height;
            GIVES(0, fd, VIDIOC_ENUM_FRAMEINTERVALS, &interval);
        }
        expect(i > 0, "ENUM_FMT has a format");
        GIVES(0, fd, VIDIOC_TRY_FMT, &f);
        memset(&parm, 0, sizeof parm);
        parm.type = CAPTURE;
        GIVES(0, fd, VIDIOC_G_PARM, &parm);
        GIVES(0, fd, VIDIOC_S_PARM, &parm);
        GIVES(0, fd, VIDIOC_G_PRIORITY, &priority);
        expect(priority == V4L2_PRIORITY_DEFAULT, "priority %u", priority);
        count = controls_of(fd, controls, 32);
        for (i = 0; i < count; i++) {
            struct v4l2_control c = { .id = controls[i].id };
            GIVES(0, fd, VIDIOC_G_CTRL, &c);
            if (controls[i].flags & (V4L2_CTRL_FLAG_READ_ONLY | V4L2_CTRL_FLAG_INACTIVE | V4L2_CTRL_FLAG_GRABBED))
                continue;
            c.value = round % 2 ? controls[i].default_value : controls[i].maximum;
            GIVES(0, fd, VIDIOC_S_CTRL, &c);
            c.value = controls[i].default_value;
            GIVES(0, fd, VIDIOC_S_CTRL, &c);
        }
        if (round % 5 == 4) {
            close(fd);
            fd = open_node(O_RDWR);
            goes_on();
        }
    }
    close(fd);
}

/* Takes frame after frame, none missing, while `panel` (a child) runs; its status. */
static int stream_beside(int fd, struct queue *q, pid_t panel)
{
    struct v4l2_buffer b;
    uint32_t number, round = 0;
    int status = -1, done = 0;
    while (!done || round < 20) {
        want();
        if (queue_take(fd, q, &b))
            fail("VIDIOC_DQBUF");
        expect(pattern_number(q->buffer[b.index].start, len, &number) && number == round && b.sequence == round &&
                   pattern_differs(q->buffer[b.index].start, len, number) < 0,
               "frame %u comes as it would alone", round);
        if (queue_put(fd, q, b.index, 0))
            fail("VIDIOC_QBUF");
        round++;
        done = done || waitpid(panel, &status, WNOHANG) == panel;
    }
    return status;
}

static void case_panel(void)
{
    int fd = open_node(O_RDWR), status;
    struct queue q;
    pid_t pid;
    start(fd, &q, 4);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        wrongs = 0;
        close(fd);
        be_a_panel();
        _exit(wrongs ? 1 : 0);
    }
    status = stream_beside(fd, &q, pid);
    expect(status == 0, "the panel application ends with 0x%x", status);
    /* One in the program itself. */
    be_a_panel();
    want();
    take(fd, &q, 1);
}

/* Just opening, in whatever way, changes nothing, and neither does closing. */
static void case_opening(void)
{
    int fd = open_node(O_RDWR), other;
    struct v4l2_format f = format_of(fd, type);
    struct v4l2_streamparm parm;
    struct state before, after;
    size_t i;
    if (on_input) {
        f.fmt.pix.pixelformat = V4L2_PIX_FMT_NV12;
        f.fmt.pix.width = 352;
        f.fmt.pix.height = 288;
        GIVES(0, fd, VIDIOC_S_FMT, &f);
    }
    memset(&parm, 0, sizeof parm);
    parm.type = type;
    if (on_input) {
        parm.parm.output.timeperframe.numerator = 1;
        parm.parm.output.timeperframe.denominator = 12;
        GIVES(0, fd, VIDIOC_S_PARM, &parm);
    }
    before = properties(fd);
    for (i = 0; i < WAYS; i++) {
        other = open_way(ways[i]);
        after = properties(other);
        expect(is_same(&before, &after), "way %zu: the new one sees what the old one sees", i);
        after = properties(fd);
        expect(is_same(&before, &after), "way %zu: open changes nothing", i);
        expect(close(other) == 0, "close");
        after = properties(fd);
        expect(is_same(&before, &after), "way %zu: close changes nothing", i);
    }
    close(fd);
    fd = open_node(O_RDWR);
    after = properties(fd);
    expect(is_same(&before, &after), "the last close changes nothing");
    if (on_input)
        expect(after.format.fmt.pix.pixelformat == V4L2_PIX_FMT_NV12 && after.format.fmt.pix.width == 352,
               "what was set stays");
}

/* Who is asked for a stream that another open file of the program owns. */
static void refused_beside_owner(int fd, const char *how)
{
    int number = (int)type, given;
    uint32_t count = 2;
    unsigned char *frame = calloc(1, len);
    struct v4l2_buffer b;
    GIVES(EBUSY, fd, VIDIOC_STREAMON, &number);
    GIVES(EBUSY, fd, VIDIOC_STREAMOFF, &number);
    given = ask_buffers(fd, type, V4L2_MEMORY_MMAP, &count);
    expect(given == EBUSY, "%s: REQBUFS is EBUSY, not %s", how, strerrorname_np(given));
    memset(&b, 0, sizeof b);
    b.type = type;
    b.memory = V4L2_MEMORY_MMAP;
    GIVES(EBUSY, fd, VIDIOC_QBUF, &b);
    b.type = type;
    b.memory = V4L2_MEMORY_MMAP;
    GIVES(EBUSY, fd, VIDIOC_DQBUF, &b);
    errno = 0;
    given = (on_input ? write(fd, frame, len) : read(fd, frame, len)) < 0 ? errno : 0;
    expect(given == EBUSY, "%s: %s is EBUSY, not %s", how, on_input ? "write" : "read", strerrorname_np(given));
    free(frame);
}

/* The owner of a stream: by REQBUFS. */
static void case_owner(void)
{
    int a = open_node(O_RDWR), b = open_node(O_RDWR), number = (int)type, given;
    struct v4l2_format f = format_of(a, type);
    struct queue q;
    uint32_t count = 0;
    size_t i;
    if (on_input) {
        f.fmt.pix.pixelformat = V4L2_PIX_FMT_YUV420;
        f.fmt.pix.width = (uint32_t)opt.width;
        f.fmt.pix.height = (uint32_t)opt.height;
        GIVES(0, a, VIDIOC_S_FMT, &f);
    }
    /* Nobody owns anything yet; but a pusher has claimed the input by its format. */
    GIVES(on_input ? EBUSY : EINVAL, b, VIDIOC_STREAMON, &number);
    GIVES(0, b, VIDIOC_STREAMOFF, &number);
    queue_open(a, &q, type, 4, PROT_READ | PROT_WRITE);
    refused_beside_owner(b, "before STREAMON");
    for (i = 0; i < q.count; i++)
        if (queue_put(a, &q, (unsigned)i, len))
            fail("VIDIOC_QBUF");
    if (stream(a, &q, 1))
        fail("VIDIOC_STREAMON");
    refused_beside_owner(b, "while it streams");
    if (!on_input) {
        want();
        take(a, &q, 1);
    }
    /* What would change the buffers' size is refused to the owner, too. */
    if (on_input) {
        f = format_of(a, type);
        f.fmt.pix.width *= 2;
        GIVES(EBUSY, a, VIDIOC_S_FMT, &f);
        f = format_of(a, type);
        f.fmt.pix.width *= 2;
        GIVES(EBUSY, b, VIDIOC_S_FMT, &f);
    }
    /* What does not touch the stream is everybody's. */
    properties(b);
    if (!on_input) {
        want();
        take(a, &q, 1);
    }
    GIVES(0, a, VIDIOC_STREAMOFF, &number);
    refused_beside_owner(b, "after STREAMOFF");
    given = ask_buffers(a, type, V4L2_MEMORY_MMAP, &count);
    expect(given == 0, "REQBUFS of none gives them back");
    count = 2;
    given = ask_buffers(b, type, V4L2_MEMORY_MMAP, &count);
    expect(given == 0, "now it is the other's turn, not %s", strerrorname_np(given));
    refused_beside_owner(a, "now the first one");
    close(b);
    count = 2;
    given = ask_buffers(a, type, V4L2_MEMORY_MMAP, &count);
    expect(given == 0, "close gives them back, too, not %s", strerrorname_np(given));
}

/* The owner of a stream: by its first read or write. */
static void case_owner_by_data(void)
{
    int a = open_node(O_RDWR), b = open_node(O_RDWR), given;
    unsigned char *frame = calloc(1, len);
    uint32_t count = 2;
    struct v4l2_format f = format_of(a, type);
    if (on_input) {
        f.fmt.pix.pixelformat = V4L2_PIX_FMT_YUV420;
        f.fmt.pix.width = (uint32_t)opt.width;
        f.fmt.pix.height = (uint32_t)opt.height;
        GIVES(0, a, VIDIOC_S_FMT, &f);
        expect(write(a, frame, len) == (ssize_t)len, "write: %s", strerrorname_np(errno));
    } else {
        fcntl(a, F_SETFL, O_NONBLOCK);
        expect(read(a, frame, len) < 0 && errno == EAGAIN, "read begins, and has nothing yet");
        want();
        expect(read(a, frame, len) == (ssize_t)len, "read: %s", strerrorname_np(errno));
    }
    /* One way of input and output for each open file (I/O); who writes may change over. */
    given = ask_buffers(a, type, V4L2_MEMORY_MMAP, &count);
    expect(given == EBUSY || (on_input && !given), "REQBUFS of who reads or writes is EBUSY, not %s",
           strerrorname_np(given));
    if (!given) {
        expect(write(a, frame, len) < 0 && errno == EBUSY, "with buffers nothing is written");
        count = 0;
        expect(ask_buffers(a, type, V4L2_MEMORY_MMAP, &count) == 0, "REQBUFS of none");
        count = 2;
        expect(write(a, frame, len) == (ssize_t)len, "and back: %s", strerrorname_np(errno));
    }
    if (on_input) {
        given = write(b, frame, len) < 0 ? errno : 0;
        expect(given == EBUSY, "another's write is EBUSY, not %s", strerrorname_np(given));
        given = ask_buffers(b, type, V4L2_MEMORY_MMAP, &count);
        expect(given == EBUSY, "another's REQBUFS is EBUSY, not %s", strerrorname_np(given));
        f.fmt.pix.width *= 2;
        GIVES(EBUSY, b, VIDIOC_S_FMT, &f);
        expect(write(a, frame, len) == (ssize_t)len, "the owner goes on");
    }
    close(a);
    if (!on_input) {
        given = ask_buffers(b, type, V4L2_MEMORY_MMAP, &count);
        expect(given == 0, "close gives it back, not %s", strerrorname_np(given));
    } else
        expect(write(b, frame, len) == (ssize_t)len, "close gives it back: %s", strerrorname_np(errno));
    free(frame);
}

/* Merely opening grants nothing, O_EXCL neither. */
static void case_exclusive(void)
{
    int a = open_node(O_RDWR | O_EXCL), b = open_node(O_RDWR | O_EXCL), given;
    uint32_t count = 2;
    given = ask_buffers(b, type, V4L2_MEMORY_MMAP, &count);
    expect(given == 0, "whoever begins has it, not who opened first: %s", strerrorname_np(given));
    count = 2;
    given = ask_buffers(a, type, V4L2_MEMORY_MMAP, &count);
    expect(given == EBUSY, "and then it is taken, not %s", strerrorname_np(given));
}

/* Shared Data Streams: what this driver offers beyond the specification. */
static void watch_along(void)
{
    int fd = open_node(O_RDWR), i;
    struct queue q;
    struct v4l2_buffer b;
    uint32_t number = 0, sequence = 0, offset = 0;
    start(fd, &q, 4);
    for (i = 0; i < 10; i++) {
        if (queue_take(fd, &q, &b))
            fail("VIDIOC_DQBUF");
        expect(pattern_number(q.buffer[b.index].start, len, &number) &&
                   pattern_differs(q.buffer[b.index].start, len, number) < 0,
               "a whole frame");
        /* A sequence of its own; what it was too slow for is a gap in both. */
        expect(i == 0 || (b.sequence > sequence && number - b.sequence == offset), "frame %u is number %u", number,
               b.sequence);
        sequence = b.sequence;
        offset = number - b.sequence;
        if (queue_put(fd, &q, b.index, 0))
            fail("VIDIOC_QBUF");
    }
}

/* With share = "all": two descriptors of one process stream, each with a queue and a sequence of its own, a third one
 * reads; what one of them does is nothing to the others. */
static void case_shared_in_one(void)
{
    int a = open_node(O_RDWR), b = open_node(O_RDWR), c = open_node(O_RDWR | O_NONBLOCK), given, number = CAPTURE;
    unsigned char *frame = calloc(1, len);
    struct queue p, q;
    uint32_t k, read_number;
    start(a, &p, 4);
    start(b, &q, 6);
    expect(read(c, frame, len) < 0 && errno == EAGAIN, "read begins, and has nothing yet: %s", strerrorname_np(errno));
    for (k = 0; k < 12; k++) {
        want();
        given = (int)take(a, &p, 1);
        expect(given == (int)k, "frame %u of the first one, not %d", k, given);
        if (k >= 4 && k < 8)
            continue; /* The second one is slow, and has all frames that the ring still holds. */
        do
            given = (int)take(b, &q, 1);
        while (given < (int)k);
        expect(given == (int)k, "frame %u of the second one, not %d", k, given);
    }
    expect(read(c, frame, len) == (ssize_t)len && pattern_number(frame, len, &read_number) &&
               pattern_differs(frame, len, read_number) < 0,
           "the third one reads a whole frame: %s", strerrorname_np(errno));
    GIVES(0, a, VIDIOC_STREAMOFF, &number);
    close(a);
    for (; k < 16; k++) {
        want();
        given = (int)take(b, &q, 1);
        expect(given == (int)k, "frame %u when the first one has ended, not %d", k, given);
    }
    free(frame);
}

static void case_shared(void)
{
    int fd = open_node(O_RDWR), i, status;
    struct queue q;
    uint32_t round = 0, left = 3;
    pid_t pids[3];
    start(fd, &q, 4);
    fflush(stdout);
    for (i = 0; i < 3; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            wrongs = 0;
            close(fd);
            watch_along();
            _exit(wrongs ? 1 : 0);
        }
    }
    while (left) {
        uint32_t number;
        want();
        number = take(fd, &q, 1);
        expect(number == round, "frame %u, not %u", round, number);
        round++;
        for (i = 0; i < 3; i++)
            if (pids[i] && waitpid(pids[i], &status, WNOHANG) == pids[i]) {
                expect(status == 0, "who watches along ends with 0x%x", status);
                pids[i] = 0;
                left--;
            }
    }
}

/* Application Priority: the highest one is for one open file, and others ask but do not set. */
static void below_record(void)
{
    int fd = open_node(O_RDWR), number = 0;
    uint32_t p = 77;
    struct v4l2_queryctrl controls[32];
    struct v4l2_format f = format_of(fd, type);
    int count = controls_of(fd, controls, 32);
    properties(fd);
    GIVES(0, fd, VIDIOC_G_PRIORITY, &p);
    expect(p == V4L2_PRIORITY_RECORD, "the highest is told, not %u", p);
    GIVES(EBUSY, fd, on_input ? VIDIOC_S_OUTPUT : VIDIOC_S_INPUT, &number);
    GIVES(EBUSY, fd, VIDIOC_S_FMT, &f);
    GIVES(0, fd, VIDIOC_TRY_FMT, &f);
    if (count) {
        struct v4l2_control c = { .id = controls[0].id, .value = controls[0].default_value };
        GIVES(EBUSY, fd, VIDIOC_S_CTRL, &c);
    }
    p = V4L2_PRIORITY_RECORD;
    GIVES(EBUSY, fd, VIDIOC_S_PRIORITY, &p);
}

static void case_record(void)
{
    int fd = open_node(O_RDWR), other = open_node(O_RDWR), copy, number = 0;
    uint32_t p = V4L2_PRIORITY_RECORD;
    GIVES(0, fd, VIDIOC_S_PRIORITY, &p);
    apart(below_record, "another program");
    below_record();
    GIVES(0, fd, on_input ? VIDIOC_S_OUTPUT : VIDIOC_S_INPUT, &number);
    /* It belongs to the open file: a duplicate has it, too, and its close leaves it. */
    copy = dup(fd);
    GIVES(0, copy, on_input ? VIDIOC_S_OUTPUT : VIDIOC_S_INPUT, &number);
    close(fd);
    GIVES(EBUSY, other, on_input ? VIDIOC_S_OUTPUT : VIDIOC_S_INPUT, &number);
    close(copy);
    GIVES(0, other, on_input ? VIDIOC_S_OUTPUT : VIDIOC_S_INPUT, &number);
    GIVES(0, other, VIDIOC_G_PRIORITY, &p);
    expect(p == V4L2_PRIORITY_DEFAULT, "the last close gives it back: %u", p);
}

/* Application Priority: programs in the background are preempted and regain control by themselves. */
static void case_background(void)
{
    int background = open_node(O_RDWR), user, number = 0, i;
    unsigned long set = on_input ? VIDIOC_S_OUTPUT : VIDIOC_S_INPUT;
    uint32_t p = V4L2_PRIORITY_BACKGROUND;
    GIVES(0, background, VIDIOC_S_PRIORITY, &p);
    for (i = 0; i < 3; i++) {
        GIVES(0, background, set, &number);
        user = open_node(O_RDWR);
        p = 77;
        GIVES(0, user, VIDIOC_G_PRIORITY, &p);
        expect(p == V4L2_PRIORITY_DEFAULT, "opening assigns the medium priority, not %u", p);
        GIVES(EBUSY, background, set, &number);
        GIVES(0, user, set, &number);
        close(user);
    }
    GIVES(0, background, set, &number);
}

/* open(): access modes. */
static void case_modes(void)
{
    static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR };
    unsigned char *frame = calloc(1, len);
    size_t i;
    for (i = 0; i < 3; i++) {
        int fd = open_way(modes[i] | O_NONBLOCK);
        int reads = modes[i] != O_WRONLY, writes = modes[i] != O_RDONLY, given;
        expect((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0, "F_GETFL says O_NONBLOCK");
        properties(fd);
        errno = 0;
        given = read(fd, frame, len) < 0 ? errno : 0;
        if (!reads)
            expect(given == EBADF, "read without the right to is EBADF, not %s", strerrorname_np(given));
        else if (on_input)
            expect(given == EINVAL, "inputs are not read: EINVAL, not %s", strerrorname_np(given));
        else
            expect(given == EAGAIN, "read has nothing yet: EAGAIN, not %s", strerrorname_np(given));
        errno = 0;
        given = write(fd, frame, 1) < 0 ? errno : 0;
        if (!writes)
            expect(given == EBADF, "write without the right to is EBADF, not %s", strerrorname_np(given));
        else if (on_input)
            /* It asked for the format, so it is a program of V4L2: its writes are a stream of bytes. */
            expect(given == 0, "write of a byte is a byte of a frame, not %s", strerrorname_np(given));
        else
            expect(given == EINVAL, "outputs are not written: EINVAL, not %s", strerrorname_np(given));
        close(fd);
    }
    free(frame);
}

/* open(): O_NONBLOCK, when the node is opened and later. */
static void case_nonblock(void)
{
    unsigned char *frame = malloc(len);
    struct v4l2_buffer b;
    struct queue q;
    int fd = open_node(O_RDWR | O_NONBLOCK);
    expect(read(fd, frame, len) < 0 && errno == EAGAIN, "read: %s", strerrorname_np(errno));
    want();
    expect(read(fd, frame, len) == (ssize_t)len, "read: %s", strerrorname_np(errno));
    expect(read(fd, frame, len) < 0 && errno == EAGAIN, "read again: %s", strerrorname_np(errno));
    close(fd);
    fd = open_node(O_RDWR | O_NONBLOCK);
    start(fd, &q, 2);
    /* The picture that is there. */
    take(fd, &q, 1);
    b = buffer_of(&q, 0);
    GIVES(EAGAIN, fd, VIDIOC_DQBUF, &b);
    /* "no buffer is in the driver outgoing queue": with none queued, too. */
    want();
    take(fd, &q, 0);
    want();
    take(fd, &q, 0);
    b = buffer_of(&q, 0);
    GIVES(EAGAIN, fd, VIDIOC_DQBUF, &b);
    /* Turned off it waits, so there has to be a frame. */
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    if (queue_put(fd, &q, 0, 0))
        fail("VIDIOC_QBUF");
    want();
    take(fd, &q, 0);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    if (queue_put(fd, &q, 0, 0))
        fail("VIDIOC_QBUF");
    b = buffer_of(&q, 0);
    GIVES(EAGAIN, fd, VIDIOC_DQBUF, &b);
    close(fd);
    free(frame);
}

/* open(): other flags have no effect. */
static void case_flags(void)
{
    static const int more[] = { O_EXCL, O_TRUNC, O_APPEND, O_SYNC, O_CREAT, O_NOCTTY, O_EXCL | O_TRUNC | O_APPEND };
    size_t i;
    for (i = 0; i < sizeof more / sizeof *more; i++) {
        int fd = open_way(O_RDWR | more[i]);
        struct queue q;
        start(fd, &q, 2);
        want();
        take(fd, &q, 1);
        expect(!(fcntl(fd, F_GETFL) & O_NONBLOCK), "it blocks");
        expect(!(fcntl(fd, F_GETFD) & FD_CLOEXEC), "it survives exec");
        close(fd);
    }
}

/* open(): its errors. */
static void case_errors(void)
{
    struct rlimit limit, none;
    char path[64];
    int fd = open_node(O_RDWR), next, given;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        fail("getrlimit");
    next = dup(0);
    close(next);
    none = limit;
    none.rlim_cur = (rlim_t)next;
    if (setrlimit(RLIMIT_NOFILE, &none))
        fail("setrlimit");
    given = open(opt.device, O_RDWR) < 0 ? errno : 0;
    expect(given == EMFILE, "without a free descriptor EMFILE, not %s", strerrorname_np(given));
    if (setrlimit(RLIMIT_NOFILE, &limit))
        fail("setrlimit");
    properties(fd);
    next = open_node(O_RDWR);
    properties(next);
    close(next);
    /* No device of that number: its file is not there, either. */
    snprintf(path, sizeof path, "/dev/video%d", 253);
    given = open(path, O_RDWR) < 0 ? errno : 0;
    expect(given == ENOENT || given == ENXIO || given == ENODEV, "no such device: %s", strerrorname_np(given));
    given = open(opt.device, O_RDWR | O_CREAT | O_EXCL, 0600) < 0 ? errno : 0;
    expect(given == EEXIST, "O_CREAT with O_EXCL is EEXIST for all that exists, not %s", strerrorname_np(given));
    given = open(opt.device, O_RDONLY | O_DIRECTORY) < 0 ? errno : 0;
    expect(given == ENOTDIR, "O_DIRECTORY is ENOTDIR, not %s", strerrorname_np(given));
}

/* close(): resources are freed, properties stay, and a number that is not open is EBADF. */
static void case_close(void)
{
    int round, fd = -1, given, number = (int)type;
    struct v4l2_format f;
    struct state before, after;
    fd = open_node(O_RDWR);
    if (on_input) {
        f = format_of(fd, type);
        f.fmt.pix.pixelformat = V4L2_PIX_FMT_YUV420;
        f.fmt.pix.width = (uint32_t)opt.width;
        f.fmt.pix.height = (uint32_t)opt.height;
        GIVES(0, fd, VIDIOC_S_FMT, &f);
    }
    before = properties(fd);
    close(fd);
    for (round = 0; round < 100; round++) {
        struct queue q;
        unsigned i;
        uint32_t p = V4L2_PRIORITY_RECORD;
        if (round % 10 == 0)
            goes_on();
        fd = open_node(O_RDWR);
        after = properties(fd);
        expect(is_same(&before, &after), "round %d: as it was before", round);
        GIVES(0, fd, VIDIOC_S_PRIORITY, &p);
        queue_open(fd, &q, type, 4, PROT_READ | PROT_WRITE);
        for (i = 0; i < q.count; i++)
            if (queue_put(fd, &q, i, len))
                fail("VIDIOC_QBUF");
        if (round % 3 && stream(fd, &q, 1))
            fail("VIDIOC_STREAMON");
        expect(close(fd) == 0, "close");
        /* Mappings stay until they are unmapped. */
        for (i = 0; i < q.count; i++) {
            q.buffer[i].start[0]++;
            expect(munmap(q.buffer[i].start, q.buffer[i].length) == 0, "munmap");
        }
    }
    given = close(fd) < 0 ? errno : 0;
    expect(given == EBADF, "a second close is EBADF, not %s", strerrorname_np(given));
    GIVES(EBADF, fd, VIDIOC_STREAMOFF, &number);
}

int main(int argc, char **argv)
{
    static const struct a_case cases[] = {
        { "naming", case_naming },
        { "function", case_function },
        { "many", case_many },
        { "panel", case_panel },
        { "opening", case_opening },
        { "owner", case_owner },
        { "owner-by-data", case_owner_by_data },
        { "exclusive", case_exclusive },
        { "shared", case_shared },
        { "shared-in-one", case_shared_in_one },
        { "record", case_record },
        { "background", case_background },
        { "modes", case_modes },
        { "nonblock", case_nonblock },
        { "flags", case_flags },
        { "errors", case_errors },
        { "close", case_close },
    };
    begin_taking(argc, argv);
    on_input = opt.find && !strcmp(opt.find, "input");
    type = on_input ? V4L2_BUF_TYPE_VIDEO_OUTPUT : V4L2_BUF_TYPE_VIDEO_CAPTURE;
    return run_case(cases, sizeof cases / sizeof *cases);
}
