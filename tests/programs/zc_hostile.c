/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A client whose requests are as no program should make them, each with the errno that it gets; the pusher is
 * somebody else (zc_pusher). Cases:
 *     requests  pointers, sizes, directions, numbers
 *     frames    frame numbers, frames armed twice, a whole video_mmap for VIDIOCSYNC */
#include "zc_hostile.h"

static int fd = -1;

static int forwarded;

static void row(unsigned long number, const char *what, enum place kind, int expected)
{
    size_t len = _IOC_SIZE(number);
    int given = answer(fd, number, place(kind, len));
    expect(given == expected, "%s %s (%lx) with %s memory gives %s where it has to give %s", zc_name(number), what,
           number, place_names[kind], strerrorname_np(given), strerrorname_np(expected));
    if (given == 0 || given == ENOTTY)
        forwarded++;
}

static void requests(void)
{
    static const size_t sizes[] = { 0, 1, 3, 1015, 1016, 1017, 1024, 1025, 4096, 16383 };
    static const unsigned long directions[] = { _IOC_NONE, _IOC_WRITE, _IOC_READ, _IOC_READ | _IOC_WRITE };
    size_t i, k, nr;
    fd = open_node(O_RDWR);
    /* Each request of the API with each place that can't be: the pusher sees none of them. */
    for (i = 0; i < sizeof zc_names / sizeof *zc_names; i++) {
        unsigned long number = zc_names[i].number;
        enum place kind;
        if (_IOC_SIZE(number) == 0)
            continue;
        for (kind = NOWHERE; kind < PLACES; kind++)
            if (kind != READ_ONLY && (kind != ENDS || _IOC_SIZE(number) > 1))
                row(number, "", kind, EFAULT);
    }
    expect(forwarded == 0, "nothing was forwarded");
    /* Memory that can't be written is good enough for what is only read there. */
    row(VIDIOCGPICT, "", READ_ONLY, EFAULT);
    row(VIDIOCGCHAN, "", READ_ONLY, EFAULT);
    row(VIDIOCSYNC, "", READ_ONLY, 0);
    row(VIDIOCGPICT, "", GOOD, 0);
    /* Sizes and directions that lie: a request of its own, which the pusher does not know; what is too much for its
     * buffer, with the number, does not get there. */
    for (nr = 1; nr <= 40; nr += 13)
        for (k = 0; k < sizeof directions / sizeof *directions; k++)
            for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                unsigned long number = _IOC(directions[k], 'v', nr, sizes[i]);
                /* A 64-bit pusher's number takes 8 of them. */
                if (sizes[i] > REQUEST_BYTES - 8) {
                    row(number, "too long", GOOD, EINVAL);
                    row(number, "too long", NOWHERE, EINVAL);
                } else {
                    row(number, "of another size", GOOD, ENOTTY);
                    row(number, "of another size", NOWHERE,
                        directions[k] == _IOC_NONE || sizes[i] == 0 ? ENOTTY : EFAULT);
                }
            }
    /* The other word size's numbers, from a program of this one: no requests, whatever the address. */
    if (sizeof(long) == 8) {
        static const unsigned long others[] = { 0xc0347604, 0x40347605, 0x80207609, 0x4020760a, 0x8014760b,
                                                0x4014760c, 0x8004760e, 0x4004760f, 0x4018761b };
        k = (size_t)forwarded;
        for (i = 0; i < sizeof others / sizeof *others; i++) {
            row(others[i], "of 32 bits", GOOD, ENOTTY);
            row(others[i], "of 32 bits", NOWHERE, ENOTTY);
        }
        forwarded = (int)k;
    }
    /* Only 32 bits of a number count. */
    row((unsigned long)(long)(int)VIDIOCGPICT, "sign-extended", GOOD, 0);
    row((unsigned long)(0xdeadbeef00000000ull | VIDIOCGWIN), "with more above", GOOD, 0);
    row((unsigned long)(0xffffffff00000000ull | VIDIOCSINVALID), "with more above", GOOD, ENOTTY);
    /* A client refuses nothing, and closes by close(). */
    row(VIDIOCSINVALID, "of a client", GOOD, ENOTTY);
    row(VIDIOCSINVALID, "of a client", WILD, ENOTTY);
    /* Not of this API: not forwarded, whatever the address. */
    k = (size_t)forwarded;
    row(0, "of a client", GOOD, ENOTTY);
    row(0, "of a client", NOWHERE, ENOTTY);
    row(~0ul, "all ones", GOOD, ENOTTY);
    row(0x5413, "of terminals", GOOD, ENOTTY);
    row(_IOWR('U', 1, int), "of another type", WILD, ENOTTY);
    forwarded = (int)k;
    /* And an integer where a pointer belongs. */
    row(VIDIOCCAPTURE, "with an integer", ONE, EFAULT);
    row(VIDIOCCAPTURE, "", GOOD, 0);
    close(fd);
    errno = 0;
    expect(ioctl(fd, VIDIOCGPICT, place(GOOD, 0)) == -1 && errno == EBADF, "a closed descriptor");
    say("{\"event\":\"forwarded\",\"count\":%d}", forwarded);
}

