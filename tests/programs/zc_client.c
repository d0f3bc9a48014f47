/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A V4L1 client of a zero-copy pipe. Without a case it watches: GCAP, GPICT, SPICT, GWIN, SWIN, GMBUF,
 * mmap, then MCAPTURE and SYNC of one frame after the other, every byte looked at; --read takes the
 * frames by read() instead; --step waits for an order before each frame. Cases:
 *     probe  tries each palette by SPICT and by MCAPTURE
 *     ask    does what the orders say, and tells what came of it: open, readonly, close, map, unmap, look
 *            FRAME, read BYTES, write, poll, alarm MS, fork, threads N, raw NUMBER POINTER, or a request's name with its numbers;
 *            jump REQUEST: at SIGUSR1 the handler leaves it by longjmp; nest REQUEST: at SIGUSR1 the handler asks GWIN;
 *            spawn REQUEST: in a thread of its own; cancel: that thread
 * --alarm-ms interrupts blocked calls by a handler without SA_RESTART; less often where no frame would ever come. */
#include <pthread.h>
#include <setjmp.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "client.h"
#include "zc.h"

static int fd = -1;
static struct mapping m;

static void on_alarm(int signal_number)
{
    (void)signal_number;
}

/* A timer whose signal has a handler without SA_RESTART; 0 stops it. */
static void alarm_every(long ms)
{
    struct sigaction action;
    struct itimerval timer;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_alarm;
    sigaction(SIGALRM, &action, NULL);
    timer.it_value.tv_sec = timer.it_interval.tv_sec = ms / 1000;
    timer.it_value.tv_usec = timer.it_interval.tv_usec = ms % 1000 * 1000;
    setitimer(ITIMER_REAL, &timer, NULL);
}

/* After a failed call. Where no frame comes between two signals, time after time, the machine is too slow for them. */
static void give_time(void)
{
    if (opt.alarm_ms && seen.in_a_row && seen.in_a_row % 20 == 0)
        alarm_every(opt.alarm_ms *= 2);
}

static void watch(int reads)
{
    struct video_capability cap;
    struct video_picture picture;
    struct video_window window;
    unsigned char *frame = NULL;
    size_t len;
    int next = 0, r;
    fd = open_client(O_RDWR);
    if (ioctl(fd, VIDIOCGCAP, &cap))
        fail("VIDIOCGCAP");
    if (ioctl(fd, VIDIOCGPICT, &picture))
        fail("VIDIOCGPICT");
    if (ioctl(fd, VIDIOCSPICT, &picture))
        fail("VIDIOCSPICT");
    if (ioctl(fd, VIDIOCGWIN, &window))
        fail("VIDIOCGWIN");
    if (ioctl(fd, VIDIOCSWIN, &window))
        fail("VIDIOCSWIN");
    len = frame_len(picture.palette, (int)window.width, (int)window.height);
    if (reads)
        frame = malloc(len + 1);
    else
        map_frames(fd, PROT_READ | PROT_WRITE, &m);
    say("{\"event\":\"ready\",\"name\":\"%.32s\",\"palette\":%d,\"width\":%u,\"height\":%u}", cap.name, picture.palette,
        window.width, window.height);
    if (opt.alarm_ms)
        alarm_every(opt.alarm_ms);
    while (more()) {
        if (opt.step && !order())
            break;
        if (reads) {
            ssize_t n = read(fd, frame, len);
            if (n >= 0 && (size_t)n != len)
                errno = 0;
            if (n < 0 || (size_t)n != len) {
                failed("read");
                give_time();
            } else {
                look(frame, len);
            }
            continue;
        }
        if (arm(fd, next, picture.palette, (int)window.width, (int)window.height)) {
            failed("VIDIOCMCAPTURE");
            give_time();
            continue;
        }
        do {
            r = ioctl(fd, VIDIOCSYNC, &next);
            if (r) {
                failed("VIDIOCSYNC");
                give_time();
            }
        } while (r && errno == EINTR);
        if (!r)
            look(m.base + m.mbuf.offsets[next], len);
        next = (next + 1) % m.mbuf.frames;
    }
    if (m.base)
        munmap(m.base, m.mbuf.size);
    close(fd);
    result();
}

/* Asks for each palette, as programs do that find out what a device has. */
static void probe(void)
{
    struct video_picture picture;
    int palette;
    fd = open_client(O_RDWR);
    if (ioctl(fd, VIDIOCGPICT, &picture))
        fail("VIDIOCGPICT");
    for (palette = 1; palette <= 16; palette++) {
        int set, armed, synced = 0, frame = 0;
        picture.palette = (unsigned short)palette;
        set = ioctl(fd, VIDIOCSPICT, &picture) ? errno : 0;
        armed = arm(fd, 0, palette, 20, 20) ? errno : 0;
        if (!armed)
            synced = ioctl(fd, VIDIOCSYNC, &frame) ? errno : 0;
        say("{\"event\":\"probed\",\"palette\":%d,\"spict\":%d,\"mcapture\":%d,\"sync\":%d}", palette, set, armed, synced);
    }
    say("{\"event\":\"end\"}");
}

