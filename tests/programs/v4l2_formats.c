/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What S_FMT gives for what a pusher asks for, and that it gets through to a client: --device is the input, --find the
 * output. Sizes that cannot be, lines that are farther apart than their pixels take, fields. */
#include "v4l2_case.h"

#define CAPTURE V4L2_BUF_TYPE_VIDEO_CAPTURE
#define OUTPUT V4L2_BUF_TYPE_VIDEO_OUTPUT

static struct v4l2_pix_format set(int fd, uint32_t type, const char *code, uint32_t width, uint32_t height,
                                  uint32_t line, uint32_t size)
{
    struct v4l2_format f;
    memset(&f, 0, sizeof f);
    f.type = type;
    f.fmt.pix.pixelformat = fourcc(code);
    f.fmt.pix.width = width;
    f.fmt.pix.height = height;
    f.fmt.pix.bytesperline = line;
    f.fmt.pix.sizeimage = size;
    GIVES(0, fd, VIDIOC_S_FMT, &f);
    return f.fmt.pix;
}

static void is(const struct v4l2_pix_format *pix, const char *code, uint32_t width, uint32_t height, uint32_t line,
               uint32_t size)
{
    expect(pix->pixelformat == fourcc(code) && pix->width == width && pix->height == height &&
               pix->bytesperline == line && pix->sizeimage == size,
           "%s %ux%u, a line of %u, %u bytes, not %s %ux%u, %u, %u", code, width, height, line, size,
           name_of(pix->pixelformat), pix->width, pix->height, pix->bytesperline, pix->sizeimage);
}

/* v4l2loopback's own adjustments: a size of 0 is the default's, what is too large is the largest. A code that nobody
 * knows is refused there; here it is the default's, as the V4L2 specification wants it. */
static void case_bad_input(void)
{
    int fd = open_node(O_RDWR);
    struct v4l2_pix_format pix = set(fd, OUTPUT, "YUYV", 0, 0, 0, 0);
    is(&pix, "YUYV", 640, 480, 1280, 614400);
    pix = set(fd, OUTPUT, "GREY", 0, 65536, 0, 0);
    is(&pix, "GREY", 640, 8192, 640, 640 * 8192);
    pix = set(fd, OUTPUT, "GREY", 65536, 65536, 0, 0);
    is(&pix, "GREY", 8192, 8192, 8192, 8192 * 8192);
    pix = set(fd, OUTPUT, "NONE", 320, 240, 0, 0);
    is(&pix, "YUYV", 320, 240, 640, 153600);
    pix = set(fd, OUTPUT, "NV12", 1, 1, 0, 0);
    is(&pix, "NV12", 1, 1, 1, 3);
}

/* What is in each kind of field comes out as that. */
static void case_fields(void)
{
    static const uint32_t fields[] = { V4L2_FIELD_TOP,    V4L2_FIELD_BOTTOM,        V4L2_FIELD_INTERLACED,
                                       V4L2_FIELD_SEQ_TB, V4L2_FIELD_SEQ_BT,        V4L2_FIELD_INTERLACED_TB,
                                       V4L2_FIELD_NONE,   V4L2_FIELD_INTERLACED_BT, V4L2_FIELD_NONE };
    int input = open_node(O_RDWR), output = open(opt.find, O_RDWR);
    unsigned i;
    for (i = 0; i < sizeof fields / sizeof *fields; i++) {
        struct v4l2_format f = format_of(input, OUTPUT);
        struct queue in, out;
        struct v4l2_buffer b;
        f.fmt.pix.field = fields[i];
        GIVES(0, input, VIDIOC_TRY_FMT, &f);
        expect(f.fmt.pix.field == fields[i], "TRY_FMT: field %u, not %u", fields[i], f.fmt.pix.field);
        GIVES(0, input, VIDIOC_S_FMT, &f);
        expect(f.fmt.pix.field == fields[i], "S_FMT: field %u, not %u", fields[i], f.fmt.pix.field);
        f = format_of(output, CAPTURE);
        expect(f.fmt.pix.field == fields[i], "G_FMT of the output: field %u, not %u", fields[i], f.fmt.pix.field);
        queue_open(input, &in, OUTPUT, 2, PROT_READ | PROT_WRITE);
        queue_open(output, &out, CAPTURE, 2, PROT_READ | PROT_WRITE);
        queue_put_all(output, &out);
        expect(!stream(input, &in, 1) && !stream(output, &out, 1), "STREAMON");
        b = buffer_of(&in, 0);
        b.bytesused = f.fmt.pix.sizeimage;
        b.field = fields[i];
        pattern_fill(in.buffer[0].start, b.bytesused, i);
        GIVES(0, input, VIDIOC_QBUF, &b);
        expect(b.field == fields[i], "QBUF: field %u, not %u", fields[i], b.field);
        if (queue_take(output, &out, &b))
            fail("VIDIOC_DQBUF");
        expect(b.field == fields[i], "DQBUF: field %u, not %u", fields[i], b.field);
        expect(pattern_differs(out.buffer[b.index].start, b.bytesused, i) < 0, "the frame of field %u", fields[i]);
        expect(!stream(input, &in, 0) && !stream(output, &out, 0), "STREAMOFF");
        close(input);
        close(output);
        input = open_node(O_RDWR);
        output = open(opt.find, O_RDWR);
    }
    {
        struct v4l2_format f = format_of(input, OUTPUT);
        f.fmt.pix.field = V4L2_FIELD_ALTERNATE;
        GIVES(0, input, VIDIOC_S_FMT, &f);
        expect(f.fmt.pix.field == V4L2_FIELD_NONE, "ALTERNATE becomes NONE, not %u", f.fmt.pix.field);
    }
}

