/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* V4L2's events (V4L2 specification, Event Interface), see v4l2_case.h. --device is an output, --find its
 * pipe's input. --by poll|ppoll|select|pselect|epoll|epoll-et is how a case waits for events. */
#include "v4l2_case.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#define BRIGHTNESS V4L2_CID_BRIGHTNESS
#define PRI POLLPRI
/* Long enough for what has to come, in milliseconds. */
#define PATIENCE 20000

static char *program;

static int other(void)
{
    int fd = open(opt.find, O_RDWR);
    if (fd < 0)
        fail("open of the other node");
    return fd;
}

static void put(int fd, uint32_t id, int32_t value)
{
    struct v4l2_control c = { .id = id, .value = value };
    GIVES(0, fd, VIDIOC_S_CTRL, &c);
}

static int subscribe(int fd, uint32_t type, uint32_t id, uint32_t flags)
{
    struct v4l2_event_subscription s = { .type = type, .id = id, .flags = flags };
    return answer(fd, VIDIOC_SUBSCRIBE_EVENT, &s);
}

static void subscribed(int fd, uint32_t type, uint32_t id, uint32_t flags)
{
    int given = subscribe(fd, type, id, flags);
    expect(given == 0, "SUBSCRIBE_EVENT of type %u gives %s", type, strerrorname_np(given));
}

static void unsubscribe(int fd, uint32_t type, uint32_t id)
{
    struct v4l2_event_subscription s = { .type = type, .id = id };
    GIVES(0, fd, VIDIOC_UNSUBSCRIBE_EVENT, &s);
}

static void nonblocking(int fd, int on)
{
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

/* DQEVENT: its errno. */
static int take(int fd, struct v4l2_event *e)
{
    memset(e, 0xa5, sizeof *e);
    return answer(fd, VIDIOC_DQEVENT, e);
}

/* Takes an event that has to be there; of a control its value is looked at. */
static struct v4l2_event took(int line, int fd, uint32_t type, uint32_t id, int32_t value)
{
    struct v4l2_event e;
    int given = take(fd, &e);
    expect(given == 0, "line %d: DQEVENT gives %s", line, strerrorname_np(given));
    expect(e.type == type && e.id == id, "line %d: type %u of 0x%x, not %u of 0x%x", line, e.type, e.id, type, id);
    if (type == V4L2_EVENT_CTRL)
        expect(e.u.ctrl.value == value, "line %d: value %d, not %d", line, e.u.ctrl.value, value);
    ZERO(e.reserved, "DQEVENT");
    return e;
}
#define TOOK(fd, type, id, value) took(__LINE__, fd, type, id, value)
#define NONE(fd) GIVES(ENOENT, fd, VIDIOC_DQEVENT, &(struct v4l2_event){ 0 })

/* What the way in --by tells of a descriptor within `timeout` ms: of what was asked, POLLPRI and POLLIN, and
 * whatever else. */
static int glance(int fd, int events, int timeout)
{
    const char *by = opt.by ? opt.by : "poll";
    struct timespec t = { timeout / 1000, timeout % 1000 * 1000000 };
    if (!strcmp(by, "poll") || !strcmp(by, "ppoll")) {
        /* The second entry stands for all else that a program waits for. */
        struct pollfd p[2] = { { .fd = fd, .events = (short)events, .revents = 0x7777 }, { .fd = -1 } };
        int n = by[1] == 'o' ? poll(p, 2, timeout) : ppoll(p, 2, timeout < 0 ? NULL : &t, NULL);
        expect(n == !!p[0].revents, "%s counts %d and tells 0x%x", by, n, p[0].revents);
        return p[0].revents;
    }
    if (!strcmp(by, "select") || !strcmp(by, "pselect")) {
        fd_set in, except;
        struct timeval v = { timeout / 1000, timeout % 1000 * 1000 };
        int n, told;
        FD_ZERO(&in);
        FD_ZERO(&except);
        if (events & POLLIN)
            FD_SET(fd, &in);
        if (events & POLLPRI)
            FD_SET(fd, &except);
        if (by[0] == 's')
            n = select(fd + 1, &in, NULL, &except, timeout < 0 ? NULL : &v);
        else
            n = pselect(fd + 1, &in, NULL, &except, timeout < 0 ? NULL : &t, NULL);
        told = (FD_ISSET(fd, &in) ? POLLIN : 0) | (FD_ISSET(fd, &except) ? POLLPRI : 0);
        expect(n == !!(told & POLLIN) + !!(told & POLLPRI), "%s counts %d and tells 0x%x", by, n, told);
        if (by[0] == 's' && timeout > 0)
            expect(v.tv_sec * 1000 + v.tv_usec / 1000 <= timeout && (n || (!v.tv_sec && !v.tv_usec)), "what is left");
        return told;
    }
    {
        static int epoll = -1, member = -1, asked;
        struct epoll_event e = { .events = (uint32_t)events | (by[5] ? EPOLLET : 0), .data.u64 = 0x123456789abcdef0 };
        int n, i, told = 0;
        if (epoll < 0)
            epoll = epoll_create1(EPOLL_CLOEXEC);
        if (member != fd && member >= 0)
            expect(!epoll_ctl(epoll, EPOLL_CTL_DEL, member, NULL), "EPOLL_CTL_DEL");
        if (member != fd)
            expect(!epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e), "EPOLL_CTL_ADD");
        else if (asked != events)
            expect(!epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &e), "EPOLL_CTL_MOD");
        member = fd;
        asked = events;
        struct epoll_event got[4];
        n = epoll_wait(epoll, got, 4, timeout);
        for (i = 0; i < n; i++) {
            expect(got[i].data.u64 == e.data.u64, "the program's own data");
            told |= (int)got[i].events;
        }
        return told;
    }
}

