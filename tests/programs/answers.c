/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Asks a node everything that V4L1 knows and prints, one a line:
 *     NAME RESULT ERRNO BYTES
 * where BYTES is the argument afterwards in hexadecimal ("-" for none). Each request is made twice,
 * with the argument's bytes preset to two different values where the driver has to fill them: a byte
 * that keeps its preset value shows as "..". The set of requests is chosen by the case's name:
 *     bare    what any node answers before and after it is set up
 *     output  what only makes sense on an output that is fed with 320x240 YUV420P
 *     input   what a pusher asks; changes the node
 *     maps    MCAPTURE and SYNC limits on an output that is fed */
#include "client.h"

static int fd;

static void ask(const char *name, unsigned long request, const void *preset, size_t len, size_t given)
{
    unsigned char one[512], two[512];
    size_t i;
    int result, e;
    memset(one, 0xa5, sizeof one);
    memset(two, 0x5a, sizeof two);
    if (given) {
        memcpy(one, preset, given);
        memcpy(two, preset, given);
    }
    errno = 0;
    result = ioctl(fd, request, one);
    e = result < 0 ? errno : 0;
    ioctl(fd, request, two);
    printf("%s %d %d ", name, result, e);
    for (i = 0; i < len; i++)
        if (one[i] == 0xa5 && two[i] == 0x5a)
            printf("..");
        else
            printf("%02x", one[i]);
    printf(len ? "\n" : "-\n");
}

/* A request whose argument the driver only fills. */
#define GET(name, type) ask(#name, name, NULL, sizeof(type), 0)
/* A request whose argument is given. */
#define GIVE(label, name, value) ask(label, name, &(value), sizeof(value), sizeof(value))

static void bare(void)
{
    struct video_channel channel;
    struct video_tuner tuner;
    struct video_audio audio;
    struct video_key key;
    struct video_capture capture;
    struct video_play_mode mode;
    struct video_code code;
    struct vbi_format vbi;
    struct video_info info;
    struct video_buffer buffer;
    unsigned long frequency = 0;
    int number = 0, k;
    static const int channels[] = { 0, 1, 7, -1 };
    char label[64];

    GET(VIDIOCGCAP, struct video_capability);
    for (k = 0; k < 4; k++) {
        memset(&channel, 0xa5, sizeof channel);
        channel.channel = channels[k];
        snprintf(label, sizeof label, "VIDIOCGCHAN:%d", channels[k]);
        ask(label, VIDIOCGCHAN, &channel, sizeof channel, sizeof channel.channel);
        memset(&channel, 0, sizeof channel);
        channel.channel = channels[k];
        snprintf(label, sizeof label, "VIDIOCSCHAN:%d", channels[k]);
        GIVE(label, VIDIOCSCHAN, channel);
        tuner.tuner = channels[k];
        snprintf(label, sizeof label, "VIDIOCGTUNER:%d", channels[k]);
        ask(label, VIDIOCGTUNER, &tuner, sizeof tuner, sizeof tuner.tuner);
    }
    memset(&tuner, 0, sizeof tuner);
    GIVE("VIDIOCSTUNER", VIDIOCSTUNER, tuner);
    GET(VIDIOCGPICT, struct video_picture);
    GET(VIDIOCGWIN, struct video_window);
    GET(VIDIOCGFBUF, struct video_buffer);
    memset(&buffer, 0, sizeof buffer);
    GIVE("VIDIOCSFBUF", VIDIOCSFBUF, buffer);
    memset(&key, 0, sizeof key);
    GIVE("VIDIOCKEY", VIDIOCKEY, key);
    GIVE("VIDIOCCAPTURE", VIDIOCCAPTURE, number);
    GET(VIDIOCGFREQ, unsigned long);
    GIVE("VIDIOCSFREQ", VIDIOCSFREQ, frequency);
    memset(&audio, 0, sizeof audio);
    GIVE("VIDIOCGAUDIO", VIDIOCGAUDIO, audio);
    GIVE("VIDIOCSAUDIO", VIDIOCSAUDIO, audio);
    GET(VIDIOCGUNIT, struct video_unit);
    memset(&capture, 0, sizeof capture);
    GIVE("VIDIOCGCAPTURE", VIDIOCGCAPTURE, capture);
    GIVE("VIDIOCSCAPTURE", VIDIOCSCAPTURE, capture);
    memset(&mode, 0, sizeof mode);
    GIVE("VIDIOCSPLAYMODE", VIDIOCSPLAYMODE, mode);
    GIVE("VIDIOCSWRITEMODE", VIDIOCSWRITEMODE, number);
    memset(&info, 0, sizeof info);
    GIVE("VIDIOCGPLAYINFO", VIDIOCGPLAYINFO, info);
    memset(&code, 0, sizeof code);
    GIVE("VIDIOCSMICROCODE", VIDIOCSMICROCODE, code);
    memset(&vbi, 0, sizeof vbi);
    GIVE("VIDIOCGVBIFMT", VIDIOCGVBIFMT, vbi);
    GIVE("VIDIOCSVBIFMT", VIDIOCSVBIFMT, vbi);
    GIVE("private:0x40047640", 0x40047640ul, number);
    GIVE("foreign:0x40045413", 0x40045413ul, number);
    /* Some clients hold the request in an int: the upper half is then all ones. */
    ask("sign-extended:VIDIOCGCAP", (unsigned long)(long)(int)VIDIOCGCAP, NULL, sizeof(struct video_capability), 0);
    ask("VIDIOC_QUERYCAP", 0x80685600ul, NULL, 0, 0);
    /* A pointer that is an integer. */
    errno = 0;
    k = ioctl(fd, VIDIOCCAPTURE, 1);
    printf("VIDIOCCAPTURE(1) %d %d -\n", k, k < 0 ? errno : 0);
}

