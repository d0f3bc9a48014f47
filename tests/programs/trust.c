/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Programs that mean harm, and those who must not be harmed. See v4l2_case.h. --device is a pipe's output, --input its
 * input. What the library has mapped of the pipe a hostile program finds in its own /proc/self/maps. */
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "v4l2_take.h"

static const char *input;

/* Where this process has the page of that name mapped, the n-th of them; NULL: nowhere. */
static void *page_of(const char *name, int n)
{
    char line[600];
    void *at = NULL;
    FILE *maps = fopen("/proc/self/maps", "r");
    if (!maps)
        fail("/proc/self/maps");
    while (fgets(line, sizeof line, maps)) {
        unsigned long begin;
        if (strstr(line, name) && sscanf(line, "%lx", &begin) == 1 && n-- == 0) {
            at = (void *)begin;
            break;
        }
    }
    fclose(maps);
    return at;
}

static void until_told(void)
{
    while (order())
        ;
}

/* ---- sleepers: on every word that it can reach, in ways that no plain wake is for */

static void *sleep_for_a_requeue(void *word)
{
    uint32_t *own = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (;;)
        syscall(SYS_futex, word, FUTEX_WAIT_REQUEUE_PI, *(volatile uint32_t *)word, NULL, own, 0);
    return NULL;
}

/* Whoever sleeps there sleeps elsewhere from then on. */
static void *steal_sleepers(void *word)
{
    uint32_t *own = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct timespec moment = { 0, 200000 };
    for (;;) {
        syscall(SYS_futex, word, FUTEX_CMP_REQUEUE, 0, 1000000L, own, *(volatile uint32_t *)word);
        nanosleep(&moment, NULL);
    }
    return NULL;
}

static void attack(void *(*way)(void *))
{
    static const char *const pages[] = { "vloopback-log", "vloopback-claims", "vloopback-lifeline" };
    struct queue q;
    size_t k, at;
    int fd = open_node(O_RDWR), found = 0;
    start(fd, &q, 4);
    take(fd, &q, 1);
    for (k = 0; k < sizeof pages / sizeof *pages; k++) {
        char *page = page_of(pages[k], 0);
        /* The log's sequence, the claims page's words, the lifeline. */
        size_t first = strstr(pages[k], "claims") ? 64 : 0, count = strstr(pages[k], "claims") ? 4 : 1;
        for (at = 0; page && at < count; at++) {
            pthread_t thread;
            if (!pthread_create(&thread, NULL, way, page + first + 4 * at))
                found++;
        }
    }
    expect(found >= 6, "only %d words to sleep on", found);
    say("{\"event\":\"attacks\"}");
    until_told();
}

static void requeue_pi(void)
{
    attack(sleep_for_a_requeue);
}

static void requeue(void)
{
    attack(steal_sleepers);
}

/* ---- lifeline: takes the wake of the server's death, and passes none on */

static void *swallow_wakes(void *word)
{
    for (;;)
        syscall(SYS_futex, word, FUTEX_WAIT, *(volatile uint32_t *)word, NULL, NULL, 0);
    return NULL;
}

static void lifeline(void)
{
    int k;
    pthread_t thread;
    void *word;
    open_node(O_RDWR);
    word = page_of("vloopback-lifeline", 0);
    for (k = 0; word && k < 4; k++)
        pthread_create(&thread, NULL, swallow_wakes, word);
    expect(word != NULL, "a lifeline");
    say("{\"event\":\"attacks\"}");
    until_told();
}

/* ---- userptr: addresses are nobody's but the process's own */

