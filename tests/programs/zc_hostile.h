/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Places in memory that no program should name in a call, and a call's errno. */
#ifndef VLOOPBACK_TESTS_ZC_HOSTILE_H
#define VLOOPBACK_TESTS_ZC_HOSTILE_H

#include "v4l2_case.h"
#include "zc.h"

#define REQUEST_BYTES 1024
#define NUMBER_BYTES sizeof(unsigned long)

enum place { GOOD, NOWHERE, ONE, WILD, KERNEL, TWISTED, LAST, FORBIDDEN, READ_ONLY, ENDS, BEGINS, BEYOND, PLACES };

static const char *const place_names[] UNUSED = { "good",      "NULL",       "1",         "unmapped",
                                           "kernel",    "twisted",    "-1",        "PROT_NONE",
                                           "read-only", "ends early", "begins late", "beyond a file's end" };

/* Memory of each kind, with room for any request. `len`: what is to be read or written there. */
static UNUSED void *place(enum place kind, size_t len)
{
    static unsigned char good[1 << 15];
    static unsigned char *area, *file;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = 8 * page;
    if (!area) {
        int fd = memfd_create("short", 0);
        area = mmap(NULL, 5 * room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        mprotect(area + room, room, PROT_READ | PROT_WRITE);
        mprotect(area + 3 * room, room, PROT_READ);
        file = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (fd < 0 || area == MAP_FAILED || file == MAP_FAILED)
            fail("bad memory");
        munmap(area + 4 * room, room);
    }
    switch (kind) {
    case GOOD:
        memset(good, 0, sizeof good);
        return good;
    case NOWHERE:
        return NULL;
    case ONE:
        return (void *)1;
    case WILD:
        return area + 4 * room + page;
    case KERNEL:
        return (void *)0xffff888000000000ul;
    case TWISTED:
        return (void *)0x8000000000000000ul;
    case LAST:
        return (void *)-1l;
    case FORBIDDEN:
        return area + page;
    case READ_ONLY:
        return area + 3 * room;
    case ENDS:
        /* One byte less than there has to be. */
        return area + 2 * room - len + 1;
    case BEGINS:
        return area + room - 1;
    default:
        return file;
    }
}

#endif
