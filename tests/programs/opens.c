/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Many opens at once, and what there is at the limits of descriptors, see v4l2_case.h. --device is an output that
 * is fed with --size YUV420P all the time. Where the test is to look, it is told {"event":"look"} and orders to go
 * on.
 *     --opens N       how many in all, default 1000
 *     --processes N   over how many processes they are spread, default 1 */
#include <sys/resource.h>
#include <sys/wait.h>

#include "v4l2_take.h"

#define MOST 4096

static int opens = 1000, processes = 1;
static int fds[MOST];

static void let_look(void)
{
    say("{\"event\":\"look\"}");
    if (!order())
        fail("order");
}

/* Opens `count`; how many could be opened, with errno where it is fewer. */
static int open_many(int count, int flags)
{
    int k;
    errno = 0;
    for (k = 0; k < count; k++)
        if ((fds[k] = open(opt.device, flags)) < 0)
            return k;
    return count;
}

static void close_many(int count)
{
    while (count-- > 0)
        expect(close(fds[count]) == 0, "close of number %d: %s", fds[count], strerrorname_np(errno));
}

static void is_alive(int fd)
{
    struct v4l2_capability cap;
    GIVES(0, fd, VIDIOC_QUERYCAP, &cap);
}

static void reads(int fd)
{
    unsigned char *frame = malloc(len);
    uint32_t number;
    ssize_t n = read(fd, frame, len);
    expect(n == (ssize_t)len && pattern_number(frame, len, &number) && pattern_differs(frame, len, number) < 0,
           "a read of number %d gives %zd %s", fd, n, n < 0 ? strerrorname_np(errno) : "");
    free(frame);
}

static void streams(int fd)
{
    struct queue q;
    struct v4l2_requestbuffers none;
    unsigned i;
    start(fd, &q, 4);
    for (i = 0; i < 3; i++)
        take(fd, &q, 1);
    stream(fd, &q, 0);
    for (i = 0; i < q.count; i++)
        munmap(q.buffer[i].start, q.buffer[i].length);
    memset(&none, 0, sizeof none);
    none.type = CAPTURE;
    none.memory = V4L2_MEMORY_MMAP;
    GIVES(0, fd, VIDIOC_REQBUFS, &none);
}

/* A process's share of all. */
static void one_share(int count, int ready, int go)
{
    int k, made = open_many(count, O_RDWR);
    char byte = 'r';
    wrongs = 0;
    expect(made == count, "open %d of %d gives %s", made, count, strerrorname_np(errno));
    for (k = 0; k < made; k++)
        is_alive(fds[k]);
    if (made)
        streams(fds[made - 1]);
    if (write(ready, &byte, 1) != 1 || read(go, &byte, 1) != 0)
        _exit(3);
    for (k = 0; k < made; k += 50)
        reads(fds[k]);
    close_many(made);
    _exit(wrongs ? 1 : 0);
}

/* All of them at once, over some processes, each at the limit that is usual. */
static void case_spread(void)
{
    struct rlimit usual;
    int ready[2], go[2], k, status;
    char byte;
    if (getrlimit(RLIMIT_NOFILE, &usual) || pipe(ready) || pipe(go))
        fail("pipe");
    usual.rlim_cur = 1024;
    if (setrlimit(RLIMIT_NOFILE, &usual))
        fail("setrlimit");
    for (k = 0; k < processes; k++) {
        pid_t pid = fork();
        if (pid == 0) {
            close(go[1]);
            one_share(opens / processes, ready[1], go[0]);
        }
        if (pid < 0)
            fail("fork");
    }
    close(go[0]);
    for (k = 0; k < processes; k++)
        if (read(ready[0], &byte, 1) != 1)
            fail("a process is ready");
    let_look();
    close(go[1]);
    while (wait(&status) > 0)
        expect(status == 0, "a process ends with 0x%x", status);
    let_look();
}

/* All of them in one process whose limit was raised. */
static void case_one(void)
{
    struct rlimit high;
    int made, k, ready;
    if (getrlimit(RLIMIT_NOFILE, &high))
        fail("getrlimit");
    high.rlim_cur = high.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &high))
        fail("setrlimit");
    made = open_many(opens, O_RDWR | O_NONBLOCK);
    expect(made == opens, "open %d of %d gives %s", made, opens, strerrorname_np(errno));
    let_look();
    for (k = 0; k < made; k++)
        is_alive(fds[k]);
    /* The highest number, above what select can name; and one below. */
    k = made - 1;
    expect(opens < 1020 || fds[k] > 1023, "the last number is %d", fds[k]);
    ready = read(fds[k], NULL, 0);
    expect(ready == 0, "a read of nothing");
    for (; k > 0; k -= made / 3) {
        unsigned char *frame = malloc(len);
        ssize_t n;
        while ((n = read(fds[k], frame, len)) < 0 && errno == EAGAIN)
            readiness(fds[k], fds[k] > 1023 ? "poll" : "select", POLLIN, -1);
        expect(n == (ssize_t)len, "a read of number %d", fds[k]);
        free(frame);
    }
    /* One more, under a number far above all. */
    k = fcntl(fds[made - 1], F_DUPFD, (int)high.rlim_max - 10 > 100000 ? 100000 : (int)high.rlim_max - 10);
    expect(k > 0, "F_DUPFD: %s", strerrorname_np(errno));
    close(fds[made - 1]);
    is_alive(k);
    readiness(k, "poll", POLLIN, -1);
    fds[made - 1] = k;
    close_many(made);
    let_look();
}

