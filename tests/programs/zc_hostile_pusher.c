/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A pusher (--input) that reads and answers as no program should, of a client that it has forked (--device); each
 * call has its errno, and the client its answer all the same. Cases:
 *     reads     buffers of any length and at any place
 *     vectors   readv and its kin
 *     waits     poll, select, epoll, O_NONBLOCK
 *     answers   pointers and numbers of answers
 *     threads   two threads of one client: one waits behind the other
 *     copies    descriptors by dup, fork and SCM_RIGHTS read and answer
 *     strangers others who have the input open get nothing */
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/uio.h>

#include "zc_hostile_serve.h"

static void reads(void)
{
    static const size_t lengths[] = { 8, 9, 47, 48, 49, 1024, 4096, 1 << 20 };
    static unsigned char buffer[1 << 20];
    size_t whole = NUMBER_BYTES + sizeof(struct video_window), i;
    enum place kind;
    set_up();
    for (i = 0; i < NUMBER_BYTES; i++) {
        /* No room for the number: nothing is taken. */
        post(VIDIOCGWIN);
        errno = 0;
        expect(read(device, buffer, i) == -1 && errno == EINVAL, "a read of %zu bytes: %s", i, strerrorname_np(errno));
        expect(readable(device, 0), "it can still be read");
        serve(device, VIDIOCGWIN);
    }
    for (i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        size_t len = lengths[i], got = len < whole ? len : whole;
        ssize_t n;
        unsigned long number;
        memset(buffer, 0xee, sizeof buffer);
        post(VIDIOCGWIN);
        n = read(device, buffer, len);
        memcpy(&number, buffer, sizeof number);
        expect(n == (ssize_t)got && number == VIDIOCGWIN, "a read of %zu bytes gives %zd, number %lx", len, n, number);
        expect(buffer[got] == 0xee && (got == NUMBER_BYTES || buffer[got - 1] == 0x5a), "%zu bytes, not more", got);
        expect(!readable(device, 0), "what does not fit is not kept");
        GIVES(0, device, VIDIOCGWIN, buffer);
        over(VIDIOCGWIN, 0);
    }
    for (kind = NOWHERE; kind < PLACES; kind++) {
        post(VIDIOCGWIN);
        errno = 0;
        expect(read(device, place(kind, whole), kind == ENDS ? whole : REQUEST_BYTES) == -1 && errno == EFAULT,
               "a read to %s memory: %s", place_names[kind], strerrorname_np(errno));
        expect(readable(device, 0), "it can still be read after a read to %s memory", place_names[kind]);
        serve(device, VIDIOCGWIN);
    }
    /* A request without data, one of 1016 bytes, and a wrong one in between. */
    post(VIDIOCGFREQ);
    serve(device, VIDIOCGFREQ);
    post(VIDIOCGPICT);
    expect(write(device, buffer, sizeof buffer) == -1 && errno == EINVAL, "a write in zero-copy mode");
    expect(pwrite(device, buffer, 100, 0) == -1 && errno == EINVAL, "a pwrite in zero-copy mode");
    serve(device, VIDIOCGPICT);
    none_left();
    expect(readable(device, SOON), "the client's closing");
    expect(read(device, buffer, 3) == -1 && errno == EINVAL && readable(device, 0), "too short for the closing");
    expect(read(device, buffer, 1024) == (ssize_t)NUMBER_BYTES && !*(unsigned long *)(void *)buffer, "a closing");
    expect(!readable(device, 0), "one closing");
}

/* readv without the compiler's own looks at its arguments. */
static ssize_t (*volatile any_readv)(int, const struct iovec *, int) = readv;

