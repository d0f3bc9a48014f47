/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Pushes as libdc1394's pipe mode does: its own /proc scanner, which reads the list with scanf (after
 * two lines taken whole), then YUV422 and full writes. A program that wants the module loaded asks
 * `lsmod` (--find lsmod) or /proc/modules (--find modules) first. */
#include "find.h"
#include "pusher.h"

int main(int argc, char **argv)
{
    char line[255], input[32], output[32], status[2][4], device[64] = "";
    int fd = -1, pipe;
    FILE *list;
    begin(argc, argv);
    if (opt.find && !module_is_loaded(!strcmp(opt.find, "lsmod"))) {
        errno = ENOENT;
        fail("vloopback module");
    }
    list = fopen(PROC_LIST, "r");
    if (!list || !fgets(line, sizeof line, list) || !fgets(line, sizeof line, list))
        fail("fopen " PROC_LIST);
    while (fd < 0 && fscanf(list, "%d\t%31s\t%3s\t%31s\t%3s\n", &pipe, input, status[0], output, status[1]) == 5) {
        if (status[0][0] != '-')
            continue;
        snprintf(device, sizeof device, "/dev/%s", input);
        fd = open(device, O_RDWR);
        if (fd < 0)
            say("{\"event\":\"refused\",\"device\":\"%s\",\"errno\":%d}", device, errno);
    }
    fclose(list);
    if (fd < 0)
        fail("open");
    say("{\"event\":\"open\",\"device\":\"%s\"}", device);
    if (opt.palette == VIDEO_PALETTE_YUV420P)
        opt.palette = VIDEO_PALETTE_YUV422;
    set_up_or_fail(fd, opt.palette, opt.width, opt.height);
    push(fd, WHOLE_FRAME, opt.first, opt.frames);
    hold_until_told();
    close(fd);
    return 0;
}
