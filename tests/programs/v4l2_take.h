/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Taking frames of --size YUV420P from an output, for the cases about streaming. */
#ifndef VLOOPBACK_TESTS_V4L2_TAKE_H
#define VLOOPBACK_TESTS_V4L2_TAKE_H

#include "v4l2_case.h"

#define CAPTURE V4L2_BUF_TYPE_VIDEO_CAPTURE

static size_t len; /* bytes of a frame */

static UNUSED void start(int fd, struct queue *q, int buffers)
{
    queue_open(fd, q, CAPTURE, buffers, PROT_READ | PROT_WRITE);
    queue_put_all(fd, q);
    if (stream(fd, q, 1))
        fail("VIDIOC_STREAMON");
}

/* Dequeues a frame that has to be there, looks at its bytes and, with `back`, queues it again. */
static UNUSED uint32_t take(int fd, struct queue *q, int back)
{
    struct v4l2_buffer b;
    uint32_t number = 0;
    if (queue_take(fd, q, &b))
        fail("VIDIOC_DQBUF");
    expect(b.bytesused == len, "bytesused %u has to be %zu", b.bytesused, len);
    expect(pattern_number(q->buffer[b.index].start, len, &number) &&
               pattern_differs(q->buffer[b.index].start, len, number) < 0,
           "a whole frame");
    if (back && queue_put(fd, q, b.index, 0))
        fail("VIDIOC_QBUF");
    return number;
}

/* Reads the options; frames are YUV420P of --size. */
static UNUSED void begin_taking(int argc, char **argv)
{
    begin(argc, argv);
    len = (size_t)opt.width * (size_t)opt.height * 3 / 2;
}

#endif
