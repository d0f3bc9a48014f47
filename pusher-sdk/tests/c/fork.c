/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * A pusher that forks while a slot is open. Frame k is all bytes k. Pushes 1 (the parent's slot), 2
 * (the child, which has to wait for that), 3 (the parent, after the child died with a slot open).
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vloopback.h>

#define CHECK(what) \
	do { \
		if (!(what)) { \
			fprintf(stderr, "line %d: %s (errno %d, %s)\n", __LINE__, #what, errno, vlb_error()); \
			_exit(1); \
		} \
	} while (0)

static unsigned char frame[40 * 30];

static int child(vlb_pusher *p, int ready)
{
	void *slot;
	size_t size;

	/* The parent's slot is the parent's. */
	CHECK(vlb_slot_publish(p) == -1 && errno == EINVAL);
	CHECK(write(ready, "r", 1) == 1);
	memset(frame, 2, sizeof frame);
	CHECK(vlb_write(p, frame, sizeof frame) == 0);
	CHECK(vlb_slot_begin(p, &slot, &size) == 0 && slot && size == sizeof frame);
	memset(slot, 0xee, size);
	_exit(0);
}

int main(void)
{
	int ready[2], status;
	pid_t pid;
	char byte;
	void *slot;
	size_t size;
	vlb_counters counters;
	vlb_pusher *p = vlb_claim(NULL);

	CHECK(p && pipe(ready) == 0);
	CHECK(vlb_set_format(p, VLB_PALETTE_GREY, 40, 30) == 0);
	printf("watch %s, then press Enter\n", vlb_output(p));
	fflush(stdout);
	getchar();

	CHECK(vlb_slot_begin(p, &slot, &size) == 0 && slot && size == sizeof frame);
	memset(slot, 0xdd, size);
	CHECK(vlb_slot_begin(p, &slot, &size) == -1 && errno == EBUSY);
	CHECK(vlb_write(p, frame, sizeof frame) == -1 && errno == EBUSY);
	CHECK(vlb_set_format(p, VLB_PALETTE_GREY, 20, 20) == -1 && errno == EBUSY);
	CHECK(vlb_slot_cancel(p) == 0);
	CHECK(vlb_slot_begin(p, &slot, &size) == 0 && slot);

	pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		child(p, ready[1]);
	CHECK(read(ready[0], &byte, 1) == 1);
	memset(slot, 1, size);
	CHECK(vlb_slot_publish(p) == 0);
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);

	memset(frame, 3, sizeof frame);
	CHECK(vlb_write(p, frame, sizeof frame) == 0);
	CHECK(vlb_get_counters(p, &counters, sizeof counters) == 0);
	CHECK(counters.published == 3 && counters.unwatched == 0 && counters.watchers == 1);
	/* What the client has not read when the pusher leaves, it does not get. */
	getchar();
	vlb_close(p);
	puts("ok");
	return 0;
}
