/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The rules of a descriptor (driver/docs/rules.md, "The descriptor"), one case a run, named by the first word.
 * --device is an output that is fed. Where a case wants a frame at one moment only, it says {"event":"want"} and
 * goes on when an order tells that one was pushed. The end is {"event":"pass"} or {"event":"failed"}. */
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "client.h"

/* Milliseconds in which anything comes that is to come at once, however busy the machine is. */
#define SOON 30000

static char *program;
static size_t len;

static void check(int fine, const char *what)
{
    if (!fine)
        fail(what);
}

static int open_output(int flags)
{
    int fd = open(opt.device, flags);
    check(fd >= 0, "open");
    if (!len) {
        size_from_window(fd);
        len = frame_len(opt.palette, opt.width, opt.height);
    }
    return fd;
}

/* Reads one frame and looks at every byte. */
static void read_frame(int fd, const char *what)
{
    unsigned char *frame = malloc(len);
    uint32_t number;
    ssize_t n = read(fd, frame, len);
    check(n == (ssize_t)len, what);
    errno = 0;
    check(pattern_number(frame, len, &number) && pattern_differs(frame, len, number) < 0, what);
    free(frame);
}

static void want(void)
{
    say("{\"event\":\"want\"}");
    check(order(), "order");
}

static void expect_child(pid_t pid, const char *what)
{
    int status = -1;
    errno = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    errno = 0;
    check(status == 0, what);
}

static void reopen_works(void)
{
    int fd = open_output(O_RDWR);
    read_frame(fd, "read from a new open");
    close(fd);
}

static void case_dup(void)
{
    int fd = open_output(O_RDWR), a, b, c, d;
    read_frame(fd, "read before dup");
    a = dup(fd);
    b = dup2(fd, 200);
    c = dup3(fd, 201, O_CLOEXEC);
    d = fcntl(fd, F_DUPFD_CLOEXEC, 300);
    check(a >= 0 && b == 200 && c == 201 && d >= 300, "dup");
    check(fcntl(c, F_GETFD) == FD_CLOEXEC && fcntl(d, F_GETFD) == FD_CLOEXEC && fcntl(b, F_GETFD) == 0, "close-on-exec");
    /* The first one goes first, as in GStreamer. */
    check(close(fd) == 0, "close");
    read_frame(a, "read from dup");
    read_frame(b, "read from dup2");
    read_frame(c, "read from dup3");
    read_frame(d, "read from F_DUPFD");
    close(a);
    close(b);
    close(c);
    read_frame(d, "read from the last one");
    close(d);
}

static void case_dup_over(void)
{
    /* dup2 over a device closes it; the device over a file makes that number the device. */
    int fd = open_output(O_RDWR), null = open("/dev/null", O_RDONLY);
    char c;
    check(dup2(fd, null) == null, "dup2 over a file");
    read_frame(null, "read where a file was");
    close(null);
    null = open("/dev/null", O_RDONLY);
    check(dup2(null, fd) == fd, "dup2 over the device");
    check(read(fd, &c, 1) == 0, "read from /dev/null");
    check(ioctl(fd, VIDIOCGCAP, &(struct video_capability){ 0 }) == -1 && errno == ENOTTY, "ioctl on /dev/null");
}

static void case_fork(void)
{
    int fd = open_output(O_RDWR);
    pid_t pid;
    read_frame(fd, "read before fork");
    pid = fork();
    if (pid == 0) {
        read_frame(fd, "read in the child");
        close(fd);
        fd = open_output(O_RDWR);
        read_frame(fd, "read from the child's own");
        _exit(0);
    }
    check(pid > 0, "fork");
    read_frame(fd, "read beside the child");
    expect_child(pid, "child");
    read_frame(fd, "read after the child");
    close(fd);
}

static void case_fork_mapped(void)
{
    struct mapping m;
    int fd = open_output(O_RDWR), frame = 0, round;
    pid_t pid;
    map_frames(fd, PROT_READ | PROT_WRITE, &m);
    for (round = 0; round < 3; round++) {
        check(!arm(fd, 0, opt.palette, opt.width, opt.height) && !ioctl(fd, VIDIOCSYNC, &frame), "SYNC");
        check(look(m.base + m.mbuf.offsets[0], len), "frame");
        pid = fork();
        if (pid == 0) {
            /* A child that closes what it does not need must not end its parent's stream. */
            close(fd);
            munmap(m.base, m.mbuf.size);
            _exit(0);
        }
        expect_child(pid, "child");
    }
}

