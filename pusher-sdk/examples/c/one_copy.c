/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * A pusher in C: claims a free pipe (or opens the one named), says where to watch, and when Enter is
 * pressed pushes FRAMES pictures of moving stripes in each of the three ways that there are. Then
 * it waits for Enter again: what clients have not read when a pusher leaves, they do not get.
 *
 *     one_copy [FRAMES [DEVICE]]
 *
 * Byte i of a plane's line y in frame k is (k * 16 + 3 * y + i) mod 256.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <vloopback.h>

enum { WIDTH = 320, HEIGHT = 240, GAP = 32 };

/* Draws one plane and returns what follows its last line. */
static unsigned char *stripes(unsigned char *to, int line, int lines, int stride, int k)
{
	for (int y = 0; y < lines; y++, to += stride)
		for (int i = 0; i < line; i++)
			to[i] = (unsigned char)(k * 16 + 3 * y + i);
	return to;
}

/* Draws a YUV420P frame whose lines have `gap` bytes between them. */
static void draw(unsigned char *to, int gap, int k)
{
	to = stripes(to, WIDTH, HEIGHT, WIDTH + gap, k);
	to = stripes(to, WIDTH / 2, HEIGHT / 2, WIDTH / 2 + gap, k);
	stripes(to, WIDTH / 2, HEIGHT / 2, WIDTH / 2 + gap, k);
}

/* From a buffer of our own: one copy. */
static int push_whole(vlb_pusher *p, unsigned char *own, int k)
{
	draw(own, 0, k);
	return vlb_write(p, own, vlb_frame_size(p));
}

/* From a buffer with longer lines, as decoders and graphics cards have them: one copy, too. */
static int push_strided(vlb_pusher *p, unsigned char *own, int k)
{
	const size_t luma = (size_t)(WIDTH + GAP) * HEIGHT;
	const size_t chroma = (size_t)(WIDTH / 2 + GAP) * (HEIGHT / 2);
	const vlb_plane planes[3] = {
		{own, luma, WIDTH + GAP},
		{own + luma, chroma, WIDTH / 2 + GAP},
		{own + luma + chroma, chroma, WIDTH / 2 + GAP},
	};

	draw(own, GAP, k);
	return vlb_write_strided(p, planes, 3);
}

/* Into the memory that the clients map: no copy, and no work while nobody watches. */
static int push_in_place(vlb_pusher *p, int k)
{
	void *slot;
	size_t size;

	if (vlb_slot_begin(p, &slot, &size))
		return -1;
	if (!slot)
		return 0;
	draw(slot, 0, k);
	return vlb_slot_publish(p);
}

int main(int argc, char **argv)
{
	const struct timespec pause = {0, 40 * 1000 * 1000};
	int frames = argc > 1 ? atoi(argv[1]) : 250;
	vlb_pusher *p = argc > 2 ? vlb_open(NULL, argv[2]) : vlb_claim(NULL);
	/* Room for the longest of the three kinds. */
	unsigned char *own = malloc((size_t)(WIDTH + GAP) * HEIGHT * 2);
	vlb_counters counters;
	int failed = 0;

	if (!p || !own || vlb_set_format(p, VLB_PALETTE_YUV420P, WIDTH, HEIGHT)) {
		fprintf(stderr, "one_copy: %s\n", own ? vlb_error() : "no memory");
		vlb_close(p);
		free(own);
		return 1;
	}
	printf("watch %s, then press Enter\n", vlb_output(p));
	fflush(stdout);
	getchar();
	for (int k = 0; k < frames && !failed; k++) {
		switch (k % 3) {
		case 0:
			failed = push_whole(p, own, k);
			break;
		case 1:
			failed = push_strided(p, own, k);
			break;
		default:
			failed = push_in_place(p, k);
		}
		nanosleep(&pause, NULL);
	}
	if (failed || vlb_get_counters(p, &counters, sizeof counters)) {
		fprintf(stderr, "one_copy: %s\n", vlb_error());
		failed = 1;
	} else {
		printf("%llu frames published, %llu that nobody watched\n",
		       (unsigned long long)counters.published, (unsigned long long)counters.unwatched);
		fflush(stdout);
		getchar();
	}
	vlb_close(p);
	free(own);
	return failed != 0;
}
