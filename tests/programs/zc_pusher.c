/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A zero-copy pusher, in the styles that pushers of 2001 to 2010 had (driver/docs/old-api.md, "Pushers"):
 *     --style handler  maps, then installs a SIGIO handler that polls, reads and answers; the program
 *                      itself waits for standard input
 *     --style pause    the same with the program in pause()
 *     --style busy     the same with the program busy in malloc, stdio and our own calls, chosen by --seed;
 *                      whatever the handler interrupts, it may enter no allocator and no lock (zc_shim.h);
 *                      --plant: it does so once, at the 1000th signal
 *     --style sigwait  SIGIO is blocked everywhere; a helper thread opens the device and sits in sigwait()
 *     --style poll     SIGIO is blocked; `while (poll(fd, 0))` once a frame, revents ignored, then read()
 *     --style select   SIGIO is ignored; select(); a SYNC is answered at the next tick of the camera
 *                      (--fps), number 0 is answered too
 * It has --frames frames (2) of --size at 3 bytes a pixel (4 with palette 5), and gives pictures of --palette only.
 *     --palettes N,N…  it gives pictures of these, too
 *     --fixed          says that it has one size
 *     --lazy           accepts every palette that it is set to, and stays as it is
 *     --origin N       its frames begin N bytes into the memory
 *     --refuse sinvalid|bytes|both  how it refuses: VIDIOCSINVALID, an answer of other bytes (to requests
 *                      that only set), VIDIOCSINVALID and then the answer
 *     --twice          answers everything twice
 *     --look-again     polls twice before each read, and once between the read and the answer
 *     --stall NAME     does not answer the next request of this name until the order "late"
 *     --one-copy       sets palette and size, maps what can't be mapped, and writes a frame before it maps
 *     --wait           between mmap() and signal() (or the first look) it waits for an order
 *     --report 1       tells of every request
 *     --tuner          has a tuner on its second channel, 44 to 950 MHz
 *     --tell           tells what clients set: an event "set" with its name and value
 * Orders: late, remap, reopen, close, open, unmap, answer, sinvalid, write, poll, stall NAME. */
#include <pthread.h>
#include <semaphore.h>
#include <sys/select.h>

#include "pusher.h"
#include "zc_shim.h"

/* As the API document recommends. */
#define REQUEST_BYTES 1024

static const char *style, *refuse_by, *stall, *palettes;
static int twice, lazy, fixed, look_again, one_copy, plant, is_handler, has_tuner, tells;
static long signals;

static volatile int fd = -1;
static unsigned char *memory;
static size_t slot, length, origin;
/* Bytes of the picture that VIDIOCMCAPTURE asked for; 0 where none is. */
static size_t asked[VIDEO_MAX_FRAME];
static struct video_picture picture;
static int width, height, channel;
static unsigned long frequency = 16 * 217;
static long number, requests, drawn, closed, refused, spurious, wrong, unread;
/* A request that was read and is not answered yet. */
static struct {
    unsigned long number;
    unsigned char data[REQUEST_BYTES];
    int frame;
} late;

/* Posted at an empty order, where a thread of its own waits for one. */
static sem_t go_on;

static void is_wrong(const char *what, long a, long b)
{
    wrong++;
    tell("{\"event\":\"wrong\",\"what\":\"%s\",\"a\":%ld,\"b\":%ld}", what, a, b);
}

static int readable(int ms)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    return poll(&p, 1, ms);
}

static void answer(unsigned long request, void *data)
{
    int times;
    for (times = twice ? 2 : 1; times; times--) {
        int r = ioctl(fd, request, data);
        /* The other thread may have closed it meanwhile. */
        if (r && !(errno == EBADF && fd < 0))
            is_wrong(zc_name(request), r, r < 0 ? errno : 0);
    }
}

static void refuse(unsigned long request, unsigned char *data)
{
    int only_sets = (request & (IOC_IN | IOC_OUT)) == IOC_IN;
    refused++;
    if (strcmp(refuse_by, "bytes") || !only_sets) {
        /* The third argument of old pushers is garbage. */
        int r = ioctl(fd, VIDIOCSINVALID, (void *)0x5ca1ab1e);
        if (r)
            is_wrong("SINVALID", r, errno);
    } else {
        data[0] ^= 0xff;
        answer(request, data);
    }
    if (!strcmp(refuse_by, "both"))
        answer(request, data);
}

