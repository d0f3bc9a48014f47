/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Pushes as PDP and veejay do: a device given by its path, its palettes tried in turn (the one asked
 * for, then YUV420P, RGB24, YUYV, YUV422) until the node takes one, writes that must be full. */
#include "pusher.h"

int main(int argc, char **argv)
{
    int tries[] = { 0, VIDEO_PALETTE_YUV420P, VIDEO_PALETTE_RGB24, VIDEO_PALETTE_YUYV, VIDEO_PALETTE_YUV422 };
    const char *call = "";
    size_t i;
    int fd;
    begin(argc, argv);
    tries[0] = opt.palette;
    fd = open(opt.device, O_RDWR);
    if (fd < 0)
        fail("open");
    say("{\"event\":\"open\",\"device\":\"%s\"}", opt.device);
    for (i = 0; i < sizeof tries / sizeof *tries; i++)
        if (!set_up(fd, tries[i], opt.width, opt.height, &call))
            break;
    if (i == sizeof tries / sizeof *tries)
        fail(call);
    opt.palette = tries[i];
    say("{\"event\":\"setup\",\"palette\":%d,\"width\":%d,\"height\":%d}", opt.palette, opt.width, opt.height);
    push(fd, WHOLE_FRAME, opt.first, opt.frames);
    hold_until_told();
    close(fd);
    return 0;
}
