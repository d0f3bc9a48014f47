/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* V4L2's read() and write() are a stream of bytes: frames in parts. See v4l2_case.h. --device is a pipe's output or, for
 * the cases that write, its input; frames are YUV420P of --size. */
#include <sys/uio.h>
#include <sys/wait.h>

#include "v4l2_take.h"

/* A frame that is put together. */
static unsigned char *frame;
static size_t have;
static long frames;

static void judge_frame(void)
{
    uint32_t number;
    expect(pattern_number(frame, len, &number) && pattern_differs(frame, len, number) < 0, "frame %ld is whole",
           frames);
    have = 0;
    frames++;
}

/* Reads at most so many bytes; what came. */
static size_t read_part(int fd, size_t most)
{
    ssize_t n = read(fd, frame + have, most < len - have ? most : len - have);
    if (n <= 0)
        fail("read");
    have += (size_t)n;
    if (have == len)
        judge_frame();
    return (size_t)n;
}

/* In pieces of every kind of size. */
static void reads(void)
{
    const size_t sizes[] = { 1, 7, 512, 1000, 4096, len - 1, len };
    size_t k;
    int fd = open_node(O_RDWR);
    for (k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        long until = frames + (sizes[k] < 8 ? 1 : 5);
        while (frames < until)
            read_part(fd, sizes[k]);
        goes_on();
    }
    /* A read of more than a frame is a frame, and one of more than its rest is the rest. */
    read_part(fd, 100);
    {
        unsigned char *more = malloc(2 * len);
        ssize_t n = read(fd, more, 2 * len);
        expect(n == (ssize_t)(len - 100), "the rest has %zd bytes", n);
        memcpy(frame + have, more, len - 100);
        judge_frame();
        free(more);
    }
    expect(wrongs == 0, "of %ld frames", frames);
}

#define MOST_PIECES 1024
static struct iovec pieces[MOST_PIECES + 1];

/* `count` pieces of memory of `size` bytes, one after the other. */
static void cut(unsigned char *memory, size_t size, size_t count)
{
    size_t i;
    for (i = 0; i < count; i++) {
        size_t from = size * i / count, to = size * (i + 1) / count;
        pieces[i] = (struct iovec){ memory + from, to - from };
    }
}

/* What readv() and writev() refuse, as the kernel does before it asks the device. */
static void refuses(const char *name, ssize_t call(int, const struct iovec *, int), int fd)
{
    cut(frame, len, MOST_PIECES + 1);
    errno = 0;
    expect(call(fd, pieces, MOST_PIECES + 1) == -1 && errno == EINVAL, "%s of 1025 pieces: %m", name);
    errno = 0;
    expect(call(fd, pieces, -1) == -1 && errno == EINVAL, "%s of -1 pieces: %m", name);
    errno = 0;
    expect(call(fd, (const struct iovec *)8, MOST_PIECES) == -1 && errno == EFAULT, "%s of no memory: %m", name);
    pieces[1].iov_len = (size_t)-1;
    errno = 0;
    expect(call(fd, pieces, 2) == -1 && errno == EINVAL, "%s of a negative length: %m", name);
    expect(call(fd, pieces, 0) == 0, "%s of nothing: %m", name);
}

/* readv() fills one piece after the other, also those of the next frame. */
static void vectors(void)
{
    const size_t counts[] = { 1, 2, 16, 17, 100, MOST_PIECES };
    unsigned char *both = malloc(2 * len);
    size_t k;
    int fd = open_node(O_RDWR);
    for (k = 0; k < sizeof counts / sizeof *counts; k++) {
        ssize_t n;
        cut(frame, len, counts[k]);
        n = readv(fd, pieces, (int)counts[k]);
        expect(n == (ssize_t)len, "readv of %zu pieces gives %zd", counts[k], n);
        judge_frame();
        goes_on();
    }
    refuses("readv", readv, fd);
    cut(both, 2 * len, 6);
    expect(readv(fd, pieces, 6) == (ssize_t)(2 * len), "two frames at once");
    for (k = 0; k < 2; k++) {
        memcpy(frame, both + k * len, len);
        judge_frame();
    }
    free(both);
}