static void draw(int frame)
{
    unsigned char *place = memory + origin + frame * slot;
    if (!asked[frame])
        return;
    pattern_fill(place, asked[frame], (uint32_t)number);
    if (number == opt.wrong || opt.wrong_all)
        place[asked[frame] / 2] ^= 1;
    if (opt.report && number % opt.report == 0)
        tell("{\"event\":\"frame\",\"n\":%ld}", number);
    number++;
    drawn++;
    asked[frame] = 0;
}

/* The frame is due: these styles draw when it is ordered, the others when it is waited for. */
static int draws_early(void)
{
    return !strcmp(style, "pause") || !strcmp(style, "sigwait");
}

static int has_palette(int palette)
{
    const char *p;
    for (p = palettes; p && *p; p += strcspn(p, ","), p += *p == ',')
        if (atoi(p) == palette)
            return 1;
    return palette == opt.palette;
}

static size_t picture_len(int palette, int w, int h)
{
    if (!has_palette(palette) || w < 4 || h < 4 || w > opt.width || h > opt.height)
        return 0;
    return frame_len(palette, w, h);
}

static void is_set(const char *what, long value)
{
    if (tells)
        tell("{\"event\":\"set\",\"what\":\"%s\",\"value\":%ld}", what, value);
}

/* Answers a request with the bytes that came with it. */
static void respond(unsigned long request, unsigned char *data)
{
    switch (request) {
    case VIDIOCGCAP: {
        struct video_capability cap;
        memset(&cap, 0, sizeof cap);
        strcpy(cap.name, "zero-copy test camera");
        cap.type = VID_TYPE_CAPTURE | (has_tuner ? VID_TYPE_TUNER : 0);
        cap.channels = 2;
        cap.maxwidth = opt.width;
        cap.maxheight = opt.height;
        cap.minwidth = fixed ? opt.width : 4;
        cap.minheight = fixed ? opt.height : 4;
        answer(request, &cap);
        break;
    }
    case VIDIOCGCHAN: {
        struct video_channel c;
        memcpy(&c, data, sizeof c);
        if (c.channel < 0 || c.channel > 1) {
            refuse(request, data);
            break;
        }
        memset(c.name, 0, sizeof c.name);
        strcpy(c.name, c.channel ? "left" : "right");
        c.tuners = has_tuner && c.channel;
        c.flags = c.tuners ? VIDEO_VC_TUNER : 0;
        c.type = c.tuners ? VIDEO_TYPE_TV : VIDEO_TYPE_CAMERA;
        c.norm = (unsigned short)channel;
        answer(request, &c);
        break;
    }
    case VIDIOCSCHAN: {
        struct video_channel c;
        memcpy(&c, data, sizeof c);
        if (c.channel < 0 || c.channel > 1) {
            refuse(request, data);
            break;
        }
        channel = c.channel;
        is_set("channel", channel);
        answer(request, data);
        break;
    }
    case VIDIOCGPICT:
        answer(request, &picture);
        break;
    case VIDIOCSPICT: {
        struct video_picture p;
        memcpy(&p, data, sizeof p);
        if (!lazy && !has_palette(p.palette)) {
            refuse(request, data);
            break;
        }
        if (!lazy || p.palette == opt.palette) {
            if (p.palette != picture.palette)
                is_set("palette", p.palette);
            picture = p;
        }
        is_set("brightness", picture.brightness);
        is_set("hue", picture.hue);
        answer(request, data);
        break;
    }
    case VIDIOCGWIN: {
        struct video_window w;
        memset(&w, 0, sizeof w);
        w.width = width;
        w.height = height;
        answer(request, &w);
        break;
    }
    case VIDIOCSWIN: {
        struct video_window w;
        memcpy(&w, data, sizeof w);
        if (!picture_len(opt.palette, (int)w.width, (int)w.height)) {
            refuse(request, data);
            break;
        }
        width = (int)w.width;
        height = (int)w.height;
        is_set("width", width);
        answer(request, data);
        break;
    }
    case VIDIOCGTUNER: {
        struct video_tuner t;
        memcpy(&t, data, sizeof t);
        if (!has_tuner || t.tuner != 0) {
            refuse(request, data);
            break;
        }
        memset(&t, 0, sizeof t);
        strcpy(t.name, "aerial");
        t.rangelow = 16 * 44;
        t.rangehigh = 16 * 950;
        t.flags = VIDEO_TUNER_PAL;
        t.signal = 0xc000;
        answer(request, &t);
        break;
    }
    case VIDIOCGFREQ:
        if (has_tuner)
            answer(request, &frequency);
        else
            refuse(request, data);
        break;
    case VIDIOCSFREQ:
        if (!has_tuner) {
            refuse(request, data);
            break;
        }
        memcpy(&frequency, data, sizeof frequency);
        is_set("frequency", (long)frequency);
        answer(request, data);
        break;
    case VIDIOCGFBUF: {
        struct video_buffer none;
        memset(&none, 0, sizeof none);
        answer(request, &none);
        break;
    }
    case VIDIOCGMBUF: {
        struct video_mbuf mbuf;
        int i;
        memset(&mbuf, 0, sizeof mbuf);
        mbuf.size = (int)length;
        mbuf.frames = (int)opt.frames;
        for (i = 0; i < mbuf.frames; i++)
            mbuf.offsets[i] = (int)(origin + i * slot);
        answer(request, &mbuf);
        break;
    }
    case VIDIOCMCAPTURE: {
        struct video_mmap v;
        size_t len;
        memcpy(&v, data, sizeof v);
        len = picture_len((int)v.format, v.width, v.height);
        if (!len || v.frame >= (unsigned)opt.frames) {
            refuse(request, data);
            break;
        }
        asked[v.frame] = len;
        if (draws_early())
            draw((int)v.frame);
        answer(request, data);
        break;
    }
    case VIDIOCSYNC: {
        int frame;
        memcpy(&frame, data, sizeof frame);
        if (frame < 0 || frame >= opt.frames) {
            refuse(request, data);
            break;
        }
        if (!strcmp(style, "select")) {
            late.number = request;
            late.frame = frame;
            memcpy(late.data, data, sizeof frame);
            break;
        }
        draw(frame);
        answer(request, data);
        break;
    }
    case VIDIOCCAPTURE:
        answer(request, data);
        break;
    default:
        refuse(request, data);
    }
}

