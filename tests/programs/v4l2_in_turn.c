/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Streams as PDP does: queues all buffers, takes them to come back in that order whatever VIDIOC_DQBUF's index
 * says, and puts each back before it looks at it. "strays" counts the buffers that were not the next in turn;
 * "closest" is the shortest time between two frames, nanoseconds, and "late" counts the frames that were there
 * before the buffer of the one before was put back. */
#include "v4l2.h"

int main(int argc, char **argv)
{
    struct v4l2_format format;
    struct queue q;
    unsigned turn = 0;
    long strays = 0, late = 0;
    int64_t closest = INT64_MAX, last = 0, back = 0;
    int fd;
    begin(argc, argv);
    fd = open_client(O_RDWR);
    memset(&format, 0, sizeof format);
    format.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    if (ioctl(fd, VIDIOC_G_FMT, &format))
        fail("VIDIOC_G_FMT");
    queue_open(fd, &q, V4L2_BUF_TYPE_VIDEO_CAPTURE, opt.buffers, PROT_READ);
    queue_put_all(fd, &q);
    if (stream(fd, &q, 1))
        fail("VIDIOC_STREAMON");
    say("{\"event\":\"ready\"}");
    while (more()) {
        struct v4l2_buffer b;
        if (queue_take(fd, &q, &b))
            fail("VIDIOC_DQBUF");
        strays += b.index != turn;
        late += stamp_ns(&b) <= back;
        if (last && stamp_ns(&b) - last < closest)
            closest = stamp_ns(&b) - last;
        last = stamp_ns(&b);
        if (queue_put(fd, &q, b.index, 0))
            fail("VIDIOC_QBUF");
        back = now_ns();
        look(q.buffer[turn].start, format.fmt.pix.sizeimage);
        turn = (turn + 1) % q.count;
    }
    if (stream(fd, &q, 0))
        fail("VIDIOC_STREAMOFF");
    close(fd);
    say("{\"event\":\"strays\",\"strays\":%ld,\"closest\":%lld,\"late\":%ld}", strays, (long long)closest, late);
    result();
}
