/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What a node answers to V4L2 requests (driver/docs/clients.md, "What a device must answer"), see v4l2_case.h.
 * --device is an output where the case does not say otherwise; --find output|input says which kind it is where a case
 * serves both. */
#include "v4l2_case.h"

#define CAPTURE V4L2_BUF_TYPE_VIDEO_CAPTURE
#define OUTPUT V4L2_BUF_TYPE_VIDEO_OUTPUT

static int on_input;
static uint32_t type;

/* A text that fills its field to the end with zeros. */
static void text(const unsigned char *field, size_t size, const char *what)
{
    size_t n = strnlen((const char *)field, size);
    expect(n > 0 && n < size, "%s is a text with an end", what);
    expect(is_zero(field + n, size - n), "%s: zeros after the text", what);
}

static void case_cap(void)
{
    struct v4l2_capability one, two;
    uint32_t wanted = V4L2_CAP_STREAMING | V4L2_CAP_READWRITE | V4L2_CAP_EXT_PIX_FORMAT |
                      (on_input ? V4L2_CAP_VIDEO_OUTPUT : V4L2_CAP_VIDEO_CAPTURE);
    uint32_t others = V4L2_CAP_VIDEO_CAPTURE_MPLANE | V4L2_CAP_VIDEO_OUTPUT_MPLANE | V4L2_CAP_VIDEO_M2M |
                      V4L2_CAP_VIDEO_OVERLAY | V4L2_CAP_TUNER | V4L2_CAP_AUDIO |
                      (on_input ? V4L2_CAP_VIDEO_CAPTURE : V4L2_CAP_VIDEO_OUTPUT);
    int fd = open_node(O_RDWR);
    memset(&one, 0xa5, sizeof one);
    memset(&two, 0x5a, sizeof two);
    GIVES(0, fd, VIDIOC_QUERYCAP, &one);
    GIVES(0, fd, VIDIOC_QUERYCAP, &two);
    expect(!memcmp(&one, &two, sizeof one), "every byte is the driver's");
    text(one.driver, sizeof one.driver, "driver");
    text(one.card, sizeof one.card, "card");
    text(one.bus_info, sizeof one.bus_info, "bus_info");
    expect(!strncmp((char *)one.bus_info, "platform:", 9), "bus_info begins platform:");
    expect(one.version >= 0x030000, "version is at least 3.0");
    expect((one.capabilities & wanted) == wanted, "capabilities has all of 0x%x", wanted);
    expect(!(one.capabilities & others), "capabilities has none of 0x%x", others);
    expect(one.capabilities & V4L2_CAP_DEVICE_CAPS, "V4L2_CAP_DEVICE_CAPS");
    expect((one.device_caps | V4L2_CAP_DEVICE_CAPS) == one.capabilities, "device_caps and capabilities agree");
    expect(!(one.device_caps & V4L2_CAP_DEVICE_CAPS), "device_caps without V4L2_CAP_DEVICE_CAPS");
    ZERO(one.reserved, "QUERYCAP");
    say("{\"event\":\"cap\",\"driver\":\"%.16s\",\"card\":\"%.32s\",\"bus\":\"%.32s\"}", one.driver, one.card,
        one.bus_info);
}