/* Reads one request and answers it. */
static void serve(void)
{
    union {
        unsigned long number;
        unsigned char bytes[REQUEST_BYTES];
    } request;
    unsigned char *data = request.bytes + sizeof request.number;
    ssize_t n, expected;
    if (look_again && readable(0) != 1)
        is_wrong("no longer readable", 0, 0);
    memset(&request, 0x5a, sizeof request);
    n = read(fd, request.bytes, sizeof request.bytes);
    if (n == 0) {
        /* What made it readable was withdrawn. */
        spurious++;
        tell("{\"event\":\"withdrawn\"}");
        return;
    }
    if (n < (ssize_t)sizeof request.number) {
        /* The other thread has closed it meanwhile. */
        if (fd < 0)
            return;
        is_wrong("read", n, n < 0 ? errno : 0);
        if (++unread == 20)
            _exit(1);
        return;
    }
    /* What moves nothing has no bytes, whatever size it claims. */
    expected = (ssize_t)(sizeof request.number +
                         (_IOC_DIR(request.number) != _IOC_NONE ? _IOC_SIZE(request.number) : 0));
    if (n != expected)
        is_wrong("bytes of a request", n, expected);
    if (request.number > 0xffffffffu)
        is_wrong("a number of more than 32 bits", 0, 0);
    if (look_again && readable(0) != 0)
        is_wrong("still readable", 0, 0);
    if (opt.report)
        tell("{\"event\":\"request\",\"name\":\"%s\",\"number\":%ld,\"bytes\":%ld}", zc_name(request.number),
             (long)request.number, (long)n);
    if (request.number == 0) {
        closed++;
        tell("{\"event\":\"closed\",\"times\":%ld}", closed);
        if (!strcmp(style, "select"))
            answer(0, data);
        return;
    }
    requests++;
    if (stall && zc_number(stall) == request.number) {
        late.number = request.number;
        late.frame = -1;
        memcpy(late.data, data, sizeof late.data - sizeof request.number);
        tell("{\"event\":\"stalled\",\"name\":\"%s\"}", stall);
        stall = NULL;
        return;
    }
    respond(request.number, data);
}

