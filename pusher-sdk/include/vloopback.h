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
 * returns NULL with errno set. vlb_error() has a message with the device and a remedy. Besides the
 * errnos that each function names, all functions with a pusher give
 *     EINVAL  the pusher, or another required pointer, is NULL
 *     ENODEV  the server ended: close the pusher, start vloopbackd, open again
 *     ESTALE  the pipe is no longer this pusher's (all descriptors were closed by the program), or
 *             a fork of it changed the format: close the pusher and open again
 *
 * Threads. A pusher is used by one thread at a time; different pushers by different threads.
 * Signal handlers must not call the library. After fork() both processes may write; the pipe is free
 * when both have closed it.
 *
 * Descriptors. The library keeps one descriptor for each pusher and one for the server, all
 * close-on-exec. A program that closes unknown descriptors must do so before vlb_claim().
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

/* A claimed pipe. vlb_claim() and vlb_open() make it, vlb_close() frees it. */
typedef struct vlb_pusher vlb_pusher;

/* Palettes: the numbers of Video4Linux 1. Its RGB24 is blue, green, red in memory. */
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

/* Counts of a pusher's frames, including those of its forks. */
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
 *     EACCES           this user may not use the server, or the pipes
 *     EPROTONOSUPPORT  the server is of another build than this library
 *     EISCONN          the process already uses another server
 *     ENAMETOOLONG     the path is too long for a socket
 *     EIO              the server's list of pipes cannot be read
 *     EMFILE, ENOMEM   the system has no more descriptors or memory
 */
vlb_pusher *vlb_claim(const char *socket);

/* Claims the pipe whose input is `device`: "/dev/video0", "video0" or "0". `socket` as for
 * vlb_claim(). The strings are not kept.
 * Returns a pusher that the caller closes with vlb_close(), or NULL; errnos as vlb_claim(), and
 *     EBUSY   another pusher has the pipe
 *     ENOENT  the server has no such node
 *     EINVAL  not the name of a device, or a pipe's output
 */
vlb_pusher *vlb_open(const char *socket, const char *device);

/* Gives the pipe back and frees the pusher; an open slot is cancelled. NULL has no effect. errno does
 * not change. */
void vlb_close(vlb_pusher *pusher);

/* The pusher's node and the clients' node, such as "/dev/video0" and "/dev/video1". The strings belong
 * to the pusher and live as long as it. NULL only for NULL, with EINVAL. */
const char *vlb_device(const vlb_pusher *pusher);
const char *vlb_output(const vlb_pusher *pusher);

/* Sets the format: one of VLB_PALETTE_*, and the size in pixels. It may be set again at any
 * time, but not while a slot is open. After EINVAL and ENOMEM the former format is still in force.
 *     EINVAL  no such palette, or no such frame: 4:2:0 needs even sizes, and so on
 *     ENOMEM  too large
 *     EBUSY   a slot is open
 */
int vlb_set_format(vlb_pusher *pusher, unsigned palette, unsigned width, unsigned height);

/* The same by a fourcc of Video4Linux 2 (V4L2_PIX_FMT_* of <linux/videodev2.h>), also for formats without
 * a palette of Video4Linux 1, such as NV12 or MJPEG.
 *     EINVAL, ENOMEM, EBUSY  as vlb_set_format()
 */
int vlb_set_pixel_format(vlb_pusher *pusher, uint32_t fourcc, unsigned width, unsigned height);

/* Sets the interval between frames, for clients that ask: numerator / denominator seconds. Frames may
 * come at any time all the same.
 *     EINVAL  a number is 0
 *     EBUSY   a slot is open
 */
int vlb_set_interval(vlb_pusher *pusher, unsigned numerator, unsigned denominator);

/* Bytes of a frame, of a compressed format the most that it can have; 0 before a format is set. */
size_t vlb_frame_size(const vlb_pusher *pusher);

/* Writes one frame: one copy, or none while nobody watches. It never waits for a client.
 *     EINVAL  no format is set, or `size` is not vlb_frame_size(); of a compressed format 0 or more than
 *             that
 *     EBUSY   a slot is open
 *     EINTR   a signal came while a fork of this pusher was writing; nothing was written
 */
int vlb_write(vlb_pusher *pusher, const void *frame, size_t size);