/* Inputs of an output, outputs of an input. --first is the status that input 0 has to have. */
static void case_connectors(void)
{
    int fd = open_node(O_RDWR), number, i;
    static const uint32_t absent[] = { 1, 2, 0x7fffffff, 0xffffffff };
    struct v4l2_standard standard;
    v4l2_std_id id;
    if (on_input) {
        struct v4l2_output one, two;
        memset(&one, 0xa5, sizeof one);
        memset(&two, 0x5a, sizeof two);
        one.index = two.index = 0;
        GIVES(0, fd, VIDIOC_ENUMOUTPUT, &one);
        GIVES(0, fd, VIDIOC_ENUMOUTPUT, &two);
        expect(!memcmp(&one, &two, sizeof one), "ENUMOUTPUT: every byte is the driver's");
        text(one.name, sizeof one.name, "the output's name");
        expect(one.index == 0 && one.type == V4L2_OUTPUT_TYPE_ANALOG, "ENUMOUTPUT: index 0, analogue");
        ZERO(one.reserved, "ENUMOUTPUT");
        for (i = 0; i < 4; i++) {
            one.index = absent[i];
            GIVES(EINVAL, fd, VIDIOC_ENUMOUTPUT, &one);
            number = (int)absent[i];
            GIVES(EINVAL, fd, VIDIOC_S_OUTPUT, &number);
        }
        number = 77;
        GIVES(0, fd, VIDIOC_G_OUTPUT, &number);
        expect(number == 0, "G_OUTPUT is 0");
        GIVES(0, fd, VIDIOC_S_OUTPUT, &number);
        GIVES(ENOTTY, fd, VIDIOC_G_INPUT, &number);
        GIVES(ENOTTY, fd, VIDIOC_S_INPUT, &number);
        GIVES(ENOTTY, fd, VIDIOC_ENUMINPUT, &(struct v4l2_input){ 0 });
    } else {
        struct v4l2_input one, two;
        memset(&one, 0xa5, sizeof one);
        memset(&two, 0x5a, sizeof two);
        one.index = two.index = 0;
        GIVES(0, fd, VIDIOC_ENUMINPUT, &one);
        GIVES(0, fd, VIDIOC_ENUMINPUT, &two);
        expect(!memcmp(&one, &two, sizeof one), "ENUMINPUT: every byte is the driver's");
        text(one.name, sizeof one.name, "the input's name");
        expect(one.index == 0 && one.type == V4L2_INPUT_TYPE_CAMERA, "ENUMINPUT: index 0, a camera");
        expect(one.std == 0 && one.audioset == 0 && one.tuner == 0, "ENUMINPUT: no standard, no tuner");
        expect(one.status == (uint32_t)opt.first, "ENUMINPUT: status 0x%x has to be 0x%lx", one.status, opt.first);
        ZERO(one.reserved, "ENUMINPUT");
        for (i = 0; i < 4; i++) {
            one.index = absent[i];
            GIVES(EINVAL, fd, VIDIOC_ENUMINPUT, &one);
            number = (int)absent[i];
            GIVES(EINVAL, fd, VIDIOC_S_INPUT, &number);
        }
        number = 77;
        GIVES(0, fd, VIDIOC_G_INPUT, &number);
        expect(number == 0, "G_INPUT is 0");
        GIVES(0, fd, VIDIOC_S_INPUT, &number);
        GIVES(ENOTTY, fd, VIDIOC_G_OUTPUT, &number);
        GIVES(ENOTTY, fd, VIDIOC_S_OUTPUT, &number);
        GIVES(ENOTTY, fd, VIDIOC_ENUMOUTPUT, &(struct v4l2_output){ 0 });
    }
    id = V4L2_STD_PAL;
    GIVES(ENOTTY, fd, VIDIOC_G_STD, &id);
    GIVES(ENOTTY, fd, VIDIOC_S_STD, &id);
    memset(&standard, 0, sizeof standard);
    GIVES(ENOTTY, fd, VIDIOC_ENUMSTD, &standard);
}

static const uint32_t wrong_types[] = { 0, V4L2_BUF_TYPE_VIDEO_OVERLAY, V4L2_BUF_TYPE_VBI_CAPTURE,
                                        V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE, V4L2_BUF_TYPE_META_OUTPUT, 99,
                                        V4L2_BUF_TYPE_PRIVATE, 0xffffffff };

/* The wrong type number `i` of this node; 0xdead after the last. */
static uint32_t wrong_type(size_t i)
{
    if (i == 0)
        return on_input ? CAPTURE : OUTPUT;
    i--;
    return i < sizeof wrong_types / sizeof *wrong_types ? wrong_types[i] : 0xdead;
}

static void intervals(int fd, uint32_t code, uint32_t width, uint32_t height)
{
    struct v4l2_frmivalenum v;
    uint32_t i;
    for (i = 0; i < 1000; i++) {
        int given;
        memset(&v, 0xa5, sizeof v);
        v.index = i;
        v.pixel_format = code;
        v.width = width;
        v.height = height;
        given = answer(fd, VIDIOC_ENUM_FRAMEINTERVALS, &v);
        if (given) {
            expect(given == EINVAL && i > 0, "ENUM_FRAMEINTERVALS of %s ends with EINVAL after the first", name_of(code));
            return;
        }
        expect(v.type == V4L2_FRMIVAL_TYPE_DISCRETE, "ENUM_FRAMEINTERVALS: discrete");
        expect(v.discrete.numerator && v.discrete.denominator, "ENUM_FRAMEINTERVALS: an interval");
        expect(v.index == i && v.pixel_format == code && v.width == width && v.height == height,
               "ENUM_FRAMEINTERVALS: what was asked stays");
        ZERO(v.reserved, "ENUM_FRAMEINTERVALS");
    }
    expect(0, "ENUM_FRAMEINTERVALS of %s ends", name_of(code));
}

