/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A pusher and any number of readers of one output, each a process that has it open for itself: by V4L2's
 * buffers, by read(), by V4L1's mapping, inside the call or by poll, select or epoll. Some keep up: the pusher
 * writes a frame when each of them has had the one before. The others are waited for by nobody: slow ones take
 * a frame now and then, stopped ones are stopped (SIGSTOP) in mid-stream, victims are killed and replaced.
 *     --device PATH the output, --input PATH the pusher's node
 *     --frames N    frames that count
 *     --keep-up N   readers that keep up; --slow N, --stopped N, --victims N: the others
 *     --free        the pusher waits for nobody (who keeps up then misses frames)
 *     --wrong-frame N, --wrong-all  as everywhere
 * Events: "reader" one each, when all stand still, and "measure"; after an order "result". */
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "v4l2.h"

#define MOST 512
/* Frames before those that count: until everybody who keeps up has had one. */
#define WARM_PER_SECOND 500
/* Frames from one killed victim to the next; frames that a slow one lets pass; from when on some are stopped. */
#define KILL_EVERY 23
#define SLOW_BY 7
#define STOP_FROM 50
#define TOGGLE_EVERY 64

enum role { KEEPS_UP, SLOW, STOPPED, VICTIM, ROLES };
static const char *const roles[] = { "keeps up", "slow", "stopped", "victim" };
enum style { BUFFERS, BUFFERS_BY_POLL, READ, V4L1, READ_BY_SELECT, BUFFERS_BY_EPOLL, STYLES };
static const char *const styles[] = { "buffers", "poll", "read", "v4l1", "select", "epoll" };

struct reader {
    atomic_int pid, role, style;
    atomic_int had;  /* the number of the frame that it had last plus 1; a futex */
    atomic_int done; /* it has had the last frame; a futex */
    atomic_long received, first, gaps, back, torn, foreign, errors, skew;
    atomic_long missed; /* frames that count, of the gaps */
};

static struct {
    atomic_int published; /* frames, those before the ones that count included; a futex */
    atomic_int from;      /* the number of the first one that counts, 0: not known yet */
    atomic_int last;      /* the number of the last one, -1: not known yet */
    atomic_int leave;     /* readers close and end; a futex */
    struct reader reader[MOST];
} *shared;

static const char *input;
static size_t len;
static int readers[ROLES], count, sum_killed, wrong_victims, waits_for_nobody;

static void wait_while(atomic_int *word, int value)
{
    while (*word == value)
        syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0);
}

static void set(atomic_int *word, int value)
{
    *word = value;
    syscall(SYS_futex, word, FUTEX_WAKE, 1 << 30, NULL, NULL, 0);
}

/* ------------------------------------------------------------------------------------ a reader */

static struct reader *me;

/* What it has seen so far, for the others. */
static void tell_all(void)
{
    me->received = seen.received;
    me->first = seen.first;
    me->gaps = seen.gaps;
    me->back = seen.back;
    me->torn = seen.torn;
    me->foreign = seen.foreign;
}

/* A frame; whether there will be another. */
static int had_frame(const unsigned char *frame, size_t bytes)
{
    long gaps = seen.gaps;
    look(frame, bytes);
    /* Before, nobody waits for those who have had none yet. */
    if (shared->from && seen.last >= shared->from)
        me->missed += seen.gaps - gaps;
    tell_all();
    if (seen.torn || seen.foreign) {
        /* The pusher must not wait for it for ever. */
        set(&me->had, shared->published + 1);
        return shared->last < 0 || shared->published <= shared->last;
    }
    set(&me->had, (int)seen.last + 1);
    return shared->last < 0 || seen.last < shared->last;
}

/* A slow one lets some frames pass, with a frame in hand where it has one: that must not change meanwhile. */
static void dawdle(void)
{
    int from = shared->published, now;
    while (me->role == SLOW && shared->last < 0 && (now = shared->published) < from + SLOW_BY)
        wait_while(&shared->published, now);
}

/* It takes no more: nobody waits for it, whatever it has had. */
static void be_done(void)
{
    set(&me->done, 1);
    set(&me->had, INT_MAX);
}

static void oops(const char *call)
{
    me->errors++;
    say("{\"event\":\"error\",\"call\":\"%s\",\"errno\":%d,\"role\":\"%s\",\"style\":\"%s\"}", call, errno, roles[me->role],
        styles[me->style]);
    be_done();
    _exit(1);
}