static int order_frame(unsigned frame, unsigned palette, int width, int height)
{
    struct video_mmap order = { frame, height, width, palette };
    return answer(fd, VIDIOCMCAPTURE, &order);
}

static unsigned char *memory;

/* Frame number `frame` is whole; its number. */
static uint32_t whole(unsigned frame, size_t offset)
{
    size_t len = (size_t)320 * 240 * 3 / 2;
    uint32_t number = 0;
    int fine = pattern_number(memory + offset, len, &number) && pattern_differs(memory + offset, len, number) < 0;
    expect(fine, "frame %u is not whole", frame);
    return number;
}

static void frames(void)
{
    static const unsigned out_of_range[] = { 2, 31, 32, 33, 0x7fffffff, 0x80000000, 0xffffffff };
    struct video_mbuf mbuf;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), i;
    unsigned char *end = (unsigned char *)place(ENDS, 1) - sizeof(int);
    struct video_mmap order = { 1, 240, 320, VIDEO_PALETTE_YUV420P }, before = order;
    uint32_t first, second;
    int frame;
    fd = open_node(O_RDWR);
    GIVES(0, fd, VIDIOCGMBUF, &mbuf);
    memory = mmap(NULL, (size_t)mbuf.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        fail("mmap");
    /* The whole structure for SYNC, as xawtv gives it: its first member counts, nothing of it changes. */
    expect(order_frame(1, VIDEO_PALETTE_YUV420P, 320, 240) == 0, "MCAPTURE 1");
    GIVES(0, fd, VIDIOCSYNC, &order);
    expect(!memcmp(&order, &before, sizeof order), "SYNC leaves its argument as it is");
    first = whole(1, (size_t)mbuf.offsets[1]);
    /* Not a byte more than the number is looked at. */
    expect((size_t)end % page == page - sizeof(int), "a number at the end of a page");
    frame = 0;
    memcpy(end, &frame, sizeof frame);
    expect(order_frame(0, VIDEO_PALETTE_YUV420P, 320, 240) == 0, "MCAPTURE 0");
    GIVES(0, fd, VIDIOCSYNC, end);
    second = whole(0, 0);
    expect(second > first, "frame %u after %u", second, first);
    /* A frame that is armed already is armed again; one picture comes. */
    expect(order_frame(0, VIDEO_PALETTE_YUV420P, 320, 240) == 0, "MCAPTURE 0");
    expect(order_frame(0, VIDEO_PALETTE_YUV420P, 320, 240) == 0, "MCAPTURE 0 while it is pending");
    expect(order_frame(1, VIDEO_PALETTE_YUV420P, 320, 240) == 0, "MCAPTURE 1 while 0 is pending");
    for (frame = 0; frame < 2; frame++) {
        GIVES(0, fd, VIDIOCSYNC, &frame);
        first = whole((unsigned)frame, (size_t)mbuf.offsets[frame]);
        expect(first > second, "frame %u after %u", first, second);
        second = first;
    }
    /* What the pusher refuses changes nothing. */
    for (i = 0; i < sizeof out_of_range / sizeof *out_of_range; i++) {
        unsigned wrong = out_of_range[i];
        expect(order_frame(wrong, VIDEO_PALETTE_YUV420P, 320, 240) == ENOTTY, "MCAPTURE of frame %u", wrong);
        GIVES(ENOTTY, fd, VIDIOCSYNC, &wrong);
    }
    expect(order_frame(0, VIDEO_PALETTE_YUV420P, -1, 240) == ENOTTY, "MCAPTURE of a width below 0");
    expect(order_frame(0, VIDEO_PALETTE_YUV420P, 0x7fffffff, 0x7fffffff) == ENOTTY, "MCAPTURE of a huge size");
    expect(order_frame(0, 0x10000u | VIDEO_PALETTE_YUV420P, 320, 240) == ENOTTY, "MCAPTURE of a palette above 65535");
    expect(order_frame(0, VIDEO_PALETTE_YUV420P, 320, 240) == 0, "MCAPTURE 0");
    frame = 0;
    GIVES(0, fd, VIDIOCSYNC, &frame);
    expect(whole(0, 0) > second, "the next frame");
    /* Mappings that lie outside. */
    expect(mmap(NULL, (size_t)mbuf.size + page, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EINVAL,
           "a mapping that is too long");
    expect(mmap(NULL, page, PROT_READ, MAP_SHARED, fd, ((off_t)mbuf.size + (off_t)page - 1) / (off_t)page * (off_t)page) ==
                   MAP_FAILED &&
               errno == EINVAL,
           "a mapping behind the end");
    munmap(memory, (size_t)mbuf.size);
    close(fd);
}

int main(int argc, char **argv)
{
    static const struct a_case cases[] = { { "requests", requests }, { "frames", frames } };
    begin(argc, argv);
    return run_case(cases, sizeof cases / sizeof *cases);
}