/* An input's sizes and intervals are the program's to choose: one range of each. */
static void ranges(int fd, uint32_t code, const struct v4l2_pix_format *own)
{
    struct v4l2_frmsizeenum v;
    struct v4l2_frmivalenum t;
    memset(&v, 0xa5, sizeof v);
    v.index = 0;
    v.pixel_format = code;
    GIVES(0, fd, VIDIOC_ENUM_FRAMESIZES, &v);
    expect(v.type == V4L2_FRMSIZE_TYPE_CONTINUOUS, "ENUM_FRAMESIZES of an input: continuous");
    expect(v.stepwise.min_width == 1 && v.stepwise.min_height == 1 && v.stepwise.step_width == 1 &&
               v.stepwise.step_height == 1,
           "ENUM_FRAMESIZES of %s: every size from 1x1 on", name_of(code));
    expect(v.stepwise.max_width >= 1920 && v.stepwise.max_height >= 1080, "ENUM_FRAMESIZES of %s: large enough",
           name_of(code));
    expect(v.stepwise.min_width <= own->width && v.stepwise.min_height <= own->height, "ENUM_FRAMESIZES: small enough");
    ZERO(v.reserved, "ENUM_FRAMESIZES");
    v.index = 1;
    GIVES(EINVAL, fd, VIDIOC_ENUM_FRAMESIZES, &v);
    memset(&t, 0xa5, sizeof t);
    t.index = 0;
    t.pixel_format = code;
    t.width = own->width;
    t.height = own->height;
    GIVES(0, fd, VIDIOC_ENUM_FRAMEINTERVALS, &t);
    expect(t.type == V4L2_FRMIVAL_TYPE_CONTINUOUS || t.type == V4L2_FRMIVAL_TYPE_STEPWISE,
           "ENUM_FRAMEINTERVALS of an input: a range");
    expect(t.stepwise.min.denominator && t.stepwise.max.numerator && t.stepwise.max.denominator,
           "ENUM_FRAMEINTERVALS: a range");
    ZERO(t.reserved, "ENUM_FRAMEINTERVALS");
    t.index = 1;
    GIVES(EINVAL, fd, VIDIOC_ENUM_FRAMEINTERVALS, &t);
}

/* Whether the size is among a format's sizes. */
static int sizes(int fd, uint32_t code, const struct v4l2_pix_format *own)
{
    struct v4l2_frmsizeenum v;
    struct v4l2_frmivalenum none;
    int found = 0;
    uint32_t i;
    for (i = 0; i < 1000; i++) {
        int given;
        memset(&v, 0xa5, sizeof v);
        v.index = i;
        v.pixel_format = code;
        given = answer(fd, VIDIOC_ENUM_FRAMESIZES, &v);
        if (given) {
            expect(given == EINVAL && i > 0, "ENUM_FRAMESIZES of %s ends with EINVAL after the first", name_of(code));
            break;
        }
        expect(v.type == V4L2_FRMSIZE_TYPE_DISCRETE, "ENUM_FRAMESIZES: discrete");
        expect(v.index == i && v.pixel_format == code, "ENUM_FRAMESIZES: what was asked stays");
        expect(v.discrete.width && v.discrete.height, "ENUM_FRAMESIZES: a size");
        ZERO(v.reserved, "ENUM_FRAMESIZES");
        if (v.discrete.width == own->width && v.discrete.height == own->height)
            found = 1;
        intervals(fd, code, v.discrete.width, v.discrete.height);
    }
    expect(i < 1000, "ENUM_FRAMESIZES of %s ends", name_of(code));
    memset(&none, 0, sizeof none);
    none.pixel_format = code;
    none.width = 3;
    none.height = 5;
    GIVES(EINVAL, fd, VIDIOC_ENUM_FRAMEINTERVALS, &none);
    return found;
}

