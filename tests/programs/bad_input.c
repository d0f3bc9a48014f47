/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Bad input to a node. Prints `NAME RESULT ERRNO` a line; the case's name chooses:
 *     sizes     windows and palettes that no pipe can have, on an input; then a good one
 *     writes    frames that are short, on an input that is set up; then a good one, and long ones
 *     pointers  NULL and wild pointers, on an output that is fed (--device) and its input (--find)
 *     numbers   descriptors that are not open
 *     maps      mmap() with lengths and offsets that do not fit
 *     memory    a ring larger than the process may have (run it under a limit); then a good one */
#include "client.h"
#include "pusher.h"

/* Nothing is ever mapped at these places. */
#define WILD ((void *)0x7ffffffff000)
#define LOW ((void *)1)
/* What ffmpeg was seen to use after a close. */
#define NO_SUCH 896160394

static void told_result(const char *name, long result)
{
    int e = result < 0 ? errno : 0;
    printf("%s %ld %d\n", name, result < 0 ? -1L : result, e);
    errno = 0;
}

static void try_size(int fd, const char *name, int palette, unsigned width, unsigned height)
{
    struct video_picture picture;
    struct video_window window;
    char label[80];
    memset(&picture, 0, sizeof picture);
    memset(&window, 0, sizeof window);
    picture.palette = palette;
    picture.depth = palette_depth(palette);
    snprintf(label, sizeof label, "%s:SPICT", name);
    told_result(label, ioctl(fd, VIDIOCSPICT, &picture));
    window.width = width;
    window.height = height;
    snprintf(label, sizeof label, "%s:SWIN", name);
    told_result(label, ioctl(fd, VIDIOCSWIN, &window));
}

static void sizes(void)
{
    static const int palettes[] = { 0, 17, 255, 65535 };
    struct video_picture picture;
    char label[40];
    size_t i;
    int fd = open(opt.device, O_RDWR);
    if (fd < 0)
        fail("open");
    try_size(fd, "0x0", VIDEO_PALETTE_RGB24, 0, 0);
    try_size(fd, "0x240", VIDEO_PALETTE_RGB24, 0, 240);
    try_size(fd, "320x0", VIDEO_PALETTE_RGB24, 320, 0);
    try_size(fd, "1x1", VIDEO_PALETTE_RGB24, 1, 1);
    try_size(fd, "32768x32768", VIDEO_PALETTE_RGB24, 32768, 32768);
    try_size(fd, "4294967295x2", VIDEO_PALETTE_RGB24, 0xffffffffu, 2);
    try_size(fd, "2147483648x2147483648", VIDEO_PALETTE_RGB24, 0x80000000u, 0x80000000u);
    try_size(fd, "odd-yuv420p", VIDEO_PALETTE_YUV420P, 321, 241);
    try_size(fd, "odd-width-yuyv", VIDEO_PALETTE_YUYV, 321, 240);
    try_size(fd, "odd-rgb24", VIDEO_PALETTE_RGB24, 321, 241);
    memset(&picture, 0, sizeof picture);
    for (i = 0; i < sizeof palettes / sizeof *palettes; i++) {
        picture.palette = palettes[i];
        snprintf(label, sizeof label, "palette-%d", palettes[i]);
        told_result(label, ioctl(fd, VIDIOCSPICT, &picture));
    }
    try_size(fd, "good", VIDEO_PALETTE_YUV420P, 320, 240);
    close(fd);
}

