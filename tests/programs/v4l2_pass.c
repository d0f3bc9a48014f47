/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A stream whose descriptor goes from hand to hand: dup, fork, exec, SCM_RIGHTS (driver/docs/rules.md, "The
 * descriptor"), see v4l2_case.h. The open file has the buffers and the queue, as on a kernel device: what one process
 * queues another dequeues, each maps the buffers for itself, and nobody needs the opener. --device is an output that
 * is fed with --size YUV420P; for the case "pusher" an input. */
#include <sys/socket.h>
#include <sys/wait.h>

#include "v4l2_take.h"

static char *program;
static uint32_t sequence;
static int any_taken;

/* The buffers that a descriptor has, mapped here. */
static void adopt(int fd, struct queue *q, uint32_t type)
{
    memset(q, 0, sizeof *q);
    q->type = type;
    for (;; q->count++) {
        struct v4l2_buffer b = buffer_of(q, q->count);
        if (ioctl(fd, VIDIOC_QUERYBUF, &b))
            break;
        q->buffer[q->count].length = b.length;
        q->buffer[q->count].start = mmap(NULL, b.length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, b.m.offset);
        if (q->buffer[q->count].start == MAP_FAILED)
            fail("mmap of a buffer that was passed");
    }
    expect(errno == EINVAL && q->count >= 2, "%u buffers came along: %s", q->count, strerrorname_np(errno));
}

/* Dequeues a frame, whoever has queued its buffer, and looks at it; the buffer's index. */
static unsigned take_any(int fd, struct queue *q)
{
    struct v4l2_buffer b = buffer_of(q, 0);
    uint32_t number = 0;
    if (ioctl(fd, VIDIOC_DQBUF, &b))
        fail("VIDIOC_DQBUF");
    expect(b.index < q->count && b.bytesused == len, "buffer %u of %u, bytesused %u", b.index, q->count, b.bytesused);
    expect(pattern_number(q->buffer[b.index].start, len, &number) &&
               pattern_differs(q->buffer[b.index].start, len, number) < 0,
           "a whole frame in buffer %u", b.index);
    expect(!any_taken || b.sequence > sequence, "sequence %u after %u", b.sequence, sequence);
    sequence = b.sequence;
    any_taken = 1;
    return b.index;
}

static void give_back(int fd, struct queue *q, unsigned index)
{
    if (queue_put(fd, q, index, 0))
        fail("VIDIOC_QBUF");
}

static void takes(int fd, struct queue *q, int frames)
{
    while (frames-- > 0)
        give_back(fd, q, take_any(fd, q));
}

static void pass(int socket, int fd)
{
    char control[CMSG_SPACE(sizeof fd)] = { 0 }, byte = 'x';
    struct iovec iov = { &byte, 1 };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    if (sendmsg(socket, &msg, 0) != 1)
        fail("sendmsg");
}

static int receive(int socket)
{
    char control[CMSG_SPACE(sizeof(int))] = { 0 }, byte;
    struct iovec iov = { &byte, 1 };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
    struct cmsghdr *c;
    int fd;
    if (recvmsg(socket, &msg, 0) != 1 || !(c = CMSG_FIRSTHDR(&msg)) || c->cmsg_type != SCM_RIGHTS)
        fail("recvmsg");
    memcpy(&fd, CMSG_DATA(c), sizeof fd);
    return fd;
}

/* Whose turn it is; 0 where there will be none any more. */
static int hear(int socket, unsigned *what)
{
    return read(socket, what, sizeof *what) == sizeof *what;
}

static void say_to(int socket, unsigned what)
{
    if (write(socket, &what, sizeof what) != sizeof what)
        fail("the other process");
}

static void expect_end(pid_t pid)
{
    int status = -1;
    if (waitpid(pid, &status, 0) != pid)
        fail("waitpid");
    expect(status == 0, "a process ends with 0x%x", status);
}

/* One dequeues, the other queues, in turn; both have it mapped. */
static void case_two(void)
{
    struct queue q;
    int pair[2], fd, round;
    unsigned index;
    pid_t pid;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
        fail("socketpair");
    pid = fork();
    if (pid == 0) {
        /* A process that has never opened a device. */
        close(pair[0]);
        fd = receive(pair[1]);
        adopt(fd, &q, CAPTURE);
        for (round = 0; round < 20; round++) {
            /* What the other one took goes back by this one. */
            if (!hear(pair[1], &index))
                fail("turn");
            give_back(fd, &q, index);
            index = take_any(fd, &q);
            say_to(pair[1], index);
        }
        /* And it begins anew: the buffers, and the stream. */
        if (!hear(pair[1], &index) || stream(fd, &q, 0))
            fail("VIDIOC_STREAMOFF");
        say_to(pair[1], 0);
        _exit(wrongs ? 1 : 0);
    }
    close(pair[1]);
    fd = open_node(O_RDWR);
    start(fd, &q, 4);
    takes(fd, &q, 2);
    pass(pair[0], fd);
    for (round = 0; round < 20; round++) {
        say_to(pair[0], take_any(fd, &q));
        if (!hear(pair[0], &index))
            fail("turn");
        give_back(fd, &q, index);
    }
    say_to(pair[0], 0);
    if (!hear(pair[0], &index))
        fail("turn");
    /* The other one has ended the stream: it is ended here. */
    {
        struct v4l2_buffer b = buffer_of(&q, 0);
        GIVES(EINVAL, fd, VIDIOC_DQBUF, &b);
    }
    expect_end(pid);
    queue_put_all(fd, &q);
    any_taken = 0;
    if (stream(fd, &q, 1))
        fail("VIDIOC_STREAMON");
    takes(fd, &q, 3);
}

/* The opener is gone, killed in mid-stream; the third has it from the second. */
static void case_orphan(void)
{
    struct queue q;
    int first[2], second[2], done[2], fd, status;
    uint32_t count = 0;
    char byte;
    pid_t opener, middle, last;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, first) || socketpair(AF_UNIX, SOCK_STREAM, 0, second) || pipe(done))
        fail("socketpair");
    opener = fork();
    if (opener == 0) {
        fd = open_node(O_RDWR);
        start(fd, &q, 4);
        take_any(fd, &q);
        pass(first[0], fd);
        /* It goes on until it is killed. */
        for (;;)
            takes(fd, &q, 1);
    }
    middle = fork();
    if (middle == 0) {
        fd = receive(first[1]);
        adopt(fd, &q, CAPTURE);
        takes(fd, &q, 3);
        kill(opener, SIGKILL);
        takes(fd, &q, 5);
        pass(second[0], fd);
        _exit(wrongs ? 1 : 0);
    }
    last = fork();
    if (last == 0) {
        fd = receive(second[1]);
        /* The second one is gone when this begins. */
        close(done[1]);
        if (read(done[0], &byte, 1) != 0)
            fail("turn");
        adopt(fd, &q, CAPTURE);
        takes(fd, &q, 5);
        if (stream(fd, &q, 0))
            fail("VIDIOC_STREAMOFF");
        expect(ask_buffers(fd, CAPTURE, V4L2_MEMORY_MMAP, &count) == 0, "REQBUFS of none");
        any_taken = 0;
        start(fd, &q, 4);
        takes(fd, &q, 5);
        _exit(wrongs ? 1 : 0);
    }
    if (waitpid(opener, &status, 0) != opener)
        fail("waitpid");
    expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the opener is killed: 0x%x", status);
    expect_end(middle);
    close(done[0]);
    close(done[1]);
    expect_end(last);
}