/* What comes with a SIGIO: one request is looked for, read and answered. */
static void on_sigio(int signal_number)
{
    int saved = errno;
    (void)signal_number;
    if (fd < 0)
        return;
    in_handler = is_handler;
    if (plant && ++signals == 1000) {
        void *volatile planted = malloc(1);
        free(planted);
    }
    if (readable(1000) > 0) {
        serve();
    } else {
        spurious++;
        tell("{\"event\":\"spurious\"}");
    }
    in_handler = 0;
    errno = saved;
}

static void map_memory(void)
{
    memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        fail("mmap");
    tell("{\"event\":\"mapped\",\"size\":%ld}", (long)length);
}

static void open_device(void)
{
    fd = open(opt.device, O_RDWR);
    if (fd < 0)
        fail("open");
    tell("{\"event\":\"open\",\"device\":\"%s\"}", opt.device);
}

static void is_set_up(void)
{
    tell("{\"event\":\"setup\",\"palette\":%ld,\"width\":%ld,\"height\":%ld,\"frames\":%ld}", (long)opt.palette,
         (long)opt.width, (long)opt.height, opt.frames);
}

static void write_a_frame(void)
{
    size_t len = frame_len(opt.palette, opt.width, opt.height);
    unsigned char *frame = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ssize_t n;
    pattern_fill(frame, len, 0);
    n = write(fd, frame, len);
    tell("{\"event\":\"wrote\",\"result\":%ld,\"errno\":%ld}", (long)n, n < 0 ? (long)errno : 0L);
    munmap(frame, len);
}

/* Maps that can't be; a pipe that refused one is not in zero-copy mode by it. */
static void bad_maps(void)
{
    struct {
        const char *name;
        size_t length;
        off_t offset;
    } maps[] = { { "nothing", 0, 0 }, { "huge", (size_t)(1ull << (sizeof(size_t) > 4 ? 40 : 31)), 0 }, { "odd-offset", 65536, 100 } };
    size_t i;
    for (i = 0; i < sizeof maps / sizeof *maps; i++) {
        void *m = mmap(NULL, maps[i].length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, maps[i].offset);
        tell("{\"event\":\"badmap\",\"name\":\"%s\",\"errno\":%ld}", maps[i].name,
             m == MAP_FAILED ? (long)errno : 0L);
    }
}

static void set_up_device(void)
{
    const char *call;
    open_device();
    if (one_copy) {
        if (set_up(fd, opt.palette, opt.width, opt.height, &call))
            fail(call);
        bad_maps();
        write_a_frame();
    }
    map_memory();
    if (opt.wait && !strcmp(style, "sigwait"))
        sem_wait(&go_on);
    else if (opt.wait)
        order();
}

/* A signal that came at the last moment finds no device any more. */
static void close_device(void)
{
    int old = fd;
    fd = -1;
    close(old);
}

static void release_memory(void)
{
    if (munmap(memory, length))
        is_wrong("munmap", -1, errno);
}

/* After the close the memory is still the program's. */
static void use_memory(void)
{
    size_t i;
    for (i = 0; i < length; i++)
        memory[i] ^= 0xff;
}

static void told_result(const char *what, int r)
{
    tell("{\"event\":\"%s\",\"result\":%ld,\"errno\":%ld}", what, (long)r, r < 0 ? (long)errno : 0L);
}

/* Answers what is held back. */
static void answer_late(void)
{
    unsigned long request = late.number;
    late.number = 0;
    if (late.frame >= 0)
        draw(late.frame);
    if (late.frame < 0)
        respond(request, late.data);
    else
        answer(request, late.data);
}

