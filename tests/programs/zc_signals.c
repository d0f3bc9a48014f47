/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A zero-copy pusher that maps while SIGIO would kill it, and only then, at an order, sees to it by the call that
 * --way names; "none" makes calls that change nothing of that. Then it takes its client's request as it has said:
 * in its handler, by sigwait(), or by poll() where SIGIO is ignored; and so on until its input ends.
 * The event "armed" tells whether the descriptor sends SIGIO to this process.
 * The calls are looked up by name: some of them no header declares any more. */
#include <dlfcn.h>

#include "zc.h"

typedef void (*handler)(int);

static int fd = -1;
static const char *way;
static volatile sig_atomic_t came;
static enum { CAUGHT, BLOCKED, IGNORED, DEADLY } how;

static void on_sigio(int signal_number);

static void *look_up(const char *name)
{
    void *call = dlsym(RTLD_DEFAULT, name);
    if (!call) {
        say("{\"event\":\"absent\"}");
        exit(0);
    }
    return call;
}

static void set_mask(const char *name, int with)
{
    int (*call)(int, const sigset_t *, sigset_t *) = (int (*)(int, const sigset_t *, sigset_t *))look_up(name);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, with);
    if (call(SIG_BLOCK, &set, NULL))
        fail(name);
}

static void set_action(const char *name, handler to, int signal_number)
{
    int (*call)(int, const struct sigaction *, struct sigaction *) =
        (int (*)(int, const struct sigaction *, struct sigaction *))look_up(name);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = to;
    if (call(signal_number, &action, NULL))
        fail(name);
}

static void set_handler(const char *name, handler to, int signal_number)
{
    handler (*call)(int, handler) = (handler (*)(int, handler))look_up(name);
    if (call(signal_number, to) == SIG_ERR)
        fail(name);
}

static void set_number(const char *name, int number)
{
    int (*call)(int) = (int (*)(int))look_up(name);
    if (call(number) < 0)
        fail(name);
}

/* Changes how SIGIO is taken. */
static void change(void)
{
    static const char *const handlers[] = { "signal", "bsd_signal", "ssignal", "sysv_signal", "__sysv_signal", "sigset" };
    static const char *const actions[] = { "sigaction", "__sigaction" };
    static const char *const masks[] = { "sigprocmask", "pthread_sigmask" };
    size_t i;
    how = DEADLY;
    for (i = 0; i < sizeof handlers / sizeof *handlers; i++)
        if (!strcmp(way, handlers[i])) {
            how = CAUGHT;
            set_handler(way, on_sigio, SIGIO);
        } else if (!strncmp(way, "ignore-", 7) && !strcmp(way + 7, handlers[i])) {
            how = IGNORED;
            set_handler(way + 7, SIG_IGN, SIGIO);
        }
    for (i = 0; i < sizeof actions / sizeof *actions; i++)
        if (!strcmp(way, actions[i])) {
            how = CAUGHT;
            set_action(way, on_sigio, SIGIO);
        }
    for (i = 0; i < sizeof masks / sizeof *masks; i++)
        if (!strcmp(way, masks[i])) {
            how = BLOCKED;
            set_mask(way, SIGIO);
        }
    if (!strcmp(way, "hold-sigset")) {
        how = BLOCKED;
        set_handler("sigset", SIG_HOLD, SIGIO);
    } else if (!strcmp(way, "sighold")) {
        how = BLOCKED;
        set_number(way, SIGIO);
    } else if (!strcmp(way, "sigignore")) {
        how = IGNORED;
        set_number(way, SIGIO);
    } else if (!strcmp(way, "sigblock") || !strcmp(way, "sigsetmask")) {
        how = BLOCKED;
        set_number(way, 1 << (SIGIO - 1));
    } else if (!strcmp(way, "none")) {
        /* Whatever is not SIGIO, and SIGIO as it was. */
        set_handler("signal", SIG_DFL, SIGIO);
        set_action("sigaction", SIG_DFL, SIGIO);
        set_handler("signal", SIG_IGN, SIGUSR1);
        set_mask("sigprocmask", SIGUSR2);
        set_mask("pthread_sigmask", SIGUSR2);
        set_number("sighold", SIGUSR2);
        set_number("sigignore", SIGUSR1);
        set_number("sigblock", 1 << (SIGUSR2 - 1));
    }
}

/* Returns whether there was something to read: what was withdrawn may make readable, too, and a signal may come twice,
 * so that pushers poll before they read. */
static int answer(void)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    struct {
        unsigned long number;
        unsigned char data[1024 - sizeof(unsigned long)];
    } r;
    struct video_picture picture;
    if (poll(&p, 1, 0) != 1 || read(fd, &r, sizeof r) < (ssize_t)sizeof r.number)
        return 0;
    memset(&picture, 0, sizeof picture);
    picture.palette = 15;
    if (r.number)
        ioctl(fd, r.number == VIDIOCGPICT ? r.number : VIDIOCSINVALID, &picture);
    return 1;
}

static void on_sigio(int signal_number)
{
    int saved = errno;
    (void)signal_number;
    /* System V's handlers are good for one signal. */
    if (how == CAUGHT && strstr(way, "sysv"))
        set_handler(way, on_sigio, SIGIO);
    came++;
    answer();
    errno = saved;
}

/* Takes one request, and the client's closing after it. */
static void take(void)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    sigset_t set;
    int signal_number, n;
    sigemptyset(&set);
    if (how == CAUGHT) {
        while (!came)
            sigsuspend(&set);
    } else if (how == BLOCKED) {
        sigaddset(&set, SIGIO);
        for (n = 0; n < 2; n += answer())
            if (sigwait(&set, &signal_number))
                fail("sigwait");
    } else {
        for (n = 0; n < 2;)
            if (poll(&p, 1, -1) == 1)
                n += answer();
    }
}

int main(int argc, char **argv)
{
    way = own_option(argv, "--way", 1);
    begin(argc, argv);
    /* System V's handlers are not held while they run: what one has polled, another one inside it may have read. */
    fd = open(opt.device, O_RDWR | (way && strstr(way, "sysv") ? O_NONBLOCK : 0));
    if (fd < 0 || mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED)
        fail("the input");
    say("{\"event\":\"mapped\"}");
    if (!order())
        return 0;
    change();
    say("{\"event\":\"armed\",\"is\":%d}", (fcntl(fd, F_GETFL) & O_ASYNC) && fcntl(fd, F_GETOWN) == getpid());
    if (how != DEADLY)
        take();
    while (order())
        ;
    return 0;
}
