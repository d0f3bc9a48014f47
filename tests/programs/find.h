/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* How old pushers found a free pipe (driver/docs/old-api.md, "Finding a pipe"), each way as strict as the strictest
 * known program of its kind: what would have crashed that program is an error here. */
#ifndef VLOOPBACK_TESTS_FIND_H
#define VLOOPBACK_TESTS_FIND_H

#include <dirent.h>
#include <sys/utsname.h>

#include "common.h"

#define PROC_LIST "/proc/video/vloopback/vloopbacks"
#define SYS_CLASS "/sys/class/video4linux"

/* Complains about a line that an old parser could not have read, and ends. */
static UNUSED void unreadable(const char *file, const char *line)
{
    (void)line;
    say("{\"event\":\"failed\",\"call\":\"parse %s\",\"errno\":0}", file);
    exit(1);
}

/* The /proc way: two leading lines, then five columns with single tabs; the first line whose input
 * is free and whose open succeeds. EBUSY leads to the next line. Returns the descriptor. */
static UNUSED int find_by_proc(char *device, size_t size)
{
    char line[255], *field[5], *rest;
    int fd = -1, i;
    FILE *list = fopen(PROC_LIST, "r");
    if (!list)
        fail("fopen " PROC_LIST);
    for (i = 0; i < 2; i++)
        if (!fgets(line, sizeof line, list))
            unreadable(PROC_LIST, line);
    while (fd < 0 && fgets(line, sizeof line, list)) {
        rest = strchr(line, '\n');
        if (!rest)
            unreadable(PROC_LIST, line);
        *rest = 0;
        rest = line;
        for (i = 0; i < 5; i++) {
            field[i] = strsep(&rest, "\t");
            if (!field[i] || !field[i][0])
                unreadable(PROC_LIST, line);
        }
        if (rest || strncmp(field[1], "video", 5) || strncmp(field[3], "video", 5))
            unreadable(PROC_LIST, line);
        if (strcmp(field[2], "-"))
            continue;
        snprintf(device, size, "/dev/%s", field[1]);
        fd = open(device, O_RDWR);
        if (fd < 0)
            say("{\"event\":\"refused\",\"device\":\"%s\",\"errno\":%d}", device, errno);
    }
    fclose(list);
    return fd;
}

/* The sysfs way: names of exactly four words with a newline; the lowest pipe number whose input
 * opens. A higher one that was opened first is closed again. */
static UNUSED int find_by_sysfs(char *device, size_t size)
{
    char path[300], name[64], word[2][16], direction[16], junk[8];
    int fd = -1, best = -1, pipe, other;
    struct dirent *entry;
    FILE *file;
    DIR *dir = opendir(SYS_CLASS);
    if (!dir)
        fail("opendir " SYS_CLASS);
    while ((entry = readdir(dir))) {
        if (strncmp(entry->d_name, "video", 5))
            continue;
        snprintf(path, sizeof path, SYS_CLASS "/%s/name", entry->d_name);
        file = fopen(path, "r");
        if (!file)
            continue;
        if (!fgets(name, sizeof name, file) || !strchr(name, '\n'))
            unreadable(path, name);
        fclose(file);
        if (sscanf(name, "%15s %15s %d %15s %7s", word[0], word[1], &pipe, direction, junk) != 4)
            continue;
        if (strcmp(word[0], "Video") || strcmp(word[1], "loopback") || strcmp(direction, "input"))
            continue;
        if (fd >= 0 && pipe >= best)
            continue;
        snprintf(path, sizeof path, "/dev/%.100s", entry->d_name);
        other = open(path, O_RDWR);
        if (other < 0) {
            say("{\"event\":\"refused\",\"device\":\"%s\",\"errno\":%d}", path, errno);
            continue;
        }
        if (fd >= 0)
            close(fd);
        fd = other;
        best = pipe;
        snprintf(device, size, "%s", path);
    }
    closedir(dir);
    return fd;
}