/* Looks, and tells where it is not as it has to be. */
static void tells(int line, int wanted, int fd, int events, int timeout, const char *what)
{
    int told = glance(fd, events, timeout);
    expect(told == wanted, "line %d: %s: told 0x%x, not 0x%x", line, what, told, wanted);
}
#define TELLS(wanted, fd, events, timeout, what) tells(__LINE__, wanted, fd, events, timeout, what)

/* Waits until a thread of this process sleeps. */
static void until_asleep(pid_t thread)
{
    char state;
    while ((state = state_of(thread)) != 'S') {
        if (!state)
            fail("a thread's state");
        sched_yield();
    }
}

/* An event comes by the way in --by, and goes when it is taken. */
static void case_ready(void)
{
    int fd = open_node(O_RDWR | O_NONBLOCK), setter = open_node(O_RDWR), i;
    subscribed(fd, V4L2_EVENT_CTRL, BRIGHTNESS, 0);
    TELLS(0, fd, PRI, 0, "nothing yet");
    for (i = 1; i <= 20; i++) {
        put(setter, BRIGHTNESS, i);
        TELLS(PRI, fd, PRI, PATIENCE, "an event");
        if (!opt.by || strcmp(opt.by, "epoll-et"))
            TELLS(PRI, fd, PRI, 0, "it is there until it is taken");
        else
            TELLS(0, fd, PRI, 0, "an edge comes once");
        TOOK(fd, V4L2_EVENT_CTRL, BRIGHTNESS, i);
        TELLS(0, fd, PRI, 0, "it is taken");
    }
    /* Two, one after the other. */
    subscribed(fd, V4L2_EVENT_CTRL, V4L2_CID_HUE, 0);
    put(setter, V4L2_CID_HUE, 1);
    put(setter, BRIGHTNESS, 99);
    TELLS(PRI, fd, PRI, PATIENCE, "two events");
    TOOK(fd, V4L2_EVENT_CTRL, V4L2_CID_HUE, 1);
    if (!opt.by || strcmp(opt.by, "epoll-et"))
        TELLS(PRI, fd, PRI, 0, "one more");
    TOOK(fd, V4L2_EVENT_CTRL, BRIGHTNESS, 99);
    TELLS(0, fd, PRI, 0, "no more");
    /* What is unsubscribed says nothing any more. */
    put(setter, BRIGHTNESS, 5);
    TELLS(PRI, fd, PRI, PATIENCE, "pending");
    unsubscribe(fd, V4L2_EVENT_CTRL, BRIGHTNESS);
    TELLS(0, fd, PRI, 0, "what is pending goes with the subscription");
    NONE(fd);
    unsubscribe(fd, V4L2_EVENT_ALL, 0);
    put(setter, V4L2_CID_HUE, 2);
    put(setter, BRIGHTNESS, 6);
    TELLS(0, fd, PRI, 50, "unsubscribed");
    /* Asked for POLLIN alone, an event says nothing. */
    subscribed(fd, V4L2_EVENT_CTRL, BRIGHTNESS, 0);
    put(setter, BRIGHTNESS, 7);
    expect(!(glance(fd, POLLOUT, 0) & (PRI | POLLIN)), "nobody asked");
    TELLS(PRI, fd, PRI, PATIENCE, "asked");
}