/* Does the next order; 0 when there will be no more. */
static int command(void)
{
    static char stalled[64];
    char line[64];
    if (!order_line(line, sizeof line))
        return 0;
    if (!*line) {
        sem_post(&go_on);
    } else if (!strcmp(line, "late")) {
        if (late.number)
            answer_late();
        tell("{\"event\":\"answered\"}");
    } else if (!strncmp(line, "stall ", 6)) {
        strcpy(stalled, line + 6);
        stall = stalled;
        tell("{\"event\":\"stalls\"}");
    } else if (!strcmp(line, "remap")) {
        release_memory();
        map_memory();
        is_set_up();
    } else if (!strcmp(line, "reopen")) {
        release_memory();
        close_device();
        set_up_device();
        is_set_up();
    } else if (!strcmp(line, "close")) {
        close_device();
        use_memory();
        tell("{\"event\":\"shut\"}");
    } else if (!strcmp(line, "unmap")) {
        release_memory();
        tell("{\"event\":\"unmapped\"}");
    } else if (!strcmp(line, "open")) {
        set_up_device();
        is_set_up();
    } else if (!strcmp(line, "answer")) {
        struct video_capability cap;
        memset(&cap, 0, sizeof cap);
        told_result("asked", ioctl(fd, VIDIOCGCAP, &cap));
    } else if (!strcmp(line, "sinvalid")) {
        told_result("asked", ioctl(fd, VIDIOCSINVALID, (void *)1));
    } else if (!strcmp(line, "poll")) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int r = poll(&p, 1, 0);
        tell("{\"event\":\"polled\",\"result\":%ld,\"revents\":%ld}", (long)r, (long)p.revents);
    } else if (!strcmp(line, "write")) {
        write_a_frame();
    }
    return 1;
}

static void finish(void)
{
    if (fd >= 0)
        close_device();
    tell("{\"event\":\"pushed\",\"requests\":%ld,\"frames\":%ld,\"refused\":%ld,\"closed\":%ld,\"spurious\":%ld,"
         "\"wrong\":%ld,\"next\":%ld}",
         requests, drawn, refused, closed, spurious, wrong, number);
    _exit(wrong ? 1 : 0);
}

/* Standard input tells of itself by a signal of its own, so that pause() is the only wait. */
static void on_order(int signal_number)
{
    int saved = errno;
    (void)signal_number;
    while (told())
        if (!command())
            finish();
    errno = saved;
}

static void live_in_pause(void)
{
    signal(SIGUSR1, on_order);
    if (fcntl(0, F_SETOWN, getpid()) || fcntl(0, F_SETSIG, SIGUSR1) ||
        fcntl(0, F_SETFL, fcntl(0, F_GETFL) | O_ASYNC))
        fail("O_ASYNC of standard input");
    raise(SIGUSR1);
    for (;;)
        pause();
}

static unsigned below(unsigned limit)
{
    opt.seed = opt.seed * 1664525u + 1013904223u;
    return (opt.seed >> 8) % limit;
}

/* Anything that a handler may interrupt, until there is an order. */
static void live_busy(void)
{
    FILE *null = fopen("/dev/null", "w");
    void *kept[16] = { NULL };
    unsigned char *view;
    long turns = 0;
    FILE *list;
    char line[256];
    int other;
    while (!told()) {
        unsigned k = below(16);
        turns++;
        switch (below(10)) {
        case 0:
        case 1:
            free(kept[k]);
            kept[k] = malloc(1 + below(100000));
            break;
        case 2:
            kept[k] = realloc(kept[k], 1 + below(100000));
            break;
        case 3:
            fprintf(null, "%d %s\n", (int)k, style);
            if (k == 0)
                fflush(null);
            break;
        case 4:
            readable(0);
            /* Nothing waits for an answer here: the handler has given it. */
            if (ioctl(fd, k & 1 ? VIDIOCGPICT : VIDIOCSINVALID, &picture))
                is_wrong("an answer to nothing", k, errno);
            break;
        case 5:
            other = dup(fd);
            if (other < 0 || close(other))
                is_wrong("dup", other, errno);
            break;
        case 6:
            view = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
            if (view == MAP_FAILED || munmap(view, length))
                is_wrong("mmap", 0, errno);
            break;
        case 7:
            list = fopen("/proc/video/vloopback/vloopbacks", "r");
            while (list && fgets(line, sizeof line, list))
                ;
            if (!list || fclose(list))
                is_wrong("vloopbacks", 0, errno);
            break;
        case 8:
            /* Busy, or for reading only: neither changes anything. */
            other = open(opt.device, O_RDONLY);
            if (other >= 0)
                close(other);
            break;
        default:
            signal(SIGIO, on_sigio);
        }
    }
    tell("{\"event\":\"busy\",\"turns\":%ld}", turns);
}

