/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A pusher (--input) and the client that it forks (--device): what the client is to ask, and what it has then. */
#ifndef VLOOPBACK_TESTS_ZC_HOSTILE_SERVE_H
#define VLOOPBACK_TESTS_ZC_HOSTILE_SERVE_H

#include <pthread.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "zc_hostile.h"

static const char *input;
static unsigned char *memory;

struct job {
    unsigned long number; /* 0: read() */
    unsigned char data[64];
    int result, error;
};

static int device = -1, orders = -1, more_orders = -1;
static pid_t asker;
/* The client's. */
static int out = -1;

/* What is done, instead of a request: the thread's number is told. */
#define WHO_ARE_YOU (~0ul)

/* The client: does one job after the other. */
static UNUSED void *do_jobs(void *by)
{
    static unsigned char picture[1 << 16];
    int jobs = (int)(long)by;
    struct job job;
    ssize_t n;
    for (;;) {
        /* A signal for a request may come when that is over. */
        do
            n = read(jobs, &job, sizeof job);
        while (n < 0 && errno == EINTR);
        if (n != sizeof job)
            break;
        errno = 0;
        if (job.number == WHO_ARE_YOU)
            job.result = (int)syscall(SYS_gettid);
        else if (job.number)
            job.result = ioctl(out, job.number, job.data);
        else
            job.result = (int)read(out, picture, sizeof picture);
        job.error = job.result < 0 ? errno : 0;
        if (write(jobs, &job, sizeof job) != sizeof job)
            break;
    }
    return NULL;
}

static UNUSED void on_alarm(int signal_number)
{
    (void)signal_number;
}

/* Two threads, each with jobs of its own, on one descriptor. */
static UNUSED void ask_on(int jobs, int more)
{
    struct sigaction action = { .sa_handler = on_alarm };
    pthread_t second;
    sigaction(SIGALRM, &action, NULL);
    out = open(opt.device, O_RDWR);
    if (out < 0 || pthread_create(&second, NULL, do_jobs, (void *)(long)more))
        fail("the client");
    do_jobs((void *)(long)jobs);
    _exit(0);
}

static UNUSED void map_device(void)
{
    memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, device, 0);
    if (memory == MAP_FAILED)
        fail("mmap of the input");
}

/* What is done with the open input before it is mapped. */
static UNUSED void (*before_map)(void);

/* The pipe in zero-copy mode, and a client that has it open. SIGIO is ignored. */
static UNUSED void set_up(void)
{
    int pair[2], more[2];
    signal(SIGIO, SIG_IGN);
    device = open(input, O_RDWR);
    if (device < 0)
        fail("open of the input");
    if (before_map)
        before_map();
    map_device();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, more))
        fail("socketpair");
    asker = fork();
    if (asker == 0) {
        close(device);
        close(pair[0]);
        close(more[0]);
        ask_on(pair[1], more[1]);
    }
    close(pair[1]);
    close(more[1]);
    orders = pair[0];
    more_orders = more[0];
}

static UNUSED int readable(int which, int ms)
{
    struct pollfd p = { .fd = which, .events = POLLIN };
    return poll(&p, 1, ms) == 1 && p.revents == POLLIN;
}

/* Longer than anything takes. */
#define SOON 60000

/* A client's thread begins a request. */
static UNUSED void begin_job(int by, unsigned long number)
{
    struct job job;
    memset(&job, 0, sizeof job);
    memset(job.data, 0x5a, sizeof job.data);
    job.number = number;
    if (write(by, &job, sizeof job) != sizeof job)
        fail("an order");
}

/* The client begins a request; it can be read when this returns. */
static UNUSED void post(unsigned long number)
{
    begin_job(orders, number);
    expect(readable(device, SOON), "%s makes the input readable", zc_name(number));
}

static UNUSED struct job end_job(int by)
{
    struct job job;
    if (!readable(by, SOON) || read(by, &job, sizeof job) != sizeof job) {
        errno = ETIMEDOUT;
        fail("the client's answer");
    }
    return job;
}

/* The client's request is over, with this errno. */
static UNUSED void over(unsigned long number, int expected)
{
    struct job job = end_job(orders);
    expect(job.number == number && job.error == expected, "%s of the client gives %s where it has to give %s",
           zc_name(job.number), strerrorname_np(job.error), strerrorname_np(expected));
}

static UNUSED void pending(void)
{
    struct job job;
    expect(recv(orders, &job, sizeof job, MSG_DONTWAIT | MSG_PEEK) < 0, "the client waits still");
}

struct record {
    unsigned long number;
    unsigned char data[REQUEST_BYTES - NUMBER_BYTES];
};

/* The request comes whole, is answered, and the client has the answer. */
static UNUSED void serve(int by, unsigned long number)
{
    struct record r;
    ssize_t n = read(by, &r, sizeof r);
    expect(n == (ssize_t)(NUMBER_BYTES + _IOC_SIZE(number)) && r.number == number,
           "a read of %s gives %zd bytes, number %lx", zc_name(number), n, r.number);
    GIVES(0, by, number, r.data);
    over(number, 0);
    expect(!readable(device, 0), "nothing is left to read of %s", zc_name(number));
}

static UNUSED void none_left(void)
{
    close(orders);
    close(more_orders);
    waitpid(asker, NULL, 0);
}

#endif
