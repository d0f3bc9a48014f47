/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Every vlb_zero function of vloopback.h with what it must refuse, while no client is there. Prints "ok", or the
 * line that is wrong.
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <vloopback.h>

#define CHECK(what) \
	do { \
		if (!(what)) { \
			printf("line %d: %s (errno %d, %s)\n", __LINE__, #what, errno, vlb_error()); \
			return 1; \
		} \
	} while (0)
/* The call gives `bad` and sets errno to `number`, and vlb_error() has a text with `word` in it. */
#define FAILS(call, bad, number, word) \
	do { \
		errno = 0; \
		CHECK((call) == (bad)); \
		CHECK(errno == (number)); \
		CHECK(strstr(vlb_error(), word)); \
	} while (0)

int main(void)
{
	const vlb_server server = {.size = sizeof server}, empty = {.size = 0};
	struct pollfd fd;
	vlb_pusher *p;
	vlb_zero *z;
	void *data = &fd;
	size_t size = 1;
	unsigned frame = 7;
	int ends[2];

	/* NULL everywhere. */
	FAILS(vlb_zero_device(NULL), NULL, EINVAL, "NULL");
	FAILS(vlb_zero_output(NULL), NULL, EINVAL, "NULL");
	FAILS(vlb_zero_fd(NULL), -1, EINVAL, "NULL");
	FAILS(vlb_zero_serve_ready(NULL, &server, NULL), -1, EINVAL, "NULL");
	FAILS(vlb_zero_run(NULL, &server, NULL, 0), -1, EINVAL, "NULL");
	FAILS(vlb_zero_run_on_sigio(NULL, &server, NULL, 0), -1, EINVAL, "NULL");
	FAILS(vlb_zero_wait(NULL, 0), -1, EINVAL, "NULL");
	FAILS(vlb_zero_check(NULL), -1, EINVAL, "NULL");
	FAILS(vlb_zero_frame(NULL, 0, NULL, &data, &size), -1, EINVAL, "NULL");
	FAILS(vlb_zero_waiting(NULL, &frame), -1, EINVAL, "NULL");
	FAILS(vlb_zero_finish(NULL, 0), -1, EINVAL, "NULL");
	CHECK(vlb_zero_close(NULL) == 0);

	/* Which pipe, which frames. */
	FAILS(vlb_zero_open(NULL, NULL, 2, 1), NULL, EINVAL, "NULL");
	FAILS(vlb_zero_open(NULL, "/dev/null", 2, 1), NULL, EINVAL, "/dev/null");
	FAILS(vlb_zero_claim(NULL, 0, 1), NULL, EINVAL, "0 frames");
	FAILS(vlb_zero_claim(NULL, 33, 1), NULL, EINVAL, "33 frames");
	FAILS(vlb_zero_claim(NULL, 2, 0), NULL, EINVAL, "0 bytes");
	FAILS(vlb_zero_claim(NULL, 2, (size_t)-1), NULL, EINVAL, "frames");
	FAILS(vlb_zero_claim(NULL, 2, 1 << 29), NULL, ENOMEM, "not enough memory");
	z = vlb_zero_claim(NULL, 2, 1000);
	CHECK(z);
	FAILS(vlb_zero_claim("/nonexistent/socket", 2, 1), NULL, EISCONN, "/nonexistent/socket");
	FAILS(vlb_zero_claim(NULL, 2, 1000), NULL, EBUSY, "all 1 pipes");
	FAILS(vlb_zero_open(NULL, vlb_zero_device(z), 2, 1000), NULL, EBUSY, vlb_zero_device(z));
	FAILS(vlb_zero_open(NULL, vlb_zero_output(z), 2, 1000), NULL, EINVAL, vlb_zero_device(z));
	FAILS(vlb_open(NULL, vlb_zero_device(z)), NULL, EBUSY, vlb_zero_device(z));
	FAILS(vlb_zero_open(NULL, "250", 2, 1000), NULL, ENOENT, "/dev/video250");

	/* A server that is none, a stop that is none. */
	FAILS(vlb_zero_serve_ready(z, NULL, NULL), -1, EINVAL, "server");
	FAILS(vlb_zero_run(z, NULL, NULL, 0), -1, EINVAL, "server");
	FAILS(vlb_zero_run_on_sigio(z, NULL, NULL, 0), -1, EINVAL, "server");
	FAILS(vlb_zero_serve_ready(z, &empty, NULL), -1, EINVAL, "sizeof");
	FAILS(vlb_zero_run(z, &server, NULL, -1), -1, EINVAL, "-1");
	FAILS(vlb_zero_run_on_sigio(z, &server, NULL, -1), -1, EINVAL, "-1");

	/* What was opened above has been closed; nobody has asked for anything. */
	CHECK(vlb_zero_serve_ready(z, &server, NULL) == 0);
	fd.fd = vlb_zero_fd(z);
	fd.events = POLLIN;
	CHECK(fd.fd >= 0 && poll(&fd, 1, 0) == 0);
	CHECK(vlb_zero_serve_ready(z, &server, NULL) == 0);
	CHECK(vlb_zero_wait(z, 0) == 0 && vlb_zero_wait(z, 1) == 0 && vlb_zero_check(z) == 0);
	CHECK(vlb_zero_waiting(z, &frame) == 0 && frame == 7 && vlb_zero_waiting(z, NULL) == 0);
	CHECK(vlb_zero_finish(z, 0) == 0 && vlb_zero_finish(z, EIO) == 0);
	CHECK(vlb_zero_frame(z, 0, NULL, &data, &size) == 0 && data == NULL && size == 0);
	CHECK(vlb_zero_frame(z, 1000, NULL, &data, &size) == 0 && data == NULL);
	FAILS(vlb_zero_frame(z, 0, NULL, NULL, &size), -1, EINVAL, "NULL");
	FAILS(vlb_zero_frame(z, 0, NULL, &data, NULL), -1, EINVAL, "NULL");

	/* A loop whose stop is there already, or closed at the other end, ends at once and takes nothing of it. */
	CHECK(pipe(ends) == 0 && write(ends[1], "x", 1) == 1);
	CHECK(vlb_zero_run(z, &server, NULL, ends[0]) == 0);
	CHECK(vlb_zero_run_on_sigio(z, &server, NULL, ends[0]) == 0);
	CHECK(read(ends[0], &fd, 2) == 1 && close(ends[1]) == 0);
	CHECK(vlb_zero_run(z, &server, NULL, ends[0]) == 0);

	/* Closing keeps errno, and gives the pipe back at once, to a pusher of either kind. */
	errno = ERANGE;
	CHECK(vlb_zero_close(z) == 0 && errno == ERANGE);
	p = vlb_claim(NULL);
	CHECK(p);
	vlb_close(p);
	z = vlb_zero_open(NULL, "0", 32, 1);
	CHECK(z && vlb_zero_close(z) == 0);
	puts("ok");
	return 0;
}