static void case_fork_many(void)
{
    /* Children that open for themselves and stay; nobody waits for another. */
    int fd = open_output(O_RDWR), ready[2], go[2], i;
    pid_t pid[4];
    char byte;
    read_frame(fd, "read before fork");
    check(pipe(ready) == 0 && pipe(go) == 0, "pipe");
    for (i = 0; i < 4; i++) {
        pid[i] = fork();
        if (pid[i] == 0) {
            int own = open_output(O_RDWR);
            read_frame(own, "read in a child");
            read_frame(fd, "read from the parent's");
            check(write(ready[1], "x", 1) == 1, "ready");
            close(go[1]);
            check(read(go[0], &byte, 1) == 0, "go");
            read_frame(own, "read again in a child");
            _exit(0);
        }
        check(pid[i] > 0, "fork");
    }
    for (i = 0; i < 4; i++)
        check(read(ready[0], &byte, 1) == 1, "a child is ready");
    reopen_works();
    close(go[1]);
    for (i = 0; i < 4; i++)
        expect_child(pid[i], "child");
    reopen_works();
}

static void case_exec(void)
{
    int fd = open_output(O_RDWR);
    char number[16], size[32];
    check(fcntl(fd, F_GETFD) == 0, "not close-on-exec");
    snprintf(number, sizeof number, "%d", fd);
    snprintf(size, sizeof size, "%dx%d", opt.width, opt.height);
    execl(program, program, "inherited", "--device", opt.device, "--size", size, "--first", number, (char *)NULL);
    fail("exec");
}

/* What the program started by case_exec does. */
static void case_inherited(void)
{
    struct video_capability cap;
    struct stat st;
    int fd = (int)opt.first;
    len = frame_len(opt.palette, opt.width, opt.height);
    check(fstat(fd, &st) == 0, "fstat");
    check(S_ISCHR(st.st_mode) && major(st.st_rdev) == 81, "a character device 81");
    check(ioctl(fd, VIDIOCGCAP, &cap) == 0 && !strncmp(cap.name, "Video loopback", 14), "VIDIOCGCAP");
    read_frame(fd, "read after exec");
    close(fd);
}

static void case_cloexec(void)
{
    int fd = open_output(O_RDWR | O_CLOEXEC), other = open_output(O_RDWR);
    check(fcntl(fd, F_GETFD) == FD_CLOEXEC, "O_CLOEXEC");
    check(fcntl(other, F_GETFD) == 0, "no O_CLOEXEC");
    check(ioctl(other, FIOCLEX) == 0 && fcntl(other, F_GETFD) == FD_CLOEXEC, "FIOCLEX");
    check(ioctl(other, FIONCLEX) == 0 && fcntl(other, F_GETFD) == 0, "FIONCLEX");
}

static void *reader(void *arg)
{
    int i;
    for (i = 0; i < 20; i++)
        read_frame(*(int *)arg, "read in a thread");
    return NULL;
}

static void *opener(void *arg)
{
    int i;
    (void)arg;
    for (i = 0; i < 20; i++) {
        int fd = open_output(O_RDWR);
        read_frame(fd, "read in an opening thread");
        close(fd);
    }
    return NULL;
}

static void case_threads(void)
{
    int fd = open_output(O_RDWR), i;
    pthread_t t[8];
    for (i = 0; i < 8; i++)
        check(!pthread_create(&t[i], NULL, i % 2 ? reader : opener, &fd), "pthread_create");
    for (i = 0; i < 8; i++)
        pthread_join(t[i], NULL);
    close(fd);
}

static void case_close_range(void)
{
    int fd = open_output(O_RDWR), keep;
    read_frame(fd, "read");
    check(close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) == 0, "close_range CLOEXEC");
    check(fcntl(fd, F_GETFD) == FD_CLOEXEC, "marked");
    read_frame(fd, "read after CLOSE_RANGE_CLOEXEC");
    keep = dup2(fd, 100);
    check(close_range(3, 99, 0) == 0, "close_range");
    check(fcntl(fd, F_GETFD) == -1 && errno == EBADF, "closed");
    read_frame(keep, "read from the one that stayed");
    check(close_range(3, ~0u, 0) == 0, "close_range to the end");
    check(fcntl(keep, F_GETFD) == -1 && errno == EBADF, "all closed");
    reopen_works();
}

static void case_closefrom(void)
{
    int fd = open_output(O_RDWR);
    read_frame(fd, "read");
    closefrom(3);
    check(fcntl(fd, F_GETFD) == -1 && errno == EBADF, "closed");
    reopen_works();
}