static void vectors(void)
{
    unsigned long number;
    unsigned char data[1024], more[64];
    struct iovec pieces[1100];
    size_t len = sizeof(struct video_window), whole = NUMBER_BYTES + len;
    int i;
    ssize_t n;
    set_up();
    /* A record goes over the pieces in turn, as with every file. */
    for (i = 0; i < 4; i++) {
        struct iovec two[] = { { &number, sizeof number }, { data, sizeof data } };
        number = 0;
        memset(data, 0xee, sizeof data);
        post(VIDIOCGWIN);
        n = i == 0   ? readv(device, two, 2)
            : i == 1 ? preadv(device, two, 2, 0)
            : i == 2 ? preadv2(device, two, 2, -1, 0)
                     : preadv(device, two, 2, 4711);
        expect(n == (ssize_t)whole && number == VIDIOCGWIN && data[0] == 0x5a && data[len - 1] == 0x5a && data[len] == 0xee,
               "way %d: readv gives %zd, number %lx, data %x", i, n, number, data[0]);
        GIVES(0, device, VIDIOCGWIN, data);
        over(VIDIOCGWIN, 0);
    }
    {
        struct iovec odd[] = { { NULL, 0 }, { data, 3 }, { more, 0 }, { data + 3, 7 }, { more, 64 } };
        memset(more, 0xee, sizeof more);
        post(VIDIOCGWIN);
        n = readv(device, odd, 5);
        memcpy(&number, data, sizeof number);
        expect(n == (ssize_t)whole && number == VIDIOCGWIN && more[whole - 11] == 0x5a && more[whole - 10] == 0xee,
               "odd pieces: %zd, number %lx", n, number);
        GIVES(0, device, VIDIOCGWIN, data);
        over(VIDIOCGWIN, 0);
    }
    /* What can't be leaves the request where it is. */
    for (i = 0; i < 1100; i++)
        pieces[i] = (struct iovec){ data, 1 };
    post(VIDIOCGWIN);
#define REFUSED(expected, call) \
    expect((call) == -1 && errno == (expected), #call " gives %s where it has to give " #expected, strerrorname_np(errno))
    REFUSED(EINVAL, any_readv(device, pieces, -1));
    REFUSED(EINVAL, readv(device, pieces, 1025));
    REFUSED(EINVAL, readv(device, pieces, (int)NUMBER_BYTES - 1));
    REFUSED(EFAULT, any_readv(device, NULL, 1));
    REFUSED(EFAULT, readv(device, place(FORBIDDEN, 0), 2));
    REFUSED(EFAULT, readv(device, place(ENDS, sizeof *pieces), 1));
    pieces[1].iov_len = (size_t)-1;
    REFUSED(EINVAL, readv(device, pieces, 2));
    pieces[0] = (struct iovec){ place(READ_ONLY, 0), 1024 };
    REFUSED(EFAULT, readv(device, pieces, 1));
    pieces[0] = (struct iovec){ &number, sizeof number };
    pieces[1] = (struct iovec){ place(WILD, 0), 40 };
    REFUSED(EFAULT, readv(device, pieces, 2));
    expect(readable(device, 0), "it can still be read");
    /* pread has no place to begin at; it reads what comes. */
    n = pread(device, data, sizeof data, 0);
    memcpy(&number, data, sizeof number);
    expect(n == (ssize_t)whole && number == VIDIOCGWIN, "pread gives %zd", n);
    GIVES(0, device, VIDIOCGWIN, data);
    over(VIDIOCGWIN, 0);
    none_left();
}

/* The client's request is withdrawn by a signal; nobody has read it. */
static void withdraw(unsigned long number, int client)
{
    while (!readable(orders, 1))
        syscall(SYS_tgkill, asker, client, SIGALRM);
    over(number, EINTR);
}

/* A process sleeps, or has ended. */
static void until_asleep(pid_t who)
{
    char state;
    while (!strchr("SZ", state = state_of(who)))
        sched_yield();
    if (!state)
        fail("a process's state");
}

/* What made the input readable is no more: poll and select see it. Of those who did not ask them who must not sleep
 * gets EAGAIN, who has slept sleeps on, and anybody else gets 0 bytes. */
static void withdrawn(void)
{
    struct record r;
    int client, status, way, begun[2];
    char byte;
    pid_t child;
    begin_job(orders, WHO_ARE_YOU);
    client = end_job(orders).result;
    expect(fcntl(device, F_SETFL, O_RDWR | O_NONBLOCK) == 0, "O_NONBLOCK");
    post(VIDIOCGPICT);
    withdraw(VIDIOCGPICT, client);
    REFUSED(EAGAIN, read(device, &r, sizeof r));
    expect(!readable(device, 0), "it was read");
    for (way = 0; way < 3; way++) {
        post(VIDIOCGPICT);
        expect(readable(device, SOON), "there is a request");
        withdraw(VIDIOCGPICT, client);
        if (way == 0) {
            expect(!readable(device, 0), "poll sees that there is none");
        } else if (way == 1) {
            struct timeval now = { 0, 0 };
            fd_set in;
            FD_ZERO(&in);
            FD_SET(device, &in);
            expect(select(device + 1, &in, NULL, NULL, &now) == 0, "select sees that there is none");
        } else {
            /* The next one is heard, by whoever waits meanwhile. */
            post(VIDIOCGPICT);
            expect(readable(device, SOON), "there is another one");
            serve(device, VIDIOCGPICT);
        }
        REFUSED(EAGAIN, read(device, &r, sizeof r));
    }
    expect(fcntl(device, F_SETFL, O_RDWR) == 0, "blocking again");
    post(VIDIOCGPICT);
    withdraw(VIDIOCGPICT, client);
    expect(read(device, &r, sizeof r) == 0, "no number");
    expect(!readable(device, 0), "it was looked at");
    if (pipe(begun))
        fail("pipe");
    child = fork();
    if (child == 0) {
        /* From here on it sleeps in the read only. */
        if (write(begun[1], "", 1) != 1)
            _exit(2);
        _exit(read(device, &r, sizeof r) > 0 && r.number == VIDIOCGWIN && ioctl(device, r.number, r.data) == 0 ? 0 : 1);
    }
    if (read(begun[0], &byte, 1) != 1)
        fail("a child that begins");
    close(begun[0]);
    close(begun[1]);
    until_asleep(child);
    kill(child, SIGSTOP);
    if (waitpid(child, &status, WUNTRACED) != child || !WIFSTOPPED(status))
        fail("a child that is stopped");
    post(VIDIOCGPICT);
    withdraw(VIDIOCGPICT, client);
    kill(child, SIGCONT);
    /* It has looked, and sleeps again before there is another one. */
    while (readable(device, 0))
        sched_yield();
    until_asleep(child);
    if (waitpid(child, &status, WNOHANG) == child) {
        expect(0, "a read that slept ends without a number");
        return;
    }
    begin_job(orders, VIDIOCGWIN);
    over(VIDIOCGWIN, 0);
    expect(waitpid(child, &status, 0) == child && status == 0, "a read that sleeps on gets the next one: %x", status);
}

static long milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000L + now.tv_nsec / 1000000L;
}

