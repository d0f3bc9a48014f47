/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Pushes as GePhex and Gem do: palette RGB32, a device given by its path, every write must take the
 * whole frame; to change its size it closes, opens again and sets up at once.
 * --sizes WxH,WxH… pushes --frames of each size in turn. */
#include "pusher.h"

int main(int argc, char **argv)
{
    const char *sizes;
    long number;
    begin(argc, argv);
    opt.palette = VIDEO_PALETTE_RGB32;
    number = opt.first;
    for (sizes = opt.sizes ? opt.sizes : ""; ; sizes++) {
        int fd;
        if (opt.sizes && sscanf(sizes, "%dx%d", &opt.width, &opt.height) != 2)
            return 2;
        fd = open(opt.device, O_RDWR);
        if (fd < 0)
            fail("open");
        say("{\"event\":\"open\",\"device\":\"%s\"}", opt.device);
        set_up_or_fail(fd, opt.palette, opt.width, opt.height);
        number = push(fd, WHOLE_FRAME, number, opt.frames);
        sizes = strchr(sizes, ',');
        if (!sizes) {
            hold_until_told();
            close(fd);
            return 0;
        }
        close(fd);
    }
}