static void case_close_loop(void)
{
    /* As daemons do: every number there may be, one by one. */
    int fd = open_output(O_RDWR), i;
    read_frame(fd, "read");
    for (i = 3; i < 65536; i++)
        close(i);
    check(fcntl(fd, F_GETFD) == -1 && errno == EBADF, "closed");
    reopen_works();
}

static void case_raw_close(void)
{
    /* Raw system calls close even what is hidden; its numbers are the program's own files next.
     * Nothing may be written into them, and a new open works. */
    char path[] = "/tmp/vloopback-raw-XXXXXX";
    int fd = open_output(O_RDWR), file, i;
    read_frame(fd, "read");
    check(syscall(SYS_close_range, 3, ~0u, 0) == 0, "raw close_range");
    file = mkstemp(path);
    check(file >= 0 && unlink(path) == 0, "mkstemp");
    /* On every number there is. */
    for (i = 3; i < 1024; i++)
        check(i == file || syscall(SYS_dup3, file, i, 0) == i, "raw dup3");
    for (i = 3; i < 64; i++)
        if (i != file)
            syscall(SYS_close, i);
    reopen_works();
    check(syscall(SYS_close_range, file == 1023 ? 1024 : 1023, ~0u, 0) == 0, "raw close_range");
    check(lseek(file, 0, SEEK_END) == 0, "nothing was written into the file");
    check(syscall(SYS_lseek, file, 0L, SEEK_END) == 0, "the file is empty");
}

static unsigned char handler_frame[1 << 20];
static volatile sig_atomic_t signals;
static int in_handler = -1;
static volatile sig_atomic_t handler_read;

static void on_signal(int number)
{
    int saved = errno;
    (void)number;
    signals++;
    if (signals == 3)
        say("{\"event\":\"want\"}");
    if (in_handler >= 0 && read(in_handler, handler_frame, len) == (ssize_t)len)
        handler_read++;
    errno = saved;
}

/* A signal every 20 ms, so that one that came before the call blocked is not the last. */
static void every_20_ms(int flags)
{
    struct sigaction action;
    struct itimerval timer = { { 0, 20000 }, { 0, 20000 } };
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = flags;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
}

static void no_more_signals(void)
{
    struct itimerval timer = { { 0, 0 }, { 0, 0 } };
    setitimer(ITIMER_REAL, &timer, NULL);
}

static void case_eintr(void)
{
    struct mapping m;
    int fd = open_output(O_RDWR), frame = 0, i;
    signals = 10; /* no frame is asked for */
    every_20_ms(0);
    for (i = 0; i < 2; i++)
        check(read(fd, handler_frame, len) == -1 && errno == EINTR, "read gives EINTR");
    map_frames(fd, PROT_READ, &m);
    for (i = 0; i < 2; i++) {
        check(arm(fd, 0, opt.palette, opt.width, opt.height) == 0, "MCAPTURE");
        check(ioctl(fd, VIDIOCSYNC, &frame) == -1 && errno == EINTR, "SYNC gives EINTR");
    }
    no_more_signals();
}

static void case_restart(void)
{
    /* With SA_RESTART neither read nor SYNC shows that a handler ran. The third signal asks for a frame. */
    struct mapping m;
    int fd = open_output(O_RDWR | O_NONBLOCK), frame = 0;
    /* It streams from here on: however late it comes to its read, the frame is there. */
    check(read(fd, handler_frame, len) == -1 && errno == EAGAIN, "EAGAIN with no frame");
    fcntl(fd, F_SETFL, 0);
    every_20_ms(SA_RESTART);
    read_frame(fd, "read is restarted");
    check(signals >= 3, "signals came");
    no_more_signals();
    check(order(), "order");
    map_frames(fd, PROT_READ, &m);
    check(arm(fd, 0, opt.palette, opt.width, opt.height) == 0, "MCAPTURE");
    signals = 0;
    every_20_ms(SA_RESTART);
    check(ioctl(fd, VIDIOCSYNC, &frame) == 0, "SYNC is restarted");
    check(signals >= 3, "signals came");
    no_more_signals();
    check(look(m.base + m.mbuf.offsets[0], len), "frame");
}

