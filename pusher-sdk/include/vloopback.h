/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * libvloopback: push frames into a vloopback pipe from C.
 *
 *     vlb_pusher *p = vlb_claim(NULL);
 *     if (!p || vlb_set_format(p, VLB_PALETTE_YUYV, 640, 480)) {
 *         fprintf(stderr, "%s\n", vlb_error());
 *         return 1;
 *     }
 *     printf("watch %s\n", vlb_output(p));
 *     vlb_write(p, frame, vlb_frame_size(p));
 *     vlb_close(p);
 *
 * Link with `pkg-config --cflags --libs vloopback`. No preload library is needed.
 *
 * Errors. A function that returns int returns 0, or -1 with errno set; one that returns a pointer
 * returns NULL with errno set. vlb_error() tells more: which device, and what helps. Beside the
 * errnos that each function names, all that take a pusher give
 *     EINVAL  the pusher, or another pointer that must be there, is NULL
 *     ENODEV  the server ended: close the pusher, start vloopbackd, open again
 *     ESTALE  the pipe is no longer this pusher's (all descriptors were closed by the program), or
 *             a fork of it changed the format: close the pusher and open again
 *
 * Threads. A pusher is used by one thread at a time; different pushers by different threads.
 * Signal handlers call nothing of this. After fork() both processes may write; the pipe is free
 * when both have closed it.
 *
 * Descriptors. The library keeps one descriptor for each pusher and one for the server, all
 * close-on-exec. A program that closes descriptors it does not know does so before vlb_claim().
 *
 * Versions. Functions and structs stay as they are for as long as VLB_SOVERSION stays; functions
 * and fields at the end of struct vlb_counters may be added. It is the number in the library's
 * soname, libvloopback.so.VLB_SOVERSION.
 */
#ifndef VLOOPBACK_H
#define VLOOPBACK_H

#include <stddef.h>
#include <stdint.h>

#define VLB_SOVERSION 0