static void take_buffers(int fd, const char *by)
{
    struct v4l2_buffer b;
    struct queue q;
    uint32_t sequence = 0;
    long last = -1;
    int more = 1;
    queue_open(fd, &q, V4L2_BUF_TYPE_VIDEO_CAPTURE, 4, PROT_READ);
    queue_put_all(fd, &q);
    if (stream(fd, &q, 1))
        oops("VIDIOC_STREAMON");
    while (more) {
        if (by)
            readiness(fd, by, POLLIN, -1);
        if (queue_take(fd, &q, &b))
            oops("VIDIOC_DQBUF");
        dawdle();
        more = had_frame(q.buffer[b.index].start, b.bytesused);
        if (last >= 0 && seen.last - last != (long)(b.sequence - sequence))
            me->skew++;
        last = seen.last;
        sequence = b.sequence;
        if (queue_put(fd, &q, b.index, 0))
            oops("VIDIOC_QBUF");
    }
}

static void take_by_read(int fd, const char *by)
{
    unsigned char *frame = malloc(len);
    int more = 1;
    while (more) {
        ssize_t n;
        dawdle();
        if (by)
            readiness(fd, by, POLLIN, -1);
        n = read(fd, frame, len);
        if (n < 0 && errno == EAGAIN)
            continue;
        if (n != (ssize_t)len)
            oops("read");
        more = had_frame(frame, len);
    }
}

static void take_mapped(int fd)
{
    struct video_mbuf mbuf;
    unsigned char *base;
    int frame = 0, more = 1;
    if (ioctl(fd, VIDIOCGMBUF, &mbuf))
        oops("VIDIOCGMBUF");
    base = mmap(NULL, (size_t)mbuf.size, PROT_READ, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED)
        oops("mmap");
    if (arm(fd, 0, opt.palette, opt.width, opt.height) || arm(fd, 1, opt.palette, opt.width, opt.height))
        oops("VIDIOCMCAPTURE");
    while (more) {
        if (ioctl(fd, VIDIOCSYNC, &frame))
            oops("VIDIOCSYNC");
        dawdle();
        more = had_frame(base + mbuf.offsets[frame], len);
        if (more && arm(fd, frame, opt.palette, opt.width, opt.height))
            oops("VIDIOCMCAPTURE");
        frame ^= 1;
    }
}

static void be_reader(struct reader *which)
{
    int fd, style = which->style;
    int blocks = style == BUFFERS || style == READ || style == V4L1;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    me = which;
    opt.report = 0;
    fd = open(opt.device, O_RDWR | (blocks ? 0 : O_NONBLOCK));
    if (fd < 0)
        oops("open");
    switch (style) {
    case BUFFERS:
        take_buffers(fd, NULL);
        break;
    case BUFFERS_BY_POLL:
        take_buffers(fd, "poll");
        break;
    case BUFFERS_BY_EPOLL:
        take_buffers(fd, "epoll");
        break;
    case READ:
        take_by_read(fd, NULL);
        break;
    case READ_BY_SELECT:
        take_by_read(fd, "select");
        break;
    default:
        take_mapped(fd);
    }
    be_done();
    wait_while(&shared->leave, 0);
    close(fd);
    _exit(0);
}

static void begin_reader(int k, int role, int style)
{
    struct reader *reader = &shared->reader[k];
    pid_t pid;
    memset(reader, 0, sizeof *reader);
    reader->role = role;
    reader->style = style;
    pid = fork();
    if (pid == 0)
        be_reader(reader);
    if (pid < 0)
        fail("fork");
    reader->pid = pid;
}

/* ------------------------------------------------------------------------------------ the pusher */

static int device;
static unsigned char *frame;

static void publish(int number)
{
    pattern_fill(frame, len, (uint32_t)number);
    if (number == opt.wrong || opt.wrong_all)
        frame[len / 2] ^= 1;
    if (write(device, frame, len) != (ssize_t)len)
        fail("write");
    set(&shared->published, number + 1);
}

/* Waits until all who keep up, of those that have had any, have had frame `number`. How many have not had
 * any. */
static int wait_for_all(int number)
{
    int k, had, none = 0;
    for (k = 0; k < count; k++) {
        struct reader *reader = &shared->reader[k];
        if (reader->role != KEEPS_UP)
            continue;
        if (!reader->had && !reader->done)
            none++;
        while (!waits_for_nobody && (had = reader->had) && had <= number && !reader->done)
            wait_while(&reader->had, had);
    }
    return none;
}

static int of_role(int role, int nth)
{
    int k;
    for (k = 0; k < count; k++)
        if (shared->reader[k].role == role && nth-- == 0)
            return k;
    return -1;
}

static void kill_one(int turn)
{
    int k = of_role(VICTIM, turn % readers[VICTIM]), status;
    struct reader *reader = &shared->reader[k];
    if (!reader->had)
        return;
    kill(reader->pid, SIGKILL);
    if (waitpid(reader->pid, &status, 0) != reader->pid)
        fail("waitpid");
    if (reader->torn || reader->foreign || reader->back || reader->errors || reader->skew)
        wrong_victims++;
    sum_killed++;
    begin_reader(k, VICTIM, (reader->style + 1) % STYLES);
}