static int epoll_tells(int epoll, int timeout)
{
    struct epoll_event got[4];
    int i, told = 0, n = epoll_wait(epoll, got, 4, timeout);
    for (i = 0; i < n; i++)
        told |= (int)got[i].events;
    return told;
}

/* An epoll that was made before anything was subscribed to, and what becomes of a member. */
static void case_epoll(void)
{
    int fd = open_node(O_RDWR | O_NONBLOCK), setter = other(), epoll = epoll_create1(0), one = epoll_create1(0);
    struct epoll_event e = { .events = EPOLLPRI }, once = { .events = EPOLLPRI | EPOLLONESHOT };
    expect(!epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) && !epoll_ctl(one, EPOLL_CTL_ADD, fd, &once), "EPOLL_CTL_ADD");
    subscribed(fd, V4L2_EVENT_CTRL, BRIGHTNESS, 0);
    expect(!epoll_tells(epoll, 0) && !epoll_tells(one, 0), "nothing yet");
    put(setter, BRIGHTNESS, 1);
    expect(epoll_tells(epoll, PATIENCE) == EPOLLPRI, "an event");
    expect(epoll_tells(one, PATIENCE) == EPOLLPRI && !epoll_tells(one, 0), "once");
    expect(!epoll_ctl(one, EPOLL_CTL_MOD, fd, &once) && epoll_tells(one, PATIENCE) == EPOLLPRI, "once more");
    e.events = 0;
    expect(!epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &e) && !epoll_tells(epoll, 0), "not asked for");
    e.events = EPOLLPRI;
    expect(!epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &e) && epoll_tells(epoll, 0) == EPOLLPRI, "asked for again");
    expect(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) == -1 && errno == EEXIST, "it is there");
    expect(!epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL) && !epoll_tells(epoll, 0), "deleted");
    expect(epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL) == -1 && errno == ENOENT, "it is not there");
    expect(!epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) && epoll_tells(epoll, 0) == EPOLLPRI, "added again");
    /* The last close takes it out, with nothing told. */
    close(fd);
    expect(!epoll_tells(epoll, 0) && !epoll_tells(one, 0), "closed");
}

/* Frames are POLLIN and no event is; an event is POLLPRI and no frame is. The case wants single frames. */
static void case_frames(void)
{
    int fd = open_node(O_RDWR | O_NONBLOCK), setter = open_node(O_RDWR), told;
    struct queue q;
    struct v4l2_buffer b;
    queue_open(fd, &q, V4L2_BUF_TYPE_VIDEO_CAPTURE, 4, PROT_READ);
    queue_put_all(fd, &q);
    if (stream(fd, &q, 1))
        fail("STREAMON");
    subscribed(fd, V4L2_EVENT_CTRL, BRIGHTNESS, 0);
    /* The picture that is there. */
    if (queue_take(fd, &q, &b) || queue_put(fd, &q, b.index, 0))
        fail("the first picture");
    TELLS(0, fd, PRI | POLLIN, 0, "nothing");
    want();
    TELLS(POLLIN, fd, PRI | POLLIN, PATIENCE, "a frame is no event");
    NONE(fd);
    put(setter, BRIGHTNESS, 1);
    told = glance(fd, PRI | POLLIN, PATIENCE);
    if (told == POLLIN || told == PRI)
        told |= glance(fd, PRI | POLLIN, PATIENCE);
    expect(told == (PRI | POLLIN), "both, told 0x%x", told);
    if (queue_take(fd, &q, &b))
        fail("DQBUF");
    TELLS(PRI, fd, PRI | POLLIN, PATIENCE, "the event alone");
    TOOK(fd, V4L2_EVENT_CTRL, BRIGHTNESS, 1);
    TELLS(0, fd, PRI | POLLIN, 0, "nothing");
}

/* A program that waits is woken by an event, and by nothing else. */
static void *setter_thread(void *argument)
{
    int fd = *(int *)argument;
    until_asleep(getpid());
    put(fd, BRIGHTNESS, 4711);
    return NULL;
}

static void case_woken(void)
{
    int fd = open_node(O_RDWR | O_NONBLOCK), setter = other();
    pthread_t thread;
    subscribed(fd, V4L2_EVENT_CTRL, BRIGHTNESS, 0);
    /* It has not subscribed to this. */
    put(setter, V4L2_CID_HUE, 12);
    TELLS(0, fd, PRI, 0, "not subscribed");
    if (pthread_create(&thread, NULL, setter_thread, &setter))
        fail("thread");
    TELLS(PRI, fd, PRI, -1, "woken");
    TOOK(fd, V4L2_EVENT_CTRL, BRIGHTNESS, 4711);
    pthread_join(thread, NULL);
}

