/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * A one-copy pusher as it was written in 2001: finds a free pipe in /proc, claims it by opening it, sets palette
 * and size, writes frames. It draws a white bar that moves a column a frame on black.
 *
 *     pusher [FRAMES [FRAMES_A_SECOND]]      as many as you like, 25, by default
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { WIDTH = 320, HEIGHT = 240, BAR = 16 };

/* The first pipe that is free and that we get; its clients' node goes to `output`, of 32 bytes. */
static int claim(char *output)
{
    char line[256], input[32], status[4], device[64];
    int number, fd;
    FILE *table = fopen("/proc/video/vloopback/vloopbacks", "r");
    if (!table) {
        perror("/proc/video/vloopback/vloopbacks (start this under `vloopback run`)");
        return -1;
    }
    /* A version and an explanation come first. */
    if (!fgets(line, sizeof line, table) || !fgets(line, sizeof line, table))
        line[0] = 0;
    while (fgets(line, sizeof line, table)) {
        if (sscanf(line, "%d\t%31[^\t]\t%3[^\t]\t%31[^\t]", &number, input, status, output) != 4 || status[0] != '-')
            continue;
        snprintf(device, sizeof device, "/dev/%s", input);
        fd = open(device, O_RDWR);
        if (fd >= 0) {
            fclose(table);
            printf("pipe %d: pushing into %s, ", number, device);
            return fd;
        }
        if (errno != EBUSY)
            perror(device);
    }
    fclose(table);
    fprintf(stderr, "no free pipe; more of them: vloopback run --pipes N\n");
    return -1;
}

int main(int argc, char **argv)
{
    static unsigned char frame[WIDTH * HEIGHT * 3 / 2];
    long frames = argc > 1 ? atol(argv[1]) : -1, rate = argc > 2 ? atol(argv[2]) : 25, n;
    struct timespec pause = { 0, 1000000000L / (rate > 1 ? rate : 2) };
    struct video_picture picture;
    struct video_window window;
    char output[32];
    int fd = claim(output), x, y;
    if (fd < 0)
        return 1;
    if (ioctl(fd, VIDIOCGPICT, &picture) || ioctl(fd, VIDIOCGWIN, &window)) {
        perror("asking");
        return 1;
    }
    picture.palette = VIDEO_PALETTE_YUV420P;
    window.width = WIDTH;
    window.height = HEIGHT;
    if (ioctl(fd, VIDIOCSPICT, &picture) || ioctl(fd, VIDIOCSWIN, &window)) {
        perror("setting");
        return 1;
    }
    printf("watch /dev/%s\n", output);
    fflush(stdout);
    memset(frame + WIDTH * HEIGHT, 128, WIDTH * HEIGHT / 2);
    for (n = 0; n != frames; n++) {
        for (y = 0; y < HEIGHT; y++)
            for (x = 0; x < WIDTH; x++)
                frame[y * WIDTH + x] = (x + WIDTH - n % WIDTH) % WIDTH < BAR ? 235 : 16;
        if (write(fd, frame, sizeof frame) != (ssize_t)sizeof frame) {
            perror("write");
            return 1;
        }
        nanosleep(&pause, NULL);
    }
    return 0;
}
