/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Watches with a mapping that is PROT_READ only, on a descriptor opened O_RDONLY, one frame at a
 * time. */
#include "client.h"

int main(int argc, char **argv)
{
    struct mapping m;
    int fd, frame = 0;
    begin(argc, argv);
    fd = open_client(O_RDONLY);
    map_frames(fd, PROT_READ, &m);
    arm_by_probing(fd, 0);
    say("{\"event\":\"ready\",\"palette\":%d}", opt.palette);
    while (more()) {
        if (ioctl(fd, VIDIOCSYNC, &frame)) {
            failed("VIDIOCSYNC");
        } else {
            look(m.base + m.mbuf.offsets[frame], frame_len(opt.palette, opt.width, opt.height));
        }
        if (arm(fd, frame, opt.palette, opt.width, opt.height))
            failed("VIDIOCMCAPTURE");
    }
    munmap(m.base, m.mbuf.size);
    close(fd);
    result();
}
