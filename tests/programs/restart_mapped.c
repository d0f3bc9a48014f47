/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A V4L1 client that maps once, and goes on with that while pushers come and go. An order is a line
 * "FRAMES FIRST WIDTH HEIGHT": it takes so many frames of that size, by MCAPTURE and SYNC of each frame in turn. Frames
 * of the pusher that is asked for have numbers from FIRST on; what SYNC says is there has to be such a frame, whole,
 * and one that was not there before. After --patience failures in a row it gives up. "through FRAMES FIRST WIDTH
 * HEIGHT": the pusher before may still be there, so its next frames are right, too, until the first of the new one's.
 * "map FRAMES FIRST WIDTH HEIGHT": it asks VIDIOCGMBUF and maps anew before; nothing is unmapped.
 * --twist, before the second order:
 *     again    it asks VIDIOCGMBUF once more
 *     part     it unmaps a page of the last frame, and looks at the others
 *     move     it moves the mapping (mremap)
 *     fork     a child goes on
 *     threads  a thread for each frame
 *     signals  a handler that asks through the same descriptor comes all the time
 *     select   it selects before each VIDIOCSYNC
 *     read     it takes the frames by read()
 *     blind    a negative run: what it looks at is a copy of what it saw before */
#include <pthread.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "client.h"

static int fd, width, height;
static long first, wanted;
static struct mapping m;
static unsigned char *base;
static int frames, through, selects, reads;

/* What one thread has seen. */
struct course {
    int from, step;
    long last, good, stale, foreign, torn, small, errors, einval, eintr;
    int error;
};

static struct course before = { .last = -1 };

static void judge(struct course *c, int frame)
{
    size_t len = frame_len(opt.palette, width, height);
    const unsigned char *at = reads ? base : base + m.mbuf.offsets[frame];
    uint32_t number;
    if (!pattern_number(at, len, &number))
        c->foreign++;
    else if (pattern_differs(at, len, number) >= 0)
        c->torn++;
    else if ((long)number <= c->last || ((long)number < first && (!through || c->good))) {
        c->stale++;
        say("{\"event\":\"stale\",\"n\":%u,\"after\":%ld}", number, c->last);
    } else {
        c->last = number;
        if ((long)number >= first)
            c->good++;
    }
}

/* Waits as long as a client of that time would. */
static int waits(void)
{
    struct timeval limit = { 60, 0 };
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    if (select(fd + 1, &set, NULL, NULL, &limit) != 1)
        fail("select");
    return 0;
}

static int get(int frame)
{
    if (reads) {
        size_t len = frame_len(opt.palette, width, height);
        return read(fd, base, len) != (ssize_t)len;
    }
    return arm(fd, frame, opt.palette, width, height) || (selects && waits()) || ioctl(fd, VIDIOCSYNC, &frame);
}

static void *take(void *course)
{
    struct course *c = course;
    long in_a_row = 0;
    int frame = c->from;
    while (c->good < wanted && in_a_row < opt.patience && c->stale + c->torn + c->foreign < 20) {
        if (get(frame)) {
            if (errno == EINTR) {
                c->eintr++;
                continue;
            }
            c->error = errno;
            c->errors++;
            c->einval += errno == EINVAL;
            in_a_row++;
            if (through)
                usleep(1000);
            continue;
        }
        in_a_row = 0;
        judge(c, frame);
        frame = (frame + c->step) % frames;
    }
    return NULL;
}

static void report(const struct course *c)
{
    say("{\"event\":\"took\",\"good\":%ld,\"stale\":%ld,\"foreign\":%ld,\"torn\":%ld,\"errors\":%ld,\"einval\":%ld,\"errno\":%d}",
        c->good, c->stale, c->foreign, c->torn, c->errors, c->einval, c->error);
}

static void ask(int signal_number)
{
    struct video_window window;
    int saved = errno;
    (void)signal_number;
    ioctl(fd, VIDIOCGWIN, &window);
    errno = saved;
}

