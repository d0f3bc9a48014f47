/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Clients (of --device) that come in crowds or spoil what they share, at a pusher (--input) that has another client,
 * which is served all the same. Cases:
 *     closings  more clients close than a queue of bytes can tell of (--frames: how many)
 *     crowd     one client opens as often as it can (--frames: how often), and asks each time
 *     spoiled   a client overwrites all that it shares with others
 *     ringing ends   a client spoils the socket by which all of them reach the pusher (its only hidden datagram socket) */
#include <sys/resource.h>
#include <sys/un.h>

#include "zc_hostile_serve.h"

static void closings(void)
{
    int many = opt.frames ? (int)opt.frames : 1000, i, seen = 0;
    struct record r;
    set_up();
    for (i = 0; i < many; i++) {
        int out = open(opt.device, O_RDWR);
        if (out < 0 || close(out))
            fail("a client that opens and closes");
        if (i % 50 == 49)
            goes_on();
    }
    /* Beside all these a request is taken. */
    post(VIDIOCGPICT);
    while (seen < many || r.number) {
        if (!readable(device, SOON) || read(device, &r, sizeof r) < 0)
            break;
        if (r.number == 0) {
            if (++seen % 50 == 0)
                goes_on();
        } else {
            GIVES(0, device, VIDIOCGPICT, r.data);
            over(VIDIOCGPICT, 0);
        }
        if (seen >= many)
            break;
    }
    expect(seen == many, "%d of %d closings", seen, many);
    expect(!readable(device, 0), "not one more");
    none_left();
    expect(readable(device, SOON) && read(device, &r, sizeof r) == (ssize_t)NUMBER_BYTES, "the last closing");
}

/* Takes what there is until `who` ends. Returns how many closings came. */
static int serve_while(pid_t who)
{
    struct record r;
    int seen = 0, served = 0, end = (int)syscall(SYS_pidfd_open, who, 0);
    if (end < 0)
        fail("pidfd_open");
    for (;;) {
        struct pollfd both[] = { { device, POLLIN, 0 }, { end, POLLIN, 0 } };
        if (poll(both, 2, SOON) <= 0) {
            expect(0, "the one that is served goes on");
            kill(who, SIGKILL);
        }
        if (both[0].revents) {
            if (read(device, &r, sizeof r) < (ssize_t)NUMBER_BYTES)
                continue;
            if (r.number)
                ioctl(device, r.number, r.data);
            else
                seen++;
            if (++served % 50 == 0)
                goes_on();
        } else if (both[1].revents) {
            break;
        }
    }
    close(end);
    return seen;
}

static void crowd(void)
{
    int many = opt.frames ? (int)opt.frames : 1100, seen, status, round;
    struct record r;
    set_up();
    for (round = 0; round < 2; round++) {
        struct rlimit limit;
        pid_t child = fork();
        if (child == 0) {
            int i, asked = 0, opened = 0, refused = 0;
            getrlimit(RLIMIT_NOFILE, &limit);
            limit.rlim_cur = limit.rlim_max;
            setrlimit(RLIMIT_NOFILE, &limit);
            close(device);
            for (i = 0; i < many; i++) {
                struct video_picture p;
                int own = open(opt.device, O_RDWR);
                if (own < 0)
                    break;
                opened++;
                if (ioctl(own, VIDIOCGPICT, &p))
                    refused = errno;
                else
                    asked++;
            }
            say("{\"event\":\"crowd\",\"opened\":%d,\"asked\":%d,\"refused\":%d}", opened, asked, refused);
            if (round)
                raise(SIGKILL);
            _exit(opened == 0);
        }
        seen = serve_while(child);
        waitpid(child, &status, 0);
        expect(status == (round ? SIGKILL : 0), "the crowd ends with %x", (unsigned)status);
        /* One that was there before is served. */
        begin_job(orders, VIDIOCGPICT);
        for (;;) {
            expect(readable(device, SOON), "the one that was there before");
            if (wrongs || read(device, &r, sizeof r) < (ssize_t)NUMBER_BYTES)
                return;
            if (r.number)
                break;
            seen++;
        }
        GIVES(0, device, VIDIOCGPICT, r.data);
        over(VIDIOCGPICT, 0);
        /* And one that comes now. */
        child = fork();
        if (child == 0) {
            int own = open(opt.device, O_RDWR);
            struct video_picture p;
            _exit(own < 0 || ioctl(own, VIDIOCGPICT, &p));
        }
        serve_while(child);
        waitpid(child, &status, 0);
        expect(status == 0, "one that comes after the crowd: %x", (unsigned)status);
    }
    none_left();
}

