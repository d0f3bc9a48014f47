/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Every function of vloopback.h with what it must refuse. Prints "ok", or the line that is wrong.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	vlb_pusher *p;
	vlb_counters counters;
	uint64_t longer[6];
	unsigned char frame[64 * 48 * 2] = {0};
	const vlb_plane plane = {frame, sizeof frame, 128};
	const vlb_plane narrow = {frame, sizeof frame, 127};
	const vlb_plane nothing = {NULL, sizeof frame, 128};
	const vlb_plane three[4] = {{frame, 1, 1}, {frame, 1, 1}, {frame, 1, 1}, {frame, 1, 1}};
	void *slot = frame;
	size_t size = 1;

	CHECK(*vlb_error() == '\0');
	CHECK(*vlb_version() == '0');
	/* NULL everywhere. */
	FAILS(vlb_device(NULL), NULL, EINVAL, "NULL");
	FAILS(vlb_output(NULL), NULL, EINVAL, "NULL");
	FAILS(vlb_set_format(NULL, 8, 64, 48), -1, EINVAL, "NULL");
	FAILS(vlb_frame_size(NULL), 0, EINVAL, "NULL");
	FAILS(vlb_write(NULL, frame, 1), -1, EINVAL, "NULL");
	FAILS(vlb_write_strided(NULL, &plane, 1), -1, EINVAL, "NULL");
	FAILS(vlb_slot_begin(NULL, &slot, &size), -1, EINVAL, "NULL");
	FAILS(vlb_slot_publish(NULL), -1, EINVAL, "NULL");
	FAILS(vlb_slot_cancel(NULL), -1, EINVAL, "NULL");
	FAILS(vlb_is_watched(NULL), -1, EINVAL, "NULL");
	FAILS(vlb_check(NULL), -1, EINVAL, "NULL");
	FAILS(vlb_get_counters(NULL, &counters, sizeof counters), -1, EINVAL, "NULL");
	vlb_close(NULL);

	/* Which pipe. */
	FAILS(vlb_open(NULL, NULL), NULL, EINVAL, "NULL");
	FAILS(vlb_open(NULL, "/dev/null"), NULL, EINVAL, "/dev/null");
	p = vlb_claim(NULL);
	CHECK(p);
	FAILS(vlb_claim("/nonexistent/socket"), NULL, EISCONN, "/nonexistent/socket");
	FAILS(vlb_claim(NULL), NULL, EBUSY, "all 1 pipes");
	FAILS(vlb_open(NULL, vlb_device(p)), NULL, EBUSY, vlb_device(p));
	FAILS(vlb_open(NULL, vlb_output(p)), NULL, EINVAL, vlb_device(p));
	FAILS(vlb_open(NULL, "250"), NULL, ENOENT, "/dev/video250");

	/* Before a format. */
	CHECK(vlb_frame_size(p) == 0);
	FAILS(vlb_write(p, frame, sizeof frame), -1, EINVAL, "no format");
	FAILS(vlb_write_strided(p, &plane, 1), -1, EINVAL, "no format");
	FAILS(vlb_slot_begin(p, &slot, &size), -1, EINVAL, "no format");
	CHECK(slot == NULL && size == 0);
	FAILS(vlb_slot_publish(p), -1, EINVAL, "no frame slot");
	CHECK(vlb_slot_cancel(p) == 0);
	FAILS(vlb_set_format(p, 0, 64, 48), -1, EINVAL, "palette 0");
	FAILS(vlb_set_format(p, 17, 64, 48), -1, EINVAL, "palette 17");
	FAILS(vlb_set_format(p, 0x10008, 64, 48), -1, EINVAL, "palette 65544");
	FAILS(vlb_set_format(p, VLB_PALETTE_YUYV, 63, 48), -1, EINVAL, "63x48");
	FAILS(vlb_set_format(p, VLB_PALETTE_GREY, 60000, 60000), -1, ENOMEM, "60000x60000");
	FAILS(vlb_set_format(p, VLB_PALETTE_GREY, 0xffffffffu, 0xffffffffu), -1, ENOMEM, vlb_device(p));

	FAILS(vlb_set_pixel_format(p, 0x656e6f6e, 64, 48), -1, EINVAL, "none"); /* of 'none' */
	FAILS(vlb_set_pixel_format(p, 0x3231564e, 64, 0), -1, EINVAL, "NV12");
	FAILS(vlb_set_interval(p, 1, 0), -1, EINVAL, "1/0");
	FAILS(vlb_set_interval(NULL, 1, 30), -1, EINVAL, "NULL");
	FAILS(vlb_set_pixel_format(NULL, 0x3231564e, 64, 48), -1, EINVAL, "NULL");

	/* Frames. */
	CHECK(vlb_set_pixel_format(p, 0x47504a4d, 64, 48) == 0); /* MJPG */
	CHECK(vlb_set_interval(p, 1, 30) == 0);
	CHECK(vlb_write(p, frame, 700) == 0);
	FAILS(vlb_write(p, frame, 0), -1, EINVAL, "0 bytes");
	CHECK(vlb_set_pixel_format(p, 0x3231564e, 64, 48) == 0);
	CHECK(vlb_frame_size(p) == 64 * 48 * 3 / 2);
	CHECK(vlb_set_format(p, VLB_PALETTE_YUYV, 64, 48) == 0);
	CHECK(vlb_frame_size(p) == sizeof frame);
	CHECK(vlb_write(p, frame, sizeof frame) == 0);
	FAILS(vlb_write(p, frame, sizeof frame - 1), -1, EINVAL, "6143 bytes");
	FAILS(vlb_write(p, NULL, sizeof frame), -1, EINVAL, "NULL");
	FAILS(vlb_write(p, frame, (size_t)-1), -1, EINVAL, "larger");
	CHECK(vlb_write_strided(p, &plane, 1) == 0);
	FAILS(vlb_write_strided(p, &narrow, 1), -1, EINVAL, "stride of 127");
	FAILS(vlb_write_strided(p, &nothing, 1), -1, EINVAL, "NULL");
	FAILS(vlb_write_strided(p, NULL, 1), -1, EINVAL, "planes");
	FAILS(vlb_write_strided(p, &plane, 0), -1, EINVAL, "0 planes");
	FAILS(vlb_write_strided(p, three, 3), -1, EINVAL, "3 planes");
	FAILS(vlb_write_strided(p, three, 4), -1, EINVAL, "4 planes");
	FAILS(vlb_slot_begin(p, NULL, &size), -1, EINVAL, "NULL");
	FAILS(vlb_slot_begin(p, &slot, NULL), -1, EINVAL, "NULL");
	slot = frame;
	CHECK(vlb_slot_begin(p, &slot, &size) == 0 && slot == NULL && size == 0);
	FAILS(vlb_slot_publish(p), -1, EINVAL, vlb_device(p));
	CHECK(vlb_is_watched(p) == 0 && vlb_check(p) == 0);

	/* A program that is older or newer than the library. */
	memset(longer, 0xff, sizeof longer);
	CHECK(vlb_get_counters(p, (vlb_counters *)longer, sizeof longer) == 0);
	CHECK(longer[0] == 0 && longer[1] == 4 && longer[2] == 0 && longer[3] == 0 && longer[5] == 0);
	memset(longer, 0xff, sizeof longer);
	CHECK(vlb_get_counters(p, (vlb_counters *)longer, 2 * sizeof longer[0]) == 0);
	CHECK(longer[0] == 0 && longer[1] == 4 && longer[2] == (uint64_t)-1);
	FAILS(vlb_get_counters(p, NULL, sizeof counters), -1, EINVAL, "NULL");

	/* Closing keeps errno, and gives the pipe back at once. */
	errno = ERANGE;
	vlb_close(p);
	CHECK(errno == ERANGE);
	p = vlb_claim(NULL);
	CHECK(p);
	vlb_close(p);
	puts("ok");
	return 0;
}
