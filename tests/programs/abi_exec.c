/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Hands an open client descriptor on by exec: opens --device, and then becomes each of the programs that are
 * named, one after the other, which are builds of this same source. The last one looks at a frame that it reads
 * by the descriptor. */
#include "client.h"

int main(int argc, char **argv)
{
    const char *programs = getenv("ABI_EXEC_PROGRAMS");
    const char *number = getenv("ABI_EXEC_FD");
    struct video_capability cap;
    int fd = number ? atoi(number) : -1;
    begin(argc, argv);
    if (fd < 0) {
        char text[16];
        fd = open(opt.device, O_RDWR);
        if (fd < 0)
            fail("open");
        snprintf(text, sizeof text, "%d", fd);
        setenv("ABI_EXEC_FD", text, 1);
    }
    if (ioctl(fd, VIDIOCGCAP, &cap))
        fail("VIDIOCGCAP");
    say("{\"event\":\"has\",\"bits\":%d,\"name\":\"%.32s\"}", (int)sizeof(void *) * 8, cap.name);
    if (programs && *programs) {
        const char *rest = strchr(programs, ':');
        char *next = rest ? strndup(programs, (size_t)(rest - programs)) : strdup(programs);
        setenv("ABI_EXEC_PROGRAMS", rest ? rest + 1 : "", 1);
        argv[0] = next;
        execv(next, argv);
        fail("exec");
    }
    {
        size_t len = frame_len(opt.palette, opt.width, opt.height);
        unsigned char *frame = malloc(len);
        while (more()) {
            if (read(fd, frame, len) == (ssize_t)len)
                look(frame, len);
            else
                failed("read");
        }
    }
    result();
}
