/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Uses a node as libv4l2 does, by syscall(), and checks that the rest of syscall() is as ever. With the
 * argument "--filter" it looks at the function that is in force: its first instruction must compare, not
 * push: callers of raw clone stand on a stack that nobody may have changed. With "--release RELEASE" it asks for
 * the kernel's release by the call's number: that, and what uname() says. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/videodev2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifdef __i386__
/* i386's first mmap, number 90: its arguments lie in memory, and its offset is in bytes. */
static void *old_map(unsigned long length, unsigned long prot, unsigned long flags, long fd, unsigned long offset)
{
    unsigned long arguments[6] = { 0, length, prot, flags, (unsigned long)fd, offset };
    return (void *)syscall(90L, arguments);
}
#endif

/* What libv4l2 calls, and in what it gives offsets. */
#ifdef SYS_mmap2
#define MAP SYS_mmap2
#define OFFSETS 4096
#else
#define MAP SYS_mmap
#define OFFSETS 1
#endif

static int wrong;

static void expect(int fine, const char *what)
{
    if (!fine) {
        printf("wrong: %s (errno %d)\n", what, errno);
        wrong++;
    }
}

int main(int argc, char **argv)
{
    struct v4l2_capability cap;
    struct v4l2_requestbuffers ask;
    struct v4l2_buffer b;
    struct utsname plain, raw;
    uint32_t word = 5;
    char bytes[8];
    void *at;
    long fd, other;
    int ends[2];
    if (argc < 2)
        return 2;
    if (!strcmp(argv[1], "--filter")) {
        const unsigned char *code = dlsym(RTLD_DEFAULT, "syscall");
#ifdef __i386__
        /* mov 4(%esp),%eax: the number is where the caller has put it. */
        const unsigned char begin[] = { 0x8b, 0x44, 0x24, 0x04 };
#else
        /* cmp $63,%rdi */
        const unsigned char begin[] = { 0x48, 0x83, 0xff, 0x3f };
#endif
        expect(code && !memcmp(code, begin, sizeof begin), "the filter begins with its comparison");
        return wrong != 0;
    }
    if (!strcmp(argv[1], "--release")) {
        expect(!uname(&plain) && !syscall(SYS_uname, &raw) && !memcmp(&plain, &raw, sizeof raw), "uname");
        expect(argc > 2 && !strcmp(raw.release, argv[2]), "the release");
        return wrong != 0;
    }
    fd = syscall(SYS_openat, AT_FDCWD, argv[1], O_RDWR | O_NONBLOCK, 0);
    expect(fd >= 0, "openat of a node");
    memset(&cap, 0, sizeof cap);
    expect(syscall(SYS_ioctl, fd, VIDIOC_QUERYCAP, &cap) == 0, "QUERYCAP");
    expect(!strcmp((char *)cap.driver, "v4l2 loopback"), "the driver's name");
    expect(syscall(SYS_ioctl, fd, VIDIOC_QUERYCAP, NULL) == -1 && errno == EFAULT, "QUERYCAP to NULL");
    memset(&ask, 0, sizeof ask);
    ask.count = 2;
    ask.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    ask.memory = V4L2_MEMORY_MMAP;
    expect(syscall(SYS_ioctl, fd, VIDIOC_REQBUFS, &ask) == 0, "REQBUFS");
    memset(&b, 0, sizeof b);
    b.index = 1;
    b.type = ask.type;
    expect(syscall(SYS_ioctl, fd, VIDIOC_QUERYBUF, &b) == 0, "QUERYBUF");
    /* Six arguments: the last of them lies on the stack. */
    at = (void *)syscall(MAP, NULL, (long)b.length, PROT_READ, MAP_SHARED, fd, (long)b.m.offset / OFFSETS);
    expect(at != MAP_FAILED, "mmap of a buffer");
    expect(syscall(SYS_munmap, at, (long)b.length) == 0, "munmap");
#ifdef __i386__
    at = old_map(b.length, PROT_READ, MAP_SHARED, fd, b.m.offset);
    expect(at != MAP_FAILED && ((volatile char *)at)[b.length - 1] + 1, "the old mmap of a buffer");
    expect(syscall(SYS_munmap, at, (long)b.length) == 0, "munmap of it");
    expect(syscall(90L, 16L) == -1 && errno == EFAULT, "the old mmap with its arguments nowhere");
    expect(old_map(b.length, PROT_READ, MAP_SHARED, fd, 8) == MAP_FAILED && errno == EINVAL, "a crooked offset");
    at = old_map(4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    expect(at != MAP_FAILED && !*(char *)at, "the old mmap of nothing");
#endif
    other = syscall(SYS_dup, fd);
    expect(other >= 0 && syscall(SYS_close, fd) == 0, "dup, and the original closes first");
    expect(syscall(SYS_ioctl, other, VIDIOC_QUERYCAP, &cap) == 0, "QUERYCAP by the dup");
    expect(syscall(SYS_read, other, bytes, sizeof bytes) == -1 && errno == EBUSY, "read beside buffers");
    expect(syscall(SYS_close, other) == 0 && syscall(SYS_close, other) == -1 && errno == EBADF, "close");
    /* All that is not ours. */
    at = (void *)syscall(MAP, NULL, 4096L, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0L);
    expect(at != MAP_FAILED, "an anonymous mapping");
    memset(at, 1, 4096);
    expect(!pipe(ends), "pipe");
    expect(syscall(SYS_write, ends[1], "vloop", 5L) == 5, "write to a pipe");
    expect(syscall(SYS_read, ends[0], bytes, 8L) == 5 && !memcmp(bytes, "vloop", 5), "read from a pipe");
    expect(syscall(SYS_getpid) == getpid(), "getpid");
    expect(syscall(SYS_uname, 16L) == -1 && errno == EFAULT, "uname to nowhere");
    expect(syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 4, NULL, NULL, 0) == -1 && errno == EAGAIN, "futex");
    expect(syscall(99999L) == -1 && errno == ENOSYS, "a call that does not exist");
    printf("done\n");
    return wrong != 0;
}