static void waits(void)
{
    struct epoll_event e = { .events = EPOLLIN, .data.u32 = 1 };
    struct sigaction action = { .sa_handler = on_alarm };
    /* Again and again, until it finds the read asleep. */
    struct itimerval soon = { { 0, 20000 }, { 0, 20000 } }, never = { { 0, 0 }, { 0, 0 } };
    int tries, quick, again, by_read;
    long begin;
    struct timeval now = { 0, 0 };
    struct record r;
    fd_set in, out, other;
    int level = epoll_create1(0), edge = epoll_create1(0), on = 1;
    set_up();
    epoll_ctl(level, EPOLL_CTL_ADD, device, &e);
    e.events = EPOLLIN | EPOLLET;
    epoll_ctl(edge, EPOLL_CTL_ADD, device, &e);
#define SELECT(expected)                                                                                         \
    do {                                                                                                         \
        FD_ZERO(&in);                                                                                            \
        FD_ZERO(&other);                                                                                         \
        FD_SET(device, &in);                                                                                     \
        FD_SET(device, &other);                                                                                  \
        expect(select(device + 1, &in, NULL, &other, &now) == (expected), "select on the line %d", __LINE__);   \
        expect(!FD_ISSET(device, &other), "an exception on the line %d", __LINE__);                              \
    } while (0)
    FD_ZERO(&out);
    /* Idle. */
    SELECT(0);
    expect(epoll_wait(level, &e, 1, 0) == 0, "epoll while idle");
    expect(epoll_wait(edge, &e, 1, 0) == 0, "epoll of edges while idle");
    expect(fcntl(device, F_SETFL, O_RDWR | O_NONBLOCK) == 0, "O_NONBLOCK");
    REFUSED(EAGAIN, read(device, &r, sizeof r));
    REFUSED(EAGAIN, readv(device, &(struct iovec){ &r, sizeof r }, 1));
    expect(fcntl(device, F_SETFL, O_RDWR) == 0 && ioctl(device, FIONBIO, &on) == 0, "FIONBIO");
    REFUSED(EAGAIN, read(device, &r, sizeof r));
    /* An interrupted sleep. */
    on = 0;
    expect(ioctl(device, FIONBIO, &on) == 0, "FIONBIO");
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &soon, NULL);
    REFUSED(EINTR, read(device, &r, sizeof r));
    setitimer(ITIMER_REAL, &never, NULL);
    /* A request: level until it was read, one edge; a second one where it lies unread for 20 ms, since its client then
     * asks the server, too. */
    for (tries = quick = 0; !quick && tries < 100 && !wrongs; tries++) {
        begin = milliseconds();
        post(VIDIOCGPICT);
        SELECT(1);
        SELECT(1);
        expect(epoll_wait(level, &e, 1, 0) == 1 && e.events == EPOLLIN, "epoll: %x", e.events);
        expect(epoll_wait(level, &e, 1, 0) == 1, "epoll again");
        expect(epoll_wait(edge, &e, 1, SOON) == 1, "epoll of the edge");
        again = epoll_wait(edge, &e, 1, 0);
        serve(device, VIDIOCGPICT);
        quick = milliseconds() - begin < 15;
        SELECT(0);
        expect(epoll_wait(level, &e, 1, 0) == 0, "epoll after the read");
        by_read = epoll_wait(edge, &e, 1, 0);
        expect(!quick || again == 0, "one edge");
        expect(!quick || by_read == 0, "no edge by a read");
    }
    /* The next one is an edge of its own, also while the last one was not read. */
    post(VIDIOCGWIN);
    expect(epoll_wait(edge, &e, 1, SOON) == 1, "the next edge");
    serve(device, VIDIOCGWIN);
    /* A read that waits for it. */
    expect(fcntl(device, F_SETFL, O_RDWR) == 0, "blocking again");
    post(VIDIOCGPICT);
    serve(device, VIDIOCGPICT);
    withdrawn();
    /* A request of a read, withdrawn by a death: it makes readable for nothing at most; nothing sleeps, and the
     * closing comes. */
    post(VIDIOCGPICT);
    expect(epoll_wait(edge, &e, 1, SOON) == 1, "the edge of the one that dies");
    kill(asker, SIGKILL);
    waitpid(asker, NULL, 0);
    do {
        expect(readable(device, SOON), "the closing of the dead");
        r.number = 1;
    } while (read(device, &r, sizeof r) >= 0 && r.number != 0 && wrongs == 0);
    while (readable(device, 0))
        expect(read(device, &r, sizeof r) == 0, "nothing after the closing");
    close(level);
    close(edge);
}