static void case_handler(void)
{
    /* The handler reads from the device, wherever it interrupts the program. */
    int fd = open_output(O_RDWR), i;
    read_frame(fd, "read");
    in_handler = fd;
    signals = 10;
    every_20_ms(SA_RESTART);
    for (i = 0; i < 2000 && handler_read < 20; i++) {
        void *p = malloc(100 + i * 16);
        int other = open_output(O_RDWR);
        read_frame(fd, "read beside the handler");
        close(other);
        free(p);
    }
    no_more_signals();
    check(handler_read >= 20, "the handler read frames");
}

static void case_flags(void)
{
    static const int modes[] = { O_RDONLY, O_RDWR, O_RDONLY | O_NONBLOCK };
    size_t i;
    int fd, on = 1;
    for (i = 0; i < 3; i++) {
        fd = open_output(modes[i]);
        /* The kernel's object may allow more than was asked for, never less. */
        check((fcntl(fd, F_GETFL) & O_NONBLOCK) == (modes[i] & O_NONBLOCK), "F_GETFL: O_NONBLOCK as opened");
        check((fcntl(fd, F_GETFL) & O_ACCMODE) != O_WRONLY, "F_GETFL: reading is allowed");
        check(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0, "F_SETFL");
        check(fcntl(fd, F_GETFL) & O_NONBLOCK, "O_NONBLOCK set");
        check(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) == 0, "F_SETFL");
        check(!(fcntl(fd, F_GETFL) & O_NONBLOCK), "O_NONBLOCK cleared");
        check(ioctl(fd, FIONBIO, &on) == 0 && fcntl(fd, F_GETFL) & O_NONBLOCK, "FIONBIO");
        close(fd);
    }
}

static void case_nonblock(void)
{
    int fd = open_output(O_RDONLY | O_NONBLOCK);
    check(read(fd, handler_frame, len) == -1 && errno == EAGAIN, "EAGAIN with no frame");
    want();
    read_frame(fd, "read of the frame");
    check(read(fd, handler_frame, len) == -1 && errno == EAGAIN, "EAGAIN again");
    /* O_NONBLOCK may come later. */
    close(fd);
    fd = open_output(O_RDONLY);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    check(read(fd, handler_frame, len) == -1 && errno == EAGAIN, "EAGAIN by fcntl");
    close(fd);
}

static int bits(int fd, int wait_ms)
{
    struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT | POLLPRI };
    check(poll(&p, 1, wait_ms) >= 0, "poll");
    return p.revents;
}

static void case_poll(void)
{
    int fd = open_output(O_RDONLY | O_NONBLOCK), i;
    /* The first read begins to stream. */
    check(read(fd, handler_frame, len) == -1 && errno == EAGAIN, "EAGAIN");
    for (i = 0; i < 3; i++) {
        check(bits(fd, 0) == 0, "no bit while there is no frame");
        want();
        check((bits(fd, SOON) & ~POLLRDNORM) == POLLIN, "POLLIN alone when a frame is ready");
        check((bits(fd, 0) & ~POLLRDNORM) == POLLIN, "POLLIN until it is read");
        read_frame(fd, "read");
        check(bits(fd, 0) == 0, "no bit after the frame");
    }
    /* A poll that sleeps is woken. */
    say("{\"event\":\"want\"}");
    check((bits(fd, SOON) & ~POLLRDNORM) == POLLIN, "a sleeping poll is woken");
    order();
    read_frame(fd, "read");
    close(fd);
}

static void case_hangup(void)
{
    /* The server dies: the descriptor hangs up, calls give ENODEV. */
    struct pollfd p;
    int fd = open_output(O_RDONLY);
    read_frame(fd, "read");
    p.fd = fd;
    p.events = 0;
    say("{\"event\":\"kill-server\"}");
    check(poll(&p, 1, SOON) == 1 && p.revents & (POLLHUP | POLLERR), "POLLHUP when the device is gone");
    check(read(fd, handler_frame, len) == -1 && errno == ENODEV, "read gives ENODEV");
    check(ioctl(fd, VIDIOCGCAP, &(struct video_capability){ 0 }) == -1 && errno == ENODEV, "ioctl gives ENODEV");
    check(close(fd) == 0, "close");
}