/* The planes of NV12, 37x19: bytes of a line, lines. */
enum { WIDTH = 37, HEIGHT = 19, TIGHT = 37 * 19 + 38 * 10 };
static const unsigned lines[2] = { HEIGHT, 10 }, bytes[2] = { 37, 38 };

/* Where byte `at` of a frame without padding is in one whose lines are `line` bytes apart. */
static size_t place(size_t at, size_t line)
{
    size_t plane = at >= (size_t)WIDTH * HEIGHT, here = plane ? at - WIDTH * HEIGHT : at;
    size_t stride = !line ? bytes[plane] : plane ? (line + 1) / 2 * 2 : line;
    size_t before = plane ? (line ? line : WIDTH) * lines[0] : 0;
    return before + here / bytes[plane] * stride + here % bytes[plane];
}

static size_t length(size_t line)
{
    return line ? line * lines[0] + (line + 1) / 2 * 2 * lines[1] : TIGHT;
}

/* Frame `number`, its lines so far apart; 0: without padding. What is between them is nobody's. */
static void draw(unsigned char *frame, uint32_t number, size_t line)
{
    unsigned char plain[TIGHT];
    size_t i;
    pattern_fill(plain, sizeof plain, number);
    memset(frame, 0x5a, length(line));
    for (i = 0; i < sizeof plain; i++)
        frame[place(i, line)] = plain[i];
    if ((long)number == opt.wrong)
        frame[place(TIGHT / 2, line)] ^= 1;
}

static void shows(const unsigned char *frame, size_t len, uint32_t number, size_t line, const char *how)
{
    unsigned char plain[TIGHT];
    long wrong;
    size_t i;
    expect(len == length(line), "%s, a line of %zu: %zu bytes, not %zu", how, line, length(line), len);
    if (len != length(line))
        return;
    for (i = 0; i < sizeof plain; i++)
        plain[i] = frame[place(i, line)];
    wrong = pattern_differs(plain, sizeof plain, number);
    expect(wrong < 0, "%s, a line of %zu: frame %u is torn at byte %ld", how, line, number, wrong);
}

/* A program of today at the output: --io mmap, userptr or read. */
struct watcher {
    int fd;
    size_t line;
    const char *how;
    struct queue q;
    unsigned char *own[4];
};

static void watch(struct watcher *w, const char *how, size_t line)
{
    struct v4l2_pix_format pix;
    unsigned i;
    w->fd = open(opt.find, O_RDWR);
    if (w->fd < 0)
        fail("open of the output");
    w->how = how;
    w->line = line;
    pix = set(w->fd, CAPTURE, "NV12", WIDTH, HEIGHT, (uint32_t)line, 0);
    is(&pix, "NV12", WIDTH, HEIGHT, line ? (uint32_t)line : WIDTH, (uint32_t)length(line));
    pix = format_in_force(w->fd, CAPTURE);
    is(&pix, "NV12", WIDTH, HEIGHT, line ? (uint32_t)line : WIDTH, (uint32_t)length(line));
    if (!strcmp(how, "read")) {
        /* The first read begins the stream. */
        unsigned char none[1];
        int flags = fcntl(w->fd, F_GETFL);
        fcntl(w->fd, F_SETFL, flags | O_NONBLOCK);
        expect(read(w->fd, none, 1) < 0 && errno == EAGAIN, "no frame yet");
        fcntl(w->fd, F_SETFL, flags);
        return;
    }
    if (!strcmp(how, "mmap")) {
        queue_open(w->fd, &w->q, CAPTURE, 4, PROT_READ | PROT_WRITE);
        queue_put_all(w->fd, &w->q);
    } else {
        uint32_t count = 4;
        memset(&w->q, 0, sizeof w->q);
        w->q.type = CAPTURE;
        expect(!ask_buffers(w->fd, CAPTURE, V4L2_MEMORY_USERPTR, &count) && count == 4, "REQBUFS of USERPTR");
        w->q.count = count;
        for (i = 0; i < count; i++) {
            struct v4l2_buffer b = buffer_of(&w->q, i);
            w->own[i] = malloc(length(line));
            b.memory = V4L2_MEMORY_USERPTR;
            b.m.userptr = (unsigned long)w->own[i];
            b.length = (uint32_t)length(line);
            GIVES(0, w->fd, VIDIOC_QBUF, &b);
        }
    }
    expect(!stream(w->fd, &w->q, 1), "STREAMON");
}

