/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * A V4L1 client as they were written in 2001: tells what the device is, maps its memory, takes pictures
 * double-buffered and writes each as a PPM file.
 *
 *     client DEVICE PICTURES PREFIX          to PREFIX1.ppm, PREFIX2.ppm and so on
 */
#include <fcntl.h>
#include <linux/videodev.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* What can be written here, the device's own palette before them. */
static int palettes[] = { 0, VIDEO_PALETTE_RGB24, VIDEO_PALETTE_RGB32, VIDEO_PALETTE_YUV420P, VIDEO_PALETTE_YUYV,
                          VIDEO_PALETTE_YUV422, VIDEO_PALETTE_GREY };
enum { PALETTES = sizeof palettes / sizeof *palettes };

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int clip(int value)
{
    return value < 0 ? 0 : value > 255 ? 255 : value;
}

/* ITU-R BT.601: 16 is black, 235 is white. */
static void from_yuv(unsigned char *rgb, int y, int u, int v)
{
    int light = 298 * (y - 16) + 128;
    u -= 128;
    v -= 128;
    rgb[0] = clip((light + 409 * v) / 256);
    rgb[1] = clip((light - 100 * u - 208 * v) / 256);
    rgb[2] = clip((light + 516 * u) / 256);
}

/* The pixel in column x of line y; 0 if the palette is none of ours. */
static int pixel(const unsigned char *from, const struct video_mmap *order, int x, int y, unsigned char *rgb)
{
    int width = order->width, at = y * width + x, luma = width * order->height, chroma, n;
    switch (order->format) {
    case VIDEO_PALETTE_GREY:
        /* The brightness of the others, without their colours. */
        from_yuv(rgb, from[at], 128, 128);
        return 1;
    case VIDEO_PALETTE_RGB24:
    case VIDEO_PALETTE_RGB32:
        /* Blue comes first. */
        from += at * (order->format == VIDEO_PALETTE_RGB24 ? 3 : 4);
        for (n = 0; n < 3; n++)
            rgb[n] = from[2 - n];
        return 1;
    case VIDEO_PALETTE_YUV422:
    case VIDEO_PALETTE_YUYV:
        chroma = (at & ~1) * 2;
        from_yuv(rgb, from[at * 2], from[chroma + 1], from[chroma + 3]);
        return 1;
    case VIDEO_PALETTE_YUV420P:
        chroma = luma + y / 2 * (width / 2) + x / 2;
        from_yuv(rgb, from[at], from[chroma], from[chroma + luma / 4]);
        return 1;
    default:
        return 0;
    }
}

static void save(const unsigned char *from, const struct video_mmap *order, const char *prefix, int number)
{
    unsigned char rgb[3];
    char name[4096];
    int x, y;
    FILE *out;
    snprintf(name, sizeof name, "%s%d.ppm", prefix, number);
    out = fopen(name, "wb");
    if (!out)
        die(name);
    fprintf(out, "P6\n%d %d\n255\n", order->width, order->height);
    for (y = 0; y < order->height; y++)
        for (x = 0; x < order->width; x++) {
            pixel(from, order, x, y, rgb);
            fwrite(rgb, 1, 3, out);
        }
    if (fclose(out))
        die(name);
}

int main(int argc, char **argv)
{
    struct video_capability capability;
    struct video_channel channel;
    struct video_picture picture;
    struct video_window window;
    struct video_mbuf layout;
    struct video_mmap order;
    unsigned char *memory, none[3], nothing[16] = { 0 };
    struct video_mmap one = { 0, 1, 1, 0 };
    int fd, frame, n, count;
    if (argc != 4) {
        fprintf(stderr, "usage: client DEVICE PICTURES PREFIX\n");
        return 2;
    }
    fd = open(argv[1], O_RDWR);
    if (fd < 0)
        die(argv[1]);
    if (ioctl(fd, VIDIOCGCAP, &capability))
        die("VIDIOCGCAP");
    if (!(capability.type & VID_TYPE_CAPTURE)) {
        fprintf(stderr, "%s gives no pictures: it is \"%s\"\n", argv[1], capability.name);
        return 1;
    }
    channel.channel = 0;
    if (ioctl(fd, VIDIOCGCHAN, &channel))
        die("VIDIOCGCHAN");
    if (ioctl(fd, VIDIOCGPICT, &picture))
        die("VIDIOCGPICT");
    if (ioctl(fd, VIDIOCGWIN, &window))
        die("VIDIOCGWIN");
    if (ioctl(fd, VIDIOCGMBUF, &layout))
        die("VIDIOCGMBUF");
    memory = mmap(NULL, layout.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        die("mmap");

    /* The first palette that we know and that the device does not refuse. */
    palettes[0] = picture.palette;
    order.frame = 0;
    order.width = window.width;
    order.height = window.height;
    for (n = 0; n < PALETTES; n++) {
        order.format = one.format = palettes[n];
        if (pixel(nothing, &one, 0, 0, none) && ioctl(fd, VIDIOCMCAPTURE, &order) == 0)
            break;
    }
    if (n == PALETTES)
        die("VIDIOCMCAPTURE, in any palette that I know");
    printf("\"%s\", channel \"%s\": %dx%d, palette %d, %d frames\n", capability.name, channel.name, order.width,
           order.height, order.format, layout.frames);

    count = atoi(argv[2]);
    for (n = 0; n < count; n++) {
        frame = n % layout.frames;
        /* The next one is ordered before this one is waited for, where there is another frame for it. */
        order.frame = (n + 1) % layout.frames;
        if (layout.frames > 1 && n + 1 < count && ioctl(fd, VIDIOCMCAPTURE, &order))
            die("VIDIOCMCAPTURE");
        if (ioctl(fd, VIDIOCSYNC, &frame))
            die("VIDIOCSYNC");
        save(memory + layout.offsets[frame], &order, argv[3], n + 1);
        if (layout.frames == 1 && n + 1 < count && ioctl(fd, VIDIOCMCAPTURE, &order))
            die("VIDIOCMCAPTURE");
    }
    printf("%d pictures taken\n", count);
    munmap(memory, layout.size);
    close(fd);
    return 0;
}
