/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Watches as camsource does: opens for reading only; asks for a rate in VIDIOCSWIN's flags and, refused, without;
 * sets one palette after the other and asks which there is; maps the frames privately and for reading only; one
 * frame at a time, but another one each time. */
#include "client.h"

int main(int argc, char **argv)
{
    static const int palettes[] = { 4, 5, 15, 7, 1 };
    struct video_capability cap;
    struct video_picture picture;
    struct video_window window;
    struct video_mbuf mbuf;
    unsigned char *base;
    size_t i;
    int fd, frame = 0;
    begin(argc, argv);
    fd = open_client(O_RDONLY);
    if (ioctl(fd, VIDIOCGCAP, &cap))
        fail("VIDIOCGCAP");
    memset(&window, 0, sizeof window);
    window.width = (uint32_t)opt.width;
    window.height = (uint32_t)opt.height;
    window.flags = 5 << 16;
    if (ioctl(fd, VIDIOCSWIN, &window)) {
        window.flags = 0;
        if (ioctl(fd, VIDIOCSWIN, &window))
            fail("VIDIOCSWIN");
    }
    if (ioctl(fd, VIDIOCGPICT, &picture))
        fail("VIDIOCGPICT");
    opt.palette = 0;
    for (i = 0; i < sizeof palettes / sizeof *palettes && !opt.palette; i++) {
        picture.palette = (uint16_t)palettes[i];
        ioctl(fd, VIDIOCSPICT, &picture);
        if (ioctl(fd, VIDIOCGPICT, &picture))
            fail("VIDIOCGPICT");
        if (picture.palette == palettes[i])
            opt.palette = palettes[i];
    }
    memset(&mbuf, 0, sizeof mbuf);
    if (ioctl(fd, VIDIOCGMBUF, &mbuf))
        fail("VIDIOCGMBUF");
    base = mmap(NULL, (size_t)mbuf.size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (base == MAP_FAILED)
        fail("mmap");
    say("{\"event\":\"ready\",\"palette\":%d}", opt.palette);
    while (more()) {
        if (arm(fd, frame, opt.palette, opt.width, opt.height))
            failed("VIDIOCMCAPTURE");
        else if (ioctl(fd, VIDIOCSYNC, &frame))
            failed("VIDIOCSYNC");
        else
            look(base + mbuf.offsets[frame], frame_len(opt.palette, opt.width, opt.height));
        frame = (frame + 1) % mbuf.frames;
    }
    munmap(base, (size_t)mbuf.size);
    close(fd);
    result();
}