/* Writes a frame whose lines have gaps between them, from `count` planes in the order in which they
 * lie in a frame: three for the YUV...P palettes, two for NV12 and similar formats, else one. One copy
 * as well.
 *     EINVAL  no format is set; another number of planes; a stride or a size too small; a palette
 *             whose order of bytes is not known (YUV420, YUV411), or a compressed format
 *     EBUSY, EINTR  as vlb_write()
 */
int vlb_write_strided(vlb_pusher *pusher, const vlb_plane *planes, size_t count);

/* Opens the memory that clients map, to fill a frame in place: no copy. Sets *data to it and *size
 * to vlb_frame_size(). While nobody wants a frame *data is NULL and *size 0, the return value 0,
 * no slot is open, and the frame counts as one that nobody watched.
 * The memory contains a former frame: fill all of it, and do not rely on what is read back, because a
 * hostile client can write there too. The memory belongs to the library; it may be touched until
 * vlb_slot_publish(), vlb_slot_cancel() or vlb_close(), by this process only. While it is open, a
 * fork of this pusher waits to write; clients do not wait. If the process dies, the frame is never
 * shown.
 *     EINVAL  no format is set
 *     EBUSY   a slot is open already
 *     EINTR   as vlb_write()
 */
int vlb_slot_begin(vlb_pusher *pusher, void **data, size_t *size);

/* Publishes the frame in the open slot. In every case no slot is open afterwards.
 *     EINVAL  no slot is open, or it belongs to the process that this one was forked from
 */
int vlb_slot_publish(vlb_pusher *pusher);

/* Gives the open slot back unpublished. It is no error if none is open. */
int vlb_slot_cancel(vlb_pusher *pusher);

/* 1 while any client streams, else 0; -1 with EINVAL for NULL. While none streams, the program need not
 * make frames. */
int vlb_is_watched(const vlb_pusher *pusher);

/* 0 while the server lives and the pipe belongs to this pusher; costs no system call. */
int vlb_check(const vlb_pusher *pusher);

/* Fills the first `size` bytes of *counters: pass sizeof(vlb_counters). Bytes beyond what this
 * library knows are set to 0, so that a program and a library of different ages fit. */
int vlb_get_counters(const vlb_pusher *pusher, vlb_counters *counters, size_t size);

/* ---------------------------------------------------------------------------- zero-copy ----
 *
 * A zero-copy pusher shares its memory with its clients and answers their requests itself, like a
 * camera: a callback for each request. The structs that callbacks get are those of
 * Video4Linux 1, <linux/videodev.h>; `pkg-config --cflags vloopback` has the directory that it is in.
 *
 *     static int gcap(void *user, struct video_capability *answer) { ... return 0; }
 *     static int sync_(void *user, const struct video_mmap *order, void *data, size_t size)
 *     {
 *         memset(data, 128, size);
 *         return 0;
 *     }
 *     ...
 *     const vlb_server server = {.size = sizeof server, .gcap = gcap, .sync = sync_, ...};
 *     vlb_zero *z = vlb_zero_claim(NULL, 2, 320 * 240);
 *     if (!z || vlb_zero_run(z, &server, NULL, STDIN_FILENO))
 *         fprintf(stderr, "%s\n", vlb_error());
 *     vlb_zero_close(z);
 *
 * While a client's request is answered, it and all others wait. A frame's memory belongs to the pusher
 * from the client's VIDIOCMCAPTURE until its VIDIOCSYNC is answered, and to the clients at any other
 * time: the sync callback gets it, vlb_zero_frame() gives it in between, and nothing else does.
 *
 * What is said above of errors, threads and descriptors holds for a vlb_zero, too. A fork must not use
 * it. Callbacks are called by the thread that calls vlb_zero_serve_ready(), vlb_zero_run() or
 * vlb_zero_run_on_sigio(), never from a signal handler. Of the functions of the same vlb_zero they may
 * call vlb_zero_device(), vlb_zero_output() and vlb_zero_fd(); the others fail with
 *     EBUSY   called from a callback
 */

/* A claimed pipe in zero-copy mode. vlb_zero_claim() and vlb_zero_open() make it, vlb_zero_close()
 * frees it. */
typedef struct vlb_zero vlb_zero;

struct video_audio;
struct video_buffer;
struct video_capability;
struct video_capture;
struct video_channel;
struct video_code;
struct video_info;
struct video_key;
struct video_mmap;
struct video_picture;
struct video_play_mode;
struct video_tuner;
struct video_unit;
struct video_window;
struct vbi_format;

/* The sync callback returns this if the picture comes later. */
#define VLB_LATER 4096

