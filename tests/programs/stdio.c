/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* C's streams over a device. See v4l2_case.h. --device is a pipe's output or, for the cases that write, its input; frames
 * are YUV420P of --size. A case that writes sends numbered frames until standard input has an order. */
#include <pthread.h>
#include <stdio_ext.h>
#include <sys/wait.h>
#include <wchar.h>

#include "v4l2_take.h"

static unsigned char *frame;

static FILE *stream_of(const char *mode)
{
    FILE *f = fopen(opt.device, mode);
    if (!f)
        fail("fopen");
    return f;
}

static void judge(const char *how)
{
    uint32_t number;
    expect(pattern_number(frame, len, &number) && pattern_differs(frame, len, number) < 0, "%s: a frame is whole",
           how);
}

/* Reads the rest of a frame of which `in` bytes are there. */
static void take_frame(FILE *f, size_t in, const char *how)
{
    expect(fread(frame + in, 1, len - in, f) == len - in, "%s: fread gives all", how);
    judge(how);
}

static int is_closed(int fd)
{
    return fcntl(fd, F_GETFD) < 0 && errno == EBADF;
}

/* fread, getc, ungetc, fgets; buffers of every kind; the number that a stream has; its end. */
static void reads(void)
{
    struct v4l2_capability cap;
    char line[100];
    size_t k;
    FILE *f = stream_of("r");
    int fd = fileno(f);
    expect(fd >= 0, "fileno is %d", fd);
    GIVES(0, fd, VIDIOC_QUERYCAP, &cap);
    take_frame(f, 0, "fread");
    for (k = 0; k < len; k++) {
        int c = getc(f);
        expect(c != EOF, "getc");
        if (k % 1000 == 0) {
            expect(ungetc(c, f) == c, "ungetc");
            expect(getc(f) == c, "what was pushed back comes first");
        }
        frame[k] = (unsigned char)c;
    }
    judge("getc");
    /* The line's end is where a byte happens to be one; what fgets gives is the frame's beginning. */
    memset(line, 1, sizeof line);
    expect(fgets(line, sizeof line, f) == line, "fgets");
    for (k = 0; k < sizeof line - 1 && line[k] != '\n'; k++)
        ;
    k += line[k] == '\n';
    memcpy(frame, line, k);
    take_frame(f, k, "fgets");
    errno = 0;
    expect(fseek(f, 0, SEEK_SET) < 0 && errno == ESPIPE, "fseek: a device has no position (errno %d)", errno);
    errno = 0;
    expect(ftell(f) < 0 && errno == ESPIPE, "ftell (errno %d)", errno);
    errno = 0;
    expect(fputc('x', f) == EOF && errno == EBADF, "a stream for reading is not written (errno %d)", errno);
    clearerr(f);
    take_frame(f, 0, "after errors");
    expect(fclose(f) == 0, "fclose");
    expect(is_closed(fd), "fclose closes the descriptor");

    f = stream_of("r+e");
    expect(fcntl(fileno(f), F_GETFD) == FD_CLOEXEC, "mode e");
    expect(setvbuf(f, NULL, _IONBF, 0) == 0, "setvbuf");
    frame[0] = (unsigned char)getc(f);
    take_frame(f, 1, "without a buffer");
    expect(fclose(f) == 0, "fclose");

    f = stream_of("rb");
    expect(setvbuf(f, malloc(3 * len), _IOFBF, 3 * len) == 0, "setvbuf");
    take_frame(f, 0, "with a large buffer");
    take_frame(f, 0, "with a large buffer");
    expect(fclose(f) == 0, "fclose");
}

