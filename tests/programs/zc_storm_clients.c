/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A storm of clients at a zero-copy pusher: in each round one is killed, stopped, closes, execs, forks or
 * exits at a moment that is counted in operations, most of them in mid-request. The pusher, a client that
 * maps and a V4L2 stream live through all of it; those two get right frames while others are stopped. Orders: one at each
 * event "measure".
 *     --frames N   rounds
 *     --input PATH the pusher's node; --device is the clients'
 *     --handler    the pusher takes its requests in a SIGIO handler, else after poll()
 *     --acts N     only acts whose bits are set
 *     --wrong-all  every frame has one bit wrong
 *     --hold       the pusher holds a descriptor more after each client
 *     --spill      the pusher keeps half a page of memory more after each client */
#include "zc_storm.h"

static const char *input;
static int by_handler, work;
static unsigned char *frames;

/* ------------------------------------------------------------------------------------ the pusher */

/* The victim is struck from outside, or a thread of its own is told to act. */
static void strike_victim(void)
{
    int none = 0, round = storm->round, victim = storm->victim;
    if (victim <= 0)
        return;
    switch (storm->act) {
    case KILL:
        kill(victim, SIGKILL);
        break;
    case STOP_CONT:
    case STOP_KILL:
        kill(victim, SIGSTOP);
        break;
    default:
        if (!atomic_compare_exchange_strong(&storm->fired, &none, 1))
            return;
        set(&storm->fired, 1);
    }
    if (storm->waits)
        wait_until_settled(round);
}

/* Every client was told of that has come and gone. */
static int pusher_ends(void)
{
    return storm->stop == 2 && storm->closings >= storm->clients;
}

static void push(void)
{
    device = open(input, O_RDWR);
    if (device < 0)
        fail("open of the input");
    map_device();
    strike = strike_victim;
    set(&storm->generation, 1);
    serve_until(by_handler, pusher_ends);
    close(device);
    munmap(memory, FRAMES * PLACE);
    _exit(0);
}

/* ------------------------------------------------------------------------------------ clients */

static int order_frame(int fd, int frame)
{
    struct video_mmap order = { (unsigned)frame, HEIGHT, WIDTH, VIDEO_PALETTE_GREY };
    return ioctl(fd, VIDIOCMCAPTURE, &order);
}