static void answers(void)
{
    struct video_picture p;
    struct record r;
    enum place kind;
    set_up();
    /* Nothing is pending. */
    GIVES(0, device, VIDIOCGPICT, place(WILD, 0));
    GIVES(0, device, VIDIOCSINVALID, place(WILD, 0));
    GIVES(0, device, 0, place(WILD, 0));
    /* Pending, and not read: no answer counts. */
    post(VIDIOCGPICT);
    GIVES(0, device, VIDIOCGPICT, place(GOOD, 0));
    GIVES(0, device, VIDIOCSINVALID, NULL);
    pending();
    serve(device, VIDIOCGPICT);
    /* Read: what can't be leaves the client waiting. */
    for (kind = NOWHERE; kind < PLACES; kind++) {
        unsigned long number = kind % 2 ? VIDIOCGPICT : VIDIOCSPICT;
        if (kind == READ_ONLY)
            continue;
        post(number);
        expect(read(device, &r, sizeof r) > 0, "a read");
        expect(answer(device, number, place(kind, sizeof p)) == EFAULT, "an answer from %s memory", place_names[kind]);
        pending();
        GIVES(0, device, number, r.data);
        over(number, 0);
    }
    /* An answer is only read. */
    post(VIDIOCGPICT);
    expect(read(device, &r, sizeof r) > 0, "a read");
    GIVES(0, device, VIDIOCGPICT, place(READ_ONLY, 0));
    over(VIDIOCGPICT, 0);
    /* Other numbers are no answer. */
    post(VIDIOCGPICT);
    expect(read(device, &r, sizeof r) > 0, "a read");
    GIVES(EINVAL, device, VIDIOCGWIN, place(GOOD, 0));
    GIVES(EINVAL, device, _IOR('v', 6, char[13]), place(GOOD, 0));
    GIVES(EINVAL, device, _IOW('v', 6, struct video_picture), place(GOOD, 0));
    GIVES(0, device, 0, NULL);
    pending();
    /* A number of 32 bits, however it was widened. */
    GIVES(0, device, (unsigned long)(long)(int)VIDIOCGPICT, r.data);
    over(VIDIOCGPICT, 0);
    /* Accepted only as it was sent. */
    post(VIDIOCSPICT);
    expect(read(device, &r, sizeof r) > 0, "a read");
    r.data[13] ^= 1;
    GIVES(0, device, VIDIOCSPICT, r.data);
    over(VIDIOCSPICT, EINVAL);
    post(VIDIOCSPICT);
    expect(read(device, &r, sizeof r) > 0, "a read");
    /* Behind the structure's end nothing counts. */
    r.data[14] ^= 1;
    GIVES(0, device, VIDIOCSPICT, r.data);
    over(VIDIOCSPICT, 0);
    /* Refused with any pointer, and answered all the same. */
    for (kind = NOWHERE; kind < PLACES; kind++) {
        post(VIDIOCGPICT);
        expect(read(device, &r, sizeof r) > 0, "a read");
        GIVES(0, device, VIDIOCSINVALID, place(kind, 0));
        GIVES(0, device, VIDIOCGPICT, place(GOOD, 0));
        over(VIDIOCGPICT, ENOTTY);
    }
    none_left();
}

