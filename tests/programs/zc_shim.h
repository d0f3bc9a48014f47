/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* An allocator and locks that must not be entered from a signal handler: while `in_handler` is set, each
 * of them tells and ends the program. They stand in front of libc's own for all of the program, the
 * libraries in it too. */
#ifndef VLOOPBACK_TESTS_ZC_SHIM_H
#define VLOOPBACK_TESTS_ZC_SHIM_H

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

#include "zc.h"

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);

/* The handler is running, in the only thread that there is. */
static volatile sig_atomic_t in_handler;

static void not_in_handler(const char *call)
{
    if (in_handler) {
        in_handler = 0;
        tell("{\"event\":\"unsafe\",\"call\":\"%s\"}", call);
        abort();
    }
}

void *malloc(size_t n)
{
    not_in_handler("malloc");
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    not_in_handler("calloc");
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    not_in_handler("realloc");
    return __libc_realloc(p, n);
}

void *memalign(size_t to, size_t n)
{
    not_in_handler("memalign");
    return __libc_memalign(to, n);
}

void *aligned_alloc(size_t to, size_t n)
{
    not_in_handler("aligned_alloc");
    return __libc_memalign(to, n);
}

int posix_memalign(void **p, size_t to, size_t n)
{
    not_in_handler("posix_memalign");
    *p = __libc_memalign(to, n);
    return *p ? 0 : ENOMEM;
}

void free(void *p)
{
    not_in_handler("free");
    __libc_free(p);
}

#define LOCK(name, type)                                                                                     \
    int name(type *lock)                                                                                     \
    {                                                                                                        \
        static int (*real)(type *);                                                                          \
        not_in_handler(#name);                                                                               \
        if (!real)                                                                                           \
            *(void **)&real = dlsym(RTLD_NEXT, #name);                                                       \
        return real(lock);                                                                                   \
    }

LOCK(pthread_mutex_lock, pthread_mutex_t)
LOCK(pthread_rwlock_rdlock, pthread_rwlock_t)
LOCK(pthread_rwlock_wrlock, pthread_rwlock_t)
LOCK(pthread_spin_lock, pthread_spinlock_t)

#endif