static void case_formats(void)
{
    int fd = open_node(O_RDWR), listed = 0, found = 0;
    struct v4l2_format now = format_of(fd, type);
    uint32_t seen_codes[256];
    struct v4l2_fmtdesc d;
    struct v4l2_frmsizeenum s;
    uint32_t i, k;
    for (i = 0; i < 256; i++) {
        int given;
        memset(&d, 0xa5, sizeof d);
        d.index = i;
        d.type = type;
        given = answer(fd, VIDIOC_ENUM_FMT, &d);
        if (given) {
            expect(given == EINVAL, "ENUM_FMT ends with EINVAL");
            break;
        }
        expect(d.index == i && d.type == type, "ENUM_FMT: what was asked stays");
        text(d.description, sizeof d.description, "description");
        if (is_compressed(d.pixelformat) || d.pixelformat == V4L2_PIX_FMT_H264)
            expect(d.flags & V4L2_FMT_FLAG_COMPRESSED, "ENUM_FMT: %s is compressed", name_of(d.pixelformat));
        if (d.pixelformat == V4L2_PIX_FMT_YUYV || d.pixelformat == V4L2_PIX_FMT_NV12)
            expect(!(d.flags & V4L2_FMT_FLAG_COMPRESSED), "ENUM_FMT: %s is not compressed", name_of(d.pixelformat));
        ZERO(d.reserved, "ENUM_FMT");
        for (k = 0; k < i; k++)
            expect(seen_codes[k] != d.pixelformat, "ENUM_FMT: %s is there once", name_of(d.pixelformat));
        seen_codes[i] = d.pixelformat;
        if (d.pixelformat == now.fmt.pix.pixelformat)
            listed = 1;
        if (on_input)
            ranges(fd, d.pixelformat, &now.fmt.pix);
        else if (sizes(fd, d.pixelformat, &now.fmt.pix) && d.pixelformat == now.fmt.pix.pixelformat)
            found = 1;
        say("{\"event\":\"format\",\"format\":\"%s\",\"description\":\"%.32s\"}", name_of(d.pixelformat), d.description);
    }
    expect(i > 0 && i < 256, "ENUM_FMT has formats and ends");
    expect(listed, "ENUM_FMT lists G_FMT's");
    expect(on_input || found, "ENUM_FRAMESIZES lists G_FMT's size");
    memset(&s, 0, sizeof s);
    s.pixel_format = fourcc("none");
    GIVES(EINVAL, fd, VIDIOC_ENUM_FRAMESIZES, &s);
    for (i = 0; wrong_type(i) != 0xdead; i++) {
        memset(&d, 0, sizeof d);
        d.type = wrong_type(i);
        GIVES(EINVAL, fd, VIDIOC_ENUM_FMT, &d);
    }
}

/* Whether ENUM_FMT says that frames of this format vary in length. */
static int varies(int fd, uint32_t code)
{
    struct v4l2_fmtdesc d;
    memset(&d, 0, sizeof d);
    d.type = type;
    for (; !answer(fd, VIDIOC_ENUM_FMT, &d); d.index++)
        if (d.pixelformat == code)
            return !!(d.flags & V4L2_FMT_FLAG_COMPRESSED);
    return 0;
}

static void check_format(int fd, const struct v4l2_format *f, const char *what)
{
    const struct v4l2_pix_format *p = &f->fmt.pix;
    expect(f->type == type, "%s: the type stays", what);
    expect(p->width && p->height, "%s: a size", what);
    expect(p->field && p->field <= V4L2_FIELD_INTERLACED_BT && p->field != V4L2_FIELD_ALTERNATE, "%s: a field", what);
    expect(p->sizeimage && (varies(fd, p->pixelformat) ? p->bytesperline == 0 : p->bytesperline > 0),
           "%s: %s bytesperline %u, sizeimage %u", what, name_of(p->pixelformat), p->bytesperline, p->sizeimage);
    expect(p->colorspace, "%s: colorspace", what);
    expect(p->priv == V4L2_PIX_FMT_PRIV_MAGIC, "%s: priv has its mark", what);
    expect(is_zero(p + 1, sizeof f->fmt - sizeof *p), "%s: zeros after pix", what);
}

/* A node on which nobody has set anything. */
static void case_unset(void)
{
    int fd = open_node(O_RDWR);
    struct v4l2_format one, two;
    memset(&one, 0xa5, sizeof one);
    memset(&two, 0x5a, sizeof two);
    one.type = two.type = type;
    GIVES(0, fd, VIDIOC_G_FMT, &one);
    GIVES(0, fd, VIDIOC_G_FMT, &two);
    expect(!memcmp(&one.fmt, &two.fmt, sizeof one.fmt), "G_FMT: every byte is the driver's");
    check_format(fd, &one, "G_FMT");
    expect(one.fmt.pix.pixelformat == V4L2_PIX_FMT_YUYV && one.fmt.pix.width == 640 && one.fmt.pix.height == 480,
           "G_FMT: YUYV 640x480");
    expect(one.fmt.pix.bytesperline == 1280 && one.fmt.pix.sizeimage == 614400, "G_FMT: 1280 and 614400 bytes");
}

