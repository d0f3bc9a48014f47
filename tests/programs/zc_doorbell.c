/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* How a zero-copy pusher (--input) hears of the requests of a client that it has forked (--device), by whatever it
 * waits with (--by): poll, ppoll, select, pselect, epoll, edge (epoll by edges), read, sigwait; raw is a ppoll
 * that no library sees. An event "stop-server", "go-server" or "waits" asks the test for something; an order says
 * that it is done. Cases:
 *     direct    requests while the server is stopped
 *     hidden    the same, after all that a program can do to descriptors that it does not know of
 *     replaced  the pusher closes and opens again, and then the same
 *     child     the same in a child that has the input
 *     lost      raw calls close all that is hidden: the first request comes by the server
 *     raw       requests to one that waits with raw: nothing is slow for long
 *     early     the same with epoll, which has the input before it is mapped
 *     unheard   (must fail) a raw wait, and the server is stopped
 *     death     the server dies while the pusher waits, beside a client that has asked before */
#include <sys/epoll.h>
#include <sys/select.h>

#include "zc_hostile_serve.h"

static const char *by;
static int epoll = -1;

static int is_by(const char *name)
{
    return !strcmp(by, name);
}

/* Asks the test for something, and waits until it is done. */
static void ask_for(const char *what)
{
    say("{\"event\":\"%s\"}", what);
    if (!order())
        fail("order");
}

static void add_to_epoll(void)
{
    struct epoll_event e = { .events = EPOLLIN | (is_by("edge") ? EPOLLET : 0), .data.u32 = 7 };
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, device, &e))
        fail("epoll_ctl");
}

static void block_sigio(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGIO);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGIO, on_alarm);
}

/* Waits as it is told, for so many milliseconds at most; no limit for read() and sigwait(). Returns what there is,
 * as poll's bits; 0: nothing. */
static int await(int ms)
{
    struct pollfd p = { .fd = device, .events = POLLIN };
    struct timespec time = { ms / 1000, ms % 1000 * 1000000L };
    struct timeval value = { ms / 1000, ms % 1000 * 1000L };
    struct epoll_event e[4];
    fd_set in;
    sigset_t set;
    int n, k, got;
    FD_ZERO(&in);
    FD_SET(device, &in);
    if (is_by("poll"))
        return poll(&p, 1, ms) > 0 ? p.revents : 0;
    if (is_by("ppoll"))
        return ppoll(&p, 1, &time, NULL) > 0 ? p.revents : 0;
    if (is_by("raw"))
        return syscall(SYS_poll, &p, 1, ms) > 0 ? p.revents : 0;
    if (is_by("select"))
        return select(device + 1, &in, NULL, NULL, &value) == 1 && FD_ISSET(device, &in) ? POLLIN : 0;
    if (is_by("pselect"))
        return pselect(device + 1, &in, NULL, NULL, &time, NULL) == 1 && FD_ISSET(device, &in) ? POLLIN : 0;
    if (epoll >= 0) {
        n = epoll_wait(epoll, e, 4, ms);
        for (k = got = 0; k < n; k++) {
            expect(e[k].data.u32 == 7, "the program's own data: %u", e[k].data.u32);
            got |= (int)e[k].events;
        }
        return got;
    }
    if (is_by("sigwait")) {
        sigemptyset(&set);
        sigaddset(&set, SIGIO);
        return sigwait(&set, &n) == 0 && n == SIGIO ? POLLIN : 0;
    }
    return POLLIN;
}

/* A request that is waited for, read, answered, and has come to its end. Returns microseconds. */
static long one(unsigned long number)
{
    struct timespec from, to;
    struct record r;
    int got;
    clock_gettime(CLOCK_MONOTONIC, &from);
    begin_job(orders, number);
    got = await(SOON);
    expect(got == POLLIN, "by %s: %x", by, (unsigned)got);
    r.number = 0;
    expect(got && read(device, &r, sizeof r) == (ssize_t)(NUMBER_BYTES + _IOC_SIZE(number)), "a read: %lx", r.number);
    if (wrongs)
        return 0;
    GIVES(0, device, r.number, r.data);
    over(number, 0);
    clock_gettime(CLOCK_MONOTONIC, &to);
    if (readable(device, 0)) {
        ssize_t n = read(device, &r, sizeof r);
        expect(0, "by %s something is left to read: %zd bytes, number %lx", by, n, r.number);
    }
    return (to.tv_sec - from.tv_sec) * 1000000L + (to.tv_nsec - from.tv_nsec) / 1000;
}

/* A pusher that waits as it is told, and a client that has asked before. */
static void begin_with_client(void)
{
    set_up();
    block_sigio();
    if (is_by("epoll") || is_by("edge"))
        add_to_epoll();
    one(VIDIOCGPICT);
}

