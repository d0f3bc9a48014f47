/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Asks abi_pusher for every structure that has two shapes, and looks at every field of its answers. Tells each
 * thing that is not as it has to be, and at the end how many there were. */
#include "abi.h"

static int fd;
static long wrong;

static void expect(int fine, const char *what)
{
    if (!fine) {
        wrong++;
        say("{\"event\":\"wrong\",\"what\":\"%s\",\"errno\":%d}", what, errno);
    }
}

/* A request of a program of the other word size: unknown, whatever memory it comes with. */
static void is_unknown(unsigned long number)
{
    unsigned char bytes[128];
    memset(bytes, 0, sizeof bytes);
    errno = 0;
    expect(ioctl(fd, number, bytes) == -1 && errno == ENOTTY, "a request of another word size");
    errno = 0;
    expect(ioctl(fd, number, NULL) == -1 && errno == ENOTTY, "the same with NULL");
}

int main(int argc, char **argv)
{
    static const unsigned long wide[] = { 0xc0407604, 0x40407605, 0x80287609, 0x4028760a, 0x8018760b,
                                          0x4018760c, 0x8008760e, 0x4008760f, 0x4020761b };
    static const unsigned long narrow[] = { 0xc0347604, 0x40347605, 0x80207609, 0x4020760a, 0x8014760b,
                                            0x4014760c, 0x8004760e, 0x4004760f, 0x4018761b };
    const unsigned long *others = sizeof(long) == 8 ? narrow : wide;
    struct video_tuner tuner;
    struct video_window window;
    struct video_buffer buffer;
    struct video_code code;
    unsigned long frequency = 5;
    int words[3] = { 1, 2, 3 };
    size_t i;
    begin(argc, argv);
    fd = open(opt.device, O_RDWR);
    if (fd < 0)
        fail("open");
    /* What a program left in memory that it only gets. */
    memset(&window, 0xa5, sizeof window);
    memset(&buffer, 0xa5, sizeof buffer);
    memset(&tuner, 0xa5, sizeof tuner);
    tuner.tuner = 6;
    expect(!ioctl(fd, VIDIOCGTUNER, &tuner) && abi_tuner_is(&tuner, 0), "GTUNER");
    expect(!ioctl(fd, VIDIOCGWIN, &window) && abi_window_is(&window, 0), "GWIN");
    expect(!ioctl(fd, VIDIOCGFBUF, &buffer) && abi_buffer_is(&buffer, 0), "GFBUF");
    expect(!ioctl(fd, VIDIOCGFREQ, &frequency) && frequency == ABI_FREQUENCY, "GFREQ");
    abi_tuner(&tuner, 1);
    expect(!ioctl(fd, VIDIOCSTUNER, &tuner), "STUNER");
    abi_window(&window, 1);
    expect(!ioctl(fd, VIDIOCSWIN, &window), "SWIN");
    abi_buffer(&buffer, 1);
    expect(!ioctl(fd, VIDIOCSFBUF, &buffer), "SFBUF");
    abi_code(&code);
    expect(!ioctl(fd, VIDIOCSMICROCODE, &code), "SMICROCODE");
    frequency = ABI_FREQUENCY + 1;
    expect(!ioctl(fd, VIDIOCSFREQ, &frequency), "SFREQ");
    if (sizeof frequency == 8) {
        /* More than a 32-bit pusher can hold: it gets what it can, and the client is not told otherwise. */
        frequency = frequency << 16 << 16;
        expect(!ioctl(fd, VIDIOCSFREQ, &frequency), "SFREQ of more than 32 bits");
    }
    expect(!ioctl(fd, ABI_PRIVATE, words) && words[0] == 4 && words[1] == 5 && words[2] == 6, "a private request");
    errno = 0;
    expect(ioctl(fd, VIDIOCGVBIFMT, &(struct vbi_format){ 0 }) == -1 && errno == ENOTTY, "a refusal");
    for (i = 0; i < sizeof wide / sizeof *wide; i++)
        is_unknown(others[i]);
    say("{\"event\":\"end\",\"wrong\":%ld}", wrong);
    return 0;
}