/* Duplicates are one queue; the first one goes first. */
static void case_dups(void)
{
    struct queue q;
    int fd = open_node(O_RDWR), a, b, k;
    unsigned index;
    start(fd, &q, 4);
    a = dup(fd);
    b = fcntl(fd, F_DUPFD_CLOEXEC, 500);
    for (k = 0; k < 10; k++) {
        index = take_any(k % 2 ? a : b, &q);
        give_back(k % 3 ? b : fd, &q, index);
    }
    close(fd);
    adopt(b, &q, CAPTURE);
    takes(a, &q, 5);
    close(a);
    takes(b, &q, 5);
    if (stream(b, &q, 0))
        fail("VIDIOC_STREAMOFF");
}

/* A new program image goes on with the stream. */
static void case_exec(void)
{
    struct queue q;
    char number[16], size[32];
    int fd = open_node(O_RDWR);
    start(fd, &q, 4);
    takes(fd, &q, 3);
    snprintf(number, sizeof number, "%d", fd);
    snprintf(size, sizeof size, "%dx%d", opt.width, opt.height);
    execl(program, program, "inherited", "--device", opt.device, "--size", size, "--first", number, (char *)NULL);
    fail("exec");
}

static void case_inherited(void)
{
    struct queue q;
    int fd = (int)opt.first;
    adopt(fd, &q, CAPTURE);
    takes(fd, &q, 5);
    close(fd);
    fd = open_node(O_RDWR);
    any_taken = 0;
    start(fd, &q, 4);
    takes(fd, &q, 3);
}

/* The pusher's side: what the opener has begun another process goes on with. */
static void case_pusher(void)
{
    struct queue q;
    struct v4l2_buffer b;
    int pair[2], fd, number = 0;
    unsigned index;
    pid_t pid;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
        fail("socketpair");
    pid = fork();
    if (pid == 0) {
        fd = receive(pair[1]);
        adopt(fd, &q, V4L2_BUF_TYPE_VIDEO_OUTPUT);
        if (!hear(pair[1], &index))
            fail("turn");
        for (number = (int)index; !told(); number++) {
            b = buffer_of(&q, 0);
            if (ioctl(fd, VIDIOC_DQBUF, &b))
                fail("VIDIOC_DQBUF of a passed input");
            pattern_fill(q.buffer[b.index].start, len, (uint32_t)number);
            if (queue_put(fd, &q, b.index, len))
                fail("VIDIOC_QBUF of a passed input");
        }
        _exit(wrongs ? 1 : 0);
    }
    fd = open_node(O_RDWR);
    opt.format = "YU12";
    set_format(fd, V4L2_BUF_TYPE_VIDEO_OUTPUT);
    queue_open(fd, &q, V4L2_BUF_TYPE_VIDEO_OUTPUT, 4, PROT_READ | PROT_WRITE);
    for (; number < (int)q.count; number++) {
        pattern_fill(q.buffer[number].start, len, (uint32_t)number);
        if (queue_put(fd, &q, (unsigned)number, len))
            fail("VIDIOC_QBUF");
    }
    if (stream(fd, &q, 1))
        fail("VIDIOC_STREAMON");
    pass(pair[0], fd);
    close(fd);
    say("{\"event\":\"setup\"}");
    say_to(pair[0], (unsigned)number);
    expect_end(pid);
}

int main(int argc, char **argv)
{
    static const struct a_case cases[] = {
        { "two", case_two },   { "orphan", case_orphan },       { "dups", case_dups },
        { "exec", case_exec }, { "inherited", case_inherited }, { "pusher", case_pusher },
    };
    program = argv[0];
    begin_taking(argc, argv);
    return run_case(cases, sizeof cases / sizeof *cases);
}
