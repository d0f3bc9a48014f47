/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Frames of a compressed format, as an encoder made them. A file of them has for each its length, its flags
 * (V4L2_BUF_FLAG_KEYFRAME and kin) and its bytes; lengths and flags are words of the machine's own byte order.
 *     push: --device is an input; waits for an order, and pushes the frames of the file --find, one an order.
 *     take: --device is an output; saves --frames frames to the file --find. */
#include "v4l2_case.h"

static FILE *file;

static int read_word(uint32_t *word)
{
    return fread(word, sizeof *word, 1, file) == 1;
}

static void case_push(void)
{
    struct v4l2_pix_format pix;
    struct queue q;
    struct v4l2_buffer b;
    uint32_t len, flags;
    unsigned fresh = 0;
    int fd = open_node(O_RDWR), on = 0;
    pix = set_format(fd, V4L2_BUF_TYPE_VIDEO_OUTPUT);
    say_format("setup", &pix);
    if (!order())
        fail("order");
    queue_open(fd, &q, V4L2_BUF_TYPE_VIDEO_OUTPUT, 4, PROT_READ | PROT_WRITE);
    while (read_word(&len) && read_word(&flags)) {
        if (fresh < q.count)
            b = buffer_of(&q, fresh++);
        else if (queue_take(fd, &q, &b))
            fail("VIDIOC_DQBUF");
        if (len > q.buffer[b.index].length || fread(q.buffer[b.index].start, 1, len, file) != len)
            fail("a frame of the file");
        b.bytesused = len;
        b.flags = flags;
        if (ioctl(fd, VIDIOC_QBUF, &b))
            fail("VIDIOC_QBUF");
        q.buffer[b.index].queued = 1;
        if (!on++ && stream(fd, &q, 1))
            fail("VIDIOC_STREAMON");
        say("{\"event\":\"frame\",\"bytes\":%u}", len);
        if (!order())
            break;
    }
}

static void case_take(void)
{
    static const uint32_t kinds = V4L2_BUF_FLAG_KEYFRAME | V4L2_BUF_FLAG_PFRAME | V4L2_BUF_FLAG_BFRAME;
    struct v4l2_pix_format pix;
    struct queue q;
    long n;
    int fd = open_node(O_RDWR);
    pix = format_in_force(fd, V4L2_BUF_TYPE_VIDEO_CAPTURE);
    queue_open(fd, &q, V4L2_BUF_TYPE_VIDEO_CAPTURE, 4, PROT_READ);
    queue_put_all(fd, &q);
    if (stream(fd, &q, 1))
        fail("VIDIOC_STREAMON");
    say_format("ready", &pix);
    for (n = 0; n < opt.frames; n++) {
        struct v4l2_buffer b;
        uint32_t words[2];
        if (queue_take(fd, &q, &b))
            fail("VIDIOC_DQBUF");
        words[0] = b.bytesused;
        words[1] = b.flags & kinds;
        if (fwrite(words, sizeof words, 1, file) != 1 ||
            fwrite(q.buffer[b.index].start, 1, b.bytesused, file) != b.bytesused)
            fail("fwrite");
        if (queue_put(fd, &q, b.index, 0))
            fail("VIDIOC_QBUF");
        say("{\"event\":\"frame\",\"bytes\":%u}", b.bytesused);
    }
    if (fclose(file))
        fail("fclose");
}

int main(int argc, char **argv)
{
    static const struct a_case cases[] = { { "push", case_push }, { "take", case_take } };
    begin(argc, argv);
    file = fopen(opt.find, opt.name && !strcmp(opt.name, "take") ? "w" : "r");
    if (!file)
        fail("fopen");
    return run_case(cases, sizeof cases / sizeof *cases);
}