/* The uname gate of the 2.6 era: major must be "2", a minor below "5" (compared as a string) means
 * /proc, anything else sysfs. Today's kernels are not looked at. */
static UNUSED int find_by_uname(char *device, size_t size)
{
    struct utsname names;
    char *rest, *major, *minor;
    if (uname(&names))
        fail("uname");
    rest = names.release;
    major = strsep(&rest, ".");
    minor = strsep(&rest, ".");
    if (!minor || strcmp(major, "2")) {
        say("{\"event\":\"gate\",\"way\":\"none\",\"major\":\"%.20s\"}", major);
        exit(1);
    }
    if (strcmp(minor, "5") < 0) {
        say("{\"event\":\"gate\",\"way\":\"proc\"}");
        return find_by_proc(device, size);
    }
    say("{\"event\":\"gate\",\"way\":\"sysfs\"}");
    return find_by_sysfs(device, size);
}

/* Whether GCAP names a vloopback input: by its name, or (`by_type`) by a name with "loopback" and
 * no capture bit. -1 with errno where GCAP is refused. */
static UNUSED int is_input(int fd, int by_type)
{
    struct video_capability cap;
    size_t n;
    memset(&cap, 0, sizeof cap);
    if (ioctl(fd, VIDIOCGCAP, &cap))
        return -1;
    cap.name[31] = 0;
    n = strlen(cap.name);
    if (by_type)
        return strstr(cap.name, "loopback") && !(cap.type & VID_TYPE_CAPTURE);
    return !strncmp(cap.name, "Video loopback", 14) && n > 5 && !strcmp(cap.name + n - 5, "input");
}

/* Opens node `n` by either of its names; --find devfs: by the name of the devfs era alone. */
static UNUSED int open_node(int n, int flags, char *device, size_t size)
{
    int fd;
    if (opt.find && !strcmp(opt.find, "devfs")) {
        snprintf(device, size, "/dev/v4l/video%d", n);
        return open(device, flags);
    }
    snprintf(device, size, "/dev/video%d", n);
    fd = open(device, flags);
    if (fd < 0 && errno == ENOENT) {
        snprintf(device, size, "/dev/v4l/video%d", n);
        fd = open(device, flags);
    }
    return fd;
}

/* The scan by VIDIOCGCAP over nodes 0 to 9, from `from` on; *from is the next to look at. With
 * `split` the probe is O_RDONLY|O_NONBLOCK and the pusher's descriptor O_WRONLY. */
static UNUSED int find_by_gcap(char *device, size_t size, int by_type, int split, int *from)
{
    for (; *from < 10; ++*from) {
        int input, fd = open_node(*from, split ? O_RDONLY | O_NONBLOCK : O_RDWR, device, size);
        if (fd < 0) {
            if (errno != ENOENT)
                say("{\"event\":\"refused\",\"device\":\"%s\",\"errno\":%d}", device, errno);
            continue;
        }
        input = is_input(fd, by_type);
        if (input < 0)
            say("{\"event\":\"refused\",\"device\":\"%s\",\"errno\":%d}", device, errno);
        if (input <= 0) {
            close(fd);
            continue;
        }
        if (split) {
            close(fd);
            fd = open(device, O_WRONLY);
            if (fd < 0) {
                say("{\"event\":\"refused\",\"device\":\"%s\",\"errno\":%d}", device, errno);
                continue;
            }
        }
        ++*from;
        return fd;
    }
    return -1;
}

/* Some pushers ask for the module first: `lsmod | grep vloopback`, or by reading /proc/modules. */
static UNUSED int module_is_loaded(int with_lsmod)
{
    char line[300];
    int found = 0;
    FILE *list = with_lsmod ? popen("lsmod | grep vloopback", "r") : fopen("/proc/modules", "r");
    if (!list)
        return 0;
    while (fgets(line, sizeof line, list))
        if (!strncmp(line, "vloopback", 9))
            found = 1;
    if (with_lsmod)
        pclose(list);
    else
        fclose(list);
    return found;
}

#endif
