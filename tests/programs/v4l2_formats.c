/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What S_FMT gives for what a pusher asks for, and that it gets through to a client: --device is the input, --find the
 * output. Sizes that cannot be, fields. */
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

int main(int argc, char **argv)
{
    static const struct a_case cases[] = {
        { "bad_input", case_bad_input },
        { "fields", case_fields },
    };
    begin(argc, argv);
    return run_case(cases, sizeof cases / sizeof *cases);
}
