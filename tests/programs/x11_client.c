/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A V4L1 client of a camera with channels, settings and a tuner: does what the orders say, and tells what came of
 * it. Orders: cap, channels, channel N, picture PALETTE BRIGHTNESS HUE COLOUR CONTRAST, look, size W H, window,
 * part X Y W H, tuner, tune FREQUENCY, tuned, grab FRAME W H PALETTE FILE, arm FRAME W H PALETTE, sync FRAME FILE. A
 * picture is written to FILE as it lies in the mapped memory. */
#include "common.h"

static int fd;
static struct video_mbuf mbuf;
static unsigned char *memory;
static size_t ordered[VIDEO_MAX_FRAME];

static int order_line(char *line, int room)
{
    int len = 0;
    while (len < room - 1 && read(0, line + len, 1) == 1) {
        if (line[len] == '\n') {
            line[len] = 0;
            return 1;
        }
        len++;
    }
    return 0;
}

static void answer(const char *what, int r)
{
    say("{\"event\":\"asked\",\"what\":\"%s\",\"errno\":%d}", what, r ? errno : 0);
}

static int arm(unsigned frame, int width, int height, unsigned palette)
{
    struct video_mmap order = { frame, height, width, palette };
    int r = ioctl(fd, VIDIOCMCAPTURE, &order);
    if (!r)
        ordered[frame] = frame_len((int)palette, width, height);
    return r;
}

static int sync_to(int frame, const char *path)
{
    FILE *out;
    int r = ioctl(fd, VIDIOCSYNC, &frame);
    if (r)
        return r;
    out = fopen(path, "wb");
    if (!out || fwrite(memory + mbuf.offsets[frame], ordered[frame], 1, out) != 1 || fclose(out))
        fail(path);
    return 0;
}

static void channels(void)
{
    struct video_channel c;
    int n;
    for (n = 0;; n++) {
        memset(&c, 0, sizeof c);
        c.channel = n;
        if (ioctl(fd, VIDIOCGCHAN, &c))
            break;
        say("{\"event\":\"channel\",\"number\":%d,\"name\":\"%.32s\",\"type\":%d,\"tuners\":%d,\"flags\":%u}", c.channel,
            c.name, c.type, c.tuners, c.flags);
    }
    answer("channels", -1);
}

int main(int argc, char **argv)
{
    char line[4096], word[16], path[3900];
    begin(argc, argv);
    fd = open(opt.device, O_RDWR);
    if (fd < 0)
        fail("open");
    if (ioctl(fd, VIDIOCGMBUF, &mbuf))
        fail("VIDIOCGMBUF");
    memory = mmap(NULL, mbuf.size, PROT_READ, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        fail("mmap");
    say("{\"event\":\"ready\",\"frames\":%d,\"size\":%d,\"second\":%d}", mbuf.frames, mbuf.size, mbuf.offsets[1]);
    while (order_line(line, sizeof line)) {
        struct video_capability cap;
        struct video_picture p;
        struct video_window w;
        struct video_channel c;
        struct video_capture part;
        struct video_tuner tuner;
        unsigned long frequency;
        unsigned n[5] = { 0, 0, 0, 0, 0 };
        int r;
        memset(&w, 0, sizeof w);
        memset(&c, 0, sizeof c);
        memset(&part, 0, sizeof part);
        memset(&tuner, 0, sizeof tuner);
        word[0] = path[0] = 0;
        sscanf(line, "%15s %u %u %u %u %u", word, n, n + 1, n + 2, n + 3, n + 4);
        if (!strcmp(word, "cap")) {
            if (ioctl(fd, VIDIOCGCAP, &cap))
                fail("VIDIOCGCAP");
            say("{\"event\":\"cap\",\"name\":\"%.32s\",\"type\":%d,\"channels\":%d,\"width\":%d,\"height\":%d}", cap.name,
                cap.type, cap.channels, cap.maxwidth, cap.maxheight);
        } else if (!strcmp(word, "channels")) {
            channels();
        } else if (!strcmp(word, "channel")) {
            c.channel = (int)n[0];
            answer(word, ioctl(fd, VIDIOCSCHAN, &c));
        } else if (!strcmp(word, "picture")) {
            if (ioctl(fd, VIDIOCGPICT, &p))
                fail("VIDIOCGPICT");
            p.palette = (unsigned short)n[0];
            p.depth = (unsigned short)palette_depth(p.palette);
            p.brightness = (unsigned short)n[1];
            p.hue = (unsigned short)n[2];
            p.colour = (unsigned short)n[3];
            p.contrast = (unsigned short)n[4];
            answer(word, ioctl(fd, VIDIOCSPICT, &p));
        } else if (!strcmp(word, "look")) {
            if (ioctl(fd, VIDIOCGPICT, &p))
                fail("VIDIOCGPICT");
            say("{\"event\":\"look\",\"palette\":%d,\"depth\":%d,\"brightness\":%d,\"hue\":%d,\"colour\":%d,\"contrast\":%d}",
                p.palette, p.depth, p.brightness, p.hue, p.colour, p.contrast);
        } else if (!strcmp(word, "size")) {
            w.width = n[0];
            w.height = n[1];
            answer(word, ioctl(fd, VIDIOCSWIN, &w));
        } else if (!strcmp(word, "window")) {
            if (ioctl(fd, VIDIOCGWIN, &w))
                fail("VIDIOCGWIN");
            say("{\"event\":\"window\",\"width\":%u,\"height\":%u}", w.width, w.height);
        } else if (!strcmp(word, "part")) {
            part.x = n[0];
            part.y = n[1];
            part.width = n[2];
            part.height = n[3];
            answer(word, ioctl(fd, VIDIOCSCAPTURE, &part));
        } else if (!strcmp(word, "tuner")) {
            r = ioctl(fd, VIDIOCGTUNER, &tuner);
            say("{\"event\":\"tuner\",\"errno\":%d,\"low\":%lu,\"high\":%lu}", r ? errno : 0, tuner.rangelow,
                tuner.rangehigh);
        } else if (!strcmp(word, "tune")) {
            frequency = n[0];
            answer(word, ioctl(fd, VIDIOCSFREQ, &frequency));
        } else if (!strcmp(word, "tuned")) {
            frequency = 0;
            r = ioctl(fd, VIDIOCGFREQ, &frequency);
            say("{\"event\":\"tuned\",\"errno\":%d,\"frequency\":%lu}", r ? errno : 0, frequency);
        } else if (!strcmp(word, "grab")) {
            sscanf(line, "%*s %*s %*s %*s %*s %3899s", path);
            r = arm(n[0], (int)n[1], (int)n[2], n[3]);
            answer(word, r ? r : sync_to((int)n[0], path));
        } else if (!strcmp(word, "arm")) {
            answer(word, arm(n[0], (int)n[1], (int)n[2], n[3]));
        } else if (!strcmp(word, "sync")) {
            sscanf(line, "%*s %*s %3899s", path);
            answer(word, sync_to((int)n[0], path));
        } else {
            fail(line);
        }
    }
    return 0;
}
