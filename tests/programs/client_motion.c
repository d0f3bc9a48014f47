/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Watches as Motion does: GCAP, GMBUF, mmap, MCAPTURE of frame 0 by probing palettes, then for each
 * frame MCAPTURE(next), SYNC(current). A failed call is told and ignored (--patience N ends after N
 * in a row; --ask waits for an order after each). */
#include "client.h"

int main(int argc, char **argv)
{
    struct video_capability cap;
    struct mapping m;
    int fd, current = 0, armed = 1;
    begin(argc, argv);
    fd = open_client(O_RDWR);
    memset(&cap, 0, sizeof cap);
    if (ioctl(fd, VIDIOCGCAP, &cap))
        fail("VIDIOCGCAP");
    map_frames(fd, PROT_READ | PROT_WRITE, &m);
    arm_by_probing(fd, 0);
    say("{\"event\":\"ready\",\"palette\":%d,\"width\":%d,\"height\":%d}", opt.palette, opt.width, opt.height);
    if (opt.wait)
        order();
    while (more()) {
        int next = m.mbuf.frames > 1 ? (current + 1) % 2 : current;
        if (!armed) {
            /* After a failure: arm the current frame again, as one that starts over does. */
            if (arm(fd, current, opt.palette, opt.width, opt.height)) {
                failed("VIDIOCMCAPTURE");
                continue;
            }
            armed = 1;
        }
        if (next != current && arm(fd, next, opt.palette, opt.width, opt.height)) {
            failed("VIDIOCMCAPTURE");
            armed = 0;
            continue;
        }
        if (ioctl(fd, VIDIOCSYNC, &current)) {
            failed("VIDIOCSYNC");
            armed = 0;
            continue;
        }
        look(m.base + m.mbuf.offsets[current], frame_len(opt.palette, opt.width, opt.height));
        current = next;
        armed = m.mbuf.frames > 1;
    }
    munmap(m.base, m.mbuf.size);
    close(fd);
    result();
}