/* fdopen, and freopen from a device and onto one. */
static void reopens(void)
{
    int fd = open_node(O_RDONLY), other;
    FILE *f, *again;
    errno = 0;
    expect(!fdopen(fd, "w") && errno == EINVAL, "fdopen asks for no more than the open (errno %d)", errno);
    f = fdopen(fd, "r");
    expect(f && fileno(f) == fd, "fdopen");
    take_frame(f, 0, "fdopen");
    again = freopen(opt.device, "r", f);
    expect(again == f && fileno(f) == fd, "freopen onto a device, of a device's stream");
    take_frame(f, 0, "freopen");
    again = freopen(NULL, "r", f);
    expect(again == f && fileno(f) == fd, "freopen without a path");
    take_frame(f, 0, "freopen without a path");
    again = freopen("/proc/self/comm", "r", f);
    expect(again == f && fileno(f) == fd, "freopen of a device's stream onto a file");
    expect(fgetwc(f) == L's', "it is a file's stream like all others");
    expect(fclose(f) == 0 && is_closed(fd), "fclose");

    f = fopen("/dev/null", "r");
    other = fileno(f);
    errno = 0;
    expect(!freopen(opt.device, "r", f) && errno == EOPNOTSUPP,
           "freopen of a file's stream onto a device is refused (errno %d)", errno);
    expect(is_closed(other), "and closes it, as any freopen that fails");

    again = freopen(opt.device, "r", stdin);
    expect(again && again == stdin && fileno(stdin) == 0, "freopen of standard input");
    take_frame(stdin, 0, "standard input");
    again = freopen("/proc/self/comm", "r", stdin);
    expect(again && again == stdin && getchar() == 's' && fileno(stdin) == 0, "and back");
}

/* What was read ahead is the parent's and the child's; the open file is one. And a program of popen's. */
static void forks(void)
{
    int status;
    FILE *f = stream_of("r");
    frame[0] = (unsigned char)getc(f);
    if (!fork()) {
        size_t n = fread(frame + 1, 1, 99, f);
        _exit(n == 99 ? 0 : 1);
    }
    wait(&status);
    expect(status == 0, "a child reads on in what was read ahead");
    take_frame(f, 1, "after a fork");
    /* Another program, which has a pipe of popen's, and the device by its name. */
    {
        char command[300];
        FILE *child;
        snprintf(command, sizeof command, "od -An -v -c -N 10 %s > /dev/null && head -c %zu %s", opt.device, len,
                 opt.device);
        child = popen(command, "r");
        if (!child)
            fail("popen");
        take_frame(child, 0, "popen");
        expect(pclose(child) == 0, "pclose");
    }
    fclose(f);
}

static FILE *shared;

static void *lines(void *count)
{
    long k;
    for (k = 0; k < 200; k++) {
        int a, b;
        flockfile(shared);
        a = getc_unlocked(shared);
        b = getc_unlocked(shared);
        funlockfile(shared);
        if (a == EOF || b == EOF)
            return NULL;
        ++*(long *)count;
    }
    return NULL;
}

/* Threads take turns by the stream's lock; together they have taken as many bytes as they said. */
static void threads(void)
{
    pthread_t thread[4];
    long counts[4] = { 0 }, k;
    shared = stream_of("r");
    expect(len >= 1600, "a frame has what all take");
    for (k = 0; k < 4; k++)
        pthread_create(&thread[k], NULL, lines, &counts[k]);
    for (k = 0; k < 4; k++) {
        pthread_join(thread[k], NULL);
        expect(counts[k] == 200, "thread %ld has %ld", k, counts[k]);
    }
    /* The rest of that frame, then a whole one. */
    expect(fread(frame, 1, len - 1600, shared) == len - 1600, "the rest");
    take_frame(shared, 0, "after threads");
    fclose(shared);
}

/* Standard input that is a device since the program's start. */
static void standard_input(void)
{
    expect(fileno(stdin) == 0, "fileno");
    frame[0] = (unsigned char)getchar();
    take_frame(stdin, 1, "standard input");
}

/* What standard input had read ahead when its number became a device comes first. */
static void read_ahead(void)
{
    int way[2], fd = open_node(O_RDONLY);
    FILE *kept = stdin;
    if (pipe(way) || write(way[1], "abc", 3) != 3)
        fail("pipe");
    dup2(way[0], 0);
    expect(getchar() == 'a', "a pipe's first");
    dup2(fd, 0);
    expect(getchar() == 'b' && getchar() == 'c', "a pipe's rest");
    take_frame(stdin, 0, "a device");
    dup2(way[0], 0);
    if (write(way[1], "d", 1) != 1)
        fail("write");
    expect(stdin == kept && getchar() == 'd', "a pipe again");
}

static uint32_t next = 1;

