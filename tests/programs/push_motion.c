/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Pushes as Motion 3.2 to 4.0 does: a pipe from /proc, from sysfs, by the uname gate or by its path;
 * GPICT, SPICT, GWIN, SWIN; one write() a frame, of which only -1 is an error. */
#include "find.h"
#include "pusher.h"

int main(int argc, char **argv)
{
    char device[300] = "";
    int fd;
    begin(argc, argv);
    if (opt.device) {
        snprintf(device, sizeof device, "%s", opt.device);
        fd = open(device, O_RDWR);
    } else if (opt.find && !strcmp(opt.find, "proc")) {
        fd = find_by_proc(device, sizeof device);
    } else if (opt.find && !strcmp(opt.find, "sysfs")) {
        fd = find_by_sysfs(device, sizeof device);
    } else {
        fd = find_by_uname(device, sizeof device);
    }
    if (fd < 0)
        fail("open");
    say("{\"event\":\"open\",\"device\":\"%s\"}", device);
    set_up_or_fail(fd, opt.palette, opt.width, opt.height);
    push(fd, ONLY_MINUS_ONE, opt.first, opt.frames);
    hold_until_told();
    close(fd);
    return 0;
}
