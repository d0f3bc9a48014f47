/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Watches as programs on libv4l1 do that were built to go the V4L1 way: QUERYCAP first, whose answer
 * must not change what V4L1 answers after it, and the device is opened anew for every picture. An open that fails is tried again every 25 ms, --patience
 * times at most: that is such a program's own habit, and why EINVAL has to go away when a pusher
 * appears. */
#include "client.h"

/* VIDIOC_QUERYCAP of V4L2, whose struct has 104 bytes. */
#define QUERYCAP 0x80685600u

static int picture(int clock)
{
    struct video_picture p;
    unsigned char answer[104], *frame;
    size_t len;
    ssize_t n;
    int fd;
    for (;;) {
        fd = open(opt.device, O_RDWR);
        if (fd >= 0)
            break;
        seen.errors++;
        seen.in_a_row++;
        say("{\"event\":\"error\",\"call\":\"open\",\"errno\":%d}", errno);
        if (seen.in_a_row >= opt.patience)
            result();
        clock_tick(clock);
    }
    seen.in_a_row = 0;
    if (ioctl(fd, QUERYCAP, answer) && errno != ENOTTY)
        fail("VIDIOC_QUERYCAP");
    size_from_window(fd);
    if (ioctl(fd, VIDIOCGPICT, &p))
        fail("VIDIOCGPICT");
    len = frame_len(p.palette, opt.width, opt.height);
    frame = malloc(len ? len : 1);
    n = read(fd, frame, len);
    if (n < 0 || (size_t)n != len)
        failed("read");
    else
        look(frame, len);
    free(frame);
    close(fd);
    return 0;
}

int main(int argc, char **argv)
{
    int clock;
    begin(argc, argv);
    clock = clock_open(40);
    say("{\"event\":\"ready\"}");
    while (more())
        picture(clock);
    result();
}