static void userptr(void)
{
    static unsigned char secret[1 << 16] __attribute__((aligned(4096)));
    struct v4l2_buffer b;
    unsigned char *own;
    uint64_t *words;
    uint32_t count = 2;
    size_t k;
    int fd = open_node(O_RDWR), type = CAPTURE;
    char *page = page_of("vloopback-session", 0);
    memset(secret, 0x5a, sizeof secret);
    expect(ask_buffers(fd, CAPTURE, V4L2_MEMORY_USERPTR, &count) == 0 && count >= 2, "buffers");
    own = aligned_alloc(4096, 2 * sizeof secret);
    for (k = 0; k < 2; k++) {
        memset(&b, 0, sizeof b);
        b.type = CAPTURE;
        b.memory = V4L2_MEMORY_USERPTR;
        b.index = k;
        b.length = len;
        b.m.userptr = (unsigned long)(own + k * sizeof secret);
        GIVES(0, fd, VIDIOC_QBUF, &b);
        GIVES(0, fd, VIDIOC_QUERYBUF, &b);
        expect(b.m.userptr == (unsigned long)(own + k * sizeof secret), "QUERYBUF tells the address");
    }
    expect(page != NULL, "a page of the open file");
    if (!page)
        return;
    /* It is not in what others can write who have the open file. */
    words = (uint64_t *)page;
    for (k = 0; k < 4096 / sizeof *words; k++)
        expect(words[k] != (unsigned long)own && words[k] != (unsigned long)(own + sizeof secret),
               "the address stands at byte %zu", k * sizeof *words);
    /* As another process would: every buffer's length and address (vloopback_ring::Buffer). */
    for (k = 0; k < 2; k++) {
        uint32_t big = sizeof secret;
        uint64_t at = (unsigned long)secret;
        memcpy(page + 168 + 64 * k + 36, &big, sizeof big);
        memcpy(page + 168 + 64 * k + 40, &at, sizeof at);
    }
    GIVES(0, fd, VIDIOC_STREAMON, &type);
    memset(&b, 0, sizeof b);
    b.type = CAPTURE;
    b.memory = V4L2_MEMORY_USERPTR;
    GIVES(0, fd, VIDIOC_DQBUF, &b);
    for (k = 0; k < sizeof secret; k++)
        if (secret[k] != 0x5a)
            break;
    expect(k == sizeof secret, "byte %zu of what is not the device's was changed", k);
    {
        unsigned char *frame = own + b.index * sizeof secret;
        uint32_t number;
        expect(b.m.userptr == (unsigned long)frame, "DQBUF tells the address");
        expect(pattern_number(frame, len, &number) && pattern_differs(frame, len, number) < 0, "a whole frame");
    }
}

/* ---- spoil: a pusher that writes what it likes into its log, and leaves it so */

static _Atomic int spoiling = 1;

static void *spoil_log(void *page)
{
    volatile uint64_t *words = page;
    unsigned seed = 7;
    while (spoiling) {
        int slot = rand_r(&seed) % 8;
        /* vloopback_ring::Slot: number, time, length. The head, and the word that clients sleep on. */
        words[(192 + 64 * slot) / 8] = rand_r(&seed) % 3 ? (uint64_t)rand_r(&seed) << 33 : 0;
        words[(192 + 64 * slot + 16) / 8] = ~0ULL;
        words[2]++;
        *(volatile uint32_t *)page += 1;
    }
    return NULL;
}

static void spoil(void)
{
    struct v4l2_format f;
    unsigned char *frame = calloc(1, len);
    volatile uint64_t *words;
    pthread_t thread;
    void *page;
    int k, fd = open(input, O_RDWR);
    if (fd < 0)
        fail("open");
    f = format_of(fd, V4L2_BUF_TYPE_VIDEO_OUTPUT);
    f.fmt.pix.width = (unsigned)opt.width;
    f.fmt.pix.height = (unsigned)opt.height;
    f.fmt.pix.pixelformat = V4L2_PIX_FMT_YUV420;
    GIVES(0, fd, VIDIOC_S_FMT, &f);
    expect(write(fd, frame, len) == (ssize_t)len, "a frame");
    page = page_of("vloopback-log", 0);
    expect(page != NULL, "a log");
    if (!page)
        return;
    /* A second view of it, which nobody unmaps when the device is closed. */
    page = (void *)syscall(SYS_mremap, page, 0, 4096, MREMAP_MAYMOVE, NULL);
    if (page == MAP_FAILED)
        fail("mremap");
    pthread_create(&thread, NULL, spoil_log, page);
    say("{\"event\":\"attacks\"}");
    if (!order())
        fail("order");
    spoiling = 0;
    pthread_join(thread, NULL);
    words = page;
    words[2] = ~0ULL - 40;
    for (k = 0; k < 4; k++)
        words[(192 + 64 * k) / 8] = ~0ULL - 40 - k;
    close(fd);
    /* Its memory is mapped still: it goes on. */
    spoiling = 1;
    if (pthread_create(&thread, NULL, spoil_log, page))
        fail("pthread_create");
    say("{\"event\":\"left\"}");
    until_told();
}

/* ---- count: a client that takes whatever comes, by read() or after poll(), and tells of every 20th */