static volatile sig_atomic_t handled;
static void handler(int signal)
{
    (void)signal;
    handled++;
}

static void catch_alarm(int flags)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigaction(SIGALRM, &action, NULL);
}

/* A signal every 50 ms, so that one that came before the call blocked is not the last. */
static void alarms(int on)
{
    struct itimerval t = { { 0, on ? 50000 : 0 }, { 0, on ? 50000 : 0 } };
    setitimer(ITIMER_REAL, &t, NULL);
}

/* A handler interrupts every wait, as it does on a device; ppoll and pselect let it in by their mask. */
static void case_signals(void)
{
    int fd = open_node(O_RDWR), i;
    struct pollfd p = { .fd = fd, .events = PRI };
    struct timespec t = { 20, 0 };
    struct timeval v;
    fd_set except;
    sigset_t blocked, none;
    sigemptyset(&none);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGALRM);
    subscribed(fd, V4L2_EVENT_CTRL, BRIGHTNESS, 0);
    catch_alarm(SA_RESTART);
    for (i = 0; i < 4; i++) {
        int n = 7;
        FD_ZERO(&except);
        FD_SET(fd, &except);
        handled = 0;
        if (i > 1)
            sigprocmask(SIG_BLOCK, &blocked, NULL);
        alarms(1);
        v.tv_sec = 20;
        v.tv_usec = 0;
        errno = 0;
        if (i == 0)
            n = poll(&p, 1, 20000);
        else if (i == 1)
            n = select(fd + 1, NULL, NULL, &except, &v);
        else if (i == 2)
            n = ppoll(&p, 1, &t, &none);
        else
            n = pselect(fd + 1, NULL, NULL, &except, &t, &none);
        expect(n == -1 && errno == EINTR && handled, "way %d: %d, errno %d", i, n, errno);
        expect(FD_ISSET(fd, &except), "sets stay after an error");
        if (i == 1)
            expect(v.tv_sec > 0 && v.tv_sec < 20, "select tells what is left after a signal: %ld", (long)v.tv_sec);
        alarms(0);
    }
    sigprocmask(SIG_UNBLOCK, &blocked, NULL);
    /* DQEVENT goes on after a handler with SA_RESTART, and ends by one without. */
    catch_alarm(0);
    handled = 0;
    alarms(1);
    GIVES(EINTR, fd, VIDIOC_DQEVENT, &(struct v4l2_event){ 0 });
    expect(handled, "handled");
    alarms(0);
}

/* Sets once the main thread sleeps, and three of its signals were handled since. */
static void *late_setter(void *argument)
{
    int before;
    until_asleep(getpid());
    for (before = handled; handled < before + 3;)
        sched_yield();
    put(*(int *)argument, BRIGHTNESS, 4711);
    return NULL;
}

/* DQEVENT waits for an event; a handler with SA_RESTART does not end it. */
static void case_waits(void)
{
    int fd = open_node(O_RDWR), setter = open_node(O_RDWR);
    pthread_t thread;
    sigset_t alarm;
    subscribed(fd, V4L2_EVENT_CTRL, BRIGHTNESS, 0);
    catch_alarm(SA_RESTART);
    /* The signals are the main thread's. */
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarm, NULL);
    if (pthread_create(&thread, NULL, late_setter, &setter))
        fail("thread");
    pthread_sigmask(SIG_UNBLOCK, &alarm, NULL);
    alarms(1);
    TOOK(fd, V4L2_EVENT_CTRL, BRIGHTNESS, 4711);
    alarms(0);
    pthread_join(thread, NULL);
    nonblocking(fd, 1);
    NONE(fd);
    GIVES(EFAULT, fd, VIDIOC_SUBSCRIBE_EVENT, NULL);
}