/* Writes over whatever of a client's memory is shared with others. Returns how many mappings there were. */
static int spoil(unsigned kind)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[400], rights[8];
    unsigned long from, to;
    int spoiled = 0;
    while (maps && fgets(line, sizeof line, maps)) {
        unsigned char *at;
        if (sscanf(line, "%lx-%lx %7s", &from, &to, rights) != 3 || strncmp(rights, "rw-s", 4) ||
            !strstr(line, "memfd:vloopback-"))
            continue;
        spoiled++;
        for (at = (unsigned char *)from; at < (unsigned char *)to; at++) {
            opt.seed = opt.seed * 1664525u + 1013904223u;
            /* All bits, none, words of small numbers, bytes of any kind, a few of them. */
            if (kind == 0)
                *at = 0xff;
            else if (kind == 1)
                *at = 0;
            else if (kind < 6)
                *at = (size_t)at % 4 ? 0 : (unsigned char)kind;
            else if (kind < 10 || opt.seed % 16 == 0)
                *at = (unsigned char)(opt.seed >> 16);
        }
    }
    if (maps)
        fclose(maps);
    return spoiled;
}

/* The client asks, and is served with what comes: closings of others, too. Returns its errno. */
static int ask_and_serve(const char *when)
{
    struct record r;
    begin_job(orders, VIDIOCGPICT);
    while (!readable(orders, 0) && !wrongs) {
        struct pollfd both[] = { { device, POLLIN, 0 }, { orders, POLLIN, 0 } };
        expect(poll(both, 2, SOON) > 0, "the client's request ends %s", when);
        if (both[0].revents && read(device, &r, sizeof r) >= (ssize_t)NUMBER_BYTES && r.number)
            ioctl(device, r.number, r.data);
    }
    return wrongs ? 0 : end_job(orders).error;
}

static void spoiled(void)
{
    unsigned kind;
    for (kind = 0; kind < 14 && !wrongs; kind++) {
        int status, first;
        pid_t vandal;
        goes_on();
        set_up();
        expect(ask_and_serve("before the vandal") == 0, "GPICT");
        first = fcntl(device, F_GETFL);
        vandal = fork();
        if (vandal == 0) {
            struct video_picture p;
            int own;
            close(device);
            own = open(opt.device, O_RDWR);
            if (own < 0 || ioctl(own, VIDIOCGPICT, &p))
                _exit(1);
            _exit(spoil(kind) ? 0 : 2);
        }
        serve_while(vandal);
        if (waitpid(vandal, &status, 0) != vandal || status)
            expect(0, "the vandal ends with %x", (unsigned)status);
        /* The pusher reads what it finds there, and answers it; the client's request ends, whatever it comes to. */
        ask_and_serve("after the vandal");
        expect(fcntl(device, F_GETFL) == first, "the input is what it was");
        none_left();
        munmap(memory, 8192);
        close(device);
    }
    /* The next pusher and its clients have pages of their own. */
    set_up();
    expect(ask_and_serve("at the next pusher") == 0, "GPICT");
    none_left();
}

/* The socket by which this client reaches the pusher: close() denies it, it is there, and it is a datagram socket. */
static int ringing_end(void)
{
    int i, found = -1, type;
    for (i = 3; i < 4096; i++) {
        socklen_t len = sizeof type;
        if (fcntl(i, F_GETFD) >= 0 && !getsockopt(i, SOL_SOCKET, SO_TYPE, &type, &len) && type == SOCK_DGRAM &&
            close(i) == -1 && errno == EBADF) {
            if (found >= 0)
                return -1;
            found = i;
        }
    }
    return found;
}