static void count_frames(void)
{
    unsigned char *frame = malloc(len);
    long n = 0;
    int fd = open_node(O_RDWR);
    say("{\"event\":\"counts\"}");
    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        if (opt.by && poll(&p, 1, -1) < 0)
            continue;
        if (read(fd, frame, len) > 0 && ++n % 20 == 0)
            say("{\"event\":\"frames\",\"n\":%ld}", n);
    }
}

/* ---- signals: a server that does not answer keeps no signal from its work */

static void handled(int signal)
{
    say("{\"event\":\"handled\",\"signal\":%d}", signal);
}

static void on_signal(int signal, void (*handler)(int), int flags)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigaction(signal, &action, NULL);
}

static void in_a_second(void)
{
    struct itimerval t;
    memset(&t, 0, sizeof t);
    t.it_value.tv_sec = 1;
    setitimer(ITIMER_REAL, &t, NULL);
}

static void ask(const char *what)
{
    say("{\"event\":\"%s\"}", what);
    if (!order())
        fail("order");
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void signals(void)
{
    struct v4l2_capability cap;
    uint32_t priority = V4L2_PRIORITY_RECORD, told_priority = 0;
    int fd = open_node(O_RDWR), other, status, given;
    double begin;
    pid_t child;

    /* A handler without SA_RESTART ends the call. */
    ask("stop");
    on_signal(SIGALRM, handled, 0);
    in_a_second();
    other = open(opt.device, O_RDWR);
    expect(other < 0 && errno == EINTR, "open gives %d, %s", other, strerrorname_np(errno));
    in_a_second();
    given = answer(fd, VIDIOC_S_PRIORITY, &priority);
    expect(given == EINTR, "S_PRIORITY gives %s", strerrorname_np(given));

    /* By default the signal ends the process. */
    child = fork();
    if (!child) {
        on_signal(SIGTERM, SIG_DFL, 0);
        open(opt.device, O_RDWR);
        _exit(7);
    }
    while (state_of(child) != 'S')
        usleep(1000);
    kill(child, SIGTERM);
    waitpid(child, &status, 0);
    expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, "SIGTERM: status %#x", status);

    /* With SA_RESTART the handler runs, and the call goes on: who reads "handled" lets the server go on. */
    on_signal(SIGALRM, handled, SA_RESTART);
    in_a_second();
    say("{\"event\":\"restarts\"}");
    other = open(opt.device, O_RDWR);
    expect(other >= 0, "open goes on: %s", strerrorname_np(errno));
    if (!order())
        fail("order");

    /* Late answers are nobody's: each call has its own. */
    GIVES(0, fd, VIDIOC_G_PRIORITY, &told_priority);
    GIVES(0, fd, VIDIOC_QUERYCAP, &cap);
    GIVES(0, other, VIDIOC_QUERYCAP, &cap);
    close(other);

    /* A server that stays silent is given up, by name; the next call does not wait as long again. */
    ask("stop");
    on_signal(SIGALRM, SIG_IGN, 0);
    begin = seconds();
    other = open(opt.device, O_RDWR);
    expect(other < 0 && errno == ETIMEDOUT, "open gives %d, %s", other, strerrorname_np(errno));
    expect(seconds() - begin >= 9, "it gives up after %.1f s", seconds() - begin);
    begin = seconds();
    GIVES(ETIMEDOUT, fd, VIDIOC_S_PRIORITY, &priority);
    expect(seconds() - begin < 9, "the next waits %.1f s", seconds() - begin);
    ask("go");
    priority = V4L2_PRIORITY_DEFAULT;
    do
        given = answer(fd, VIDIOC_S_PRIORITY, &priority);
    while (given == ETIMEDOUT);
    expect(given == 0, "S_PRIORITY gives %s", strerrorname_np(given));
    GIVES(0, fd, VIDIOC_G_PRIORITY, &told_priority);
    expect(told_priority == V4L2_PRIORITY_DEFAULT, "priority %u", told_priority);
    other = open_node(O_RDWR);
    GIVES(0, other, VIDIOC_QUERYCAP, &cap);
}

int main(int argc, char **argv)
{
    static const struct a_case cases[] = {
        { "requeue-pi", requeue_pi }, { "requeue", requeue }, { "lifeline", lifeline },
        { "userptr", userptr },       { "spoil", spoil },     { "count", count_frames },
        { "signals", signals },
    };
    input = own_option(argv, "--input", 1);
    for (argc = 0; argv[argc]; argc++)
        ;
    begin_taking(argc, argv);
    return run_case(cases, sizeof cases / sizeof *cases);
}