/* Each frame in a different way. */
static void write_frame(FILE *f, int child)
{
    size_t k, half = len / 2;
    pattern_fill(frame, len, next++);
    if (opt.wrong_all)
        frame[half] ^= 1;
    switch (next % 5) {
    case 0:
        expect(fwrite(frame, len, 1, f) == 1, "fwrite");
        break;
    case 1:
        for (k = 0; k < len; k++)
            if (putc(frame[k], f) == EOF)
                fail("putc");
        break;
    case 2:
        expect(fwrite(frame, 1, half, f) == half && fflush(f) == 0, "fwrite of a half");
        expect(fwrite(frame + half, 1, len - half, f) == len - half, "and of the other");
        break;
    case 3:
        for (k = 0; k < len; k += 8)
            expect(fprintf(f, "%c%c%c%c%c%c%c%c", frame[k], frame[k + 1], frame[k + 2], frame[k + 3], frame[k + 4],
                           frame[k + 5], frame[k + 6], frame[k + 7]) == 8,
                   "fprintf");
        break;
    default:
        if (child) {
            /* A child's flush is the parent's: the open file is one. */
            int status;
            fflush(f);
            if (!fork()) {
                fwrite(frame, 1, len, f);
                _exit(fflush(f) ? 1 : 0);
            }
            wait(&status);
            expect(status == 0, "a child writes");
        } else {
            expect(fwrite(frame, 1, len, f) == len, "fwrite");
        }
    }
    expect(fflush(f) == 0, "fflush");
}

static void write_all(FILE *f, int child)
{
    int ticks = clock_open(200);
    say("{\"event\":\"setup\"}");
    while (!told()) {
        clock_tick(ticks);
        write_frame(f, child);
    }
}

static void writes(void)
{
    FILE *f = stream_of("w");
    int fd = fileno(f);
    choose_format(fd);
    write_all(f, 1);
    errno = 0;
    expect(getc(f) == EOF && errno == EBADF, "a stream for writing is not read (errno %d)", errno);
    expect(fclose(f) == 0 && is_closed(fd), "fclose");
}

static void appends(void)
{
    FILE *f = stream_of("a+");
    expect(setvbuf(f, NULL, _IOFBF, 1 << 20) == 0, "setvbuf");
    choose_format(fileno(f));
    write_all(f, 0);
    expect(fclose(f) == 0, "fclose");
}

static void unbuffered(void)
{
    FILE *f = stream_of("r+");
    expect(setvbuf(f, NULL, _IONBF, 0) == 0, "setvbuf");
    choose_format(fileno(f));
    write_all(f, 0);
    expect(fclose(f) == 0, "fclose");
}

static int by_list(int fd, const char *format, ...)
{
    va_list args;
    int n;
    va_start(args, format);
    n = vdprintf(fd, format, args);
    va_end(args);
    return n;
}

/* What dprintf becomes in programs that are built with _FORTIFY_SOURCE. */
int __dprintf_chk(int fd, int flag, const char *format, ...);

/* dprintf and vdprintf; arguments of every kind, more than registers take, to a file and to a device. */
static void prints(void)
{
    const char *format = "%s %d %c %g %lld %x %.2f %s %u %g %g %g %g %g %g %g|";
#define VALUES "one", 2, 'c', 0.5, 1234567890123LL, 255, 1.25, "eight", 9u, .1, .2, .3, .4, .5, .6, .7
    char expected[200], got[200] = "";
    int fd = open_node(O_WRONLY), file = memfd_create("text", 0), k, ticks = clock_open(200);
    int n = snprintf(expected, sizeof expected, format, VALUES);
    expect(dprintf(file, format, VALUES) == n && pread(file, got, sizeof got, 0) == n && !strcmp(got, expected),
           "dprintf to a file: %s", got);
    memset(got, 0, sizeof got);
    expect(by_list(file, format, VALUES) == n && pread(file, got, sizeof got, n) == n && !strcmp(got, expected),
           "vdprintf to a file: %s", got);
    memset(got, 0, sizeof got);
    expect(__dprintf_chk(file, 1, format, VALUES) == n && pread(file, got, sizeof got, 2 * n) == n &&
               !strcmp(got, expected),
           "dprintf of a fortified program to a file: %s", got);
    errno = 0;
    expect(dprintf(-1, "%d", 1) < 0 && errno == EBADF, "dprintf to nothing (errno %d)", errno);
    choose_format(fd);
    say("{\"event\":\"setup\"}");
    while (!told()) {
        size_t at;
        clock_tick(ticks);
        pattern_fill(frame, len, next++);
        for (k = 0, at = 0; at < len; k++, at += 8) {
            int (*to)(int, const char *, ...) = k % 2 ? dprintf : by_list;
            const unsigned char *b = frame + at;
            if (k % 3 == 0)
                n = __dprintf_chk(fd, 1, "%c%c%c%c%c%c%c%c", b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]);
            else
                n = to(fd, "%c%c%c%c%c%c%c%.0s%c%.*s", b[0], b[1], b[2], b[3], b[4], b[5], b[6], "", b[7], 0, "");
            expect(n == 8, "dprintf gives %d", n);
        }
    }
    close(fd);
}