/* What is told, and in which order. */
static void case_told(void)
{
    int fd = open_node(O_RDWR | O_NONBLOCK), setter = other();
    struct v4l2_event e, first;
    struct v4l2_control c = { .id = BRIGHTNESS, .value = 70000 };
    struct timespec now;
    subscribed(fd, V4L2_EVENT_CTRL, BRIGHTNESS, V4L2_EVENT_SUB_FL_SEND_INITIAL);
    first = TOOK(fd, V4L2_EVENT_CTRL, BRIGHTNESS, 0x8000);
    expect(first.u.ctrl.changes == (V4L2_EVENT_CTRL_CH_VALUE | V4L2_EVENT_CTRL_CH_FLAGS), "the first tells all");
    expect(first.u.ctrl.type == V4L2_CTRL_TYPE_INTEGER && first.u.ctrl.flags == V4L2_CTRL_FLAG_SLIDER, "what it is");
    expect(first.u.ctrl.minimum == 0 && first.u.ctrl.maximum == 65535 && first.u.ctrl.step == 1 &&
               first.u.ctrl.default_value == 0x8000,
           "its range");
    expect(first.sequence == 0 && first.pending == 0, "number %u, %u wait", first.sequence, first.pending);
    clock_gettime(CLOCK_MONOTONIC, &now);
    expect(first.timestamp.tv_sec <= now.tv_sec && first.timestamp.tv_sec + 60 > now.tv_sec, "the time is monotonic");
    NONE(fd);
    /* Twice is nothing, also no first event. */
    subscribed(fd, V4L2_EVENT_CTRL, BRIGHTNESS, V4L2_EVENT_SUB_FL_SEND_INITIAL);
    NONE(fd);
    /* The same value is no change. */
    put(setter, BRIGHTNESS, 0x8000);
    NONE(fd);
    /* One is kept, with the newest value, at the end of the line. */
    subscribed(fd, V4L2_EVENT_CTRL, V4L2_CID_HUE, 0);
    put(setter, BRIGHTNESS, 1);
    put(setter, V4L2_CID_HUE, 2);
    put(setter, BRIGHTNESS, 3);
    e = TOOK(fd, V4L2_EVENT_CTRL, V4L2_CID_HUE, 2);
    expect(e.sequence == 2 && e.pending == 1, "number %u, %u wait", e.sequence, e.pending);
    e = TOOK(fd, V4L2_EVENT_CTRL, BRIGHTNESS, 3);
    expect(e.sequence == 3 && e.pending == 0, "number %u, %u wait", e.sequence, e.pending);
    expect(e.u.ctrl.changes == V4L2_EVENT_CTRL_CH_VALUE, "the value has changed");
    /* Who sets hears nothing, but for feedback. */
    put(fd, BRIGHTNESS, 4);
    NONE(fd);
    unsubscribe(fd, V4L2_EVENT_CTRL, BRIGHTNESS);
    subscribed(fd, V4L2_EVENT_CTRL, BRIGHTNESS, V4L2_EVENT_SUB_FL_ALLOW_FEEDBACK);
    GIVES(0, fd, VIDIOC_S_CTRL, &c);
    TOOK(fd, V4L2_EVENT_CTRL, BRIGHTNESS, 65535);
    /* The class may be named; it has no events. */
    subscribed(fd, V4L2_EVENT_CTRL, V4L2_CID_USER_CLASS, V4L2_EVENT_SUB_FL_SEND_INITIAL);
    NONE(fd);
}

/* What there is to subscribe to, by node. */
static void case_kinds(void)
{
    int out = open_node(O_RDWR | O_NONBLOCK), in = other(), i;
    static const uint32_t none[] = { V4L2_EVENT_ALL,         V4L2_EVENT_VSYNC,      V4L2_EVENT_FRAME_SYNC,
                                     V4L2_EVENT_MOTION_DET,  V4L2_EVENT_PRIVATE_START, 0xffffffff };
    nonblocking(in, 1);
    for (i = 0; i < 6; i++)
        expect(subscribe(out, none[i], 0, 0) == EINVAL && subscribe(in, none[i], 0, 0) == EINVAL, "type %u", none[i]);
    expect(subscribe(out, V4L2_EVENT_CTRL, 0, 0) == EINVAL, "no control 0");
    expect(subscribe(in, V4L2_EVENT_CTRL, V4L2_CID_GAMMA + 1, 0) == EINVAL, "no such control");
    expect(subscribe(out, V4L2_EVENT_SOURCE_CHANGE, 1, 0) == EINVAL, "no source 1");
    expect(subscribe(in, V4L2_EVENT_SOURCE_CHANGE, 0, 0) == EINVAL, "an input's source is its program");
    expect(subscribe(in, V4L2_EVENT_EOS, 0, 0) == EINVAL, "an input's end is its program's");
    subscribed(out, V4L2_EVENT_SOURCE_CHANGE, 0, 0);
    subscribed(out, V4L2_EVENT_EOS, 0, 0);
    subscribed(in, V4L2_EVENT_CTRL, BRIGHTNESS, 0);
    /* What is not there can be given up. */
    unsubscribe(in, V4L2_EVENT_EOS, 0);
    unsubscribe(in, V4L2_EVENT_ALL, 0);
    unsubscribe(in, V4L2_EVENT_ALL, 0);
    NONE(in);
    NONE(out);
}