static void picture(const char *label, int palette, int depth)
{
    struct video_picture p;
    memset(&p, 0, sizeof p);
    p.palette = palette;
    p.depth = depth;
    ask(label, VIDIOCSPICT, &p, 0, sizeof p);
}

static void window(const char *label, int width, int height, int flags, int clipcount)
{
    struct video_window w;
    memset(&w, 0, sizeof w);
    w.width = width;
    w.height = height;
    w.flags = flags;
    w.clipcount = clipcount;
    ask(label, VIDIOCSWIN, &w, 0, sizeof w);
}

static void output(void)
{
    picture("SPICT:equal", VIDEO_PALETTE_YUV420P, 12);
    picture("SPICT:other", VIDEO_PALETTE_RGB24, 24);
    picture("SPICT:unknown", 77, 24);
    window("SWIN:equal", 320, 240, 0, 0);
    window("SWIN:other", 160, 120, 0, 0);
    window("SWIN:flags", 320, 240, 1, 0);
    window("SWIN:clips", 320, 240, 0, 1);
    GET(VIDIOCGMBUF, struct video_mbuf);
    ask("VIDIOCSINVALID", VIDIOCSINVALID, NULL, 0, 0);
}

static void input(void)
{
    picture("SPICT:yuv420p", VIDEO_PALETTE_YUV420P, 12);
    /* A depth that no palette has: the real one is told afterwards. */
    picture("SPICT:depth", VIDEO_PALETTE_YUV420P, 0x7fff);
    window("SWIN:flags", 320, 240, 1, 0);
    window("SWIN:clips", 320, 240, 0, 1);
    /* Neither was stored. */
    GET(VIDIOCGWIN, struct video_window);
    window("SWIN:320x240", 320, 240, 0, 0);
    window("SWIN:again", 320, 240, 0, 0);
    GET(VIDIOCGPICT, struct video_picture);
    ask("GWIN:set", VIDIOCGWIN, NULL, sizeof(struct video_window), 0);
    GET(VIDIOCGCAP, struct video_capability);
    ask("VIDIOCSINVALID", VIDIOCSINVALID, NULL, 0, 0);
}

static void maps(void)
{
    struct video_mbuf m;
    struct video_mmap v;
    int frame, frames;
    if (ioctl(fd, VIDIOCGMBUF, &m))
        fail("VIDIOCGMBUF");
    frames = m.frames;
    if (mmap(NULL, m.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED)
        fail("mmap");
    memset(&v, 0, sizeof v);
    v.format = VIDEO_PALETTE_YUV420P;
    v.width = 320;
    v.height = 240;
    v.frame = frames;
    ask("MCAPTURE:frames", VIDIOCMCAPTURE, &v, 0, sizeof v);
    v.frame = -1;
    ask("MCAPTURE:-1", VIDIOCMCAPTURE, &v, 0, sizeof v);
    v.frame = 0x7fffffff;
    ask("MCAPTURE:huge", VIDIOCMCAPTURE, &v, 0, sizeof v);
    v.frame = 0;
    v.format = VIDEO_PALETTE_RGB24;
    ask("MCAPTURE:palette", VIDIOCMCAPTURE, &v, 0, sizeof v);
    v.format = VIDEO_PALETTE_YUV420P;
    v.width = v.height = 20;
    ask("MCAPTURE:20x20", VIDIOCMCAPTURE, &v, 0, sizeof v);
    v.width = v.height = 0;
    ask("MCAPTURE:0x0", VIDIOCMCAPTURE, &v, 0, sizeof v);
    v.width = v.height = 5000;
    ask("MCAPTURE:5000x5000", VIDIOCMCAPTURE, &v, 0, sizeof v);
    for (frame = -1; frame <= frames; frame += frames + 1) {
        char label[32];
        snprintf(label, sizeof label, "SYNC:%s", frame < 0 ? "-1" : "frames");
        ask(label, VIDIOCSYNC, &frame, 0, sizeof frame);
    }
}

int main(int argc, char **argv)
{
    begin(argc, argv);
    if (!opt.device || !opt.name)
        return 2;
    fd = open(opt.device, O_RDWR);
    if (fd < 0)
        fail("open");
    if (!strcmp(opt.name, "bare"))
        bare();
    else if (!strcmp(opt.name, "output"))
        output();
    else if (!strcmp(opt.name, "input"))
        input();
    else if (!strcmp(opt.name, "maps"))
        maps();
    else
        return 2;
    fflush(stdout);
    close(fd);
    return 0;
}
