/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Opens a node and asks it one thing; says what came of it. Cases:
 *     open             open O_RDWR
 *     open-after-proc  the same after a look into /proc/video/vloopback
 *     open-twice       open, VIDIOCGCAP, close, open again
 *     gcap             open O_RDWR, then VIDIOCGCAP (--wait: after an order)
 *     gcap-readonly    open O_RDONLY, then VIDIOCGCAP
 *     capture          open O_RDONLY, arm nothing, read one frame (any) */
#include "client.h"

static int try_open(int flags)
{
    int fd = open(opt.device, flags);
    say("{\"event\":\"opened\",\"errno\":%d}", fd < 0 ? errno : 0);
    return fd;
}

int main(int argc, char **argv)
{
    struct video_capability cap;
    int fd = -1;
    begin(argc, argv);
    if (!opt.name)
        return 2;
    if (!strcmp(opt.name, "open")) {
        fd = try_open(O_RDWR);
    } else if (!strcmp(opt.name, "open-after-proc")) {
        close(open("/proc/video/vloopback/vloopbacks", O_RDONLY));
        fd = try_open(O_RDWR);
    } else if (!strcmp(opt.name, "open-twice")) {
        fd = try_open(O_RDWR);
        ioctl(fd, VIDIOCGCAP, &cap);
        close(fd);
        fd = try_open(O_RDWR);
    } else if (!strncmp(opt.name, "gcap", 4)) {
        fd = try_open(strcmp(opt.name, "gcap") ? O_RDONLY : O_RDWR);
        if (opt.wait)
            order();
        say("{\"event\":\"asked\",\"errno\":%d}", ioctl(fd, VIDIOCGCAP, &cap) ? errno : 0);
    } else if (!strcmp(opt.name, "capture")) {
        static unsigned char frame[1 << 20];
        ssize_t n;
        fd = try_open(O_RDONLY);
        n = read(fd, frame, sizeof frame);
        say("{\"event\":\"asked\",\"errno\":%d,\"bytes\":%zd}", n < 0 ? errno : 0, n);
    } else {
        return 2;
    }
    if (opt.hold)
        while (order())
            ;
    return fd < 0;
}