/* Standard output goes to a device and back, by freopen and by dup2. What is told goes where it went before. */
static void standard_output(void)
{
    int first = dup(1), fd, ticks = clock_open(200), refused;
    size_t k;
    FILE *kept = stdout, *again = freopen(opt.device, "w", stdout);
    refused = kept == stdout || (fputc('x', kept) == EOF && errno == EBADF) || (fflush(kept) == EOF && errno == EBADF);
    __fpurge(kept);
    choose_format(1);
    fd = dup(1);
    expect(fileno(stdout) == 1, "fileno");
    k = (size_t)(again == stdout);
    dup2(first, 1);
    expect(k, "freopen gives the standard stream");
    expect(refused, "who has kept the former stream is told");
    expect(stdout == kept, "and has it again");
    say("{\"event\":\"setup\"}");
    while (!told()) {
        clock_tick(ticks);
        pattern_fill(frame, len, next++);
        /* What waits in the stream goes to the new file, as in any program. */
        for (k = 0; k < 100; k++)
            putchar(frame[k]);
        dup2(fd, 1);
        k = fwrite(frame + 100, 1, len - 100, stdout);
        k += fflush(stdout) == 0;
        dup2(first, 1);
        expect(k == len - 100 + 1, "fwrite and fflush");
    }
    close(fd);
}

/* A child of vfork has its parent's variables: what it does to number 1 changes nothing of the parent's streams. */
static void vforks(void)
{
    int fd = open_node(O_WRONLY), status;
    FILE *kept = stdout;
    pid_t child;
    choose_format(fd);
    say("{\"event\":\"setup\"}");
    child = vfork();
    if (!child) {
        dup2(fd, 1);
        execlp("bash", "bash", "-c", "printf %4608s x", (char *)NULL);
        _exit(1);
    }
    waitpid(child, &status, 0);
    expect(status == 0, "the child writes: status %#x", status);
    expect(stdout == kept && fileno(stdout) == 1, "the parent has its stream");
    expect(fputs("\n", stdout) >= 0 && fflush(stdout) == 0, "and it is as it was");
    close(fd);
}

/* Standard error keeps nothing back, whatever it is. */
static void standard_error(void)
{
    int fd = open_node(O_WRONLY), first = dup(2);
    size_t k, kept = 0;
    choose_format(fd);
    dup2(fd, 2);
    for (k = 0; k < len; k++) {
        fputc('x', stderr);
        kept += __fpending(stderr);
    }
    dup2(first, 2);
    expect(kept == 0, "%zu bytes waited", kept);
}

/* A frame that is left in the stream at the program's end is written by exit. */
static void at_exit(void)
{
    FILE *f = stream_of("w");
    choose_format(fileno(f));
    setvbuf(f, NULL, _IOFBF, 1 << 20);
    say("{\"event\":\"setup\"}");
    if (!order())
        fail("order");
    pattern_fill(frame, len, 1);
    expect(fwrite(frame, 1, len, f) == len, "fwrite");
}

/* A device that is gone is an error, at the latest by fclose. */
static void gone(void)
{
    FILE *f = stream_of("w");
    choose_format(fileno(f));
    say("{\"event\":\"setup\"}");
    if (!order())
        fail("order");
    pattern_fill(frame, len, 1);
    fwrite(frame, 1, len, f);
    errno = 0;
    expect(fflush(f) == EOF && ferror(f), "an error is told");
    expect(errno == ENODEV, "errno %d", errno);
}

int main(int argc, char **argv)
{
    static const struct a_case cases[] = {
        { "reads", reads }, { "reopens", reopens }, { "forks", forks }, { "threads", threads },
        { "standard_input", standard_input }, { "writes", writes }, { "appends", appends },
        { "unbuffered", unbuffered }, { "standard_output", standard_output }, { "at_exit", at_exit }, { "vforks", vforks }, { "prints", prints }, { "read_ahead", read_ahead },
        { "standard_error", standard_error },
        { "gone", gone },
    };
    begin_taking(argc, argv);
    frame = malloc(len);
    return run_case(cases, sizeof cases / sizeof *cases);
}
