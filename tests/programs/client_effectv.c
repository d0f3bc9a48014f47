/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Watches as EffecTV does: needs VID_TYPE_CAPTURE and at least two frames, arms both, then waits for
 * one, uses it and arms it again. */
#include "client.h"

int main(int argc, char **argv)
{
    struct video_capability cap;
    struct mapping m;
    int fd, frame = 0;
    begin(argc, argv);
    fd = open_client(O_RDWR);
    if (ioctl(fd, VIDIOCGCAP, &cap))
        fail("VIDIOCGCAP");
    if (!(cap.type & VID_TYPE_CAPTURE)) {
        errno = 0;
        fail("VID_TYPE_CAPTURE");
    }
    map_frames(fd, PROT_READ | PROT_WRITE, &m);
    if (m.mbuf.frames < 2) {
        errno = 0;
        fail("frames >= 2");
    }
    arm_by_probing(fd, 0);
    if (arm(fd, 1, opt.palette, opt.width, opt.height))
        fail("VIDIOCMCAPTURE");
    say("{\"event\":\"ready\",\"palette\":%d}", opt.palette);
    while (more()) {
        if (ioctl(fd, VIDIOCSYNC, &frame)) {
            failed("VIDIOCSYNC");
            continue;
        }
        look(m.base + m.mbuf.offsets[frame], frame_len(opt.palette, opt.width, opt.height));
        if (arm(fd, frame, opt.palette, opt.width, opt.height)) {
            failed("VIDIOCMCAPTURE");
            continue;
        }
        frame ^= 1;
    }
    munmap(m.base, m.mbuf.size);
    close(fd);
    result();
}
