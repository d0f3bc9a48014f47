/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * A zero-copy pusher with a callback for each request. Every byte of a struct that it fills is mark(seed, i),
 * and it takes no struct but such a one: seed is the number of the request, plus 100 for the answer to one that
 * brings a struct, too. Picture k is picture(k, i).
 *
 *     zero run | sigio | poll | none | short | v4l2     which loop; pictures come later with poll
 *
 * none has no callbacks, short those before gwin, v4l2 that one alone. It says when a client has closed, ends with
 * its standard input, and then prints how many pictures it has drawn.
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/videodev.h>
#include <linux/videodev2.h>
#include <vloopback.h>

enum { WIDTH = 64, HEIGHT = 48, SIZE = WIDTH * HEIGHT * 2, ANSWER = 100 };

struct camera {
	vlb_zero *zero;
	int drawn, later;
};

static unsigned char mark(int seed, size_t i)
{
	return (unsigned char)(seed * 31 + (int)i * 7);
}

static int fill(void *to, size_t size, int seed)
{
	for (size_t i = 0; i < size; i++)
		((unsigned char *)to)[i] = mark(seed, i);
	return 0;
}

static int check(const void *from, size_t size, int seed)
{
	for (size_t i = 0; i < size; i++)
		if (((const unsigned char *)from)[i] != mark(seed, i))
			return EINVAL;
	return 0;
}

#define GET(name, type, seed) \
	static int name(void *user, type *answer) \
	{ \
		(void)user; \
		/* It is all zero before. */ \
		for (size_t i = 0; i < sizeof *answer; i++) \
			if (((unsigned char *)answer)[i]) \
				return ERANGE; \
		return fill(answer, sizeof *answer, seed); \
	}
#define SET(name, type, seed) \
	static int name(void *user, const type *value) \
	{ \
		(void)user; \
		return check(value, sizeof *value, seed); \
	}
#define EXCHANGE(name, type, seed) \
	static int name(void *user, type *value) \
	{ \
		(void)user; \
		return check(value, sizeof *value, seed) ? EINVAL : fill(value, sizeof *value, seed + ANSWER); \
	}

EXCHANGE(gchan, struct video_channel, 2)
SET(schan, struct video_channel, 3)
EXCHANGE(gtuner, struct video_tuner, 4)
SET(stuner, struct video_tuner, 5)
SET(spict, struct video_picture, 7)
GET(gfbuf, struct video_buffer, 11)
SET(sfbuf, struct video_buffer, 12)
GET(key, struct video_key, 13)
GET(gfreq, uint64_t, 14)
EXCHANGE(gaudio, struct video_audio, 16)
SET(saudio, struct video_audio, 17)
GET(gunit, struct video_unit, 21)
GET(gcapture, struct video_capture, 22)
SET(scapture, struct video_capture, 23)
SET(splaymode, struct video_play_mode, 24)
GET(gplayinfo, struct video_info, 26)
SET(smicrocode, struct video_code, 27)
GET(gvbifmt, struct vbi_format, 28)
SET(svbifmt, struct vbi_format, 29)

/* Nothing of the same pusher may be called from a callback, but for what only tells its names. */
static int is_busy(int result)
{
	return result == -1 && errno == EBUSY && strstr(vlb_error(), "callback");
}

static int gcap(void *user, struct video_capability *answer)
{
	struct camera *camera = user;
	const vlb_server none = {.size = sizeof none};
	void *data;
	size_t size;

	if (!is_busy(vlb_zero_serve_ready(camera->zero, &none, NULL)) || !is_busy(vlb_zero_close(camera->zero)) ||
	    !is_busy(vlb_zero_run(camera->zero, &none, NULL, 0)) || !is_busy(vlb_zero_wait(camera->zero, 0)) ||
	    !is_busy(vlb_zero_run_on_sigio(camera->zero, &none, NULL, 0)) || !is_busy(vlb_zero_check(camera->zero)) ||
	    !is_busy(vlb_zero_frame(camera->zero, 0, NULL, &data, &size)) ||
	    !is_busy(vlb_zero_waiting(camera->zero, NULL)) || !is_busy(vlb_zero_finish(camera->zero, 0)) ||
	    !vlb_zero_device(camera->zero) || vlb_zero_fd(camera->zero) < 0)
		return ERANGE;
	return fill(answer, sizeof *answer, 1);
}

/* Those that a read() of the client's asks for are true. */
static int gpict(void *user, struct video_picture *answer)
{
	(void)user;
	answer->palette = VIDEO_PALETTE_YUYV;
	answer->depth = 16;
	return 0;
}

static int gwin(void *user, struct video_window *answer)
{
	(void)user;
	answer->width = WIDTH;
	answer->height = HEIGHT;
	return 0;
}

static int swin(void *user, const struct video_window *window)
{
	(void)user;
	/* What is no errno must not be a success. */
	return window->width == 1 ? -1 : window->width == 2 ? VLB_LATER : check(window, sizeof *window, 10);
}

static int capture(void *user, int on)
{
	(void)user;
	return check(&on, sizeof on, 8);
}

static int sfreq(void *user, uint64_t frequency)
{
	(void)user;
	return check(&frequency, sizeof frequency, 15);
}

static int swritemode(void *user, int mode)
{
	(void)user;
	return check(&mode, sizeof mode, 25);
}

