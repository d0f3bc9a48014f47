/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Opens a node and asks it one thing; says what came of it. Cases:
 *     open             open O_RDWR
 *     open-after-proc  the same after a look into /proc/video/vloopback
 *     open-twice       open, VIDIOCGCAP, close, open again
 *     gcap             open O_RDWR, then VIDIOCGCAP (--wait: after an order)
 *     gcap-readonly    open O_RDONLY, then VIDIOCGCAP
 *     resize           open, set up --size, after an order SWIN to half of it
 *     remap            map, take one frame; after an order: SYNC, then VIDIOCGMBUF and mmap once more
 *                      (nothing is unmapped), and take a frame of the size in force
 *     touch            open O_RDWR, map, take one frame, after an order use every byte of the mapping */
#include "client.h"
#include "pusher.h"

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
    } else if (!strcmp(opt.name, "resize")) {
        struct video_window window;
        fd = try_open(O_RDWR);
        set_up_or_fail(fd, opt.palette, opt.width, opt.height);
        order();
        if (ioctl(fd, VIDIOCGWIN, &window))
            fail("VIDIOCGWIN");
        window.width /= 2;
        window.height /= 2;
        say("{\"event\":\"asked\",\"errno\":%d}", ioctl(fd, VIDIOCSWIN, &window) ? errno : 0);
    } else if (!strcmp(opt.name, "remap")) {
        struct mapping old, new;
        int frame = 0;
        fd = try_open(O_RDWR);
        map_frames(fd, PROT_READ | PROT_WRITE, &old);
        arm_by_probing(fd, 0);
        if (ioctl(fd, VIDIOCSYNC, &frame))
            fail("VIDIOCSYNC");
        say("{\"event\":\"ready\"}");
        order();
        say("{\"event\":\"asked\",\"errno\":%d}", ioctl(fd, VIDIOCSYNC, &frame) ? errno : 0);
        map_frames(fd, PROT_READ | PROT_WRITE, &new);
        size_from_window(fd);
        for (frame = 0; frame < new.mbuf.frames; frame++) {
            arm_by_probing(fd, frame);
            if (ioctl(fd, VIDIOCSYNC, &frame))
                fail("VIDIOCSYNC");
            look(new.base + new.mbuf.offsets[frame], frame_len(opt.palette, opt.width, opt.height));
        }
        result();
    } else if (!strcmp(opt.name, "touch")) {
        struct mapping m;
        int frame = 0;
        fd = try_open(O_RDWR);
        map_frames(fd, PROT_READ | PROT_WRITE, &m);
        arm_by_probing(fd, 0);
        if (ioctl(fd, VIDIOCSYNC, &frame))
            fail("VIDIOCSYNC");
        say("{\"event\":\"ready\"}");
        order();
        for (frame = 0; frame < m.mbuf.size; frame++)
            m.base[frame] ^= 1;
        say("{\"event\":\"touched\"}");
    } else {
        return 2;
    }
    if (opt.hold)
        while (order())
            ;
    return fd < 0;
}
