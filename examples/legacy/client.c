/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * A V4L1 client: maps the driver's memory, takes frames double-buffered, writes the brightness of the last one as a
 * PGM picture.
 *
 *     client DEVICE FRAMES OUT.pgm
 */
#include <fcntl.h>
#include <linux/videodev.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static void die(const char *what)
{
    perror(what);
    exit(1);
}

int main(int argc, char **argv)
{
    struct video_capability capability;
    struct video_picture picture;
    struct video_window window;
    struct video_mbuf layout;
    struct video_mmap order;
    unsigned char *memory;
    int fd, frame = 0, n;
    FILE *out;
    if (argc != 4) {
        fprintf(stderr, "usage: client DEVICE FRAMES OUT.pgm\n");
        return 2;
    }
    fd = open(argv[1], O_RDWR);
    if (fd < 0)
        die(argv[1]);
    if (ioctl(fd, VIDIOCGCAP, &capability) || ioctl(fd, VIDIOCGPICT, &picture) || ioctl(fd, VIDIOCGWIN, &window) ||
        ioctl(fd, VIDIOCGMBUF, &layout))
        die("asking");
    if (picture.palette != VIDEO_PALETTE_YUV420P && picture.palette != VIDEO_PALETTE_GREY) {
        fprintf(stderr, "palette %d is none that I know\n", picture.palette);
        return 1;
    }
    memory = mmap(NULL, layout.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        die("mmap");
    order.format = picture.palette;
    order.width = window.width;
    order.height = window.height;
    order.frame = 0;
    if (ioctl(fd, VIDIOCMCAPTURE, &order))
        die("VIDIOCMCAPTURE");
    for (n = atoi(argv[2]); n > 0; n--) {
        /* The next one is ordered before this one is waited for. */
        order.frame = (frame + 1) % layout.frames;
        if (ioctl(fd, VIDIOCMCAPTURE, &order))
            die("VIDIOCMCAPTURE");
        if (ioctl(fd, VIDIOCSYNC, &frame))
            die("VIDIOCSYNC");
        if (n > 1)
            frame = order.frame;
    }
    out = fopen(argv[3], "wb");
    if (!out)
        die(argv[3]);
    fprintf(out, "P5\n%u %u\n255\n", window.width, window.height);
    fwrite(memory + layout.offsets[frame], window.width, window.height, out);
    if (fclose(out))
        die(argv[3]);
    printf("\"%s\": %s frames taken, the last one is in %s\n", capability.name, argv[2], argv[3]);
    return 0;
}