static void block_sigio(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGIO);
    if (sigprocmask(SIG_BLOCK, &set, NULL))
        fail("sigprocmask");
}

static void *helper(void *unused)
{
    sigset_t set;
    set_up_device();
    is_set_up();
    sigemptyset(&set);
    sigaddset(&set, SIGIO);
    for (;;) {
        int signal_number;
        if (!sigwait(&set, &signal_number))
            on_sigio(signal_number);
    }
    return unused;
}

static void live_in_sigwait(void)
{
    pthread_t thread;
    sem_init(&go_on, 0, 0);
    block_sigio();
    if (pthread_create(&thread, NULL, helper, NULL))
        fail("pthread_create");
    while (command())
        ;
}

static void live_in_poll(void)
{
    int clock;
    block_sigio();
    set_up_device();
    is_set_up();
    clock = clock_open(opt.fps ? opt.fps : 200);
    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        clock_tick(clock);
        while (poll(&p, 1, 0))
            serve();
        if (told() && !command())
            return;
    }
}

static void live_in_select(void)
{
    int clock;
    signal(SIGIO, SIG_IGN);
    set_up_device();
    is_set_up();
    clock = clock_open(opt.fps ? opt.fps : 100);
    for (;;) {
        fd_set set;
        FD_ZERO(&set);
        FD_SET(0, &set);
        FD_SET(clock, &set);
        if (fd >= 0)
            FD_SET(fd, &set);
        if (select((fd > clock ? fd : clock) + 1, &set, NULL, NULL, NULL) < 0)
            fail("select");
        if (FD_ISSET(clock, &set)) {
            clock_tick(clock);
            if (late.number && late.frame >= 0)
                answer_late();
        }
        if (fd >= 0 && FD_ISSET(fd, &set))
            serve();
        if (FD_ISSET(0, &set) && !command())
            return;
    }
}

int main(int argc, char **argv)
{
    const char *begins_at;
    style = own_option(argv, "--style", 1);
    refuse_by = own_option(argv, "--refuse", 1);
    stall = own_option(argv, "--stall", 1);
    twice = own_option(argv, "--twice", 0) != NULL;
    look_again = own_option(argv, "--look-again", 0) != NULL;
    one_copy = own_option(argv, "--one-copy", 0) != NULL;
    plant = own_option(argv, "--plant", 0) != NULL;
    lazy = own_option(argv, "--lazy", 0) != NULL;
    fixed = own_option(argv, "--fixed", 0) != NULL;
    palettes = own_option(argv, "--palettes", 1);
    begins_at = own_option(argv, "--origin", 1);
    has_tuner = own_option(argv, "--tuner", 0) != NULL;
    tells = own_option(argv, "--tell", 0) != NULL;
    begin(argc, argv);
    if (!style)
        style = "handler";
    if (!refuse_by)
        refuse_by = "sinvalid";
    if (!opt.frames)
        opt.frames = 2;
    number = opt.first;
    width = opt.width;
    height = opt.height;
    slot = (size_t)opt.width * opt.height * (has_palette(VIDEO_PALETTE_RGB32) ? 4 : 3);
    origin = begins_at ? (size_t)atoi(begins_at) : 0;
    length = origin + slot * opt.frames;
    picture.palette = (unsigned short)opt.palette;
    picture.depth = (unsigned short)palette_depth(opt.palette);
    picture.brightness = picture.contrast = picture.colour = picture.hue = 32768;
    is_handler = !strcmp(style, "handler") || !strcmp(style, "pause") || !strcmp(style, "busy");
    if (is_handler) {
        set_up_device();
        signal(SIGIO, on_sigio);
        is_set_up();
        if (!strcmp(style, "pause"))
            live_in_pause();
        if (!strcmp(style, "busy"))
            live_busy();
        while (command())
            ;
    } else if (!strcmp(style, "sigwait")) {
        live_in_sigwait();
    } else if (!strcmp(style, "poll")) {
        live_in_poll();
    } else if (!strcmp(style, "select")) {
        live_in_select();
    } else {
        return 2;
    }
    finish();
    return 0;
}