static void threads(void)
{
    struct job job;
    struct record r;
    int first, second, round;
    set_up();
    begin_job(orders, WHO_ARE_YOU);
    first = end_job(orders).result;
    begin_job(more_orders, WHO_ARE_YOU);
    second = end_job(more_orders).result;
    for (round = 0; round < 20; round++) {
        /* One waits for its picture, the other for its turn: one request is to be read. */
        post(VIDIOCSYNC);
        expect(read(device, &r, sizeof r) > 0 && r.number == VIDIOCSYNC, "SYNC is read");
        begin_job(more_orders, VIDIOCGPICT);
        if (round % 2) {
            /* The one behind is interrupted, again and again until it is in its sleep. */
            while (!readable(more_orders, 1))
                syscall(SYS_tgkill, asker, second, SIGALRM);
            job = end_job(more_orders);
            expect(job.error == EINTR, "the one behind: %s", strerrorname_np(job.error));
            begin_job(more_orders, VIDIOCGPICT);
        }
        expect(!readable(device, 0), "one at a time");
        pending();
        if (round % 3 == 2) {
            /* The one before it is: its turn is the other's. */
            while (!readable(orders, 1))
                syscall(SYS_tgkill, asker, first, SIGALRM);
            over(VIDIOCSYNC, EINTR);
            /* An answer that comes too late. */
            expect(readable(device, SOON), "the next one can be read");
            GIVES(0, device, VIDIOCSYNC, r.data);
        } else {
            GIVES(0, device, VIDIOCSYNC, r.data);
            over(VIDIOCSYNC, 0);
            expect(readable(device, SOON), "the next one can be read");
        }
        expect(read(device, &r, sizeof r) > 0 && r.number == VIDIOCGPICT, "GPICT is read");
        GIVES(0, device, VIDIOCGPICT, r.data);
        job = end_job(more_orders);
        expect(job.number == VIDIOCGPICT && job.error == 0, "the one behind: %s", strerrorname_np(job.error));
        expect(!readable(device, 0), "nothing is left to read");
    }
    none_left();
}