static void writes(void)
{
    size_t len = frame_len(opt.palette, opt.width, opt.height);
    unsigned char *frame = calloc(1, len * 4);
    const char *call;
    ssize_t early;
    int fd = open(opt.device, O_RDWR), early_errno;
    if (fd < 0 || !frame)
        fail("open");
    pattern_fill(frame, len, 7);
    early = write(fd, frame, len);
    early_errno = errno;
    if (set_up(fd, opt.palette, opt.width, opt.height, &call))
        fail(call);
    say("{\"event\":\"setup\"}");
    if (opt.wait)
        order();
    errno = early_errno;
    told_result("before-SWIN", early);
    told_result("empty", write(fd, frame, 0));
    told_result("one-byte", write(fd, frame, 1));
    told_result("one-short", write(fd, frame, len - 1));
    told_result("null", write(fd, NULL, len));
    told_result("wild", write(fd, WILD, len));
    /* The frame's second half is not there. */
    {
        size_t page = (size_t)sysconf(_SC_PAGESIZE), keep = (len / 2 + page - 1) / page * page;
        unsigned char *half = mmap(NULL, keep + len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (half == MAP_FAILED || munmap(half + keep, len))
            fail("mmap");
        pattern_fill(half, keep, 8);
        told_result("half", write(fd, half, len));
    }
    /* Each when the one before was had: who is late may miss one. */
    pattern_fill(frame, len, 9);
    told_result("good", write(fd, frame, len));
    /* More than a frame: the first bytes are one. */
    if (opt.wait)
        order();
    pattern_fill(frame, len, 10);
    told_result("one-long", write(fd, frame, len + 1));
    if (opt.wait)
        order();
    pattern_fill(frame, len, 11);
    pattern_fill(frame + len, len, 12);
    told_result("twice", write(fd, frame, len * 2));
    fflush(stdout);
    say("{\"event\":\"pushed\"}");
    hold_until_told();
    close(fd);
}

static void pointers(void)
{
    static const struct {
        const char *name;
        unsigned long request;
    } requests[] = {
        { "GCAP", VIDIOCGCAP },         { "GCHAN", VIDIOCGCHAN }, { "SCHAN", VIDIOCSCHAN }, { "GTUNER", VIDIOCGTUNER },
        { "GPICT", VIDIOCGPICT },       { "SPICT", VIDIOCSPICT }, { "GWIN", VIDIOCGWIN },   { "SWIN", VIDIOCSWIN },
        { "GFBUF", VIDIOCGFBUF },       { "KEY", VIDIOCKEY },     { "CAPTURE", VIDIOCCAPTURE },
        { "MCAPTURE", VIDIOCMCAPTURE }, { "SYNC", VIDIOCSYNC },   { "GMBUF", VIDIOCGMBUF }, { "GUNIT", VIDIOCGUNIT },
    };
    void *const wild[] = { NULL, LOW, WILD, (void *)-1 };
    const char *const names[] = { "null", "low", "wild", "minus-one" };
    size_t i, k, len;
    unsigned char *frame;
    char label[64];
    int fd = open(opt.device, O_RDWR);
    if (fd < 0)
        fail("open");
    for (i = 0; i < sizeof requests / sizeof *requests; i++)
        for (k = 0; k < 4; k++) {
            snprintf(label, sizeof label, "%s:%s", requests[i].name, names[k]);
            told_result(label, ioctl(fd, requests[i].request, wild[k]));
        }
    /* An argument that straddles the end of what is mapped. */
    {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        unsigned char *two = mmap(NULL, page * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (two == MAP_FAILED || munmap(two + page, page))
            fail("mmap");
        told_result("GCAP:straddling", ioctl(fd, VIDIOCGCAP, two + page - 8));
        told_result("GPICT:read-only", mprotect(two, page, PROT_READ) ? -2 : ioctl(fd, VIDIOCGPICT, two));
    }
    told_result("unknown:null", ioctl(fd, 0x40047655ul, NULL));
    told_result("unknown:wild", ioctl(fd, 0xc0ff76ddul, WILD));
    told_result("not-ours:null", ioctl(fd, 0x12345678ul, NULL));
    len = frame_len(opt.palette, opt.width, opt.height);
    told_result("read:null", read(fd, NULL, len));
    told_result("read:wild", read(fd, WILD, len));
    frame = malloc(len);
    told_result("read:good", read(fd, frame, len));
    free(frame);
    close(fd);
}

static void numbers(void)
{
    struct video_capability cap;
    char bytes[16] = "";
    const int bad[] = { NO_SUCH, -1, 1023, 0x7fffffff, -2147483647 };
    size_t i;
    int fd = open(opt.device, O_RDWR), k;
    if (fd < 0)
        fail("open");
    for (k = 0; k <= (int)(sizeof bad / sizeof *bad); k++) {
        char label[64], name[24];
        int number;
        if (k == (int)(sizeof bad / sizeof *bad)) {
            close(fd);
            number = fd;
            snprintf(name, sizeof name, "closed");
        } else {
            number = bad[k];
            snprintf(name, sizeof name, "%d", number);
        }
        for (i = 0; i < 8; i++) {
            static const char *const calls[] = { "ioctl", "read", "write", "mmap", "close", "dup", "fcntl", "ioctl2" };
            long r;
            errno = 0;
            switch (i) {
            case 0: r = ioctl(number, VIDIOCGCAP, &cap); break;
            case 1: r = read(number, bytes, sizeof bytes); break;
            case 2: r = write(number, bytes, sizeof bytes); break;
            case 3: r = mmap(NULL, 4096, PROT_READ, MAP_SHARED, number, 0) == MAP_FAILED ? -1 : 0; break;
            case 4: r = close(number); break;
            case 5: r = dup(number); break;
            case 6: r = fcntl(number, F_GETFL); break;
            default: r = ioctl(number, VIDIOCGCAP, NULL); break;
            }
            snprintf(label, sizeof label, "%s:%s", name, calls[i]);
            told_result(label, r);
        }
    }
}

static void maps(void)
{
    struct video_mbuf m;
    void *p;
    int fd = open(opt.device, O_RDWR);
    if (fd < 0 || ioctl(fd, VIDIOCGMBUF, &m))
        fail("VIDIOCGMBUF");
    p = mmap(NULL, 0, PROT_READ, MAP_SHARED, fd, 0);
    told_result("length-0", p == MAP_FAILED ? -1 : 0);
    p = mmap(NULL, (size_t)m.size + 65536, PROT_READ, MAP_SHARED, fd, 0);
    told_result("too-long", p == MAP_FAILED ? -1 : 0);
    p = mmap(NULL, (size_t)(1ull << (sizeof(size_t) > 4 ? 46 : 31)), PROT_READ, MAP_SHARED, fd, 0);
    told_result("huge", p == MAP_FAILED ? -1 : 0);
    p = mmap(NULL, m.size, PROT_READ, MAP_SHARED, fd, 1);
    told_result("odd-offset", p == MAP_FAILED ? -1 : 0);
    p = mmap(NULL, m.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    told_result("good", p == MAP_FAILED ? -1 : 0);
    /* Private mappings, twice, and one that stays when the descriptor is closed. */
    told_result("unmap", munmap(p, m.size));
    close(fd);
}

static void memory(void)
{
    unsigned char *frame;
    size_t len;
    int fd = open(opt.device, O_RDWR);
    if (fd < 0)
        fail("open");
    try_size(fd, "12000x12000", VIDEO_PALETTE_YUV420P, 12000, 12000);
    try_size(fd, "good", VIDEO_PALETTE_YUV420P, 320, 240);
    len = frame_len(VIDEO_PALETTE_YUV420P, 320, 240);
    frame = calloc(1, len);
    told_result("good:write", write(fd, frame, len));
    free(frame);
    close(fd);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = { { "sizes", sizes },     { "writes", writes }, { "pointers", pointers },
                  { "numbers", numbers }, { "maps", maps },     { "memory", memory } };
    size_t i;
    begin(argc, argv);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (i = 0; i < sizeof cases / sizeof *cases; i++)
        if (opt.name && !strcmp(opt.name, cases[i].name)) {
            cases[i].run();
            fflush(stdout);
            say("{\"event\":\"done\"}");
            return 0;
        }
    return 2;
}