/* The answers to clients' requests. NULL refuses: the client gets ENOTTY. A callback returns 0, or
 * the errno that the client gets: EINVAL for an unsupported value (clients probe this way),
 * ENOTTY to refuse. A value that is not an errno gives the client EIO. `user` is the loop's argument.
 *
 * The callback fills a struct that is not const. In gcap, gpict and so on it is zero before; in
 * gchan, gtuner and gaudio it says which one the client asks for. Structs live until the callback
 * returns. Addresses in them are the client's and cannot be used.
 *
 * A pusher needs at least gcap, gpict, spict, gwin, swin, mcapture and sync. A client's read() calls
 * gwin, gpict, mcapture and sync.
 *
 * Callbacks may be added at the end: set `size` to sizeof(vlb_server), and the rest to zero. */
typedef struct vlb_server {
	size_t size;
	/* What the device is. Clients want VID_TYPE_CAPTURE in the type. */
	int (*gcap)(void *user, struct video_capability *answer);
	/* Describe a channel, select one. */
	int (*gchan)(void *user, struct video_channel *channel);
	int (*schan)(void *user, const struct video_channel *channel);
	/* Describe a tuner, set one. */
	int (*gtuner)(void *user, struct video_tuner *tuner);
	int (*stuner)(void *user, const struct video_tuner *tuner);
	/* Picture settings and palette. */
	int (*gpict)(void *user, struct video_picture *answer);
	int (*spict)(void *user, const struct video_picture *picture);
	/* Overlay: on (not 0) or off (0). */
	int (*capture)(void *user, int on);
	/* The size. */
	int (*gwin)(void *user, struct video_window *answer);
	int (*swin)(void *user, const struct video_window *window);
	/* The screen memory that overlay writes to. */
	int (*gfbuf)(void *user, struct video_buffer *answer);
	int (*sfbuf)(void *user, const struct video_buffer *buffer);
	/* The key of an encrypted broadcast. */
	int (*key)(void *user, struct video_key *answer);
	/* The tuner's frequency. */
	int (*gfreq)(void *user, uint64_t *answer);
	int (*sfreq)(void *user, uint64_t frequency);
	/* Describe an audio channel, set one. */
	int (*gaudio)(void *user, struct video_audio *audio);
	int (*saudio)(void *user, const struct video_audio *audio);
	/* The nodes that belong together. */
	int (*gunit)(void *user, struct video_unit *answer);
	/* The captured part of the picture. */
	int (*gcapture)(void *user, struct video_capture *answer);
	int (*scapture)(void *user, const struct video_capture *capture);
	/* Decoders: how to play, what kind of data write() takes, what is played, microcode. */
	int (*splaymode)(void *user, const struct video_play_mode *mode);
	int (*swritemode)(void *user, int mode);
	int (*gplayinfo)(void *user, struct video_info *answer);
	int (*smicrocode)(void *user, const struct video_code *code);
	/* How a VBI device samples. */
	int (*gvbifmt)(void *user, struct vbi_format *answer);
	int (*svbifmt)(void *user, const struct vbi_format *format);
	/* VIDIOCGMBUF: 0 lets clients map the frames; so does NULL. With an errno they can only read(). The
	 * library tells them where the frames are in the mapping. */
	int (*gmbuf)(void *user);
	/* A client orders a picture in one of the frames; the library has checked that the frame exists and has
	 * room. From now on the frame belongs to the pusher, unless this returns an errno. EINVAL for an
	 * unsupported palette or size. */
	int (*mcapture)(void *user, const struct video_mmap *order);
	/* A client waits for the picture that it has ordered: draw it to the `size` bytes at `data`, as long as
	 * the picture, and return 0: from then on the client looks at it. Or return VLB_LATER: the client, and
	 * all others, wait until vlb_zero_finish(). An errno ends the order. A SYNC without an order is EINVAL
	 * and does not come here. What is read back from the memory may differ from what was written, because
	 * a hostile client can write there too. */
	int (*sync)(void *user, const struct video_mmap *order, void *data, size_t size);
	/* A request without another callback, such as a private one (_IOC_NR from 192 on). `data` is the
	 * client's data, and the answer. */
	int (*other)(void *user, unsigned request, void *data, size_t size);
	/* A client has closed; the API does not tell which one. */
	void (*closed)(void *user);
	/* A request of Video4Linux 2. `argument` is the struct of <linux/videodev2.h> that belongs to it, in the
	 * 64-bit shape, and the answer. Clients of Video4Linux 2 work without this callback: their requests are
	 * translated for the callbacks above. With it, requests that Video4Linux 1 cannot express, such as a pixel
	 * format without a palette, come here first; ENOTTY leaves them to the translation. Lists of controls
	 * come as single ones. */
	int (*v4l2)(void *user, unsigned request, void *argument, size_t size);
} vlb_server;

