/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Pushers that come and go: --frames of them, one after the other, each a process of its own. Each pushes YUV420P
 * of --size by V4L1's write(), V4L2's write() or V4L2's buffers, as --seed has it: 0 to 5 frames, after which it
 * closes, or ends without closing, or kills itself; or as many as it can until it is killed from outside, in
 * whatever it is doing. None of them may be refused anything. Then, as the last one, steadily until standard input
 * ends. With --sizes each has one of several sizes; with --wrong-all the last one's frames have a wrong bit. */
#include <sys/wait.h>

#include "pusher.h"
#include "v4l2.h"

/* More frames than one pusher pushes: their numbers grow from each to the next. A pusher tells of each frame in a
 * byte, and stops where 65536 bytes are not read. */
#define SPACING 100000

enum way { V4L1_WRITE, V4L2_WRITE, V4L2_BUFFERS };
enum end { CLOSE, EXIT, KILL_SELF, KILLED };

static uint32_t random_state;

static unsigned draw(unsigned below)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % below;
}

static void set_v4l2(int fd)
{
    struct v4l2_format f;
    memset(&f, 0, sizeof f);
    f.type = V4L2_BUF_TYPE_VIDEO_OUTPUT;
    f.fmt.pix.pixelformat = V4L2_PIX_FMT_YUV420;
    f.fmt.pix.width = (uint32_t)opt.width;
    f.fmt.pix.height = (uint32_t)opt.height;
    if (ioctl(fd, VIDIOC_S_FMT, &f))
        fail("VIDIOC_S_FMT");
}

/* Pushes `frames` frames, or for ever where that is negative. The byte tells the parent that it has begun. */
static void push_some(enum way way, long number, long frames, int clock, int parent)
{
    size_t len = (size_t)opt.width * (size_t)opt.height * 3 / 2;
    unsigned char *frame = malloc(len);
    struct queue q;
    struct v4l2_buffer b;
    unsigned fresh = 0, index = 0;
    int on = 0;
    int fd = open(opt.device, O_RDWR);
    if (fd < 0)
        fail("open");
    if (way == V4L1_WRITE) {
        const char *call;
        if (set_up(fd, VIDEO_PALETTE_YUV420P, opt.width, opt.height, &call))
            fail(call);
    } else
        set_v4l2(fd);
    if (way == V4L2_BUFFERS)
        queue_open(fd, &q, V4L2_BUF_TYPE_VIDEO_OUTPUT, 4, PROT_READ | PROT_WRITE);
    for (; frames; frames--, number++) {
        if (parent >= 0 && write(parent, "", 1) != 1)
            _exit(3);
        if (clock >= 0) {
            clock_tick(clock);
            if (told())
                break;
        }
        if (way != V4L2_BUFFERS) {
            pattern_fill(frame, len, (uint32_t)number);
            if (opt.wrong_all && clock >= 0)
                frame[len / 2] ^= 1;
            if (write(fd, frame, len) != (ssize_t)len)
                fail("write");
            continue;
        }
        if (fresh < q.count)
            index = fresh++;
        else if (queue_take(fd, &q, &b))
            fail("VIDIOC_DQBUF");
        else
            index = b.index;
        pattern_fill(q.buffer[index].start, len, (uint32_t)number);
        if (queue_put(fd, &q, index, len))
            fail("VIDIOC_QBUF");
        if (!on++ && stream(fd, &q, 1))
            fail("VIDIOC_STREAMON");
    }
    free(frame);
    close(fd);
}

static void choose_size(void)
{
    const char *at = opt.sizes;
    unsigned skip, count = 1;
    if (!at)
        return;
    for (skip = 0; at[skip]; skip++)
        count += at[skip] == ',';
    for (skip = draw(count); skip; skip--)
        at = strchr(at, ',') + 1;
    if (sscanf(at, "%dx%d", &opt.width, &opt.height) != 2)
        exit(2);
}

int main(int argc, char **argv)
{
    long k, killed = 0, ways[3] = { 0, 0, 0 };
    begin(argc, argv);
    random_state = opt.seed;
    for (k = 0; k < opt.frames; k++) {
        enum way way = (enum way)draw(3);
        enum end end = (enum end)draw(4);
        long frames = end == KILLED ? -1 : (long)draw(6), seen = (long)draw(30);
        int pipes[2], status;
        pid_t pid;
        choose_size();
        if (pipe(pipes))
            fail("pipe");
        pid = fork();
        if (pid == 0) {
            close(pipes[0]);
            push_some(way, opt.first + k * SPACING, frames, -1, pipes[1]);
            if (end == KILL_SELF)
                raise(SIGKILL);
            _exit(0);
        }
        close(pipes[1]);
        if (end == KILLED) {
            /* After so many frames, wherever it is by then. */
            char byte;
            while (seen-- && read(pipes[0], &byte, 1) == 1)
                ;
            kill(pid, SIGKILL);
            killed++;
        }
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
        close(pipes[0]);
        ways[way]++;
        if (end == KILLED || end == KILL_SELF ? !WIFSIGNALED(status) : status != 0) {
            say("{\"event\":\"failed\",\"pusher\":%ld,\"way\":%d,\"end\":%d,\"status\":%d}", k, way, end, status);
            return 1;
        }
        if (opt.report && k % opt.report == 0)
            say("{\"event\":\"pusher\",\"n\":%ld}", k);
    }
    say("{\"event\":\"stormed\",\"pushers\":%ld,\"killed\":%ld,\"v4l1\":%ld,\"written\":%ld,\"queued\":%ld}", k, killed,
        ways[0], ways[1], ways[2]);
    choose_size();
    push_some(V4L2_WRITE, opt.first + opt.frames * SPACING, -1, clock_open(100), -1);
    return 0;
}
