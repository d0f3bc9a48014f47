/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Watches by read() of exact sizes. As xawtv does where mmap is refused, it sets SPICT and SWIN (to
 * what they are) before every read. --nonblock answers EAGAIN with poll(). */
#include "client.h"

int main(int argc, char **argv)
{
    struct video_picture picture;
    struct video_window window;
    unsigned char *frame;
    size_t len;
    int fd, ready = 0;
    begin(argc, argv);
    fd = open_client(O_RDONLY);
    if (ioctl(fd, VIDIOCGPICT, &picture))
        fail("VIDIOCGPICT");
    if (ioctl(fd, VIDIOCGWIN, &window))
        fail("VIDIOCGWIN");
    len = frame_len(picture.palette, window.width, window.height);
    frame = malloc(len ? len : 1);
    while (more()) {
        ssize_t n;
        if (ioctl(fd, VIDIOCSPICT, &picture)) {
            failed("VIDIOCSPICT");
            continue;
        }
        if (ioctl(fd, VIDIOCSWIN, &window)) {
            failed("VIDIOCSWIN");
            continue;
        }
        if (!ready++)
            say("{\"event\":\"ready\",\"palette\":%d,\"width\":%u,\"height\":%u}", picture.palette, window.width,
                window.height);
        n = read(fd, frame, len);
        if (n < 0 && errno == EAGAIN && opt.nonblock) {
            struct pollfd p = { .fd = fd, .events = POLLIN };
            poll(&p, 1, -1);
            continue;
        }
        if (n == 0) {
            say("{\"event\":\"eof\"}");
            errno = 0;
        }
        if (n < 0 || (size_t)n != len) {
            failed("read");
            continue;
        }
        look(frame, len);
    }
    free(frame);
    close(fd);
    result();
}