/* Connects a socket to another one of this process's own, which stays. */
static int elsewhere(int at)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    socklen_t len = sizeof name;
    int other = socket(AF_UNIX, SOCK_DGRAM, 0);
    return other < 0 || bind(other, (struct sockaddr *)&name, sizeof name.sun_family) ||
           getsockname(other, (struct sockaddr *)&name, &len) || connect(at, (struct sockaddr *)&name, len);
}

enum { FULL, URGENT, RIGHTS, TAKEN, ELSEWHERE, NOWHERE_AT_ALL, SHUT, WAYS };

/* Returns 0 where it could be done. */
static int misuse(int way)
{
    int at = ringing_end(), i;
    struct sockaddr none = { .sa_family = AF_UNSPEC };
    char bytes[512] = { 0 };
    if (at < 0)
        return 10;
    switch (way) {
    case FULL:
        for (i = 0; i < 100000 && send(at, bytes, i % sizeof bytes, MSG_DONTWAIT) >= 0; i++)
            ;
        return errno != EAGAIN;
    case URGENT:
        return send(at, bytes, 1, MSG_OOB | MSG_DONTWAIT) != -1;
    case RIGHTS: {
        char room[CMSG_SPACE(sizeof(int))] = { 0 };
        struct iovec piece = { bytes, 1 };
        struct msghdr m = { .msg_iov = &piece, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room };
        CMSG_FIRSTHDR(&m)->cmsg_level = SOL_SOCKET;
        CMSG_FIRSTHDR(&m)->cmsg_type = SCM_RIGHTS;
        CMSG_FIRSTHDR(&m)->cmsg_len = CMSG_LEN(sizeof(int));
        return sendmsg(at, &m, MSG_DONTWAIT) < 0 && errno != EAGAIN;
    }
    case TAKEN:
        return recv(at, bytes, sizeof bytes, MSG_DONTWAIT) != -1 || errno != EAGAIN;
    case ELSEWHERE:
        return elsewhere(at);
    case NOWHERE_AT_ALL:
        return connect(at, &none, sizeof none);
    default:
        return shutdown(at, SHUT_RDWR);
    }
}

static void mallets(void)
{
    int way, status, served;
    for (way = 0; way < WAYS && !wrongs; way++) {
        pid_t vandal;
        goes_on();
        set_up();
        expect(ask_and_serve("before the vandal") == 0, "GPICT");
        vandal = fork();
        if (vandal == 0) {
            struct video_picture p;
            int own;
            close(device);
            own = open(opt.device, O_RDWR);
            if (own < 0 || ioctl(own, VIDIOCGPICT, &p))
                _exit(11);
            status = misuse(way);
            /* Its own requests are served as well. */
            _exit(status ? status : ioctl(own, VIDIOCGPICT, &p) ? 12 : 0);
        }
        serve_while(vandal);
        if (waitpid(vandal, &status, 0) != vandal || status)
            expect(0, "the vandal of way %d ends with %x", way, (unsigned)status);
        for (served = 0; served < 20 && !wrongs; served++)
            expect(ask_and_serve("after the vandal") == 0, "GPICT after way %d", way);
        /* What is left of it makes readable for nothing, and not for ever. */
        for (served = 0; readable(device, 0) && served < 100; served++) {
            struct record r;
            expect(read(device, &r, sizeof r) >= 0, "a read after way %d", way);
        }
        expect(served < 100, "still readable after way %d", way);
        none_left();
        munmap(memory, 8192);
        close(device);
    }
}

int main(int argc, char **argv)
{
    static const struct a_case cases[] = {
        { "closings", closings }, { "crowd", crowd }, { "spoiled", spoiled }, { "mallets", mallets }
    };
    input = own_option(argv, "--input", 1);
    begin(argc, argv);
    return run_case(cases, sizeof cases / sizeof *cases);
}
