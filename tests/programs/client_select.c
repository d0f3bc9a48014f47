/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Watches as fswebcam's V4L1 source does: arms all frames, then for each picture select() on the descriptor
 * first (with a limit), then VIDIOCMCAPTURE of the frame before, then VIDIOCSYNC. So with one frame nothing is
 * armed while it selects. */
#include <sys/select.h>

#include "client.h"

static int waits(int fd)
{
    struct timeval limit = { 60, 0 };
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    return select(fd + 1, &set, NULL, NULL, &limit);
}

int main(int argc, char **argv)
{
    struct mapping m;
    int fd, frame = 0, before = -1, i;
    begin(argc, argv);
    fd = open_client(O_RDWR);
    map_frames(fd, PROT_READ | PROT_WRITE, &m);
    arm_by_probing(fd, 0);
    for (i = 1; i < m.mbuf.frames; i++)
        if (arm(fd, i, opt.palette, opt.width, opt.height))
            fail("VIDIOCMCAPTURE");
    say("{\"event\":\"ready\",\"palette\":%d}", opt.palette);
    while (more()) {
        int ready = waits(fd);
        errno = ready ? errno : ETIMEDOUT;
        if (ready != 1)
            fail("select");
        if (before >= 0 && arm(fd, before, opt.palette, opt.width, opt.height))
            failed("VIDIOCMCAPTURE");
        if (ioctl(fd, VIDIOCSYNC, &frame))
            failed("VIDIOCSYNC");
        else
            look(m.base + m.mbuf.offsets[frame], frame_len(opt.palette, opt.width, opt.height));
        before = frame;
        frame = (frame + 1) % m.mbuf.frames;
    }
    munmap(m.base, m.mbuf.size);
    close(fd);
    result();
}
