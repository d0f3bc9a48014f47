/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Holds frames: each frame that SYNC delivered is kept for a random number of further frames, which
 * come through another one, and every byte of it is looked at again before it is armed anew. A held
 * frame that changed is torn (driver/docs/rules.md, "Invariants" 1).
 * --seed chooses the numbers; with --frames 0 it goes on until standard input ends or the pusher
 * leaves. */
#include "client.h"

static unsigned random_below(unsigned limit)
{
    opt.seed = opt.seed * 1664525u + 1013904223u;
    return (opt.seed >> 8) % limit;
}

int main(int argc, char **argv)
{
    struct mapping m;
    size_t len;
    int fd, held = 0, passing = 1;
    begin(argc, argv);
    fd = open_client(O_RDWR);
    map_frames(fd, PROT_READ | PROT_WRITE, &m);
    if (m.mbuf.frames < 2)
        fail("frames >= 2");
    arm_by_probing(fd, held);
    len = frame_len(opt.palette, opt.width, opt.height);
    say("{\"event\":\"ready\",\"palette\":%d}", opt.palette);
    while (more()) {
        unsigned rounds = random_below(8);
        uint32_t number = 0;
        int swap;
        long place;
        if (ioctl(fd, VIDIOCSYNC, &held)) {
            failed("VIDIOCSYNC");
            if (arm(fd, held, opt.palette, opt.width, opt.height))
                failed("VIDIOCMCAPTURE");
            continue;
        }
        if (!look(m.base + m.mbuf.offsets[held], len))
            goto give_back;
        pattern_number(m.base + m.mbuf.offsets[held], len, &number);
        while (rounds-- && more()) {
            if (arm(fd, passing, opt.palette, opt.width, opt.height)) {
                failed("VIDIOCMCAPTURE");
                break;
            }
            if (ioctl(fd, VIDIOCSYNC, &passing)) {
                failed("VIDIOCSYNC");
                break;
            }
            look(m.base + m.mbuf.offsets[passing], len);
        }
        place = pattern_differs(m.base + m.mbuf.offsets[held], len, number);
        if (place >= 0) {
            seen.torn++;
            say("{\"event\":\"torn\",\"n\":%u,\"byte\":%ld,\"held\":true}", number, place);
        }
    give_back:
        /* The other one holds next, so that both slots of the client take both parts. */
        swap = held;
        held = passing;
        passing = swap;
        if (arm(fd, held, opt.palette, opt.width, opt.height))
            failed("VIDIOCMCAPTURE");
    }
    munmap(m.base, m.mbuf.size);
    close(fd);
    result();
}