static void alarm_often(int on)
{
    struct sigaction action;
    struct itimerval timer;
    memset(&action, 0, sizeof action);
    memset(&timer, 0, sizeof timer);
    action.sa_handler = ask;
    action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, NULL);
    timer.it_value.tv_usec = timer.it_interval.tv_usec = on ? 20000 : 0;
    setitimer(ITIMER_REAL, &timer, NULL);
}

/* Moves it to where nothing was, in one piece or frame by frame. */
static void move(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = ((size_t)m.mbuf.size + page - 1) / page * page;
    unsigned char *to = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int k;
    if (to == MAP_FAILED)
        fail("mmap");
    if (mremap(base, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED) {
        size_t len = (size_t)m.mbuf.offsets[1];
        for (k = 0; k < m.mbuf.frames; k++)
            if (mremap(base + k * len, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to + k * len) == MAP_FAILED)
                fail("mremap");
    }
    base = to;
}

static void twist(const char *how)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (!strcmp(how, "again")) {
        if (ioctl(fd, VIDIOCGMBUF, &m.mbuf))
            fail("VIDIOCGMBUF");
    } else if (!strcmp(how, "part")) {
        size_t at = ((size_t)m.mbuf.offsets[frames - 1] / page + 2) * page;
        if (munmap(base + at, page))
            fail("munmap");
        frames--;
    } else if (!strcmp(how, "move")) {
        move();
    } else if (!strcmp(how, "select")) {
        selects = 1;
    } else if (!strcmp(how, "blind") || !strcmp(how, "read")) {
        unsigned char *copy = malloc((size_t)m.mbuf.size);
        memcpy(copy, base, (size_t)m.mbuf.size);
        base = copy;
        reads = *how == 'r';
    }
}

/* The order. */
static int next_order(void)
{
    char line[128];
    size_t n = 0;
    while (n < sizeof line - 1 && read(0, line + n, 1) == 1 && line[n] != '\n')
        n++;
    line[n] = 0;
    through = !strncmp(line, "through ", 8);
    if (!strncmp(line, "map ", 4)) {
        map_frames(fd, PROT_READ | PROT_WRITE, &m);
        base = m.base;
    }
    return sscanf(line + strcspn(line, "0123456789"), "%ld %ld %d %d", &wanted, &first, &width, &height) == 4;
}

int main(int argc, char **argv)
{
    const char *how = own_option(argv, "--twist", 1);
    int orders;
    begin(argc, argv);
    fd = open_client(O_RDWR);
    map_frames(fd, PROT_READ | PROT_WRITE, &m);
    base = m.base;
    frames = m.mbuf.frames < 2 ? m.mbuf.frames : 2;
    say("{\"event\":\"ready\"}");
    for (orders = 0; next_order(); orders++) {
        struct course course[2];
        pthread_t thread;
        pid_t child = 0;
        int two = 0;
        if (how && orders == 1)
            twist(how);
        memset(course, 0, sizeof course);
        course[0].last = course[1].last = before.last;
        course[0].step = course[1].step = 1;
        if (how && orders == 1 && !strcmp(how, "fork") && (child = fork()) != 0) {
            int status;
            if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
                fail("waitpid");
            continue;
        }
        if (how && orders == 1 && !strcmp(how, "signals"))
            alarm_often(1);
        if (how && orders == 1 && !strcmp(how, "threads")) {
            two = 1;
            course[1].from = 1;
            course[0].step = course[1].step = 2;
            if (pthread_create(&thread, NULL, take, &course[1]))
                fail("pthread_create");
        }
        take(&course[0]);
        if (two) {
            pthread_join(thread, NULL);
            course[0].good = course[0].good < course[1].good ? course[0].good : course[1].good;
            course[0].stale += course[1].stale;
            course[0].foreign += course[1].foreign;
            course[0].torn += course[1].torn;
            course[0].errors += course[1].errors;
        }
        if (how && orders == 1 && !strcmp(how, "signals"))
            alarm_often(0);
        before.last = course[0].last;
        report(&course[0]);
        if (how && orders == 1 && !strcmp(how, "fork"))
            _exit(0);
    }
    return 0;
}