/* Formats that nobody can have: the nearest comes back, never an error. */
static void case_nonsense(void)
{
    static const struct {
        uint32_t code, width, height, field, sizeimage;
    } asked[] = {
        { 0, 0, 0, 0, 0 },
        { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff },
        { V4L2_PIX_FMT_YUYV, 0xffffffff, 1, V4L2_FIELD_INTERLACED, 1 },
        { V4L2_PIX_FMT_YUV420, 1, 0xffffffff, V4L2_FIELD_ANY, 0 },
        { V4L2_PIX_FMT_YUV420, 33, 17, 77, 3 },
        { V4L2_PIX_FMT_MJPEG, 7, 100000, V4L2_FIELD_SEQ_TB, 0xffffffff },
        { 0x656e6f6e, 321, 241, V4L2_FIELD_ALTERNATE, 0 },
        { V4L2_PIX_FMT_BGR24, 0x80000000, 0x80000000, 0, 0 },
    };
    int fd = open_node(O_RDWR);
    struct v4l2_format f, again, before, bad;
    size_t i, k;
    for (i = 0; i < sizeof asked / sizeof *asked; i++)
        for (k = 0; k < 2; k++) {
            char what[80];
            snprintf(what, sizeof what, "%s number %zu", k ? "S_FMT" : "TRY_FMT", i);
            memset(&before, 0, sizeof before);
            before = format_of(fd, type);
            memset(&f, 0xa5, sizeof f);
            f.type = type;
            f.fmt.pix.pixelformat = asked[i].code;
            f.fmt.pix.width = asked[i].width;
            f.fmt.pix.height = asked[i].height;
            f.fmt.pix.field = asked[i].field;
            f.fmt.pix.sizeimage = asked[i].sizeimage;
            f.fmt.pix.bytesperline = 0xffffffff;
            if (k)
                GIVES(0, fd, VIDIOC_S_FMT, &f);
            else
                GIVES(0, fd, VIDIOC_TRY_FMT, &f);
            check_format(fd, &f, what);
            again = f;
            if (k)
                GIVES(0, fd, VIDIOC_S_FMT, &again);
            else
                GIVES(0, fd, VIDIOC_TRY_FMT, &again);
            expect(!memcmp(&f, &again, sizeof f), "%s: what it gave, it takes", what);
            again = format_of(fd, type);
            if (k)
                expect(!memcmp(&again, &f, sizeof f), "%s: G_FMT says the same", what);
            else
                expect(!memcmp(&again, &before, sizeof f), "%s changes nothing", what);
        }
    for (i = 0; wrong_type(i) != 0xdead; i++) {
        bad = format_of(fd, type);
        bad.type = wrong_type(i);
        GIVES(EINVAL, fd, VIDIOC_G_FMT, &bad);
        bad.type = wrong_type(i);
        GIVES(EINVAL, fd, VIDIOC_TRY_FMT, &bad);
        bad.type = wrong_type(i);
        GIVES(EINVAL, fd, VIDIOC_S_FMT, &bad);
    }
}

/* Every format of an input can be set, exactly, at a size that suits it. */
static void case_set_all(void)
{
    int fd = open_node(O_RDWR);
    struct v4l2_fmtdesc d;
    uint32_t i;
    for (i = 0; i < 256; i++) {
        struct v4l2_format f;
        memset(&d, 0, sizeof d);
        d.index = i;
        d.type = type;
        if (answer(fd, VIDIOC_ENUM_FMT, &d))
            break;
        memset(&f, 0, sizeof f);
        f.type = type;
        f.fmt.pix.pixelformat = d.pixelformat;
        f.fmt.pix.width = 336;
        f.fmt.pix.height = 228;
        GIVES(0, fd, VIDIOC_S_FMT, &f);
        expect(f.fmt.pix.pixelformat == d.pixelformat && f.fmt.pix.width == 336 && f.fmt.pix.height == 228,
               "S_FMT: %s 336x228 exactly", name_of(d.pixelformat));
        check_format(fd, &f, name_of(d.pixelformat));
    }
    expect(i > 10, "ENUM_FMT has formats");
}

