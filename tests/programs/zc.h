/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the programs of zero-copy mode share: reports that a signal handler may make, the requests'
 * names, orders of a word. */
#ifndef VLOOPBACK_TESTS_ZC_H
#define VLOOPBACK_TESTS_ZC_H

#include "common.h"

/* The name of a request without VIDIOC, and its number. */
struct zc_name {
    const char *name;
    unsigned long number;
};

static const struct zc_name zc_names[] UNUSED = {
    { "GCAP", VIDIOCGCAP },
    { "GCHAN", VIDIOCGCHAN },
    { "SCHAN", VIDIOCSCHAN },
    { "GTUNER", VIDIOCGTUNER },
    { "STUNER", VIDIOCSTUNER },
    { "GPICT", VIDIOCGPICT },
    { "SPICT", VIDIOCSPICT },
    { "CAPTURE", VIDIOCCAPTURE },
    { "GWIN", VIDIOCGWIN },
    { "SWIN", VIDIOCSWIN },
    { "GFBUF", VIDIOCGFBUF },
    { "SFBUF", VIDIOCSFBUF },
    { "KEY", VIDIOCKEY },
    { "GFREQ", VIDIOCGFREQ },
    { "SFREQ", VIDIOCSFREQ },
    { "GAUDIO", VIDIOCGAUDIO },
    { "SAUDIO", VIDIOCSAUDIO },
    { "SYNC", VIDIOCSYNC },
    { "MCAPTURE", VIDIOCMCAPTURE },
    { "GMBUF", VIDIOCGMBUF },
    { "GUNIT", VIDIOCGUNIT },
    { "GCAPTURE", VIDIOCGCAPTURE },
    { "SCAPTURE", VIDIOCSCAPTURE },
    { "SPLAYMODE", VIDIOCSPLAYMODE },
    { "SWRITEMODE", VIDIOCSWRITEMODE },
    { "GPLAYINFO", VIDIOCGPLAYINFO },
    { "SMICROCODE", VIDIOCSMICROCODE },
    { "GVBIFMT", VIDIOCGVBIFMT },
    { "SVBIFMT", VIDIOCSVBIFMT },
    { "SINVALID", VIDIOCSINVALID },
    { "closed", 0 },
};

/* A request's name; "?" for one that has none. */
static UNUSED const char *zc_name(unsigned long number)
{
    size_t i;
    for (i = 0; i < sizeof zc_names / sizeof *zc_names; i++)
        if (zc_names[i].number == number)
            return zc_names[i].name;
    return "?";
}

#define ZC_NONE (~0ul)

/* A named request's number; ZC_NONE for a name that is none. */
static UNUSED unsigned long zc_number(const char *name)
{
    size_t i;
    for (i = 0; i < sizeof zc_names / sizeof *zc_names; i++)
        if (!strcmp(zc_names[i].name, name))
            return zc_names[i].number;
    return ZC_NONE;
}

/* say() for a signal handler: nothing but write(). It knows %s and %ld. */
static void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static UNUSED void tell(const char *format, ...)
{
    char line[512];
    size_t n = 0;
    int saved = errno;
    va_list args;
    va_start(args, format);
    for (; *format && n < sizeof line - 32; format++) {
        if (*format != '%') {
            line[n++] = *format;
        } else if (*++format == 's') {
            const char *text = va_arg(args, const char *);
            while (*text && n < sizeof line - 32)
                line[n++] = *text++;
        } else {
            long value = va_arg(args, long);
            unsigned long rest = value < 0 ? -(unsigned long)value : (unsigned long)value;
            char digits[24];
            int k = 0;
            format++; /* the d of %ld */
            do {
                digits[k++] = (char)('0' + rest % 10);
                rest /= 10;
            } while (rest);
            if (value < 0)
                line[n++] = '-';
            while (k)
                line[n++] = digits[--k];
        }
    }
    va_end(args);
    line[n++] = '\n';
    if (write(1, line, n) != (ssize_t)n)
        _exit(3);
    errno = saved;
}

/* The next line of standard input without its end; 0 when there will be no more. */
static UNUSED int order_line(char *line, size_t room)
{
    size_t n = 0;
    for (;;) {
        char c;
        ssize_t got = read(0, &c, 1);
        if (got == 0)
            return 0;
        if (got < 0) {
            if (errno != EINTR)
                return 0;
            continue;
        }
        if (c == '\n')
            break;
        if (n < room - 1)
            line[n++] = c;
    }
    line[n] = 0;
    return 1;
}

#endif