static void send_descriptor(int over_socket, int which)
{
    char byte = 0, room[CMSG_SPACE(sizeof which)];
    struct iovec piece = { &byte, 1 };
    struct msghdr m = { .msg_iov = &piece, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room };
    struct cmsghdr *c;
    memset(room, 0, sizeof room);
    c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof which);
    memcpy(CMSG_DATA(c), &which, sizeof which);
    if (sendmsg(over_socket, &m, 0) != 1)
        fail("sendmsg");
}

static int take_descriptor(int over_socket)
{
    char byte, room[CMSG_SPACE(sizeof(int))];
    struct iovec piece = { &byte, 1 };
    struct msghdr m = { .msg_iov = &piece, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room };
    int got;
    if (recvmsg(over_socket, &m, 0) != 1 || !CMSG_FIRSTHDR(&m))
        fail("recvmsg");
    memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof got);
    return got;
}

/* One that has never heard of the device: it gets a descriptor, says when it is done, and so on. */
static void answer_on(int socket)
{
    struct record r;
    char byte;
    for (;;) {
        int got = take_descriptor(socket);
        ssize_t n;
        if (read(socket, &byte, 1) != 1)
            break;
        /* r: it reads and answers. a: it answers only. */
        if (byte == 'r' && (n = read(got, &r, sizeof r)) < (ssize_t)NUMBER_BYTES)
            byte = '!';
        if (byte == 'a')
            r.number = VIDIOCGPICT;
        if (byte != '!' && ioctl(got, r.number, r.data))
            byte = '?';
        if (close(got) || write(socket, &byte, 1) != 1)
            break;
    }
    _exit(0);
}

/* The other one does `what` with the descriptor. */
static void let(int socket, int which, char what)
{
    char said = 0;
    send_descriptor(socket, which);
    if (write(socket, &what, 1) != 1 || !readable(socket, SOON) || read(socket, &said, 1) != 1)
        fail("the one that has it by SCM_RIGHTS");
    expect(said == what, "by SCM_RIGHTS '%c': '%c'", what, said);
}

