/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Watches as xawtv does: walks GCHAN, asks GFBUF and GPICT, probes each palette with MCAPTURE at
 * 20x20 and SYNC, then captures with SYNC given the whole video_mmap. An alarm whose handler has no
 * SA_RESTART (--alarm-ms) interrupts a blocked SYNC. */
#include <sys/time.h>

#include "client.h"

static volatile sig_atomic_t alarms;

static void on_alarm(int signal_number)
{
    (void)signal_number;
    alarms++;
}

int main(int argc, char **argv)
{
    static const int palettes[] = { VIDEO_PALETTE_RGB24, VIDEO_PALETTE_RGB32, VIDEO_PALETTE_RGB565, VIDEO_PALETTE_YUV422,
                                    VIDEO_PALETTE_YUYV, VIDEO_PALETTE_YUV420P, VIDEO_PALETTE_GREY };
    struct video_capability cap;
    struct video_buffer frame_buffer;
    struct video_picture picture;
    struct video_mmap v;
    struct sigaction action;
    struct itimerval timer;
    struct mapping m;
    int fd, i, works = 0;
    begin(argc, argv);
    fd = open_client(O_RDWR);
    if (ioctl(fd, VIDIOCGCAP, &cap))
        fail("VIDIOCGCAP");
    for (i = 0; i < cap.channels; i++) {
        struct video_channel channel;
        memset(&channel, 0, sizeof channel);
        channel.channel = i;
        if (ioctl(fd, VIDIOCGCHAN, &channel))
            fail("VIDIOCGCHAN");
        say("{\"event\":\"channel\",\"name\":\"%.32s\"}", channel.name);
    }
    if (ioctl(fd, VIDIOCGFBUF, &frame_buffer))
        fail("VIDIOCGFBUF");
    if (ioctl(fd, VIDIOCGPICT, &picture))
        fail("VIDIOCGPICT");
    map_frames(fd, PROT_READ | PROT_WRITE, &m);
    /* Programs set the handler by sigaction without SA_RESTART; the timer repeats, so that a signal
     * that came just before the call blocked is not the only one. */
    memset(&action, 0, sizeof action);
    action.sa_handler = on_alarm;
    sigaction(SIGALRM, &action, NULL);
    memset(&v, 0, sizeof v);
    v.width = v.height = 20;
    say("{\"event\":\"probing\"}");
    for (i = 0; i < (int)(sizeof palettes / sizeof *palettes); i++) {
        v.format = palettes[i];
        if (ioctl(fd, VIDIOCMCAPTURE, &v))
            continue;
        if (ioctl(fd, VIDIOCSYNC, &v))
            fail("VIDIOCSYNC of a probe");
        if (!works)
            works = palettes[i];
    }
    if (!works) {
        errno = EINVAL;
        fail("VIDIOCMCAPTURE of a probe");
    }
    opt.palette = v.format = works;
    v.width = opt.width;
    v.height = opt.height;
    say("{\"event\":\"ready\",\"palette\":%d}", works);
    if (opt.alarm_ms) {
        timer.it_value.tv_sec = timer.it_interval.tv_sec = opt.alarm_ms / 1000;
        timer.it_value.tv_usec = timer.it_interval.tv_usec = opt.alarm_ms % 1000 * 1000;
        setitimer(ITIMER_REAL, &timer, NULL);
    }
    while (more()) {
        if (ioctl(fd, VIDIOCMCAPTURE, &v)) {
            failed("VIDIOCMCAPTURE");
            continue;
        }
        if (ioctl(fd, VIDIOCSYNC, &v)) {
            failed("VIDIOCSYNC");
            continue;
        }
        look(m.base + m.mbuf.offsets[v.frame], frame_len(works, opt.width, opt.height));
    }
    munmap(m.base, m.mbuf.size);
    close(fd);
    result();
}