#ifdef __cplusplus
extern "C" {
#endif

/* A claimed pipe. Made by vlb_claim() and vlb_open(), freed by vlb_close(). */
typedef struct vlb_pusher vlb_pusher;

/* Palettes: the numbers of Video4Linux 1. Mind that its RGB24 is blue, green, red in memory. */
enum vlb_palette {
	VLB_PALETTE_GREY = 1,
	VLB_PALETTE_HI240 = 2,
	VLB_PALETTE_RGB565 = 3,
	VLB_PALETTE_RGB24 = 4,
	VLB_PALETTE_RGB32 = 5,
	VLB_PALETTE_RGB555 = 6,
	VLB_PALETTE_YUV422 = 7,
	VLB_PALETTE_YUYV = 8,
	VLB_PALETTE_UYVY = 9,
	VLB_PALETTE_YUV420 = 10,
	VLB_PALETTE_YUV411 = 11,
	VLB_PALETTE_RAW = 12,
	VLB_PALETTE_YUV422P = 13,
	VLB_PALETTE_YUV411P = 14,
	VLB_PALETTE_YUV420P = 15,
	VLB_PALETTE_YUV410P = 16
};

/* One plane of a frame, for vlb_write_strided(). */
typedef struct vlb_plane {
	const void *data; /* the first byte of the first line */
	size_t size;      /* bytes that may be read there */
	size_t stride;    /* bytes from the beginning of a line to that of the next */
} vlb_plane;

/* What became of a pusher's frames, those of its forks included. */
typedef struct vlb_counters {
	uint64_t published; /* the clients that stream could take them */
	uint64_t unwatched; /* dropped because nobody streamed */
	uint64_t lost;      /* dropped because a client misbehaved on purpose */
	uint64_t watchers;  /* clients that stream at the moment */
} vlb_counters;

/* Claims the first free pipe of the server that listens at `socket`, or of the default one if it
 * is NULL: $VLOOPBACK_SOCKET, else $XDG_RUNTIME_DIR/vloopback/socket, else
 * /run/vloopback/socket, or /tmp/vloopback-UID/socket for a user without either. A process has one
 * server: the first call decides.
 * Returns a pusher that the caller closes with vlb_close(), or NULL:
 *     ECONNREFUSED     no server is there
 *     EBUSY            all pipes are in use
 *     EACCES           the server, or the pipes, are not for this user
 *     EPROTONOSUPPORT  the server is of another build than this library
 *     EISCONN          the process has another server already
 *     ENAMETOOLONG     the path is too long for a socket
 *     EIO              what the server shows of its pipes cannot be read
 *     EMFILE, ENOMEM   the system gave out of them
 */
vlb_pusher *vlb_claim(const char *socket);

/* Claims the pipe whose input is `device`: "/dev/video0", "video0" or "0". `socket` as for
 * vlb_claim(). The strings are not kept.
 * Returns a pusher that the caller closes with vlb_close(), or NULL; errnos as vlb_claim(), and
 *     EBUSY   another pusher has the pipe
 *     ENOENT  the server has no such node
 *     EINVAL  no name of a device, or a pipe's output
 */
vlb_pusher *vlb_open(const char *socket, const char *device);

/* Gives the pipe back and frees the pusher; an open slot is cancelled. NULL is nothing. errno stays
 * as it was. */
void vlb_close(vlb_pusher *pusher);

/* The pusher's node and the clients' one, such as "/dev/video0" and "/dev/video1". The strings are
 * the pusher's and live as long as it. NULL only for NULL, with EINVAL. */
const char *vlb_device(const vlb_pusher *pusher);
const char *vlb_output(const vlb_pusher *pusher);

/* Says what the frames are: one of VLB_PALETTE_*, and the size in pixels. May be done again at any
 * time, but not while a slot is open. After EINVAL and ENOMEM the former format is still in force.
 *     EINVAL  no such palette, or no such frame: 4:2:0 needs even sizes, and so on
 *     ENOMEM  too large
 *     EBUSY   a slot is open
 */
int vlb_set_format(vlb_pusher *pusher, unsigned palette, unsigned width, unsigned height);

/* The same by a code of Video4Linux 2 (V4L2_PIX_FMT_* of <linux/videodev2.h>), also for what Video4Linux
 * 1 has no palette for, such as NV12 or MJPEG.
 *     EINVAL, ENOMEM, EBUSY  as vlb_set_format()
 */
int vlb_set_pixel_format(vlb_pusher *pusher, uint32_t fourcc, unsigned width, unsigned height);

/* Says how often frames come, for clients that ask: one in numerator / denominator seconds. Frames may
 * come at any other time all the same.
 *     EINVAL  a number is 0
 *     EBUSY   a slot is open
 */
int vlb_set_interval(vlb_pusher *pusher, unsigned numerator, unsigned denominator);

/* Bytes of a frame, of a compressed format the most that it can have; 0 before a format is set. */
size_t vlb_frame_size(const vlb_pusher *pusher);

/* Writes a whole frame: one copy, or none while nobody watches. Never waits for a client.
 *     EINVAL  no format is set, or `size` is not vlb_frame_size(); of a compressed format 0 or more than
 *             that
 *     EBUSY   a slot is open
 *     EINTR   a signal came while a fork of this pusher was writing; nothing was written
 */
int vlb_write(vlb_pusher *pusher, const void *frame, size_t size);

/* Writes a frame whose lines lie further apart than they are long, from `count` planes in the
 * order in which they lie in a frame: three for the YUV...P palettes, two for NV12 and its like,
 * else one. One copy, too.
 *     EINVAL  no format is set; another number of planes; a stride or a size too small; a palette
 *             whose order of bytes is not known (YUV420, YUV411), or a compressed format
 *     EBUSY, EINTR  as vlb_write()
 */
int vlb_write_strided(vlb_pusher *pusher, const vlb_plane *planes, size_t count);

/* Opens the memory that clients map, to fill a frame in place: no copy. Sets *data to it and *size
 * to vlb_frame_size(). While nobody wants a frame *data is NULL and *size 0, the return value 0,
 * no slot is open, and the frame counts as one that nobody saw.
 * What is in it is some former frame: fill all of it, and do not rely on what is read back: a
 * client that misbehaves can write there too. The memory is the library's; it may be touched until
 * vlb_slot_publish(), vlb_slot_cancel() or vlb_close(), by this process only. While it is open, a
 * fork of this pusher waits to write; clients do not wait. If the process dies, the frame is as if
 * never begun.
 *     EINVAL  no format is set
 *     EBUSY   a slot is open already
 *     EINTR   as vlb_write()
 */
int vlb_slot_begin(vlb_pusher *pusher, void **data, size_t *size);

/* Shows the frame in the open slot to the clients. In every case no slot is open afterwards.
 *     EINVAL  no slot is open, or it is that of the process that this one was forked from
 */
int vlb_slot_publish(vlb_pusher *pusher);

/* Gives the open slot back unpublished. That none is open is no error. */
int vlb_slot_cancel(vlb_pusher *pusher);

/* 1 while any client streams, else 0; -1 with EINVAL for NULL. Frames need not be made while
 * none does. */
int vlb_is_watched(const vlb_pusher *pusher);

/* 0 while the server is there and the pipe this pusher's; costs no system call. */
int vlb_check(const vlb_pusher *pusher);

/* Fills the first `size` bytes of *counters: pass sizeof(vlb_counters). Bytes beyond what this
 * library knows are set to 0, so that a program and a library of different ages fit. */
int vlb_get_counters(const vlb_pusher *pusher, vlb_counters *counters, size_t size);

/* What the last call of this thread that failed says: one line that names the device and what
 * helps. Never NULL; "" if none failed. The string is the library's, and good until the next call
 * of this thread that fails. */
const char *vlb_error(void);

/* The library's version, such as "0.1.0". Static. */
const char *vlb_version(void);

#ifdef __cplusplus
}
#endif

#endif