/* Numbers that the beginning of a stream takes for a moment: of each slot, and of the log. */
#define FOR_A_STREAM 8

/* The program's own limit: EMFILE, and all goes on. */
static void case_own_limit(void)
{
    struct rlimit low;
    int made, round, begun;
    if (getrlimit(RLIMIT_NOFILE, &low))
        fail("getrlimit");
    low.rlim_cur = 64;
    if (setrlimit(RLIMIT_NOFILE, &low))
        fail("setrlimit");
    for (round = 0; round < 3; round++) {
        begun = open_node(O_RDWR);
        reads(begun);
        made = open_many(MOST, O_RDWR);
        expect(errno == EMFILE, "the last open gives %s", strerrorname_np(errno));
        expect(made > 40 && made < 64, "%d could be opened", made);
        reads(begun);
        is_alive(fds[made - 1]);
        close(fds[--made]);
        fds[made] = open(opt.device, O_RDWR);
        expect(fds[made] >= 0, "one for one: %s", strerrorname_np(errno));
        is_alive(fds[made++]);
        close_many(FOR_A_STREAM);
        reads(fds[made - 1]);
        reads(fds[FOR_A_STREAM]);
        reads(begun);
        while (made-- > FOR_A_STREAM)
            close(fds[made]);
        close(begun);
    }
}

/* What the server's limit has room for: ENFILE, and all goes on. */
static void case_server_limit(void)
{
    int made, round, others, k, status, first = 0;
    for (round = 0; round < 3; round++) {
        made = open_many(opens, O_RDWR);
        if (made == opens || errno != ENFILE) {
            expect(0, "the last open gives %s", strerrorname_np(errno));
            close_many(made);
            return;
        }
        expect(made >= 50 && (!round || made == first), "%d could be opened, %d at first", made, first);
        first = made;
        /* What is open goes on: it is read, streams, and is a forked child's. */
        reads(fds[0]);
        streams(fds[made - 1]);
        k = fork();
        if (k == 0) {
            wrongs = 0;
            reads(fds[0]);
            reads(fds[made / 2]);
            k = open(opt.device, O_RDWR);
            expect(k < 0 && errno == ENFILE, "a child's open gives %d %s", k, strerrorname_np(errno));
            _exit(wrongs ? 1 : 0);
        }
        expect(waitpid(k, &status, 0) == k && status == 0, "the child ends with 0x%x", status);
        /* One for one. */
        close(fds[--made]);
        fds[made] = open(opt.device, O_RDWR);
        expect(fds[made] >= 0, "one for one: %s", strerrorname_np(errno));
        made++;
        if (round == 0)
            let_look();
        close_many(made);
    }
    /* Processes cost the server descriptors, too. */
    for (others = 0; others < MOST; others++) {
        int told[2];
        char what = 'x';
        if (pipe(told))
            fail("pipe");
        fds[others] = fork();
        if (fds[others] == 0) {
            k = open(opt.device, O_RDWR);
            what = k >= 0 ? 'o' : errno == ENFILE ? 'f' : 'x';
            if (k >= 0)
                close(k);
            if (write(told[1], &what, 1) == 1)
                pause();
            _exit(0);
        }
        if (fds[others] < 0 || read(told[0], &what, 1) != 1)
            fail("a process");
        close(told[0]);
        close(told[1]);
        expect(what != 'x', "an open gives another errno than ENFILE");
        if (what != 'o')
            break;
    }
    expect(others > 20 && others < MOST, "%d processes could open", others);
    for (k = 0; k <= others; k++)
        kill(fds[k], SIGKILL);
    while (wait(&status) > 0)
        ;
    k = open(opt.device, O_RDWR);
    expect(k >= 0, "an open when they are gone gives %s", strerrorname_np(errno));
    if (k >= 0)
        streams(k);
}

int main(int argc, char **argv)
{
    static const struct a_case cases[] = {
        { "spread", case_spread },
        { "one", case_one },
        { "own-limit", case_own_limit },
        { "server-limit", case_server_limit },
    };
    const char *value;
    if ((value = own_option(argv, "--opens", 1)))
        opens = atoi(value);
    if ((value = own_option(argv, "--processes", 1)))
        processes = atoi(value);
    begin_taking(argc, argv);
    return run_case(cases, sizeof cases / sizeof *cases);
}
