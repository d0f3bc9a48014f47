/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A storm of zero-copy pushers: in each round one claims the pipe, maps, serves, and is killed, stopped,
 * closes, execs, forks or exits at a moment that is counted in operations. Two clients, one that maps and one
 * that reads, live through all of it: they meet errors and go on with the next pusher. The pipe is free as soon
 * as a pusher is gone. Orders: one at each event "measure".
 *     --frames N   rounds
 *     --input PATH the pushers' node; --device is the clients'
 *     --handler    the pushers take their requests in a SIGIO handler, else after poll()
 *     --acts N     only acts whose bits are set
 *     --wrong-all  every frame has one bit wrong */
#include "zc_storm.h"

static const char *input;
static int by_handler;
/* Requests that one whose moment has passed still takes. */
static int left;

/* ------------------------------------------------------------------------------------ pushers */


static int take_requests(void)
{
    return device < 0 || (storm->armed ? 0 : left-- <= 0);
}

static void leave(void)
{
    /* Memory first, descriptor first, or none of both. */
    if (storm->odd)
        munmap(memory, FRAMES * PLACE);
    if (!storm->odd || storm->waits)
        close(device);
    _exit(0);
}

/* Goes on with the descriptor that another had, and with the request that was read there. */
static void take_over(int fd)
{
    device = fd;
    left = 5;
    if (storm->moment == READ)
        give_answer(&storm->pending);
    serve_until(0, take_requests);
    leave();
}

static void become_another(void)
{
    static char page[16], heir[16];
    char *const nobody[] = { NULL };
    if (storm->odd && storm->waits) {
        fcntl(device, F_SETFD, FD_CLOEXEC);
        execle("/bin/true", "true", (char *)NULL, nobody);
    } else {
        snprintf(page, sizeof page, "%d", storm_fd);
        snprintf(heir, sizeof heir, "%d", device);
        execl("/proc/self/exe", "zc_storm_pushers", "heir", page, heir, (char *)NULL);
    }
    fail("exec");
}

static void act(void)
{
    pid_t child;
    int old = device, status;
    switch (storm->act) {
    case KILL:
        raise(SIGKILL);
        break;
    case STOP_CONT:
    case STOP_KILL:
        raise(SIGSTOP);
        break;
    case CLOSE:
        device = -1;
        if (close(old))
            is_wrong("close", errno, 0);
        break;
    case EXEC:
        become_another();
        break;
    case FORK:
        storm->pushers++;
        child = fork();
        if (child == 0)
            take_over(device);
        if (child < 0)
            fail("fork");
        if (storm->waits)
            _exit(0);
        if (waitpid(child, &status, 0) == child)
            storm->pushers--;
        /* The child has answered what was read. */
        device = -1;
        close(old);
        break;
    default:
        _exit(0);
    }
}

static void push(void)
{
    device = open(input, O_RDWR);
    if (device < 0)
        fail("open of the input");
    map_device();
    left = 5;
    strike = act;
    storm->present = storm->round;
    count(&storm->generation);
    if (storm->moment == OWN) {
        storm->countdown = 0;
        if (due(OWN))
            act();
    }
    serve_until(by_handler, take_requests);
    leave();
}

/* ------------------------------------------------------------------------------------ clients */

static unsigned char *frames;
static size_t total;

static int map_output(void)
{
    struct video_mbuf mbuf;
    if (ioctl(device, VIDIOCGMBUF, &mbuf))
        return -1;
    total = (size_t)mbuf.size;
    frames = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_SHARED, device, 0);
    if (frames == MAP_FAILED) {
        frames = NULL;
        return -1;
    }
    return 0;
}

/* One picture through the mapping. */
static int take_mapped(void)
{
    struct video_mmap order = { 1, HEIGHT, WIDTH, VIDEO_PALETTE_GREY };
    struct video_picture picture;
    int frame = 1, generation = storm->generation;
    uint32_t number;
    if (!frames && map_output())
        return -1;
    if (ioctl(device, VIDIOCGPICT, &picture) || ioctl(device, VIDIOCMCAPTURE, &order) ||
        ioctl(device, VIDIOCSYNC, &frame))
        return -1;
    if (total == FRAMES * PLACE && generation == storm->generation && !is_whole(frames + PLACE, &number))
        is_wrong("a mapped frame", frame, generation);
    return 0;
}

