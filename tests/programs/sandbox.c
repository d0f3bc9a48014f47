/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A program that locks itself in as browsers' renderers do: after that the kernel kills it for system calls that
 * it does not make itself. It goes on with descriptors of every kind that are no devices, by every call that the
 * library serves: nothing may be added to them. */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "common.h"

/* What the library could be tempted to make, and a renderer must not. */
static const unsigned forbidden[] = {
    SYS_getpeername, SYS_getsockname, SYS_socket, SYS_connect, SYS_bind, SYS_statx, SYS_statfs, SYS_openat,
    SYS_getsockopt, SYS_setsockopt, SYS_kill, SYS_ptrace, SYS_execve, SYS_readlinkat,
};

static void lock_in(void)
{
    struct sock_filter code[2 * (sizeof forbidden / sizeof *forbidden) + 2];
    size_t n = 0, i;
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (i = 0; i < sizeof forbidden / sizeof *forbidden; i++) {
        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, forbidden[i], 0, 1);
        code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    {
        struct sock_fprog program = { .len = (unsigned short)n, .filter = code };
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
            fail("prctl");
    }
}

/* Every call that looks at a number. */
static void use(int fd, int writable)
{
    char byte = 'x';
    struct iovec piece = { &byte, 1 };
    struct pollfd p = { .fd = fd, .events = POLLIN | POLLPRI };
    struct timeval none = { 0, 0 };
    struct epoll_event e = { .events = EPOLLIN | EPOLLPRI };
    struct stat status;
    fd_set r, x;
    int waiting, copy, set = epoll_create1(0);
    if (writable && write(fd, &byte, 1) != 1)
        fail("write");
    fstat(fd, &status);
    ioctl(fd, FIONREAD, &waiting);
    ioctl(fd, 0x40045613, &waiting);
    poll(&p, 1, 0);
    FD_ZERO(&r);
    FD_ZERO(&x);
    FD_SET(fd, &r);
    FD_SET(fd, &x);
    select(fd + 1, &r, NULL, &x, &none);
    epoll_ctl(set, EPOLL_CTL_ADD, fd, &e);
    epoll_ctl(set, EPOLL_CTL_DEL, fd, &e);
    close(set);
    mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    copy = dup(fd);
    fcntl(copy, F_SETFL, O_NONBLOCK);
    while (read(copy, &byte, 1) > 0)
        ;
    readv(copy, &piece, 1);
    close(copy);
}

int main(int argc, char **argv)
{
    int pair[2], ends[2], file;
    begin(argc, argv);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || pipe(ends))
        fail("socketpair");
    file = open("/dev/null", O_RDWR);
    lock_in();
    if (opt.name && !strcmp(opt.name, "negative"))
        /* The lock holds. */
        syscall(SYS_getpeername, pair[0], NULL, NULL);
    use(pair[0], 1);
    use(pair[1], 1);
    use(ends[0], 0);
    use(ends[1], 1);
    use(file, 1);
    use(0, 0);
    use(2, 0);
    say("{\"event\":\"result\"}");
    return 0;
}
