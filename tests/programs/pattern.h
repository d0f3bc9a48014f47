/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A picture whose every byte depends on the frame's number and the byte's place, so that a frame
 * made of two frames, a shifted one or a single wrong bit is seen. tests/src/pattern.rs is the same
 * in Rust.
 *
 * Word 0 is PATTERN_MAGIC and the frame's number, so that a reader knows what the rest has to be.
 * A frame is at least 8 bytes long. Both are little-endian, as every machine that runs this. */
#ifndef VLOOPBACK_TESTS_PATTERN_H
#define VLOOPBACK_TESTS_PATTERN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PATTERN_MAGIC 0x564c5031u

/* The 8 bytes at place `index` (in words) of frame `number`. */
static inline uint64_t pattern_word(uint32_t number, size_t index)
{
    uint64_t w;
    if (index == 0)
        return ((uint64_t)PATTERN_MAGIC << 32) | number;
    w = ((uint64_t)number + 1) * 0x9e3779b97f4a7c15u + (uint64_t)index * 0xd1b54a32d192ed03u;
    return w ^ (w >> 29);
}

/* Writes frame `number` of `len` bytes. */
static inline void pattern_fill(void *frame, size_t len, uint32_t number)
{
    unsigned char *bytes = frame;
    size_t words = len / 8, i;
    uint64_t w;
    for (i = 0; i < words; i++) {
        w = pattern_word(number, i);
        memcpy(bytes + i * 8, &w, 8);
    }
    w = pattern_word(number, words);
    memcpy(bytes + words * 8, &w, len % 8);
}

/* The place of the first byte that is not as frame `number` has it, or -1. */
static inline long pattern_differs(const void *frame, size_t len, uint32_t number)
{
    const unsigned char *bytes = frame;
    size_t words = len / 8, i, k;
    uint64_t w, seen;
    for (i = 0; i < words; i++) {
        w = pattern_word(number, i);
        memcpy(&seen, bytes + i * 8, 8);
        if (seen != w)
            break;
    }
    for (k = i * 8; k < len; k++) {
        w = pattern_word(number, k / 8);
        if (bytes[k] != (unsigned char)(w >> (k % 8 * 8)))
            return (long)k;
    }
    return -1;
}

/* The number that a frame claims to have; 0 for one that is not ours (a placeholder picture). */
static inline int pattern_number(const void *frame, size_t len, uint32_t *number)
{
    uint64_t w;
    if (len < 8)
        return 0;
    memcpy(&w, frame, 8);
    *number = (uint32_t)w;
    return (uint32_t)(w >> 32) == PATTERN_MAGIC;
}

#endif