/* Unknown is ENOTTY before the address is looked at; known with a bad address EFAULT. */
static void case_addresses(void)
{
    static const unsigned long unknown[] = {
        _IOWR('V', 192, int), _IOR('V', 193, struct v4l2_capability), _IO('V', 200), _IOWR('V', 120, int),
        _IOR('V', 1, int), /* RESERVED */
        _IOR('V', 0, int), /* QUERYCAP with another size */
        _IOWR('T', 0, int), _IO('v', 250), 0x5401, /* TCGETS */ 0, 0xffffffff };
    static const struct {
        unsigned long request;
        const char *name;
        int node; /* 0 both, 1 input, 2 output */
        int writes;
    } known[] = {
        { VIDIOC_QUERYCAP, "QUERYCAP", 0, 1 }, { VIDIOC_ENUM_FMT, "ENUM_FMT", 0, 1 }, { VIDIOC_G_FMT, "G_FMT", 0, 1 },
        { VIDIOC_S_FMT, "S_FMT", 0, 1 }, { VIDIOC_TRY_FMT, "TRY_FMT", 0, 1 }, { VIDIOC_REQBUFS, "REQBUFS", 0, 1 },
        { VIDIOC_QUERYBUF, "QUERYBUF", 0, 1 }, { VIDIOC_QBUF, "QBUF", 0, 1 }, { VIDIOC_DQBUF, "DQBUF", 0, 1 },
        { VIDIOC_STREAMON, "STREAMON", 0, 0 }, { VIDIOC_STREAMOFF, "STREAMOFF", 0, 0 },
        { VIDIOC_G_PARM, "G_PARM", 0, 1 }, { VIDIOC_S_PARM, "S_PARM", 0, 1 },
        { VIDIOC_G_PRIORITY, "G_PRIORITY", 0, 1 }, { VIDIOC_S_PRIORITY, "S_PRIORITY", 0, 0 },
        { VIDIOC_ENUMINPUT, "ENUMINPUT", 2, 1 }, { VIDIOC_G_INPUT, "G_INPUT", 2, 1 },
        { VIDIOC_S_INPUT, "S_INPUT", 2, 1 }, { VIDIOC_ENUM_FRAMESIZES, "ENUM_FRAMESIZES", 0, 1 },
        { VIDIOC_ENUM_FRAMEINTERVALS, "ENUM_FRAMEINTERVALS", 0, 1 }, { VIDIOC_ENUMOUTPUT, "ENUMOUTPUT", 1, 1 },
        { VIDIOC_G_OUTPUT, "G_OUTPUT", 1, 1 }, { VIDIOC_S_OUTPUT, "S_OUTPUT", 1, 1 } };
    int fd = open_node(O_RDWR);
    char room[1024];
    size_t i;
    unsigned char *two_pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (two_pages == MAP_FAILED || mprotect(two_pages + 4096, 4096, PROT_NONE))
        fail("mmap");
    for (i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        int given;
        memset(room, 0, sizeof room);
        given = answer(fd, unknown[i], NULL);
        expect(given == ENOTTY, "0x%lx with NULL gives ENOTTY, not %s", unknown[i], strerrorname_np(given));
        given = answer(fd, unknown[i], room);
        expect(given == ENOTTY, "0x%lx gives ENOTTY, not %s", unknown[i], strerrorname_np(given));
    }
    for (i = 0; i < sizeof known / sizeof *known; i++) {
        int wanted = known[i].node == 0 || known[i].node == (on_input ? 1 : 2) ? EFAULT : ENOTTY;
        static const char *const bad[] = { NULL, (char *)1, (char *)-4096, "text that nobody may write to" };
        size_t k, last = known[i].writes ? 4 : 3;
        for (k = 0; k < last; k++) {
            int given;
            /* Text may be read: only what is copied out fails there, if the request gets that far. */
            if (k == 3 && strcmp(known[i].name, "QUERYCAP") && strcmp(known[i].name, "G_PRIORITY") &&
                strcmp(known[i].name, "G_INPUT") && strcmp(known[i].name, "G_OUTPUT"))
                continue;
            given = answer(fd, known[i].request, (void *)bad[k]);
            expect(given == wanted, "%s with bad address number %zu gives %s, not %s", known[i].name, k,
                   strerrorname_np(wanted), strerrorname_np(given));
        }
        /* An argument that goes over the end of what is mapped. */
        if (wanted == EFAULT) {
            int given = answer(fd, known[i].request, two_pages + 4096 - 2);
            expect(given == EFAULT, "%s over the end of a mapping gives EFAULT, not %s", known[i].name,
                   strerrorname_np(given));
        }
        /* The number as a sign-extended int. */
        if (known[i].request == VIDIOC_QUERYCAP) {
            int given = answer(fd, (unsigned long)(long)(int)known[i].request, room);
            expect(given == 0, "a request is cut to 32 bits first, not %s", strerrorname_np(given));
        }
    }
}

