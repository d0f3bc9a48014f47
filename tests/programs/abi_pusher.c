/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A zero-copy pusher that looks at every field of what it is asked, and fills every field of what it answers
 * (abi.h). It reads by select(), with SIGIO ignored. --wrong-all: one field of each answer is wrong, and each
 * set is refused. At the end it tells how many requests it had and what was wrong with them. */
#include <sys/select.h>

#include "abi.h"

static int fd;
static long requests, wrong;

static void expect(int fine, const char *what, unsigned long request)
{
    if (!fine) {
        wrong++;
        say("{\"event\":\"wrong\",\"what\":\"%s of %s (%lx)\"}", what, zc_name(request), request);
    }
}

/* Looks at a set, fills a get in. Whether it knows the request. */
static int serve(unsigned long request, void *data)
{
    unsigned long *frequency = data;
    int *words = data;
    switch (request) {
    case VIDIOCGTUNER:
        expect(((struct video_tuner *)data)->tuner == 6, "the number", request);
        abi_tuner(data, 0);
        ((struct video_tuner *)data)->rangehigh += opt.wrong_all;
        return 1;
    case VIDIOCSTUNER:
        expect(abi_tuner_is(data, 1), "a field", request);
        return 1;
    case VIDIOCGWIN:
        abi_window(data, 0);
        ((struct video_window *)data)->clipcount += opt.wrong_all;
        return 1;
    case VIDIOCSWIN:
        expect(abi_window_is(data, 1), "a field", request);
        return 1;
    case VIDIOCGFBUF:
        abi_buffer(data, 0);
        ((struct video_buffer *)data)->bytesperline += opt.wrong_all;
        return 1;
    case VIDIOCSFBUF:
        expect(abi_buffer_is(data, 1), "a field", request);
        return 1;
    case VIDIOCGFREQ:
        *frequency = ABI_FREQUENCY + (unsigned long)opt.wrong_all;
        return 1;
    case VIDIOCSFREQ:
        /* More than 32 bits become as much as there can be in 32. */
        expect(*frequency == ABI_FREQUENCY + 1 || *frequency == 0xffffffffu || *frequency >> 16 >> 16, "the number", request);
        return 1;
    case VIDIOCSMICROCODE:
        expect(abi_code_is(data), "a field", request);
        return 1;
    case ABI_PRIVATE:
        expect(words[0] == 1 && words[1] == 2 && words[2] == 3, "a word", request);
        words[0] = 4 + opt.wrong_all;
        words[1] = 5;
        words[2] = 6;
        return 1;
    default:
        return 0;
    }
}

static void take(void)
{
    union {
        unsigned long number;
        unsigned char bytes[1024];
    } record;
    /* Aligned for any of the structures. */
    unsigned long data[1024 / sizeof(unsigned long)];
    ssize_t n = read(fd, record.bytes, sizeof record.bytes);
    unsigned long request = record.number;
    size_t len = request >> 16 & 0x3fff;
    int sets;
    if (n < (ssize_t)sizeof request)
        return;
    if (request == 0) {
        say("{\"event\":\"closed\"}");
        return;
    }
    requests++;
    expect((size_t)n == sizeof request + len, "the length", request);
    memcpy(data, record.bytes + sizeof request, sizeof record.bytes - sizeof request);
    sets = (request & (IOC_IN | IOC_OUT)) == IOC_IN;
    if (!serve(request, data))
        expect(!ioctl(fd, VIDIOCSINVALID, NULL), "SINVALID", request);
    else {
        ((unsigned char *)data)[len - 1] ^= sets && opt.wrong_all;
        expect(!ioctl(fd, request, data), "the answer", request);
    }
}

int main(int argc, char **argv)
{
    begin(argc, argv);
    fd = open(opt.device, O_RDWR);
    if (fd < 0)
        fail("open");
    signal(SIGIO, SIG_IGN);
    if (mmap(NULL, (size_t)opt.width * (size_t)opt.height * 3, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED)
        fail("mmap");
    say("{\"event\":\"setup\"}");
    for (;;) {
        fd_set set;
        FD_ZERO(&set);
        FD_SET(0, &set);
        FD_SET(fd, &set);
        if (select(fd + 1, &set, NULL, NULL, NULL) < 0)
            continue;
        if (FD_ISSET(fd, &set))
            take();
        else if (FD_ISSET(0, &set))
            break;
    }
    say("{\"event\":\"pushed\",\"requests\":%ld,\"wrong\":%ld}", requests, wrong);
    return 0;
}