static void without_server(void)
{
    int k;
    ask_for("stop-server");
    for (k = 0; k < 50 && !wrongs; k++)
        one(k % 2 ? VIDIOCGPICT : VIDIOCGWIN);
    ask_for("go-server");
}

static void direct(void)
{
    begin_with_client();
    without_server();
    none_left();
}

/* Another one's number takes each number of ours in turn: whatever is there goes elsewhere. */
static void hidden(void)
{
    int k, before = 0, denied = 0, file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    begin_with_client();
    for (k = 3; k < 1100; k++) {
        if (fcntl(k, F_GETFD) < 0)
            continue;
        before++;
        if (k != file && k != device && k != orders && k != more_orders && k != epoll)
            denied += close(k) == -1 && errno == EBADF && fcntl(k, F_GETFD) >= 0;
    }
    /* The connection, the request doorbell, the ringing end. */
    expect(denied >= 3, "%d of %d numbers are hidden", denied, before);
    expect(close_range((unsigned)(device > more_orders ? device : more_orders) + 2, ~0u, 0) == 0, "close_range");
    for (k = 1000; k < 1024; k++)
        expect(dup2(file, k) == k, "dup2 to %d: %s", k, strerrorname_np(errno));
    without_server();
    for (k = 1000; k < 1024; k++) {
        char byte;
        expect(read(k, &byte, 1) == 0 && close(k) == 0, "%d is the program's own", k);
    }
    without_server();
    none_left();
}

static void replaced(void)
{
    int round;
    for (round = 0; round < 3; round++) {
        begin_with_client();
        without_server();
        /* The client stays, and meets the next pusher. */
        munmap(memory, 8192);
        close(device);
        if (epoll >= 0)
            close(epoll);
        epoll = -1;
        device = open(input, O_RDWR);
        map_device();
        if (is_by("epoll") || is_by("edge"))
            add_to_epoll();
        one(VIDIOCGWIN);
        without_server();
        none_left();
        munmap(memory, 8192);
        close(device);
    }
}

static void child(void)
{
    pid_t other;
    int status;
    begin_with_client();
    other = fork();
    if (other == 0) {
        wrongs = 0;
        /* It has a connection of its own by now. */
        one(VIDIOCGPICT);
        without_server();
        _exit(wrongs ? 1 : 0);
    }
    waitpid(other, &status, 0);
    expect(status == 0, "the child ends with %x", (unsigned)status);
    without_server();
    none_left();
}

/* Of so many requests one at least took no client's patience; of more on a machine that is slow itself. */
static void all_are_served_and_soon(void)
{
    long least = 1000000, took;
    int k;
    for (k = 0; (k < 60 || (least >= 15000 && k < 2000)) && !wrongs; k++) {
        took = one(VIDIOCGPICT);
        if (k % 50 == 49)
            goes_on();
        /* The first ones may take their time. */
        if (k >= 20 && took < least)
            least = took;
    }
    expect(least < 15000, "by %s the fastest request took %ld us", by, least);
    none_left();
}

static void lost(void)
{
    begin_with_client();
    syscall(SYS_close_range, 900, ~0u, 0);
    all_are_served_and_soon();
}

static void raw(void)
{
    set_up();
    block_sigio();
    all_are_served_and_soon();
}

static void early(void)
{
    before_map = add_to_epoll;
    set_up();
    block_sigio();
    all_are_served_and_soon();
}

static void unheard(void)
{
    begin_with_client();
    ask_for("stop-server");
    begin_job(orders, VIDIOCGPICT);
    expect(await(500) != 0, "by %s nothing is heard", by);
    _exit(0);
}

static void death(void)
{
    struct record r;
    int got;
    begin_with_client();
    say("{\"event\":\"waits\"}");
    got = is_by("read") ? 0 : await(SOON);
    if (!is_by("read"))
        expect(got & POLLIN, "by %s: %x", by, (unsigned)got);
    if (is_by("poll") || is_by("ppoll") || is_by("raw") || epoll >= 0)
        expect(got & POLLHUP, "by %s no hang-up: %x", by, (unsigned)got);
    errno = 0;
    expect(read(device, &r, sizeof r) == -1 && errno == ENODEV, "read() gives %s", strerrorname_np(errno));
    begin_job(orders, VIDIOCGPICT);
    over(VIDIOCGPICT, ENODEV);
}

int main(int argc, char **argv)
{
    static const struct a_case cases[] = {
        { "direct", direct }, { "hidden", hidden }, { "replaced", replaced }, { "child", child }, { "lost", lost },
        { "raw", raw },       { "early", early },   { "unheard", unheard },   { "death", death },
    };
    input = own_option(argv, "--input", 1);
    by = own_option(argv, "--by", 1);
    begin(argc, argv);
    return run_case(cases, sizeof cases / sizeof *cases);
}