static void case_scm(void)
{
    /* SCM_RIGHTS to a process that has never opened a device. */
    struct msghdr msg;
    struct iovec iov = { "x", 1 };
    char control[CMSG_SPACE(sizeof(int))], byte;
    struct cmsghdr *c;
    int pair[2], fd;
    pid_t pid;
    check(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
    len = frame_len(opt.palette, opt.width, opt.height);
    pid = fork();
    memset(&msg, 0, sizeof msg);
    memset(control, 0, sizeof control);
    msg.msg_iov = &iov;
    msg.msg_iovlen = 1;
    msg.msg_control = control;
    msg.msg_controllen = sizeof control;
    if (pid == 0) {
        iov.iov_base = &byte;
        check(recvmsg(pair[1], &msg, 0) == 1, "recvmsg");
        c = CMSG_FIRSTHDR(&msg);
        check(c && c->cmsg_type == SCM_RIGHTS, "SCM_RIGHTS");
        memcpy(&fd, CMSG_DATA(c), sizeof fd);
        read_frame(fd, "read from a passed descriptor");
        read_frame(fd, "read again");
        _exit(0);
    }
    fd = open_output(O_RDWR);
    c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    check(sendmsg(pair[0], &msg, 0) == 1, "sendmsg");
    close(fd);
    expect_child(pid, "child");
}

static void case_vfork(void)
{
    /* As Python's subprocess: a vfork child closes everything, then execs. */
    int fd = open_output(O_RDWR), i;
    char *const args[] = { "true", NULL };
    read_frame(fd, "read before vfork");
    for (i = 0; i < 10; i++) {
        pid_t pid = vfork();
        if (pid == 0) {
            close_range(3, ~0u, 0);
            close(fd);
            dup2(0, fd);
            execvp("true", args);
            _exit(127);
        }
        expect_child(pid, "vfork child");
        read_frame(fd, "read after vfork");
    }
    reopen_works();
    close(fd);
}

static void case_numbers(void)
{
    /* open() gives the lowest free number, as the kernel does; nothing of ours sits below it. */
    int a = open("/dev/null", O_RDONLY), fd, b, i;
    close(a);
    fd = open_output(O_RDWR);
    check(fd == a, "the lowest free number");
    b = open("/dev/null", O_RDONLY);
    check(b == fd + 1, "the next one is free");
    for (i = 0; i < 200; i++) {
        int c = open_output(O_RDWR);
        check(c == b + 1, "no number is lost");
        close(c);
    }
}

static void case_stat(void)
{
    struct stat one, two;
    int fd = open_output(O_RDWR);
    check(stat(opt.device, &one) == 0 && fstat(fd, &two) == 0, "stat");
    check(S_ISCHR(one.st_mode) && major(one.st_rdev) == 81, "stat: 81");
    check(S_ISCHR(two.st_mode) && two.st_rdev == one.st_rdev, "fstat: the same");
    check(access(opt.device, R_OK | W_OK) == 0, "access");
    check(atoi(opt.device + strlen("/dev/video")) == (int)minor(one.st_rdev), "the minor is the number");
}

static void case_kept_mapping(void)
{
    /* Memory stays after the descriptor is closed. */
    struct mapping m;
    int fd = open_output(O_RDWR), frame = 0;
    map_frames(fd, PROT_READ | PROT_WRITE, &m);
    check(!arm(fd, 0, opt.palette, opt.width, opt.height) && !ioctl(fd, VIDIOCSYNC, &frame), "SYNC");
    close(fd);
    m.base[m.mbuf.offsets[1]] = 1;
    check(m.base[m.mbuf.offsets[0]] || 1, "memory stays");
    check(munmap(m.base, m.mbuf.size) == 0, "munmap");
    reopen_works();
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = {
        { "dup", case_dup },         { "dup-over", case_dup_over },       { "fork", case_fork },
        { "fork-many", case_fork_many },
        { "exec", case_exec },       { "fork-mapped", case_fork_mapped }, { "inherited", case_inherited },
        { "cloexec", case_cloexec }, { "threads", case_threads },         { "close-range", case_close_range },
        { "eintr", case_eintr },     { "closefrom", case_closefrom },     { "close-loop", case_close_loop },
        { "restart", case_restart }, { "raw-close", case_raw_close },     { "handler", case_handler },
        { "flags", case_flags },     { "nonblock", case_nonblock },       { "poll", case_poll },
        { "hangup", case_hangup },   { "scm", case_scm },                 { "vfork", case_vfork },
        { "numbers", case_numbers }, { "stat", case_stat },               { "kept-mapping", case_kept_mapping },
    };
    size_t i;
    begin(argc, argv);
    program = argv[0];
    for (i = 0; i < sizeof cases / sizeof *cases; i++)
        if (opt.name && opt.device && !strcmp(opt.name, cases[i].name)) {
            cases[i].run();
            say("{\"event\":\"pass\",\"case\":\"%s\"}", opt.name);
            return 0;
        }
    return 2;
}
