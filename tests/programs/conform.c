/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* An agent of the conformance suite (tests/src/conformance/mod.rs has the protocol) that reaches pipes as any
 * V4L2 program does, by open() and ioctl(): --io mmap with buffers, --io read or write without. It takes an order
 * a line and answers each with a line. */
#include "v4l2.h"

static int fd = -1, is_input, started;
static uint32_t type;
static struct v4l2_pix_format pix;
static struct queue q;
static unsigned fresh;
static unsigned char frame[1 << 16];
static char line[1 << 18];

static void done(int error)
{
    say("{\"event\":\"done\",\"errno\":%d}", error);
}

static int get_format(void)
{
    struct v4l2_format f;
    memset(&f, 0, sizeof f);
    f.type = type;
    if (ioctl(fd, VIDIOC_G_FMT, &f))
        return errno;
    pix = f.fmt.pix;
    return 0;
}

static void tell_format(int error)
{
    say("{\"event\":\"done\",\"errno\":%d,\"format\":\"%s\",\"width\":%u,\"height\":%u,\"sizeimage\":%u}", error,
        name_of(pix.pixelformat), pix.width, pix.height, pix.sizeimage);
}

static void order_open(const char *path)
{
    struct v4l2_capability cap;
    fd = open(path, O_RDWR);
    if (fd < 0) {
        done(errno);
        return;
    }
    if (ioctl(fd, VIDIOC_QUERYCAP, &cap)) {
        done(errno);
        return;
    }
    is_input = (cap.device_caps & V4L2_CAP_VIDEO_OUTPUT) != 0;
    type = is_input ? V4L2_BUF_TYPE_VIDEO_OUTPUT : V4L2_BUF_TYPE_VIDEO_CAPTURE;
    done(0);
}

static void order_format(const char *name, int width, int height)
{
    struct v4l2_format f;
    memset(&f, 0, sizeof f);
    f.type = type;
    f.fmt.pix.pixelformat = fourcc(name);
    f.fmt.pix.width = (uint32_t)width;
    f.fmt.pix.height = (uint32_t)height;
    if (ioctl(fd, VIDIOC_S_FMT, &f)) {
        done(errno);
        return;
    }
    pix = f.fmt.pix;
    tell_format(0);
}

static int by_buffers(void)
{
    return !strcmp(opt.io, "mmap");
}

/* Buffers without the end of the program where there are none. */
static int ask_for_buffers(void)
{
    struct v4l2_requestbuffers r;
    memset(&r, 0, sizeof r);
    r.count = 4;
    r.type = type;
    r.memory = V4L2_MEMORY_MMAP;
    if (ioctl(fd, VIDIOC_REQBUFS, &r))
        return errno;
    queue_open(fd, &q, type, 4, PROT_READ | PROT_WRITE);
    fresh = 0;
    return 0;
}

static int push(const unsigned char *bytes, size_t len)
{
    struct v4l2_buffer b;
    unsigned index;
    ssize_t n;
    if (!by_buffers()) {
        n = write(fd, bytes, len);
        return n == (ssize_t)len ? 0 : n < 0 ? errno : EIO;
    }
    if (!started) {
        int error = ask_for_buffers();
        if (error)
            return error;
    }
    if (fresh < q.count)
        index = fresh++;
    else if (queue_take(fd, &q, &b))
        return errno;
    else
        index = b.index;
    if (len > q.buffer[index].length)
        return EINVAL;
    memcpy(q.buffer[index].start, bytes, len);
    if (queue_put(fd, &q, index, len))
        return errno;
    if (!started && stream(fd, &q, 1))
        return errno;
    started = 1;
    return 0;
}

static int begin_taking(void)
{
    unsigned i;
    if (by_buffers()) {
        int error = ask_for_buffers();
        if (error)
            return error;
        for (i = 0; i < q.count; i++)
            if (queue_put(fd, &q, i, 0))
                return errno;
        return stream(fd, &q, 1) ? errno : 0;
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    if (read(fd, frame, sizeof frame) >= 0)
        return EPROTO; /* Nothing was pushed for it yet. */
    return errno == EAGAIN ? 0 : errno;
}

static void tell_frame(long sequence, const unsigned char *bytes, size_t len)
{
    size_t i, n;
    n = (size_t)sprintf(line, "{\"event\":\"done\",\"errno\":0,\"sequence\":%ld,\"bytes\":\"", sequence);
    for (i = 0; i < len; i++)
        n += (size_t)sprintf(line + n, "%02x", bytes[i]);
    n += (size_t)sprintf(line + n, "\"}\n");
    for (i = 0; i < n;) {
        ssize_t part = write(1, line + i, n - i);
        if (part <= 0)
            _exit(3);
        i += (size_t)part;
    }
}

static void order_take(int waits)
{
    struct v4l2_buffer b;
    fcntl(fd, F_SETFL, waits ? 0 : O_NONBLOCK);
    if (!by_buffers()) {
        ssize_t n = read(fd, frame, sizeof frame);
        if (n <= 0)
            done(n < 0 ? errno : EPIPE);
        else
            tell_frame(-1, frame, (size_t)n);
        return;
    }
    if (queue_take(fd, &q, &b)) {
        done(errno);
        return;
    }
    tell_frame((long)b.sequence, q.buffer[b.index].start, b.bytesused);
    /* Where the stream has ended meanwhile, the next order tells. */
    queue_put(fd, &q, b.index, 0);
}

static int digit(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

int main(int argc, char **argv)
{
    begin(argc, argv);
    while (fgets(line, sizeof line, stdin)) {
        char name[8];
        int width, height, timeout;
        line[strcspn(line, "\n")] = 0;
        if (!strncmp(line, "open ", 5))
            order_open(line + 5);
        else if (sscanf(line, "format %7s %dx%d", name, &width, &height) == 3)
            order_format(name, width, height);
        else if (!strcmp(line, "get"))
            tell_format(get_format());
        else if (!strncmp(line, "write ", 6)) {
            size_t len = 0;
            const char *at = line + 6;
            for (; at[0] && at[1] && len < sizeof frame; at += 2)
                frame[len++] = (unsigned char)(digit(at[0]) << 4 | digit(at[1]));
            done(push(frame, len));
        } else if (!strcmp(line, "start"))
            done(begin_taking());
        else if (!strcmp(line, "take wait"))
            order_take(1);
        else if (!strcmp(line, "take try"))
            order_take(0);
        else if (sscanf(line, "ready %d", &timeout) == 1) {
            struct pollfd p = { .fd = fd, .events = POLLIN };
            int n = poll(&p, 1, timeout);
            say("{\"event\":\"done\",\"errno\":%d,\"ready\":%s}", n < 0 ? errno : 0, n > 0 ? "true" : "false");
        } else if (!strcmp(line, "close"))
            done(close(fd) ? errno : 0);
        else
            done(ENOSYS);
    }
    return 0;
}