/* They are stopped one after the other; each second one is let go now and then. */
static void stop_or_let_go(struct reader *reader, int k, int at)
{
    static unsigned char stopped[MOST];
    if (at < STOP_FROM + k || (at - STOP_FROM - k) % TOGGLE_EVERY || !reader->had || (stopped[k] && k % 2 == 0))
        return;
    kill(reader->pid, stopped[k] ? SIGCONT : SIGSTOP);
    stopped[k] = !stopped[k];
}

static void tell_reader(const struct reader *r)
{
    say("{\"event\":\"reader\",\"pid\":%d,\"role\":\"%s\",\"style\":\"%s\",\"received\":%ld,\"first\":%ld,\"gaps\":%ld,"
        "\"missed\":%ld,\"back\":%ld,\"torn\":%ld,\"foreign\":%ld,\"errors\":%ld,\"skew\":%ld}",
        r->pid, roles[r->role], styles[r->style], r->received, r->first, r->gaps, r->missed, r->back, r->torn,
        r->foreign, r->errors, r->skew);
}

static int number_option(char **argv, const char *name)
{
    const char *value = own_option(argv, name, 1);
    return value ? atoi(value) : 0;
}

int main(int argc, char **argv)
{
    int number = 0, warm, clock, k, role, first, turn = 0, ended_wrong = 0;
    input = own_option(argv, "--input", 1);
    readers[KEEPS_UP] = number_option(argv, "--keep-up");
    readers[SLOW] = number_option(argv, "--slow");
    readers[STOPPED] = number_option(argv, "--stopped");
    readers[VICTIM] = number_option(argv, "--victims");
    waits_for_nobody = own_option(argv, "--free", 0) != NULL;
    begin(argc, argv);
    len = frame_len(opt.palette, opt.width, opt.height);
    frame = malloc(len);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || !frame)
        fail("memory");
    shared->last = -1;
    device = open(input, O_RDWR);
    if (device < 0)
        fail("open of the input");
    /* By V4L2: whoever has made a V4L1 request has the old rules at its next open, and its children, too. */
    opt.format = "YU12";
    set_format(device, V4L2_BUF_TYPE_VIDEO_OUTPUT);
    /* From the first frame on the pipe is fed: V4L1's readers need that. */
    publish(number++);
    clock = clock_open(WARM_PER_SECOND);
    /* A slow one comes first, and alone: what it has in hand lies in the ring itself, and how well that is kept
     * from the pusher is what a ring that is broken on purpose shows. */
    first = readers[SLOW] ? SLOW : KEEPS_UP;
    begin_reader(count++, first, BUFFERS_BY_POLL);
    while (!shared->reader[0].had) {
        clock_tick(clock);
        publish(number++);
    }
    for (role = 0; role < ROLES; role++)
        for (k = role == first; k < readers[role] && count < MOST; k++)
            begin_reader(count++, role, (k + role) % STYLES);
    do {
        clock_tick(clock);
        publish(number);
    } while (wait_for_all(number++));
    shared->from = warm = number;
    say("{\"event\":\"warm\",\"frames\":%d}", warm);
    for (; number < warm + opt.frames; number++) {
        int at = number - warm;
        if (at == opt.frames - 1)
            shared->last = number;
        publish(number);
        wait_for_all(number);
        if (readers[VICTIM] && at % KILL_EVERY == KILL_EVERY - 1 && at < opt.frames - 1)
            kill_one(turn++);
        for (k = 0; k < readers[STOPPED]; k++)
            stop_or_let_go(&shared->reader[of_role(STOPPED, k)], k, at);
    }
    say("{\"event\":\"written\",\"frames\":%d}", number);
    for (k = 0; k < count; k++)
        kill(shared->reader[k].pid, SIGCONT);
    for (k = 0; k < count; k++) {
        /* Whoever took the last frame for another waits for one more. */
        while (!shared->reader[k].done) {
            clock_tick(clock);
            publish(number++);
        }
        tell_reader(&shared->reader[k]);
    }
    say("{\"event\":\"measure\",\"killed\":%d,\"wrong_victims\":%d}", sum_killed, wrong_victims);
    order();
    set(&shared->leave, 1);
    for (k = 0; k < count; k++) {
        int status;
        if (waitpid(shared->reader[k].pid, &status, 0) < 0 || status)
            ended_wrong++;
    }
    close(device);
    say("{\"event\":\"result\",\"readers\":%d,\"ended_wrong\":%d}", count, ended_wrong);
    return 0;
}