/* Subscriptions are the open file's: another open hears nothing, a dup and a fork hear the same. */
static void case_files(void)
{
    int fd = open_node(O_RDWR | O_NONBLOCK), two = open_node(O_RDWR | O_NONBLOCK), setter = other(), copy, status;
    pid_t pid;
    subscribed(fd, V4L2_EVENT_CTRL, BRIGHTNESS, 0);
    copy = dup(fd);
    put(setter, BRIGHTNESS, 1);
    TELLS(0, two, PRI, 0, "another open has not subscribed");
    NONE(two);
    TELLS(PRI, copy, PRI, PATIENCE, "a dup hears");
    close(fd);
    TOOK(copy, V4L2_EVENT_CTRL, BRIGHTNESS, 1);
    TELLS(0, copy, PRI, 0, "taken");
    pid = fork();
    if (pid == 0) {
        wrongs = 0;
        TELLS(PRI, copy, PRI, PATIENCE, "the child hears");
        TOOK(copy, V4L2_EVENT_CTRL, BRIGHTNESS, 2);
        TELLS(0, copy, PRI, 0, "taken in the child");
        subscribed(copy, V4L2_EVENT_CTRL, V4L2_CID_HUE, 0);
        close(copy);
        _exit(wrongs != 0);
    }
    put(setter, BRIGHTNESS, 2);
    if (waitpid(pid, &status, 0) != pid)
        fail("waitpid");
    expect(status == 0, "the child");
    TELLS(0, copy, PRI, 0, "the child took it");
    NONE(copy);
    put(setter, V4L2_CID_HUE, 3);
    TELLS(PRI, copy, PRI, PATIENCE, "what the child subscribed to");
    TOOK(copy, V4L2_EVENT_CTRL, V4L2_CID_HUE, 3);
    /* Readiness is told of what a child has left. */
    put(setter, V4L2_CID_HUE, 4);
    pid = fork();
    if (pid == 0) {
        close(copy);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    TELLS(PRI, copy, PRI, PATIENCE, "still there");
}

/* Hands the device on: by exec, or to a process that opened nothing. */
static void case_exec(void)
{
    char number[16];
    int fd = open_node(O_RDWR | O_NONBLOCK), setter = other();
    subscribed(fd, V4L2_EVENT_CTRL, BRIGHTNESS, 0);
    /* The old image has asked for readiness, too. */
    TELLS(0, fd, PRI, 0, "nothing yet");
    put(setter, BRIGHTNESS, 8);
    snprintf(number, sizeof number, "%d", fd);
    if (wrongs)
        return;
    execl(program, program, "inherited", "--device", opt.device, "--find", opt.find, "--by", opt.by, "--first", number,
          (char *)NULL);
    fail("exec");
}

static void heir(int fd, int32_t value)
{
    int setter = other();
    TELLS(PRI, fd, PRI, PATIENCE, "an event that came before");
    TOOK(fd, V4L2_EVENT_CTRL, BRIGHTNESS, value);
    TELLS(0, fd, PRI, 0, "taken");
    put(setter, BRIGHTNESS, value + 1);
    TELLS(PRI, fd, PRI, PATIENCE, "an event that comes");
    TOOK(fd, V4L2_EVENT_CTRL, BRIGHTNESS, value + 1);
}

static void case_inherited(void)
{
    heir((int)opt.first, 8);
}

static void case_passed(void)
{
    int pair[2], status, fd = -1;
    char byte = 0, room[CMSG_SPACE(sizeof fd)];
    struct iovec iov = { &byte, 1 };
    struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room };
    struct cmsghdr *c;
    pid_t pid;
    memset(room, 0, sizeof room);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
        fail("socketpair");
    pid = fork();
    if (pid == 0) {
        /* Nothing of ours was open when it was forked. */
        wrongs = 0;
        if (recvmsg(pair[0], &m, 0) != 1 || !(c = CMSG_FIRSTHDR(&m)))
            _exit(9);
        memcpy(&fd, CMSG_DATA(c), sizeof fd);
        heir(fd, 21);
        _exit(wrongs != 0);
    }
    fd = open_node(O_RDWR | O_NONBLOCK);
    subscribed(fd, V4L2_EVENT_CTRL, BRIGHTNESS, 0);
    put(other(), BRIGHTNESS, 21);
    c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    if (sendmsg(pair[1], &m, 0) != 1)
        fail("sendmsg");
    close(fd);
    if (waitpid(pid, &status, 0) != pid)
        fail("waitpid");
    expect(status == 0, "who got it");
}

