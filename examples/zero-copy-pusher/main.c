/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * A camera of our own: 320x240, grey or YUV420P, a bar that moves. Clients map its memory and it answers what
 * they ask. Brightness is the bar's.
 *
 * Ends with the end of a line on its standard input.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/videodev.h>
#include <vloopback.h>

enum { WIDTH = 320, HEIGHT = 240, BAR = 16 };

struct camera {
    int palette;
    int brightness; /* as V4L1 has it: 0 to 65535 */
    int bar;        /* the column in which it begins */
};

static int is_made(int palette)
{
    return palette == VIDEO_PALETTE_GREY || palette == VIDEO_PALETTE_YUV420P;
}

static int gcap(void *user, struct video_capability *answer)
{
    (void)user;
    strcpy(answer->name, "Zero-copy example");
    answer->type = VID_TYPE_CAPTURE;
    answer->channels = 1;
    answer->minwidth = answer->maxwidth = WIDTH;
    answer->minheight = answer->maxheight = HEIGHT;
    return 0;
}

static int gchan(void *user, struct video_channel *channel)
{
    (void)user;
    if (channel->channel != 0)
        return EINVAL;
    strcpy(channel->name, "Bar");
    return 0;
}

static int schan(void *user, const struct video_channel *channel)
{
    (void)user;
    return channel->channel == 0 ? 0 : EINVAL;
}

static int gpict(void *user, struct video_picture *answer)
{
    const struct camera *camera = user;
    answer->brightness = camera->brightness;
    answer->palette = camera->palette;
    answer->depth = camera->palette == VIDEO_PALETTE_GREY ? 8 : 12;
    return 0;
}

static int spict(void *user, const struct video_picture *picture)
{
    struct camera *camera = user;
    if (!is_made(picture->palette))
        return EINVAL;
    camera->palette = picture->palette;
    camera->brightness = picture->brightness;
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
    return window->width == WIDTH && window->height == HEIGHT ? 0 : EINVAL;
}

static int mcapture(void *user, const struct video_mmap *order)
{
    (void)user;
    return is_made(order->format) && order->width == WIDTH && order->height == HEIGHT ? 0 : EINVAL;
}

/* Draws the picture that a client waits for, in the memory that it looks at. */
static int sync_frame(void *user, const struct video_mmap *order, void *data, size_t size)
{
    struct camera *camera = user;
    unsigned char *luma = data;
    (void)order;
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++)
            luma[y * WIDTH + x] = (x + WIDTH - camera->bar) % WIDTH < BAR ? camera->brightness >> 8 : 16;
    /* Grey has none of these, YUV420P two planes. */
    memset(luma + WIDTH * HEIGHT, 128, size - WIDTH * HEIGHT);
    camera->bar = (camera->bar + 1) % WIDTH;
    return 0;
}

static void closed(void *user)
{
    (void)user;
    puts("a client has closed");
    fflush(stdout);
}

int main(void)
{
    struct camera camera = { VIDEO_PALETTE_GREY, 235 << 8, 0 };
    const vlb_server server = {
        .size = sizeof server,
        .gcap = gcap,
        .gchan = gchan,
        .schan = schan,
        .gpict = gpict,
        .spict = spict,
        .gwin = gwin,
        .swin = swin,
        .mcapture = mcapture,
        .sync = sync_frame,
        .closed = closed,
    };
    int failed = 1;
    vlb_zero *z = vlb_zero_claim(NULL, 2, WIDTH * HEIGHT * 3 / 2);
    if (z) {
        printf("answering on %s, watch %s; press Enter to end\n", vlb_zero_device(z), vlb_zero_output(z));
        fflush(stdout);
        failed = vlb_zero_run(z, &server, &camera, STDIN_FILENO);
    }
    if (failed)
        fprintf(stderr, "%s\n", vlb_error());
    vlb_zero_close(z);
    return failed != 0;
}
