/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The part that all one-copy pushers have in common: read the node's picture and window, change
 * what is needed, set both, then write frames (driver/docs/old-api.md, "The document" 3 and "Pushers"). */
#ifndef VLOOPBACK_TESTS_PUSHER_H
#define VLOOPBACK_TESTS_PUSHER_H

#include "common.h"

/* What counts as a failed write: Motion looks for -1 only, all others want the whole frame taken. */
enum write_rule { ONLY_MINUS_ONE, WHOLE_FRAME };

/* GPICT, SPICT, GWIN, SWIN. 0, or -1 with the call's name in *call. */
static UNUSED int set_up(int fd, int palette, int width, int height, const char **call)
{
    struct video_picture picture;
    struct video_window window;
    memset(&picture, 0, sizeof picture);
    memset(&window, 0, sizeof window);
    *call = "VIDIOCGPICT";
    if (ioctl(fd, VIDIOCGPICT, &picture))
        return -1;
    picture.palette = palette;
    picture.depth = palette_depth(palette);
    *call = "VIDIOCSPICT";
    if (ioctl(fd, VIDIOCSPICT, &picture))
        return -1;
    *call = "VIDIOCGWIN";
    if (ioctl(fd, VIDIOCGWIN, &window))
        return -1;
    window.width = width;
    window.height = height;
    *call = "VIDIOCSWIN";
    return ioctl(fd, VIDIOCSWIN, &window);
}

static UNUSED void set_up_or_fail(int fd, int palette, int width, int height)
{
    const char *call;
    if (set_up(fd, palette, width, height, &call))
        fail(call);
    say("{\"event\":\"setup\",\"palette\":%d,\"width\":%d,\"height\":%d}", palette, width, height);
}

/* Writes the frames that the options ask for, the first one numbered `number`. Returns the number
 * after the last. */
static UNUSED long push(int fd, enum write_rule rule, long number, long frames)
{
    size_t len = frame_len(opt.palette, opt.width, opt.height);
    unsigned char *frame = malloc(len);
    int clock = opt.fps ? clock_open(opt.fps) : -1;
    long written = 0, errors = 0, end = number + frames;
    if (!frame || !len)
        fail("frame");
    if (opt.wait && !order())
        exit(0);
    for (; frames == 0 || number < end; number++) {
        ssize_t n;
        if (opt.step) {
            if (!order())
                break;
        } else if (clock >= 0) {
            clock_tick(clock);
        }
        if (frames == 0 && !opt.step && told())
            break;
        pattern_fill(frame, len, (uint32_t)number);
        if (number == opt.wrong || opt.wrong_all)
            frame[len / 2] ^= 1;
        n = write(fd, frame, len);
        if (rule == ONLY_MINUS_ONE ? n == -1 : n != (ssize_t)len) {
            errors++;
            say("{\"event\":\"error\",\"call\":\"write\",\"result\":%zd,\"errno\":%d}", n, n < 0 ? errno : 0);
            if (errors >= opt.patience)
                break;
        } else {
            written++;
        }
        if (opt.report && number % opt.report == 0)
            say("{\"event\":\"frame\",\"n\":%ld}", number);
    }
    say("{\"event\":\"pushed\",\"written\":%ld,\"errors\":%ld,\"next\":%ld}", written, errors, number);
    if (clock >= 0)
        close(clock);
    free(frame);
    if (errors)
        exit(1);
    return number;
}

static UNUSED void hold_until_told(void)
{
    if (opt.hold)
        while (order())
            ;
}

#endif