static long asked_a, asked_b, asked_c;

/* Makes one request by its name with up to four numbers. */
static int request(const char *name, const long *n)
{
    union {
        struct video_capability cap;
        struct video_channel channel;
        struct video_tuner tuner;
        struct video_picture picture;
        struct video_window window;
        struct video_mmap arm;
        struct video_mbuf mbuf;
        unsigned long frequency;
        int number;
        unsigned char bytes[1024];
    } u;
    unsigned long number = zc_number(name);
    int r;
    memset(&u, 0, sizeof u);
    switch (number) {
    case VIDIOCGCHAN:
    case VIDIOCSCHAN:
        u.channel.channel = (int)n[0];
        break;
    case VIDIOCSPICT:
        u.picture.palette = (unsigned short)n[0];
        u.picture.brightness = (unsigned short)n[1];
        break;
    case VIDIOCSWIN:
        u.window.width = (unsigned)n[0];
        u.window.height = (unsigned)n[1];
        break;
    case VIDIOCMCAPTURE:
        u.arm.frame = (unsigned)n[0];
        u.arm.format = (unsigned)n[1];
        u.arm.width = (int)n[2];
        u.arm.height = (int)n[3];
        break;
    case VIDIOCSYNC:
    case VIDIOCCAPTURE:
        u.number = (int)n[0];
        break;
    case VIDIOCSFREQ:
        u.frequency = (unsigned long)n[0];
        break;
    default:
        break;
    }
    r = ioctl(fd, number, &u);
    switch (number) {
    case VIDIOCGCAP:
        asked_a = u.cap.type;
        asked_b = u.cap.channels;
        asked_c = u.cap.maxwidth;
        break;
    case VIDIOCGCHAN:
        asked_a = u.channel.channel;
        asked_b = u.channel.type;
        asked_c = u.channel.norm;
        break;
    case VIDIOCGPICT:
        asked_a = u.picture.palette;
        asked_b = u.picture.depth;
        asked_c = u.picture.brightness;
        break;
    case VIDIOCGWIN:
        asked_a = u.window.width;
        asked_b = u.window.height;
        asked_c = u.window.clipcount;
        break;
    case VIDIOCGMBUF:
        asked_a = u.mbuf.frames;
        asked_b = u.mbuf.size;
        asked_c = u.mbuf.offsets[1];
        break;
    default:
        break;
    }
    return r;
}

/* A request of `number` whose argument is `pointer`: "null", "low", "wild", "half" (only its first byte is
 * there), "const" (memory that can't be written) or "good". */
static int raw(unsigned long number, const char *pointer)
{
    static unsigned char good[65536];
    long page = sysconf(_SC_PAGESIZE);
    unsigned char *pages;
    void *p = good;
    int r, e;
    memset(good, 0, sizeof good);
    pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(pages + page, page);
    if (!strcmp(pointer, "null"))
        p = NULL;
    else if (!strcmp(pointer, "low"))
        p = (void *)1;
    else if (!strcmp(pointer, "wild"))
        p = pages + page;
    else if (!strcmp(pointer, "half"))
        p = pages + page - 1;
    else if (!strcmp(pointer, "const")) {
        mprotect(pages, page, PROT_READ);
        p = pages;
    }
    r = ioctl(fd, number, p);
    e = errno;
    munmap(pages, page);
    errno = e;
    return r;
}

/* Asks for picture and window, over and over, on the descriptor that all have and on one of its own. Returns how
 * many answers were not as they have to be. */
static void *ask_over_and_over(void *times)
{
    long rounds = (long)times, bad = 0;
    int own = open(opt.device, O_RDWR);
    while (rounds--) {
        struct video_picture p;
        struct video_window w;
        int on = rounds & 1 ? own : fd;
        memset(&p, 0, sizeof p);
        memset(&w, 0, sizeof w);
        if (ioctl(on, VIDIOCGPICT, &p) || p.palette != opt.palette)
            bad++;
        if (ioctl(on, VIDIOCGWIN, &w) || (int)w.width != opt.width || (int)w.height != opt.height)
            bad++;
    }
    close(own);
    return (void *)bad;
}

static sigjmp_buf way_out;
static volatile sig_atomic_t nested;

static void leave(int signal_number)
{
    siglongjmp(way_out, signal_number);
}

static void ask_more(int signal_number)
{
    struct video_window w;
    (void)signal_number;
    nested = ioctl(fd, VIDIOCGWIN, &w) ? -errno : (int)w.width;
}

static void on_usr1(void (*handler)(int), int flags)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigaction(SIGUSR1, &action, NULL);
}

static pthread_t spawned;

/* Asks as a thread that may be cancelled at any moment. */
static void *ask_once(void *name)
{
    const long none[4] = { 0, 0, 0, 0 };
    int old;
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
    request(name, none);
    return NULL;
}