static void copies(void)
{
    struct record r;
    int pair[2], copy, high, status, round;
    pid_t other, child;
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
    other = fork();
    if (other == 0) {
        close(pair[0]);
        answer_on(pair[1]);
    }
    close(pair[1]);
    set_up();
    /* Duplicates: one reads, the other answers. */
    copy = dup(device);
    high = fcntl(device, F_DUPFD_CLOEXEC, 500);
    expect(copy >= 0 && high >= 500, "dup");
    post(VIDIOCGPICT);
    expect(readable(copy, 0) && readable(high, 0), "all are readable");
    expect(read(copy, &r, sizeof r) > 0 && r.number == VIDIOCGPICT, "a read by a duplicate");
    expect(!readable(device, 0), "it was read");
    GIVES(0, high, VIDIOCGPICT, r.data);
    over(VIDIOCGPICT, 0);
    post(VIDIOCGPICT);
    serve(high, VIDIOCGPICT);
    /* The first one is closed: it is the same device. */
    for (round = 0; round < 3; round++) {
        close(device);
        device = copy;
        copy = high;
        post(VIDIOCGWIN);
        serve(device, VIDIOCGWIN);
        high = dup(device);
    }
    /* To another process that reads and answers, or answers what was read here. */
    for (round = 0; round < 20; round++) {
        post(VIDIOCGPICT);
        let(pair[0], device, 'r');
        over(VIDIOCGPICT, 0);
        post(VIDIOCGPICT);
        expect(read(device, &r, sizeof r) > 0, "a read");
        let(pair[0], device, 'a');
        over(VIDIOCGPICT, 0);
    }
    /* A child reads, its parent answers; and the other way round. */
    post(VIDIOCGPICT);
    child = fork();
    if (child == 0)
        _exit(read(device, &r, sizeof r) > 0 ? 0 : 1);
    waitpid(child, &status, 0);
    expect(status == 0, "a child reads");
    memset(&r, 0, sizeof r);
    GIVES(0, device, VIDIOCGPICT, r.data);
    over(VIDIOCGPICT, 0);
    post(VIDIOCGPICT);
    expect(read(device, &r, sizeof r) > 0, "a read");
    child = fork();
    if (child == 0)
        _exit(ioctl(device, VIDIOCGPICT, r.data) ? 1 : 0);
    waitpid(child, &status, 0);
    expect(status == 0, "a child answers");
    over(VIDIOCGPICT, 0);
    /* The last number of this process goes; the other one still has it. */
    post(VIDIOCGPICT);
    send_descriptor(pair[0], device);
    close(device);
    close(copy);
    close(high);
    if (write(pair[0], "r", 1) != 1)
        fail("write");
    over(VIDIOCGPICT, 0);
    none_left();
    close(pair[0]);
    waitpid(other, NULL, 0);
    /* Nobody has it now: it is free. */
    device = open(input, O_RDWR);
    map_device();
}

static void strangers(void)
{
    static const int ways[] = { O_RDWR, O_WRONLY, O_RDONLY, O_RDWR | O_NONBLOCK };
    struct record r;
    size_t i;
    int status;
    set_up();
    for (i = 0; i < sizeof ways / sizeof *ways; i++) {
        pid_t child;
        post(VIDIOCGPICT);
        child = fork();
        if (child == 0) {
            int own;
            wrongs = 0;
            close(device);
            own = open(input, ways[i]);
            if (own >= 0) {
                expect(!readable(own, 0), "another's input is not readable");
                expect(read(own, &r, sizeof r) <= 0, "another's input is not read");
                expect(answer(own, VIDIOCGPICT, r.data) != 0, "another's requests are not answered");
                expect(answer(own, VIDIOCSINVALID, NULL) != 0, "another's requests are not refused");
                expect(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, own, 0) == MAP_FAILED,
                       "another's memory is not mapped");
                close(own);
            } else {
                expect(errno == EBUSY, "open gives %s", strerrorname_np(errno));
            }
            _exit(wrongs ? 1 : 0);
        }
        waitpid(child, &status, 0);
        expect(status == 0, "a stranger with flags %x", (unsigned)ways[i]);
        expect(readable(device, 0), "the request is there still");
        pending();
        serve(device, VIDIOCGPICT);
    }
    none_left();
}

int main(int argc, char **argv)
{
    static const struct a_case cases[] = {
        { "reads", reads },     { "vectors", vectors }, { "waits", waits },         { "answers", answers },
        { "threads", threads }, { "copies", copies },   { "strangers", strangers },
    };
    input = own_option(argv, "--input", 1);
    begin(argc, argv);
    return run_case(cases, sizeof cases / sizeof *cases);
}