/* Claims the first free pipe and shares `frames` frames of `frame_size` bytes with its clients: 1 to 32 of
 * them. A picture may be shorter than its frame. Two frames let clients look at one while the other is
 * drawn. `socket` as for vlb_claim().
 * Returns a pusher that the caller closes with vlb_zero_close(), or NULL; errnos as vlb_claim(), and
 *     EINVAL  not 1 to 32 frames, or frames of 0 bytes
 *     ENOMEM  more than the server grants
 */
vlb_zero *vlb_zero_claim(const char *socket, unsigned frames, size_t frame_size);

/* The same for the pipe whose input is `device`; further errnos as vlb_open(). */
vlb_zero *vlb_zero_open(const char *socket, const char *device, unsigned frames, size_t frame_size);

/* Gives the pipe back and frees the pusher; waiting clients get EIO. NULL has no effect. errno does not
 * change, except for EBUSY, in which case nothing is closed. */
int vlb_zero_close(vlb_zero *zero);

/* As vlb_device() and vlb_output(). */
const char *vlb_zero_device(const vlb_zero *zero);
const char *vlb_zero_output(const vlb_zero *zero);

/* A descriptor that is readable while there may be requests to serve, and when the server is gone: for
 * poll(), select() and epoll only. It belongs to the library. -1 for NULL. */
int vlb_zero_fd(const vlb_zero *zero);

/* Answers all pending requests, without waiting. For the program's own loop: call it when
 * vlb_zero_fd() is readable, or at any time. `server` is not kept. */
int vlb_zero_serve_ready(vlb_zero *zero, const vlb_server *server, void *user);

/* Serves until the descriptor `stop` is readable, or its other end closed: a pipe, a socket, an eventfd, a
 * terminal. It does not read from `stop`. Signals do not end it. A sync callback that returns VLB_LATER needs
 * the program's own loop instead.
 *     EINVAL  `stop` is negative
 */
int vlb_zero_run(vlb_zero *zero, const vlb_server *server, void *user, int stop);

/* As vlb_zero_run(), but woken by SIGIO like the old pushers: the kernel sends it to this process for
 * every request. At least one thread must not block it. The library sets a handler that calls the former
 * one; it calls no callbacks. The handler stays. */
int vlb_zero_run_on_sigio(vlb_zero *zero, const vlb_server *server, void *user, int stop);

/* Waits until there may be requests to serve, for at most the given milliseconds, or without limit if
 * negative. A signal ends it, too. It returns 0 in all these cases. */
int vlb_zero_wait(const vlb_zero *zero, int milliseconds);

/* As vlb_check(). */
int vlb_zero_check(const vlb_zero *zero);

/* The memory of a frame that a client has ordered: sets *data to it, *size to the bytes of the picture and,
 * unless `order` is NULL, *order to the order. *data is NULL, and the return value 0, while nobody
 * has ordered that frame. It may be touched until its SYNC is answered: by the sync callback's return,
 * by vlb_zero_finish(), or by vlb_zero_close().
 *     EINVAL  `data` or `size` is NULL
 */
int vlb_zero_frame(vlb_zero *zero, unsigned frame, struct video_mmap *order, void **data, size_t *size);

/* 1 while a client waits for a picture that comes later (VLB_LATER), with its frame in *frame unless that is
 * NULL; 0 if none waits, or none waits any more. */
int vlb_zero_waiting(const vlb_zero *zero, unsigned *frame);

/* Answers the client of vlb_zero_waiting(): with the picture that was drawn to its frame if `error` is 0,
 * else with that errno. 1: the client has the answer; 0: nobody waits any more. */
int vlb_zero_finish(vlb_zero *zero, int error);

/* ------------------------------------------------------------------------------- messages ---- */

/* The message of this thread's last failed call: one line that names the device and a remedy. Never
 * NULL; "" if no call failed. The string belongs to the library and is valid until the next failed
 * call of this thread. */
const char *vlb_error(void);

/* The library's version, such as "0.1.0". Static. */
const char *vlb_version(void);

#ifdef __cplusplus
}
#endif

#endif