/* SOURCE_CHANGE when another format is in force, EOS when a pusher's frames have ended. */
static void case_stream(void)
{
    int fd = open_node(O_RDWR | O_NONBLOCK);
    struct v4l2_event e;
    subscribed(fd, V4L2_EVENT_SOURCE_CHANGE, 0, 0);
    subscribed(fd, V4L2_EVENT_EOS, 0, 0);
    while (say("{\"event\":\"look\"}"), order()) {
        int told = glance(fd, PRI, PATIENCE);
        expect(told & PRI, "an event, told 0x%x", told);
        do {
            if (take(fd, &e))
                fail("DQEVENT");
            say("{\"event\":\"told\",\"type\":%u,\"changes\":%u,\"more\":%u}", e.type, e.u.src_change.changes, e.pending);
        } while (e.pending);
        TELLS(0, fd, PRI, 0, "all are taken");
    }
}

/* The daemon is killed: everything wakes. */
static void *dequeues(void *argument)
{
    GIVES(ENODEV, *(int *)argument, VIDIOC_DQEVENT, &(struct v4l2_event){ 0 });
    return NULL;
}

static void case_death(void)
{
    int fd = open_node(O_RDWR), told;
    pthread_t thread;
    subscribed(fd, V4L2_EVENT_CTRL, BRIGHTNESS, 0);
    TELLS(0, fd, PRI, 0, "nothing yet");
    if (pthread_create(&thread, NULL, dequeues, &fd))
        fail("thread");
    say("{\"event\":\"kill-server\"}");
    if (!opt.by || !strstr(opt.by, "select")) {
        told = glance(fd, PRI, -1);
        expect(told & POLLHUP, "a hang-up, told 0x%x", told);
    } else {
        /* A hang-up is readable, and no exception. */
        told = glance(fd, PRI | POLLIN, -1);
        expect(told == POLLIN, "readable, told 0x%x", told);
    }
    pthread_join(thread, NULL);
}

/* close(2) where no library sees it. */
static long raw_close(int fd)
{
    long result;
#if defined __x86_64__
    __asm__ volatile("syscall" : "=a"(result) : "0"(SYS_close), "D"(fd) : "rcx", "r11", "memory");
#elif defined __i386__
    __asm__ volatile("int $0x80" : "=a"(result) : "0"(SYS_close), "b"(fd) : "memory");
#else
    result = syscall(SYS_close, fd);
#endif
    return result;
}

/* Closing every number above the program's own spares what is hidden. */
static void case_hidden(void)
{
    int fd = open_node(O_RDWR | O_NONBLOCK), setter = open_node(O_RDWR), i, closed = 0;
    subscribed(fd, V4L2_EVENT_CTRL, BRIGHTNESS, 0);
    TELLS(0, fd, PRI, 0, "nothing yet");
    expect(fd == 3 && setter <= 6, "low numbers, %d and %d", fd, setter);
    for (i = setter + 1; i < 2048; i++)
        closed += !close(i) && i >= 900;
    expect(closed == 0, "what is hidden cannot be closed: %d were", closed);
    close_range((unsigned)setter + 1, ~0u, 0);
    closefrom(setter + 1);
    put(setter, BRIGHTNESS, 1);
    TELLS(PRI, fd, PRI, PATIENCE, "after closefrom");
    TOOK(fd, V4L2_EVENT_CTRL, BRIGHTNESS, 1);
    /* dup2 over it moves it. */
    for (i = setter + 1; i < 1016; i++)
        if (dup2(setter, i) != i)
            fail("dup2");
    for (i = setter + 1; i < 1016; i++)
        close(i);
    put(setter, BRIGHTNESS, 2);
    TELLS(PRI, fd, PRI, PATIENCE, "after dup2");
    TOOK(fd, V4L2_EVENT_CTRL, BRIGHTNESS, 2);
    /* Closed behind our back, it is asked for anew. */
    for (closed = 0, i = setter + 1; i < 2048; i++) {
        int kind = 0;
        socklen_t size = sizeof kind;
        if (!getsockopt(i, SOL_SOCKET, SO_TYPE, &kind, &size) && kind == SOCK_STREAM)
            closed += !raw_close(i);
    }
    expect(closed == 1, "%d hidden descriptors of events", closed);
    put(setter, BRIGHTNESS, 3);
    TELLS(PRI, fd, PRI, PATIENCE, "after raw closes");
    TOOK(fd, V4L2_EVENT_CTRL, BRIGHTNESS, 3);
    TELLS(0, fd, PRI, 0, "taken");
}

/* A thread may be cancelled while it waits for an event, or for something else. */
static pid_t waiter;

