/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Pushes as the programs that scan /dev by VIDIOCGCAP do. --find gcap looks for the input's name,
 * --find devfs does so under /dev/v4l alone, --find type looks for "loopback" without the capture bit,
 * --find split probes with O_RDONLY|O_NONBLOCK and pushes through O_WRONLY. A node that refuses its
 * set-up leads to the next one. */
#include "find.h"
#include "pusher.h"

int main(int argc, char **argv)
{
    char device[64] = "";
    const char *call = "open";
    int fd, from = 0, way;
    begin(argc, argv);
    way = opt.find && !strcmp(opt.find, "type") ? 1 : opt.find && !strcmp(opt.find, "split") ? 2 : 0;
    for (;;) {
        fd = find_by_gcap(device, sizeof device, way == 1, way == 2, &from);
        if (fd < 0)
            fail(call);
        if (!set_up(fd, opt.palette, opt.width, opt.height, &call))
            break;
        say("{\"event\":\"refused\",\"device\":\"%s\",\"errno\":%d}", device, errno);
        close(fd);
    }
    say("{\"event\":\"open\",\"device\":\"%s\"}", device);
    say("{\"event\":\"setup\",\"palette\":%d,\"width\":%d,\"height\":%d}", opt.palette, opt.width, opt.height);
    push(fd, WHOLE_FRAME, opt.first, opt.frames);
    hold_until_told();
    close(fd);
    return 0;
}