/* Does one order of `ask`. */
static int act(const char *word, const char *line, const long *n)
{
    ssize_t got;
    if (!strcmp(word, "open") || !strcmp(word, "readonly"))
        return (fd = open(opt.device, *word == 'o' ? O_RDWR : O_RDONLY)) < 0 ? -1 : 0;
    if (!strcmp(word, "close"))
        return close(fd);
    if (!strcmp(word, "map")) {
        if (ioctl(fd, VIDIOCGMBUF, &m.mbuf))
            return -1;
        m.base = mmap(NULL, m.mbuf.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        asked_a = m.mbuf.frames;
        asked_b = m.mbuf.size;
        return m.base == MAP_FAILED ? -1 : 0;
    }
    if (!strcmp(word, "unmap"))
        return munmap(m.base, m.mbuf.size);
    if (!strcmp(word, "look")) {
        uint32_t number = 0;
        size_t len = frame_len(opt.palette, opt.width, opt.height);
        unsigned char *frame = m.base + m.mbuf.offsets[n[0]];
        asked_a = pattern_number(frame, len, &number) ? (long)number : -1;
        asked_b = pattern_differs(frame, len, number);
        return 0;
    }
    if (!strcmp(word, "read")) {
        size_t len = n[0] ? (size_t)n[0] : frame_len(opt.palette, opt.width, opt.height);
        unsigned char *frame = malloc(len + 1);
        uint32_t number = 0;
        got = read(fd, frame, len);
        if (got > 0) {
            asked_a = pattern_number(frame, (size_t)got, &number) ? (long)number : -1;
            asked_b = pattern_differs(frame, (size_t)got, number);
        }
        free(frame);
        return (int)got;
    }
    if (!strcmp(word, "write"))
        return (int)write(fd, line, strlen(line));
    if (!strcmp(word, "poll")) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int r = poll(&p, 1, 0);
        asked_a = p.revents;
        return r;
    }
    if (!strcmp(word, "alarm")) {
        alarm_every(n[0]);
        return 0;
    }
    if (!strcmp(word, "raw")) {
        char pointer[16] = "good";
        unsigned long number = 0;
        sscanf(line, "%*s %lx %15s", &number, pointer);
        return raw(number, pointer);
    }
    if (!strcmp(word, "fork")) {
        /* The child asks the same descriptor, and ends. */
        pid_t child = fork();
        int status = -1;
        if (child == 0) {
            struct video_picture p;
            _exit(ioctl(fd, VIDIOCGPICT, &p) ? 1 : 0);
        }
        waitpid(child, &status, 0);
        asked_a = status;
        return child < 0 ? -1 : 0;
    }
    if (!strcmp(word, "threads")) {
        pthread_t threads[4];
        int i;
        asked_a = 0;
        for (i = 0; i < 4; i++)
            if (pthread_create(&threads[i], NULL, ask_over_and_over, (void *)n[0]))
                fail("pthread_create");
        for (i = 0; i < 4; i++) {
            void *bad;
            pthread_join(threads[i], &bad);
            asked_a += (long)bad;
        }
        return 0;
    }
    if (!strcmp(word, "spawn")) {
        static char name[16];
        sscanf(line, "%*s %15s", name);
        return pthread_create(&spawned, NULL, ask_once, name) ? -1 : 0;
    }
    if (!strcmp(word, "cancel")) {
        void *ended = NULL;
        if (pthread_cancel(spawned) || pthread_join(spawned, &ended))
            return -1;
        asked_a = ended == PTHREAD_CANCELED;
        return 0;
    }
    if (!strcmp(word, "jump") || !strcmp(word, "nest") || !strcmp(word, "nest-restart")) {
        char name[16] = "";
        int r;
        sscanf(line, "%*s %15s", name);
        nested = 0;
        on_usr1(*word == 'j' ? leave : ask_more, strcmp(word, "nest-restart") ? 0 : SA_RESTART);
        if (sigsetjmp(way_out, 1)) {
            asked_a = 1;
            return 0;
        }
        r = request(name, n);
        asked_a = 0;
        asked_b = nested;
        return r;
    }
    if (zc_number(word) == ZC_NONE) {
        say("{\"event\":\"failed\",\"call\":\"what is %s?\",\"errno\":0}", word);
        exit(2);
    }
    return request(word, n);
}

static void ask(void)
{
    char line[128];
    say("{\"event\":\"ready\"}");
    while (order_line(line, sizeof line)) {
        char word[16] = "";
        long n[4] = { 0, 0, 0, 0 };
        int r;
        sscanf(line, "%15s %li %li %li %li", word, n, n + 1, n + 2, n + 3);
        asked_a = asked_b = asked_c = -1;
        say("{\"event\":\"asking\",\"what\":\"%s\"}", line);
        errno = 0;
        r = act(word, line, n);
        say("{\"event\":\"asked\",\"what\":\"%s\",\"result\":%d,\"errno\":%d,\"a\":%ld,\"b\":%ld,\"c\":%ld}", line, r,
            r < 0 ? errno : 0, asked_a, asked_b, asked_c);
    }
}

int main(int argc, char **argv)
{
    int reads = own_option(argv, "--read", 0) != NULL;
    begin(argc, argv);
    if (!opt.name)
        watch(reads);
    else if (!strcmp(opt.name, "probe"))
        probe();
    else if (!strcmp(opt.name, "ask"))
        ask();
    else
        return 2;
    return 0;
}