static void *waits_for(void *argument)
{
    struct pollfd p = { .fd = *(int *)argument, .events = PRI };
    __atomic_store_n(&waiter, gettid(), __ATOMIC_SEQ_CST);
    poll(&p, 1, -1);
    return NULL;
}

static void case_cancel(void)
{
    int fd = open_node(O_RDWR), pair[2], i;
    pthread_t thread;
    void *result;
    if (pipe(pair))
        fail("pipe");
    subscribed(fd, V4L2_EVENT_CTRL, BRIGHTNESS, 0);
    for (i = 0; i < 2; i++) {
        pid_t id;
        waiter = 0;
        if (pthread_create(&thread, NULL, waits_for, i ? &fd : &pair[0]))
            fail("thread");
        while (!(id = __atomic_load_n(&waiter, __ATOMIC_SEQ_CST)))
            sched_yield();
        until_asleep(id);
        pthread_cancel(thread);
        pthread_join(thread, &result);
        expect(result == PTHREAD_CANCELED, "cancelled");
    }
}

/* Many descriptors, more than a list on the stack has, and one event among them. */
static void case_many(void)
{
    enum { MANY = 300 };
    static struct pollfd p[MANY];
    int i, setter = other(), told = 0;
    for (i = 0; i < MANY; i++) {
        p[i].fd = i % 3 ? eventfd(0, 0) : open_node(O_RDWR | O_NONBLOCK);
        p[i].events = i % 3 ? PRI | POLLIN : PRI;
        if (i % 3 == 0)
            subscribed(p[i].fd, V4L2_EVENT_CTRL, i == 150 ? BRIGHTNESS : V4L2_CID_HUE, 0);
        if (i % 30 == 0)
            goes_on();
    }
    expect(poll(p, MANY, 0) == 0, "nothing yet");
    put(setter, BRIGHTNESS, 1);
    expect(poll(p, MANY, PATIENCE) == 1 && p[150].revents == PRI, "one of them");
    put(setter, V4L2_CID_HUE, 1);
    expect(poll(p, MANY, PATIENCE) == MANY / 3, "all that are ours");
    for (i = 0; i < MANY; i++)
        told += p[i].revents == PRI;
    expect(told == MANY / 3, "%d of them", told);
}

/* Two processes set and hear, as fast as they can: the last value is always heard, and poll never lies. */
static void case_storm(void)
{
    enum { LAST = 2000 };
    int fd = open_node(O_RDWR | O_NONBLOCK), status, events = 0, heard[2];
    int32_t value = 0;
    struct v4l2_event e;
    pid_t pid;
    if (pipe(heard))
        fail("pipe");
    subscribed(fd, V4L2_EVENT_CTRL, BRIGHTNESS, 0);
    pid = fork();
    if (pid == 0) {
        int setter = other(), i;
        char byte;
        close(heard[1]);
        for (i = 1; i <= LAST; i++) {
            put(setter, BRIGHTNESS, i);
            /* Some are heard while others are set, however slow who hears is. */
            if (i % (LAST / 40) == 1 && read(heard[0], &byte, 1) != 1)
                fail("read");
        }
        _exit(wrongs != 0);
    }
    while (value != LAST) {
        int told = glance(fd, PRI, PATIENCE), given;
        if (!(told & PRI)) {
            expect(0, "an event is due after %d", value);
            break;
        }
        given = take(fd, &e);
        expect(!given, "poll tells of an event that is not there: %s", strerrorname_np(given));
        if (given)
            break;
        expect(e.u.ctrl.value > value, "%d after %d", e.u.ctrl.value, value);
        value = e.u.ctrl.value;
        events++;
        if (value % (LAST / 40) == 1) {
            goes_on();
            if (write(heard[1], "", 1) != 1)
                fail("write");
        }
    }
    close(heard[1]);
    waitpid(pid, &status, 0);
    expect(status == 0, "the setter");
    TELLS(0, fd, PRI, 0, "no more");
    say("{\"event\":\"storm\",\"events\":%d}", events);
}

int main(int argc, char **argv)
{
    static const struct a_case cases[] = {
        { "ready", case_ready },   { "frames", case_frames }, { "woken", case_woken },   { "signals", case_signals },
        { "waits", case_waits },   { "told", case_told },     { "kinds", case_kinds },   { "files", case_files },
        { "exec", case_exec },     { "inherited", case_inherited }, { "passed", case_passed },
        { "stream", case_stream }, { "death", case_death },   { "hidden", case_hidden }, { "cancel", case_cancel },
        { "many", case_many },     { "storm", case_storm },   { "epoll", case_epoll },
    };
    program = argv[0];
    begin(argc, argv);
    return run_case(cases, sizeof cases / sizeof *cases);
}