/* One picture by read(). */
static int take_read(void)
{
    static unsigned char picture[PICTURE];
    uint32_t number;
    ssize_t n = read(device, picture, sizeof picture);
    if (n > 0 && (n != PICTURE || !is_whole(picture, &number)))
        is_wrong("a frame that was read", n, 0);
    if (n == 0)
        errno = EIO;
    return n > 0 ? 0 : -1;
}

/* Lives through the storm: whatever ends, it goes on with the next pusher. */
static void live(int (*take)(void))
{
    struct video_picture picture;
    device = open(opt.device, O_RDWR);
    /* By this request it is a client of that time: where nobody feeds there is an end of file for it. */
    if (device < 0)
        fail("the client that stays");
    ioctl(device, VIDIOCGPICT, &picture);
    wait_while(&storm->generation, 0);
    while (!storm->stop) {
        int generation = storm->generation;
        if (!take()) {
            count(&storm->steps);
            continue;
        }
        storm->errors[errno & 255]++;
        if (frames)
            munmap(frames, total);
        frames = NULL;
        wait_while(&storm->generation, generation);
    }
    close(device);
    _exit(0);
}

/* Lives through the storm with a V4L2 stream, which it begins again when it ends. */
static void stream(void)
{
    uint32_t last = 0;
    device = open(opt.device, O_RDWR);
    if (device < 0)
        fail("the stream that stays");
    wait_while(&storm->generation, 0);
    while (!storm->stop) {
        int generation = storm->generation;
        if (begin_stream(device)) {
            storm->errors[errno & 255]++;
            end_stream(device);
            wait_while(&storm->generation, generation);
            continue;
        }
        while (!storm->stop && !take_buffer(device, &last))
            count(&storm->buffers);
        if (!storm->stop)
            storm->errors[errno & 255]++;
        end_stream(device);
    }
    close(device);
    _exit(0);
}

/* ------------------------------------------------------------------------------------ the storm */

static void wait_for_all(void)
{
    int status;
    while (storm->pushers > 0) {
        pid_t pid = waitpid(-1, &status, WUNTRACED);
        if (pid < 0)
            fail("waitpid");
        if (WIFSTOPPED(status)) {
            kill(pid, storm->act == STOP_CONT ? SIGCONT : SIGKILL);
            continue;
        }
        if (WIFSIGNALED(status) ? WTERMSIG(status) != SIGKILL : WEXITSTATUS(status) != 0)
            is_wrong("a pusher's end", status, pid);
        storm->pushers--;
    }
}

static void end(pid_t pid)
{
    int status;
    if (waitpid(pid, &status, 0) != pid || status)
        is_wrong("the end of one that stays", status, 0);
}

int main(int argc, char **argv)
{
    pid_t mapping, reading, streaming;
    long round;
    if (argc == 4 && !strcmp(argv[1], "heir")) {
        attach_storm(atoi(argv[2]));
        device = atoi(argv[3]);
        map_device();
        take_over(device);
    }
    input = own_option(argv, "--input", 1);
    by_handler = own_option(argv, "--handler", 0) != NULL;
    choose_acts(argv);
    begin(argc, argv);
    make_storm();
    signal(SIGALRM, on_alarm);
    /* Whose parent is gone is waited for here. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    mapping = fork();
    if (mapping == 0)
        live(take_mapped);
    reading = fork();
    if (reading == 0)
        live(take_read);
    streaming = fork();
    if (streaming == 0)
        stream();
    for (round = 0; round < opt.frames && storm->wrongs < MANY; round++) {
        begin_round(round);
        storm->pushers = 1;
        if (start_victim() == 0)
            push();
        wait_for_all();
        if (round == opt.frames / 5 || round == opt.frames - 1)
            measured(round, streaming, mapping, reading);
    }
    alarm(ROUND_SECONDS);
    storm->stop = 1;
    set(&storm->generation, -1);
    end(mapping);
    end(reading);
    end(streaming);
    storm_result(opt.frames);
    return 0;
}
