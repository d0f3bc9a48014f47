/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * A pusher: claims a free pipe and writes 25 pictures a second, 320x240 in RGB32, a bar that moves. One copy
 * each; none while nobody watches.
 *
 * Ends with the end of a line on its standard input.
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <vloopback.h>

enum { WIDTH = 320, HEIGHT = 240, BAR = 16, PAUSE = 40 /* ms */ };

/* A blue picture with an orange bar that begins in column `bar`. */
static void draw(unsigned char *frame, int bar)
{
    /* As they lie in memory: blue, green, red, unused. */
    static const unsigned char blue[4] = { 128, 64, 32, 0 }, orange[4] = { 0, 160, 255, 0 };
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++, frame += 4)
            memcpy(frame, (x + WIDTH - bar) % WIDTH < BAR ? orange : blue, 4);
}

int main(void)
{
    static unsigned char frame[WIDTH * HEIGHT * 4];
    struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
    vlb_counters counters;
    int bar = 0, ready, failed = 0;
    vlb_pusher *p = vlb_claim(NULL);
    if (!p || vlb_set_format(p, VLB_PALETTE_RGB32, WIDTH, HEIGHT) || vlb_set_interval(p, 1, 25)) {
        fprintf(stderr, "%s\n", vlb_error());
        vlb_close(p);
        return 1;
    }
    printf("pushing into %s, watch %s; press Enter to end\n", vlb_device(p), vlb_output(p));
    fflush(stdout);
    while (!failed && ((ready = poll(&input, 1, PAUSE)) == 0 || (ready < 0 && errno == EINTR))) {
        draw(frame, bar);
        failed = vlb_write(p, frame, sizeof frame);
        bar = (bar + 1) % WIDTH;
    }
    if (failed || vlb_get_counters(p, &counters, sizeof counters)) {
        fprintf(stderr, "%s\n", vlb_error());
        failed = 1;
    } else {
        printf("%llu pictures pushed, %llu more that nobody watched\n", (unsigned long long)counters.published,
               (unsigned long long)counters.unwatched);
    }
    vlb_close(p);
    return failed != 0;
}