/* Requests that a loopback has no use for, with an argument and without. */
static void case_refused(void)
{
    static const struct {
        unsigned long request;
        const char *name;
    } refused[] = {
#define R(x) { VIDIOC_##x, #x }
        R(G_FBUF), R(S_FBUF), R(OVERLAY), R(G_STD), R(S_STD), R(ENUMSTD), R(G_TUNER), R(S_TUNER), R(G_AUDIO),
        R(S_AUDIO), R(G_EDID), R(S_EDID), R(G_AUDOUT), R(S_AUDOUT), R(G_MODULATOR), R(S_MODULATOR), R(G_FREQUENCY),
        R(S_FREQUENCY), R(G_CROP), R(S_CROP), R(G_JPEGCOMP), R(S_JPEGCOMP), R(QUERYSTD), R(ENUMAUDIO),
        R(ENUMAUDOUT), R(G_SLICED_VBI_CAP), R(G_ENC_INDEX), R(ENCODER_CMD), R(TRY_ENCODER_CMD),
        R(S_HW_FREQ_SEEK), R(S_DV_TIMINGS), R(G_DV_TIMINGS), R(S_SELECTION), R(DECODER_CMD),
        R(TRY_DECODER_CMD), R(ENUM_DV_TIMINGS), R(QUERY_DV_TIMINGS), R(DV_TIMINGS_CAP), R(ENUM_FREQ_BANDS),
#undef R
    };
    int fd = open_node(O_RDWR);
    char room[4096];
    size_t i;
    for (i = 0; i < sizeof refused / sizeof *refused; i++) {
        int given;
        memset(room, 0, sizeof room);
        given = answer(fd, refused[i].request, room);
        expect(given == ENOTTY, "%s gives ENOTTY, not %s", refused[i].name, strerrorname_np(given));
        given = answer(fd, refused[i].request, NULL);
        expect(given == ENOTTY, "%s with NULL gives ENOTTY, not %s", refused[i].name, strerrorname_np(given));
    }
}

static void case_priority(void)
{
    int a = open_node(O_RDWR), b = open_node(O_RDWR), given;
    uint32_t p = 77, count = 4;
    int number = 0, buffers = (int)type;
    struct v4l2_format f;
    struct v4l2_streamparm parm;
    GIVES(0, a, VIDIOC_G_PRIORITY, &p);
    expect(p == V4L2_PRIORITY_DEFAULT, "the default is the highest, not %u", p);
    for (number = 0; number < 2; number++) {
        static const uint32_t bad[] = { V4L2_PRIORITY_UNSET, 4 };
        p = bad[number];
        GIVES(EINVAL, a, VIDIOC_S_PRIORITY, &p);
    }
    p = V4L2_PRIORITY_RECORD;
    GIVES(0, a, VIDIOC_S_PRIORITY, &p);
    p = 77;
    GIVES(0, b, VIDIOC_G_PRIORITY, &p);
    expect(p == V4L2_PRIORITY_RECORD, "another's is the highest, not %u", p);
    f = format_of(b, type);
    GIVES(EBUSY, b, VIDIOC_S_FMT, &f);
    GIVES(0, b, VIDIOC_TRY_FMT, &f);
    memset(&parm, 0, sizeof parm);
    parm.type = type;
    GIVES(0, b, VIDIOC_G_PARM, &parm);
    GIVES(EBUSY, b, VIDIOC_S_PARM, &parm);
    number = 0;
    if (on_input)
        GIVES(EBUSY, b, VIDIOC_S_OUTPUT, &number);
    else
        GIVES(EBUSY, b, VIDIOC_S_INPUT, &number);
    given = ask_buffers(b, type, V4L2_MEMORY_MMAP, &count);
    expect(given == EBUSY, "REQBUFS below a higher priority gives EBUSY, not %s", strerrorname_np(given));
    GIVES(EBUSY, b, VIDIOC_STREAMON, &buffers);
    p = V4L2_PRIORITY_BACKGROUND;
    GIVES(EBUSY, b, VIDIOC_S_PRIORITY, &p);
    /* Its own holder may go on, and may go down again. */
    GIVES(0, a, VIDIOC_S_FMT, &f);
    p = V4L2_PRIORITY_BACKGROUND;
    GIVES(0, a, VIDIOC_S_PRIORITY, &p);
    GIVES(0, b, VIDIOC_G_PRIORITY, &p);
    expect(p == V4L2_PRIORITY_DEFAULT, "back to the default, not %u", p);
    if (!on_input)
        GIVES(0, b, VIDIOC_S_FMT, &f);
    p = V4L2_PRIORITY_BACKGROUND;
    GIVES(EBUSY, a, VIDIOC_S_PRIORITY, &p);
    /* What an open file has ends with it. */
    p = V4L2_PRIORITY_RECORD;
    GIVES(0, b, VIDIOC_S_PRIORITY, &p);
    close(b);
    p = 77;
    GIVES(0, a, VIDIOC_G_PRIORITY, &p);
    expect(p == V4L2_PRIORITY_BACKGROUND, "the closed one's is gone, not %u", p);
    GIVES(0, a, VIDIOC_S_FMT, &f);
    /* Opening alone changes nothing, and a higher one is for one node alone. */
    p = V4L2_PRIORITY_DEFAULT;
    GIVES(0, a, VIDIOC_S_PRIORITY, &p);
}