static int mcapture(void *user, const struct video_mmap *order)
{
	(void)user;
	return order->format == VIDEO_PALETTE_YUYV && order->width == WIDTH && order->height == HEIGHT ? 0 : EDOM;
}

static void draw(void *data, int k)
{
	for (int i = 0; i < SIZE; i++)
		((unsigned char *)data)[i] = (unsigned char)(i * 7 ^ i >> 8 ^ k * 73);
}

static int sync_frame(void *user, const struct video_mmap *order, void *data, size_t size)
{
	struct camera *camera = user;

	if (size != SIZE || order->width != WIDTH)
		return ERANGE;
	if (camera->later)
		return VLB_LATER;
	draw(data, camera->drawn++);
	return 0;
}

static int other(void *user, unsigned request, void *data, size_t size)
{
	(void)user;
	if (request != _IOWR('v', 200, char[8]) || size != 8)
		return ENOTTY;
	return check(data, size, 200) ? EINVAL : fill(data, size, 200 + ANSWER);
}

/* What V4L1 has no callback for here. */
static int v4l2(void *user, unsigned request, void *argument, size_t size)
{
	struct v4l2_format *format = argument;

	(void)user;
	if (request != VIDIOC_G_FMT || size != sizeof *format || format->type != V4L2_BUF_TYPE_VIDEO_CAPTURE)
		return ENOTTY;
	format->fmt.pix.width = WIDTH;
	format->fmt.pix.height = HEIGHT;
	format->fmt.pix.pixelformat = V4L2_PIX_FMT_UYVY;
	format->fmt.pix.field = V4L2_FIELD_NONE;
	return 0;
}

static void closed(void *user)
{
	(void)user;
	puts("closed");
	fflush(stdout);
}

/* A loop of the program's own, in which every picture comes later. Gives the line of what went wrong. */
static int poll_loop(struct camera *camera, const vlb_server *server)
{
	struct pollfd fds[2] = {{.fd = vlb_zero_fd(camera->zero), .events = POLLIN}, {.fd = 0, .events = POLLIN}};

	while (!fds[1].revents) {
		struct video_mmap order;
		unsigned frame;
		void *data;
		size_t size;

		if (poll(fds, 2, -1) < 0 || vlb_zero_serve_ready(camera->zero, server, camera))
			return __LINE__;
		if (vlb_zero_waiting(camera->zero, &frame) != 1)
			continue;
		if (vlb_zero_waiting(camera->zero, NULL) != 1)
			return __LINE__;
		if (vlb_zero_frame(camera->zero, frame, &order, &data, &size) || size != SIZE || order.frame != frame)
			return __LINE__;
		draw(data, camera->drawn++);
		if (vlb_zero_finish(camera->zero, 0) != 1 || vlb_zero_finish(camera->zero, 0) != 0)
			return __LINE__;
		if (vlb_zero_frame(camera->zero, frame, NULL, &data, &size) || data || size)
			return __LINE__;
	}
	return vlb_zero_wait(camera->zero, 0) || vlb_zero_check(camera->zero) ? __LINE__ : 0;
}

int main(int argc, char **argv)
{
	vlb_server server = {
		.size = sizeof server,
		.gcap = gcap,
		.gchan = gchan,
		.schan = schan,
		.gtuner = gtuner,
		.stuner = stuner,
		.gpict = gpict,
		.spict = spict,
		.capture = capture,
		.gwin = gwin,
		.swin = swin,
		.gfbuf = gfbuf,
		.sfbuf = sfbuf,
		.key = key,
		.gfreq = gfreq,
		.sfreq = sfreq,
		.gaudio = gaudio,
		.saudio = saudio,
		.gunit = gunit,
		.gcapture = gcapture,
		.scapture = scapture,
		.splaymode = splaymode,
		.swritemode = swritemode,
		.gplayinfo = gplayinfo,
		.smicrocode = smicrocode,
		.gvbifmt = gvbifmt,
		.svbifmt = svbifmt,
		.mcapture = mcapture,
		.sync = sync_frame,
		.other = other,
		.closed = closed,
	};
	struct camera camera = {0};
	const char *loop = argc > 1 ? argv[1] : "run";
	int failed;

	camera.zero = vlb_zero_claim(NULL, 2, SIZE);
	if (!camera.zero) {
		fprintf(stderr, "%s\n", vlb_error());
		return 1;
	}
	if (!strcmp(loop, "short"))
		server.size = offsetof(vlb_server, gwin);
	if (!strcmp(loop, "none") || !strcmp(loop, "v4l2")) {
		memset(&server, 0, sizeof server);
		server.size = sizeof server;
		server.v4l2 = !strcmp(loop, "v4l2") ? v4l2 : NULL;
	}
	/* From the first look for requests on it is known what it takes. */
	if (vlb_zero_serve_ready(camera.zero, &server, &camera))
		return 1;
	printf("watch %s\n", vlb_zero_output(camera.zero));
	fflush(stdout);
	if (!strcmp(loop, "poll")) {
		camera.later = 1;
		failed = poll_loop(&camera, &server);
	} else if (!strcmp(loop, "sigio")) {
		failed = vlb_zero_run_on_sigio(camera.zero, &server, &camera, 0);
	} else {
		failed = vlb_zero_run(camera.zero, &server, &camera, 0);
	}
	if (failed)
		printf("failed: %d, %s\n", failed, vlb_error());
	printf("%d pictures\n", camera.drawn);
	return vlb_zero_close(camera.zero) || failed;
}