/* Two processes with one open file: the second goes on where the first was. */
static void shared(void)
{
    int fd = open_node(O_RDWR), k, status, way[2];
    for (k = 0; k < 5; k++) {
        pid_t child;
        read_part(fd, 1000);
        if (pipe(way))
            fail("pipe");
        child = fork();
        if (!child) {
            unsigned char *rest = malloc(len);
            ssize_t n = read(fd, rest, len);
            _exit(n == (ssize_t)(len - 1000) && write(way[1], rest, (size_t)n) == n ? 0 : 1);
        }
        close(way[1]);
        while (have < len) {
            ssize_t n = read(way[0], frame + have, len - have);
            if (n <= 0)
                break;
            have += (size_t)n;
        }
        close(way[0]);
        waitpid(child, &status, 0);
        expect(status == 0 && have == len, "the child reads the rest: status %#x, %zu bytes", status, have);
        judge_frame();
    }
}

static int readable(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    return poll(&p, 1, 0) == 1;
}

/* The descriptor is readable as long as something of a frame is left. */
static void polls(void)
{
    struct pollfd p;
    int fd = open_node(O_RDWR | O_NONBLOCK), k;
    expect(read(fd, frame, len) < 0 && errno == EAGAIN, "the first read begins the stream");
    for (k = 0; k < 3; k++) {
        want();
        p = (struct pollfd){ .fd = fd, .events = POLLIN };
        expect(poll(&p, 1, 60000) == 1, "a frame comes");
        while (frames == k) {
            p = (struct pollfd){ .fd = fd, .events = POLLIN };
            expect(poll(&p, 1, 60000) == 1, "what is left can be read");
            read_part(fd, 3000);
        }
        expect(!readable(fd), "nothing is left");
        expect(read(fd, frame, 100) < 0 && errno == EAGAIN, "and read says so");
    }
}

/* Writes a stream of numbered frames in parts of changing sizes, also of several frames, until it is told to end; each
 * part by write(), or by writev() in so many pieces. */
static void writes_by(size_t count)
{
    const size_t sizes[] = { 512, 1, 4096, 3 * len + 77, 1000, len, 2 * len, 5 };
    size_t k = 0, in = 0, piece, n = 8 * len;
    unsigned char *stream = malloc(n + len);
    uint32_t number = 1;
    size_t filled = 0;
    int fd = open_node(O_RDWR), ticks = clock_open(300);
    choose_format(fd);
    if (count)
        refuses("writev", writev, fd);
    say("{\"event\":\"setup\"}");
    while (!told()) {
        while (filled < n - len) {
            pattern_fill(stream + filled, len, number++);
            filled += len;
        }
        piece = sizes[k++ % (sizeof sizes / sizeof *sizes)];
        clock_tick(ticks);
        if (count)
            cut(stream, piece, count);
        if ((count ? writev(fd, pieces, (int)count) : write(fd, stream, piece)) != (ssize_t)piece)
            fail("write");
        in += piece;
        memmove(stream, stream + piece, filled - piece);
        filled -= piece;
    }
    expect(in > 0, "bytes");
}

static void writes(void)
{
    writes_by(0);
}

static void write_vectors(void)
{
    writes_by(MOST_PIECES);
}

int main(int argc, char **argv)
{
    static const struct a_case cases[] = {
        { "reads", reads },   { "vectors", vectors }, { "shared", shared },
        { "polls", polls },   { "writes", writes },   { "write_vectors", write_vectors },
    };
    begin_taking(argc, argv);
    frame = malloc(len);
    return run_case(cases, sizeof cases / sizeof *cases);
}