static void case_parm(void)
{
    int fd = open_node(O_RDWR);
    struct v4l2_streamparm one, two;
    struct v4l2_fract *t = on_input ? &one.parm.output.timeperframe : &one.parm.capture.timeperframe;
    size_t i;
    memset(&one, 0xa5, sizeof one);
    memset(&two, 0x5a, sizeof two);
    one.type = two.type = type;
    GIVES(0, fd, VIDIOC_G_PARM, &one);
    GIVES(0, fd, VIDIOC_G_PARM, &two);
    expect(!memcmp(&one, &two, sizeof one), "G_PARM: every byte is the driver's");
    expect(t->numerator == 1 && t->denominator == 30, "G_PARM: 1/30, not %u/%u", t->numerator, t->denominator);
    expect((on_input ? one.parm.output.capability : one.parm.capture.capability) == V4L2_CAP_TIMEPERFRAME,
           "G_PARM: V4L2_CAP_TIMEPERFRAME");
    t->numerator = 0;
    t->denominator = 0;
    GIVES(0, fd, VIDIOC_S_PARM, &one);
    expect(t->numerator && t->denominator, "S_PARM of 0/0: an interval, not %u/%u", t->numerator, t->denominator);
    t->numerator = 1;
    t->denominator = 15;
    GIVES(0, fd, VIDIOC_S_PARM, &one);
    expect(t->numerator && t->denominator, "S_PARM: an interval");
    two = one;
    GIVES(0, fd, VIDIOC_G_PARM, &one);
    expect(!memcmp(&one, &two, sizeof one), "G_PARM says what S_PARM said");
    if (on_input)
        expect(t->denominator == 15 * t->numerator, "S_PARM: 1/15 is set, not %u/%u", t->numerator, t->denominator);
    for (i = 0; wrong_type(i) != 0xdead; i++) {
        memset(&one, 0, sizeof one);
        one.type = wrong_type(i);
        GIVES(EINVAL, fd, VIDIOC_G_PARM, &one);
        one.type = wrong_type(i);
        GIVES(EINVAL, fd, VIDIOC_S_PARM, &one);
    }
    say("{\"event\":\"parm\"}");
    if (opt.hold)
        order();
}

/* The interval that a pusher set on the input (1/15) is the output's. */
static void case_interval(void)
{
    int fd = open_node(O_RDWR);
    struct v4l2_streamparm p;
    struct v4l2_frmivalenum v;
    struct v4l2_format f = format_of(fd, CAPTURE);
    int found = 0;
    memset(&p, 0, sizeof p);
    p.type = CAPTURE;
    GIVES(0, fd, VIDIOC_G_PARM, &p);
    expect(p.parm.capture.timeperframe.denominator == 15 * p.parm.capture.timeperframe.numerator,
           "G_PARM: 1/15, not %u/%u", p.parm.capture.timeperframe.numerator, p.parm.capture.timeperframe.denominator);
    memset(&v, 0, sizeof v);
    v.pixel_format = f.fmt.pix.pixelformat;
    v.width = f.fmt.pix.width;
    v.height = f.fmt.pix.height;
    for (; !answer(fd, VIDIOC_ENUM_FRAMEINTERVALS, &v) && v.index < 1000; v.index++)
        if (v.discrete.denominator == 15 * v.discrete.numerator)
            found = 1;
    expect(found, "ENUM_FRAMEINTERVALS has 1/15");
}

/* v4l2-compliance has a hundred open at once, and asks each of them. */
static void case_hundred(void)
{
    int fd[100], i;
    struct v4l2_capability cap;
    for (i = 0; i < 100; i++) {
        fd[i] = open_node(O_RDWR);
        if (i % 10 == 0)
            goes_on();
    }
    for (i = 99; i >= 0; i--) {
        GIVES(0, fd[i], VIDIOC_QUERYCAP, &cap);
        format_of(fd[i], type);
    }
    goes_on();
    for (i = 0; i < 100; i += 2)
        close(fd[i]);
    goes_on();
    for (i = 1; i < 100; i += 2) {
        GIVES(0, fd[i], VIDIOC_QUERYCAP, &cap);
        close(fd[i]);
    }
}

int main(int argc, char **argv)
{
    static const struct a_case cases[] = {
        { "cap", case_cap }, { "connectors", case_connectors }, { "formats", case_formats }, { "unset", case_unset },
        { "nonsense", case_nonsense }, { "set-all", case_set_all }, { "addresses", case_addresses },
        { "refused", case_refused }, { "priority", case_priority },
        { "parm", case_parm }, { "interval", case_interval }, { "hundred", case_hundred },
    };
    begin(argc, argv);
    on_input = opt.find && !strcmp(opt.find, "input");
    type = on_input ? OUTPUT : CAPTURE;
    return run_case(cases, sizeof cases / sizeof *cases);
}