static int map_output(int fd)
{
    struct video_mbuf mbuf;
    if (ioctl(fd, VIDIOCGMBUF, &mbuf))
        return -1;
    frames = mmap(NULL, (size_t)mbuf.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return frames == MAP_FAILED ? -1 : 0;
}

/* Lives through the storm with a stream. */
static void stream(void)
{
    uint32_t last = 0;
    device = open(opt.device, O_RDWR);
    if (device < 0 || begin_stream(device))
        fail("the stream that stays");
    while (!storm->stop) {
        stand_back();
        if (take_buffer(device, &last))
            is_wrong("a buffer of the stream that stays", errno, last);
        if (!last)
            is_wrong("a card of the stream that stays", 0, 0);
        count(&storm->buffers);
    }
    close(device);
    _exit(0);
}

/* Lives through the storm: no call fails, every frame is whole and newer than the one before. */
static void live(void)
{
    uint32_t number, last = 0;
    int frame = 1;
    device = open(opt.device, O_RDWR);
    if (device < 0 || map_output(device))
        fail("the client that stays");
    while (!storm->stop) {
        struct video_picture picture;
        stand_back();
        if (ioctl(device, VIDIOCGPICT, &picture) || picture.palette != VIDEO_PALETTE_GREY)
            is_wrong("GPICT of the one that stays", errno, 0);
        if (order_frame(device, frame))
            is_wrong("MCAPTURE of the one that stays", errno, 0);
        if (ioctl(device, VIDIOCSYNC, &frame))
            is_wrong("SYNC of the one that stays", errno, 0);
        else if (!is_whole(frames + PLACE, &number) || number <= last)
            is_wrong("the frame of the one that stays", number, last);
        else
            last = number;
        count(&storm->steps);
    }
    close(device);
    _exit(0);
}

/* One request of the victim's way to work; -1 with errno. */
static int operate(int fd, int n)
{
    static unsigned char picture[PICTURE];
    struct video_picture p;
    struct video_window w;
    static uint32_t last;
    uint32_t number;
    int frame = 0;
    ssize_t got;
    if (work == 3)
        return n == 0 ? begin_stream(fd) : take_buffer(fd, &last);
    if (work == 0)
        return ioctl(fd, n & 1 ? VIDIOCGWIN : VIDIOCGPICT, n & 1 ? (void *)&w : (void *)&p);
    if (work == 1 && n == 0)
        return map_output(fd);
    if (work == 1)
        return n & 1 ? order_frame(fd, 0) : ioctl(fd, VIDIOCSYNC, &frame);
    got = read(fd, picture, sizeof picture);
    if (got >= 0 && (got != PICTURE || !is_whole(picture, &number))) {
        is_wrong("a frame that was read", got, number);
        return 0;
    }
    return got < 0 ? -1 : 0;
}

/* What the descriptor is good for in another process: it asks once, and ends in one of three ways. */
static void inherit(int fd)
{
    struct video_picture picture;
    settle();
    if (ioctl(fd, VIDIOCGPICT, &picture) || picture.palette != VIDEO_PALETTE_GREY)
        is_wrong("GPICT of an heir", errno, fd);
    if (storm->waits && storm->odd)
        raise(SIGKILL);
    if (storm->odd)
        close(fd);
    _exit(0);
}

static void become_another(void)
{
    static char page[16], heir[16];
    char *const nobody[] = { NULL };
    if (storm->odd && storm->waits) {
        /* Nothing of the device goes along. */
        fcntl(device, F_SETFD, FD_CLOEXEC);
        execle("/bin/true", "true", (char *)NULL, nobody);
    } else {
        snprintf(page, sizeof page, "%d", storm_fd);
        snprintf(heir, sizeof heir, "%d", device);
        execl("/proc/self/exe", "zc_storm_clients", "heir", page, heir, (char *)NULL);
    }
    fail("exec");
}

static void act(void)
{
    pid_t child;
    int status;
    switch (storm->act) {
    case KILL:
        raise(SIGKILL);
        break;
    case STOP_CONT:
    case STOP_KILL:
        raise(SIGSTOP);
        break;
    case CLOSE:
        if (close(device))
            is_wrong("close", errno, 0);
        break;
    case EXEC:
        become_another();
        break;
    case FORK:
        child = fork();
        if (child == 0)
            inherit(device);
        if (child < 0 || waitpid(child, &status, 0) != child)
            is_wrong("a child", child, errno);
        break;
    default:
        _exit(0);
    }
    settle();
}

static void *act_when_told(void *unused)
{
    wait_while(&storm->fired, 0);
    if (storm->fired == 1)
        act();
    return unused;
}

/* The client that is struck. */
static void suffer(void)
{
    pthread_t helper;
    int has_helper = storm->moment != OWN && storm->act >= CLOSE;
    int n, none = 0;
    device = open(opt.device, O_RDWR);
    if (device < 0)
        fail("open of a victim");
    storm->present = storm->round;
    if (has_helper && pthread_create(&helper, NULL, act_when_told, NULL))
        fail("pthread_create");
    for (n = 0; n < 9; n++) {
        if (due(OWN))
            act();
        if (operate(device, n)) {
            /* Only a close from elsewhere is a reason. */
            if (storm->act != CLOSE || !(storm->fired || storm->settled == storm->round))
                is_wrong("a request of a victim", errno, n);
            break;
        }
    }
    if (has_helper) {
        if (atomic_compare_exchange_strong(&storm->fired, &none, 2))
            set(&storm->fired, 2);
        pthread_join(helper, NULL);
    }
    if (storm->odd)
        close(device);
    _exit(0);
}

/* ------------------------------------------------------------------------------------ the storm */

static void wait_for(pid_t victim)
{
    int status, seen;
    for (;;) {
        if (waitpid(victim, &status, WUNTRACED) != victim)
            fail("waitpid");
        settle();
        if (!WIFSTOPPED(status))
            break;
        /* A stopped client stops nobody: the others go on meanwhile. */
        for (seen = storm->steps; storm->steps < seen + 3;)
            wait_while(&storm->steps, storm->steps);
        for (seen = storm->buffers; storm->buffers < seen + 3;)
            wait_while(&storm->buffers, storm->buffers);
        kill(victim, storm->act == STOP_CONT ? SIGCONT : SIGKILL);
    }
    if (WIFSIGNALED(status) ? WTERMSIG(status) != SIGKILL : WEXITSTATUS(status) != 0)
        is_wrong("a victim's end", status, 0);
}

static void end(pid_t pid)
{
    int status;
    kill(pid, SIGTERM);
    if (waitpid(pid, &status, 0) != pid || status)
        is_wrong("the end of one that stays", status, 0);
}

int main(int argc, char **argv)
{
    pid_t pusher, client, streamer;
    long round;
    if (argc == 4 && !strcmp(argv[1], "heir")) {
        attach_storm(atoi(argv[2]));
        inherit(atoi(argv[3]));
    }
    input = own_option(argv, "--input", 1);
    by_handler = own_option(argv, "--handler", 0) != NULL;
    choose_acts(argv);
    begin(argc, argv);
    make_storm();
    signal(SIGALRM, on_alarm);
    alarm(ROUND_SECONDS);
    pusher = fork();
    if (pusher == 0)
        push();
    wait_while(&storm->generation, 0);
    client = fork();
    if (client == 0) {
        signal(SIGTERM, SIG_IGN);
        live();
    }
    streamer = fork();
    if (streamer == 0) {
        signal(SIGTERM, SIG_IGN);
        stream();
    }
    for (round = 0; round < opt.frames && storm->wrongs < MANY; round++) {
        pid_t victim;
        begin_round(round);
        work = (int)(round / (ACTS * MOMENTS * 5) + round) % 4;
        victim = start_victim();
        if (victim == 0)
            suffer();
        wait_for(victim);
        set(&storm->armed, 0);
        storm->clients = (int)round + 3;
        if (round == opt.frames / 5 || round == opt.frames - 1)
            measured(round, pusher, client, streamer);
    }
    alarm(ROUND_SECONDS);
    storm->stop = 1;
    end(client);
    end(streamer);
    storm->stop = 2;
    end(pusher);
    storm_result(opt.frames);
    return 0;
}