static void sees(struct watcher *w, uint32_t number)
{
    if (!strcmp(w->how, "read")) {
        unsigned char frame[4096];
        ssize_t n = read(w->fd, frame, length(w->line));
        shows(frame, n < 0 ? 0 : (size_t)n, number, w->line, w->how);
    } else if (!strcmp(w->how, "mmap")) {
        struct v4l2_buffer b;
        if (queue_take(w->fd, &w->q, &b))
            fail("VIDIOC_DQBUF");
        shows(w->q.buffer[b.index].start, b.bytesused, number, w->line, w->how);
        expect(!queue_put(w->fd, &w->q, b.index, 0), "QBUF");
    } else {
        struct v4l2_buffer b = buffer_of(&w->q, 0);
        b.memory = V4L2_MEMORY_USERPTR;
        GIVES(0, w->fd, VIDIOC_DQBUF, &b);
        shows(w->own[b.index], b.bytesused, number, w->line, w->how);
        GIVES(0, w->fd, VIDIOC_QBUF, &b);
    }
}

/* Pushers and clients, each with lines of its own: by every way of moving frames. */
static void case_lines(void)
{
    static const char *const how[] = { "mmap", "read", "userptr" };
    static const size_t apart[] = { 64, 0, 41 };
    static unsigned char own[3][4096];
    uint32_t number = 0;
    unsigned way, k, i, n;
    /* By mapped buffers, by memory of its own, by writes. */
    for (way = 0; way < 3; way++)
        for (k = 0; k < 3; k++) {
            int fd = open_node(O_RDWR), user = way == 1, by_write = way == 2;
            size_t line = apart[k];
            struct queue q;
            struct v4l2_pix_format pix = set(fd, OUTPUT, "NV12", WIDTH, HEIGHT, (uint32_t)line, 0);
            is(&pix, "NV12", WIDTH, HEIGHT, line ? (uint32_t)line : WIDTH, (uint32_t)length(line));
            pix = format_in_force(fd, OUTPUT);
            is(&pix, "NV12", WIDTH, HEIGHT, line ? (uint32_t)line : WIDTH, (uint32_t)length(line));
            memset(&q, 0, sizeof q);
            q.type = OUTPUT;
            for (i = 0; i < 6; i++) {
                struct watcher watcher;
                if (way == 0) {
                    queue_open(fd, &q, OUTPUT, 3, PROT_READ | PROT_WRITE);
                } else if (user) {
                    uint32_t count = 3;
                    expect(!ask_buffers(fd, OUTPUT, V4L2_MEMORY_USERPTR, &count) && count == 3, "REQBUFS of USERPTR");
                }
                if (!by_write)
                    expect(!stream(fd, &q, 1), "STREAMON");
                watch(&watcher, how[i % 3], i < 3 ? 64 : 0);
                if (by_write && i)
                    /* It begins with the picture that is there. */
                    sees(&watcher, number);
                for (n = 0; n < 5; n++) {
                    struct v4l2_buffer b = buffer_of(&q, n % 3);
                    number++;
                    if (by_write) {
                        size_t part = n == 3 ? 100 : 0;
                        draw(own[0], number, line);
                        if (part)
                            expect(write(fd, own[0], part) == (ssize_t)part, "write of a part");
                        expect(write(fd, own[0] + part, length(line) - part) == (ssize_t)(length(line) - part),
                               "write: errno %d", errno);
                        sees(&watcher, number);
                        continue;
                    }
                    b.memory = user ? V4L2_MEMORY_USERPTR : V4L2_MEMORY_MMAP;
                    if (n >= 3)
                        GIVES(0, fd, VIDIOC_DQBUF, &b);
                    if (user) {
                        b.m.userptr = (unsigned long)own[b.index];
                        b.length = sizeof own[0];
                    }
                    draw(user ? own[b.index] : q.buffer[b.index].start, number, line);
                    b.bytesused = (uint32_t)length(line);
                    GIVES(0, fd, VIDIOC_QBUF, &b);
                    sees(&watcher, number);
                }
                close(watcher.fd);
                if (!by_write) {
                    uint32_t none = 0;
                    expect(!stream(fd, &q, 0), "STREAMOFF");
                    expect(!ask_buffers(fd, OUTPUT, user ? V4L2_MEMORY_USERPTR : V4L2_MEMORY_MMAP, &none), "REQBUFS 0");
                }
                if (wrongs > 20)
                    return;
            }
            goes_on();
            close(fd);
        }
}

int main(int argc, char **argv)
{
    static const struct a_case cases[] = {
        { "bad_input", case_bad_input },
        { "fields", case_fields },
        { "lines", case_lines },
    };
    begin(argc, argv);
    return run_case(cases, sizeof cases / sizeof *cases);
}
