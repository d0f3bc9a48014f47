/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Counts the system calls that write() on an unused pipe makes (driver/docs/rules.md, "Copies": none). After the set-up
 * a seccomp filter turns every further system call of this thread into a SIGSYS, whose handler counts
 * it and fails it with ENOSYS. First the counting itself is tried with one getppid().
 * --frames N writes; the case "mark" makes no filter, but marks begin and end for strace. */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "pusher.h"

static volatile sig_atomic_t calls, last_call;

static void on_sigsys(int number, siginfo_t *info, void *context)
{
    (void)number;
    calls++;
    last_call = info->si_syscall;
#ifdef __x86_64__
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX] = -ENOSYS;
#else
    (void)context;
#endif
}

static void mark(const char *text)
{
    /* To no descriptor at all: it only shows in a trace. */
    syscall(SYS_write, -1, text, strlen(text));
}

int main(int argc, char **argv)
{
    /* What stays allowed: the way back from the handler, reports, and the end. */
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_rt_sigreturn, 5, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_exit_group, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_write, 0, 2),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { .len = sizeof filter / sizeof *filter, .filter = filter };
    struct sigaction action;
    size_t len;
    unsigned char *frame;
    long i, full = 0, control;
    int fd;
    begin(argc, argv);
    len = frame_len(opt.palette, opt.width, opt.height);
    frame = malloc(len);
    fd = open(opt.device, O_RDWR);
    if (fd < 0)
        fail("open");
    set_up_or_fail(fd, opt.palette, opt.width, opt.height);
    pattern_fill(frame, len, 0);
    if (opt.wait)
        order();
    /* The first write may do what has to be done once. */
    if (write(fd, frame, len) != (ssize_t)len)
        fail("write");
    if (opt.name && !strcmp(opt.name, "mark")) {
        mark("vloopback-begin");
        for (i = 0; i < opt.frames; i++)
            full += write(fd, frame, len) == (ssize_t)len;
        mark("vloopback-end");
        say("{\"event\":\"result\",\"full\":%ld}", full);
        return 0;
    }
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_sigsys;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSYS, &action, NULL);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        fail("seccomp");
    syscall(SYS_getppid);
    control = calls;
    calls = 0;
    for (i = 0; i < opt.frames; i++)
        full += write(fd, frame, len) == (ssize_t)len;
    say("{\"event\":\"result\",\"full\":%ld,\"calls\":%ld,\"control\":%ld,\"last\":%ld}", full, (long)calls, control,
        (long)last_call);
    _exit(0);
}
