/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* STREAMON of a pusher without buffers, as OBS's virtual camera makes it, then write(). Prints a line for each step: its
 * name, and what it gave: 0, a count of bytes, or the errno. */
#include "v4l2.h"
#include <sys/wait.h>

static void tell(const char *step, long result)
{
    printf("%s %ld\n", step, result < 0 ? (long)errno : result);
    fflush(stdout);
}

static int switch_on(int of, unsigned long request)
{
    int type = V4L2_BUF_TYPE_VIDEO_OUTPUT;
    return ioctl(of, request, &type);
}

int main(int argc, char **argv)
{
    static unsigned char frame[320 * 240 * 2];
    struct v4l2_format f;
    struct v4l2_requestbuffers none;
    int fd, other;
    begin(argc, argv);
    fd = open(opt.device, O_RDWR);
    if (fd < 0)
        return 1;
    memset(&f, 0, sizeof f);
    f.type = V4L2_BUF_TYPE_VIDEO_OUTPUT;
    if (ioctl(fd, VIDIOC_G_FMT, &f))
        return 2;
    f.fmt.pix.width = 320;
    f.fmt.pix.height = 240;
    f.fmt.pix.pixelformat = V4L2_PIX_FMT_YUYV;
    if (ioctl(fd, VIDIOC_S_FMT, &f))
        return 3;
    tell("fresh", switch_on(fd, VIDIOC_STREAMON));
    tell("write", write(fd, frame, sizeof frame));
    other = open(opt.device, O_RDWR | O_NONBLOCK);
    if (!fork()) {
        /* Another program's. */
        tell("other", switch_on(other, VIDIOC_STREAMON));
        _exit(0);
    }
    wait(0);
    tell("streamoff", switch_on(fd, VIDIOC_STREAMOFF));
    tell("write again", write(fd, frame, sizeof frame));
    memset(&none, 0, sizeof none);
    none.type = V4L2_BUF_TYPE_VIDEO_OUTPUT;
    none.memory = V4L2_MEMORY_MMAP;
    if (ioctl(fd, VIDIOC_REQBUFS, &none))
        return 4;
    tell("after reqbufs", switch_on(fd, VIDIOC_STREAMON));
    return 0;
}
