/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Requests whose structures 64-bit and 32-bit programs have in different shapes, with another value in each
 * field, so that fields which change places show. The pusher gives them, the client looks, and the other way
 * round. */
#ifndef VLOOPBACK_TESTS_ABI_H
#define VLOOPBACK_TESTS_ABI_H

#include "zc.h"

/* Addresses mean nothing in the other program; their lower halves arrive. */
#define ABI_ADDRESS(n) ((void *)(uintptr_t)(0x10203040u + (n)))

/* What the structures of one request hold; `set` tells a set's from a get's. */
static UNUSED void abi_tuner(struct video_tuner *t, int set)
{
    memset(t, 0, sizeof *t);
    t->tuner = 1 + set;
    memset(t->name, 'a' + set, sizeof t->name - 1);
    t->rangelow = 0x11121314u + (unsigned)set;
    t->rangehigh = 0xf1f2f3f4u + (unsigned)set;
    t->flags = 0x21222324u + (unsigned)set;
    t->mode = (unsigned short)(0x3132 + set);
    t->signal = (unsigned short)(0x4142 + set);
}

static UNUSED int abi_tuner_is(const struct video_tuner *t, int set)
{
    struct video_tuner want;
    abi_tuner(&want, set);
    return t->tuner == want.tuner && !memcmp(t->name, want.name, sizeof t->name) && t->rangelow == want.rangelow &&
           t->rangehigh == want.rangehigh && t->flags == want.flags && t->mode == want.mode && t->signal == want.signal;
}

static UNUSED void abi_window(struct video_window *w, int set)
{
    memset(w, 0, sizeof *w);
    w->x = 1 + (unsigned)set;
    w->y = 3 + (unsigned)set;
    w->width = 5 + (unsigned)set;
    w->height = 7 + (unsigned)set;
    w->chromakey = 0x51525354u + (unsigned)set;
    w->flags = 0x61626364u + (unsigned)set;
    w->clips = ABI_ADDRESS(set);
    w->clipcount = -9 - set;
}

static UNUSED int abi_window_is(const struct video_window *w, int set)
{
    struct video_window want;
    abi_window(&want, set);
    return w->x == want.x && w->y == want.y && w->width == want.width && w->height == want.height &&
           w->chromakey == want.chromakey && w->flags == want.flags && w->clips == want.clips &&
           w->clipcount == want.clipcount;
}

static UNUSED void abi_buffer(struct video_buffer *b, int set)
{
    memset(b, 0, sizeof *b);
    b->base = ABI_ADDRESS(16 + set);
    b->height = 0x1112 + set;
    b->width = 0x2122 + set;
    b->depth = 0x3132 + set;
    b->bytesperline = 0x4142 + set;
}

static UNUSED int abi_buffer_is(const struct video_buffer *b, int set)
{
    struct video_buffer want;
    abi_buffer(&want, set);
    return b->base == want.base && b->height == want.height && b->width == want.width && b->depth == want.depth &&
           b->bytesperline == want.bytesperline;
}

static UNUSED void abi_code(struct video_code *c)
{
    memset(c, 0, sizeof *c);
    memset(c->loadwhat, 'm', sizeof c->loadwhat - 1);
    c->datasize = 0x71727374;
    c->data = ABI_ADDRESS(32);
}

static UNUSED int abi_code_is(const struct video_code *c)
{
    struct video_code want;
    abi_code(&want);
    return !memcmp(c->loadwhat, want.loadwhat, sizeof c->loadwhat) && c->datasize == want.datasize &&
           c->data == want.data;
}

#define ABI_FREQUENCY 0x81828384ul
/* A driver's own request, whose argument nobody translates. */
#define ABI_PRIVATE _IOWR('v', BASE_VIDIOCPRIVATE + 20, int[3])

#endif
