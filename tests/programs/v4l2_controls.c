/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The controls of a pipe (V4L2 specification, User Controls and Extended Controls), see v4l2_case.h. --device
 * is one node of a pipe, --find the other. */
#include "v4l2_case.h"

static const uint32_t ids[] = { V4L2_CID_BRIGHTNESS, V4L2_CID_CONTRAST, V4L2_CID_SATURATION, V4L2_CID_HUE,
                                V4L2_CID_WHITENESS };
static const char *const names[] = { "Brightness", "Contrast", "Saturation", "Hue", "Whiteness" };
#define COUNT (sizeof ids / sizeof *ids)

/* v4l2loopback's, at its numbers. */
#define OWN 0x0098f900u
enum { KEEP_FORMAT = OWN, SUSTAIN_FRAMERATE, TIMEOUT, TIMEOUT_IMAGE_IO };
static const struct {
    const char *name;
    uint32_t type, flags;
    int32_t maximum;
} own[] = {
    { "keep_format", V4L2_CTRL_TYPE_BOOLEAN, 0, 1 },
    { "sustain_framerate", V4L2_CTRL_TYPE_BOOLEAN, 0, 1 },
    { "timeout", V4L2_CTRL_TYPE_INTEGER, 0, 100000 },
    { "timeout_image_io", V4L2_CTRL_TYPE_BUTTON, V4L2_CTRL_FLAG_WRITE_ONLY | V4L2_CTRL_FLAG_EXECUTE_ON_WRITE, 0 },
};
#define OWNS (sizeof own / sizeof *own)

static const uint32_t absent[] = { 0, V4L2_CID_BRIGHTNESS + 4, V4L2_CID_GAMMA + 1, V4L2_CID_EXPOSURE_AUTO,
                                   V4L2_CID_PRIVATE_BASE + OWNS, OWN - 1, OWN + OWNS, 0x0fffffff };

static int other(void)
{
    int fd = open(opt.find, O_RDWR);
    if (fd < 0)
        fail("open of the other node");
    return fd;
}

static int32_t get(int fd, uint32_t id)
{
    struct v4l2_control c = { .id = id, .value = -77 };
    GIVES(0, fd, VIDIOC_G_CTRL, &c);
    expect(c.id == id, "G_CTRL leaves the id");
    return c.value;
}

/* Sets; what S_CTRL says that the value is now. */
static int32_t put(int fd, uint32_t id, int32_t value)
{
    struct v4l2_control c = { .id = id, .value = value };
    GIVES(0, fd, VIDIOC_S_CTRL, &c);
    return c.value;
}

static void case_list(void)
{
    struct v4l2_queryctrl q;
    struct v4l2_query_ext_ctrl x;
    struct v4l2_querymenu menu;
    int fd = open_node(O_RDWR);
    uint32_t id = 0;
    size_t i;
    for (i = 0; i < COUNT + 1; i++) {
        uint32_t wanted = i ? ids[i - 1] : V4L2_CID_USER_CLASS;
        int is_class = wanted == V4L2_CID_USER_CLASS;
        memset(&q, 0xa5, sizeof q);
        q.id = id | V4L2_CTRL_FLAG_NEXT_CTRL;
        GIVES(0, fd, VIDIOC_QUERYCTRL, &q);
        memset(&x, 0x5a, sizeof x);
        x.id = id | V4L2_CTRL_FLAG_NEXT_CTRL | V4L2_CTRL_FLAG_NEXT_COMPOUND;
        GIVES(0, fd, VIDIOC_QUERY_EXT_CTRL, &x);
        expect(q.id == wanted && x.id == wanted, "the next one after 0x%x is 0x%x, not 0x%x", id, wanted, q.id);
        expect(!strcmp((char *)q.name, is_class ? "User Controls" : names[i - 1]), "its name is %s", q.name);
        expect(!strcmp((char *)q.name, x.name), "both have one name");
        expect(q.type == (is_class ? V4L2_CTRL_TYPE_CTRL_CLASS : V4L2_CTRL_TYPE_INTEGER) && q.type == x.type, "type");
        expect(q.flags == (is_class ? V4L2_CTRL_FLAG_READ_ONLY | V4L2_CTRL_FLAG_WRITE_ONLY : V4L2_CTRL_FLAG_SLIDER) &&
                   q.flags == x.flags,
               "flags 0x%x", q.flags);
        expect(q.minimum == x.minimum && q.maximum == x.maximum && q.step == (int32_t)x.step &&
                   q.default_value == x.default_value,
               "both have one range");
        expect(is_class || (q.minimum == 0 && q.maximum == 65535 && q.step == 1 && q.default_value == 0x8000), "range");
        expect(x.elem_size == 4 && x.elems == 1 && x.nr_of_dims == 0, "one element of 4 bytes");
        ZERO(q.reserved, "QUERYCTRL");
        ZERO(x.reserved, "QUERY_EXT_CTRL");
        ZERO(x.dims, "QUERY_EXT_CTRL");
        id = wanted;
        /* By its own id. */
        memset(&q, 0xa5, sizeof q);
        q.id = wanted;
        GIVES(0, fd, VIDIOC_QUERYCTRL, &q);
        expect(q.id == wanted, "by its own id");
        memset(&menu, 0, sizeof menu);
        menu.id = wanted;
        GIVES(EINVAL, fd, VIDIOC_QUERYMENU, &menu);
    }
    for (i = 0; i < OWNS; i++) {
        /* The next one, by its own id, and by an old one. */
        const uint32_t asked[] = { id | V4L2_CTRL_FLAG_NEXT_CTRL, OWN + (uint32_t)i, V4L2_CID_PRIVATE_BASE + (uint32_t)i };
        size_t way;
        for (way = 0; way < 3; way++) {
            uint32_t wanted = way == 2 ? asked[way] : OWN + (uint32_t)i;
            memset(&q, 0xa5, sizeof q);
            q.id = asked[way];
            GIVES(0, fd, VIDIOC_QUERYCTRL, &q);
            memset(&x, 0x5a, sizeof x);
            x.id = asked[way];
            GIVES(0, fd, VIDIOC_QUERY_EXT_CTRL, &x);
            expect(q.id == wanted && x.id == wanted, "0x%x is 0x%x, not 0x%x", asked[way], q.id, wanted);
            expect(!strcmp((char *)q.name, own[i].name) && !strcmp(x.name, own[i].name), "its name is %s", q.name);
            expect(q.type == own[i].type && x.type == own[i].type && q.flags == own[i].flags && x.flags == own[i].flags,
                   "%s: type %u, flags 0x%x", own[i].name, q.type, q.flags);
            expect(q.minimum == 0 && q.maximum == own[i].maximum && q.default_value == 0 && q.step == !!own[i].maximum,
                   "%s: range", own[i].name);
        }
        id = OWN + (uint32_t)i;
    }
    q.id = id | V4L2_CTRL_FLAG_NEXT_CTRL;
    GIVES(EINVAL, fd, VIDIOC_QUERYCTRL, &q);
    q.id = V4L2_CTRL_FLAG_NEXT_COMPOUND;
    GIVES(EINVAL, fd, VIDIOC_QUERYCTRL, &q);
    for (i = 0; i < sizeof absent / sizeof *absent; i++) {
        struct v4l2_control c = { .id = absent[i] };
        q.id = absent[i];
        GIVES(EINVAL, fd, VIDIOC_QUERYCTRL, &q);
        GIVES(EINVAL, fd, VIDIOC_G_CTRL, &c);
        GIVES(EINVAL, fd, VIDIOC_S_CTRL, &c);
        menu.id = absent[i];
        GIVES(EINVAL, fd, VIDIOC_QUERYMENU, &menu);
    }
}

/* One value of each, whoever sets it on which node. */
static void case_values(void)
{
    int a = open_node(O_RDWR), b = open_node(O_RDWR), c = other();
    struct v4l2_control class = { .id = V4L2_CID_USER_CLASS };
    struct video_picture picture;
    int32_t i;
    GIVES(EACCES, a, VIDIOC_G_CTRL, &class);
    GIVES(EACCES, a, VIDIOC_S_CTRL, &class);
    for (i = 0; i < (int32_t)COUNT; i++) {
        expect(get(a, ids[i]) == 0x8000, "%s stands in the middle", names[i]);
        expect(put(a, ids[i], 100 + i) == 100 + i, "%s is set", names[i]);
        expect(get(b, ids[i]) == 100 + i && get(c, ids[i]) == 100 + i, "%s is told to others", names[i]);
        expect(put(c, ids[i], 70000) == 65535 && get(a, ids[i]) == 65535, "%s has a largest value", names[i]);
        expect(put(b, ids[i], -1) == 0 && get(c, ids[i]) == 0, "%s has a least value", names[i]);
        put(c, ids[i], 1000 * i);
    }
    for (i = 0; i < (int32_t)COUNT; i++)
        expect(get(a, ids[i]) == 1000 * i, "%s alone is set", names[i]);
    close(a);
    close(b);
    close(c);
    /* They are the pipe's; V4L1 has the same. */
    a = open_node(O_RDWR);
    expect(get(a, V4L2_CID_HUE) == 3000, "values outlive who set them");
    memset(&picture, 0, sizeof picture);
    GIVES(0, a, VIDIOCGPICT, &picture);
    expect(picture.brightness == 0 && picture.contrast == 1000 && picture.colour == 2000 && picture.hue == 3000 &&
               picture.whiteness == 4000,
           "VIDIOCGPICT tells the same");
}

static struct v4l2_ext_controls list(uint32_t which, struct v4l2_ext_control *controls, uint32_t count)
{
    struct v4l2_ext_controls l;
    memset(&l, 0, sizeof l);
    l.which = which;
    l.controls = controls;
    l.count = count;
    l.error_idx = 77;
    return l;
}

static void case_lists(void)
{
    int fd = open_node(O_RDWR);
    struct v4l2_ext_control c[3];
    struct v4l2_ext_controls l;
    static const uint32_t empty[] = { V4L2_CTRL_WHICH_CUR_VAL, V4L2_CTRL_CLASS_USER };
    static const uint32_t wrong[] = { V4L2_CTRL_CLASS_CAMERA, 0x12340000, V4L2_CTRL_WHICH_REQUEST_VAL };
    size_t i;
    memset(c, 0, sizeof c);
    c[0].id = V4L2_CID_HUE;
    c[0].value = 5;
    c[1].id = V4L2_CID_BRIGHTNESS;
    c[1].value = 1 << 20;
    l = list(V4L2_CTRL_WHICH_CUR_VAL, c, 2);
    GIVES(0, fd, VIDIOC_TRY_EXT_CTRLS, &l);
    expect(c[0].value == 5 && c[1].value == 65535 && l.error_idx == 2, "TRY tells what would be set");
    expect(get(fd, V4L2_CID_HUE) == 0x8000, "TRY sets nothing");
    c[1].value = 6;
    l = list(V4L2_CTRL_CLASS_USER, c, 2);
    GIVES(0, fd, VIDIOC_S_EXT_CTRLS, &l);
    expect(get(fd, V4L2_CID_HUE) == 5 && get(fd, V4L2_CID_BRIGHTNESS) == 6, "both are set");
    c[0].value = c[1].value = 0;
    l = list(V4L2_CTRL_WHICH_CUR_VAL, c, 2);
    GIVES(0, fd, VIDIOC_G_EXT_CTRLS, &l);
    expect(c[0].value == 5 && c[1].value == 6, "both are told");
    l = list(V4L2_CTRL_WHICH_DEF_VAL, c, 2);
    GIVES(0, fd, VIDIOC_G_EXT_CTRLS, &l);
    expect(c[0].value == 0x8000 && c[1].value == 0x8000, "defaults are told");
    l = list(V4L2_CTRL_WHICH_DEF_VAL, c, 2);
    GIVES(EINVAL, fd, VIDIOC_S_EXT_CTRLS, &l);
    /* All or none. */
    c[0].value = 9;
    c[1].id = V4L2_CID_USER_CLASS;
    l = list(V4L2_CTRL_WHICH_CUR_VAL, c, 2);
    GIVES(EACCES, fd, VIDIOC_S_EXT_CTRLS, &l);
    expect(l.error_idx == 2, "error_idx %u: nothing was tried", l.error_idx);
    l = list(V4L2_CTRL_WHICH_CUR_VAL, c, 2);
    GIVES(EACCES, fd, VIDIOC_G_EXT_CTRLS, &l);
    c[1].id = V4L2_CID_GAMMA + 1;
    l = list(V4L2_CTRL_WHICH_CUR_VAL, c, 2);
    GIVES(EINVAL, fd, VIDIOC_TRY_EXT_CTRLS, &l);
    expect(l.error_idx == 1, "error_idx %u: the one to blame", l.error_idx);
    l = list(V4L2_CTRL_WHICH_CUR_VAL, c, 2);
    GIVES(EINVAL, fd, VIDIOC_S_EXT_CTRLS, &l);
    expect(l.error_idx == 2, "error_idx %u: not even the first", l.error_idx);
    expect(get(fd, V4L2_CID_HUE) == 5, "not even the first");
    for (i = 0; i < 2; i++) {
        l = list(empty[i], NULL, 0);
        GIVES(0, fd, VIDIOC_G_EXT_CTRLS, &l);
        GIVES(0, fd, VIDIOC_TRY_EXT_CTRLS, &l);
        GIVES(0, fd, VIDIOC_S_EXT_CTRLS, &l);
    }
    for (i = 0; i < 3; i++) {
        l = list(wrong[i], NULL, 0);
        GIVES(EINVAL, fd, VIDIOC_G_EXT_CTRLS, &l);
        GIVES(EINVAL, fd, VIDIOC_S_EXT_CTRLS, &l);
    }
    l = list(V4L2_CTRL_WHICH_CUR_VAL, (void *)8, 2);
    GIVES(EFAULT, fd, VIDIOC_S_EXT_CTRLS, &l);
}

/* v4l2loopback's: one value for all, brought into range, set as a list or not at all, told as events. */
static void case_loopback(void)
{
    int a = open_node(O_RDWR | O_NONBLOCK), b = other();
    struct v4l2_control button = { .id = TIMEOUT_IMAGE_IO, .value = 0 };
    struct v4l2_event_subscription sub = { .type = V4L2_EVENT_CTRL, .flags = V4L2_EVENT_SUB_FL_SEND_INITIAL };
    struct v4l2_event e;
    struct v4l2_ext_control c[3];
    struct v4l2_ext_controls l;
    uint32_t id;
    for (id = KEEP_FORMAT; id <= SUSTAIN_FRAMERATE; id++) {
        expect(get(a, id) == 0, "%u: off at first", id);
        expect(put(a, id, 7) == 1 && get(b, id) == 1, "%u: on, for all", id);
        expect(put(b, id, 0) == 0 && get(a, id) == 0, "%u: off again", id);
    }
    expect(put(a, TIMEOUT, 200000) == 100000 && put(a, TIMEOUT, -3) == 0 && put(b, TIMEOUT, 2500) == 2500, "a range");
    expect(get(a, TIMEOUT) == 2500 && get(a, V4L2_CID_PRIVATE_BASE + 2) == 2500, "by its old number, too");
    expect(put(a, V4L2_CID_PRIVATE_BASE + 2, 3000) == 3000 && get(b, TIMEOUT) == 3000, "set by its old number");
    GIVES(EACCES, a, VIDIOC_G_CTRL, &button);
    GIVES(0, a, VIDIOC_S_CTRL, &button);
    memset(c, 0, sizeof c);
    c[0].id = KEEP_FORMAT;
    c[1].id = V4L2_CID_HUE;
    c[2].id = TIMEOUT;
    c[0].value = 1;
    c[1].value = 9;
    c[2].value = 4000;
    l = list(V4L2_CTRL_CLASS_USER, c, 3);
    GIVES(0, a, VIDIOC_S_EXT_CTRLS, &l);
    expect(get(b, KEEP_FORMAT) == 1 && get(b, V4L2_CID_HUE) == 9 && get(b, TIMEOUT) == 4000, "a list is set");
    c[1].id = V4L2_CID_PRIVATE_BASE;
    l = list(V4L2_CTRL_WHICH_CUR_VAL, c, 3);
    GIVES(EINVAL, a, VIDIOC_S_EXT_CTRLS, &l);
    c[1].id = TIMEOUT_IMAGE_IO;
    l = list(V4L2_CTRL_WHICH_CUR_VAL, c, 3);
    GIVES(EACCES, a, VIDIOC_G_EXT_CTRLS, &l);
    for (id = KEEP_FORMAT; id <= TIMEOUT_IMAGE_IO; id++) {
        sub.id = id;
        GIVES(0, a, VIDIOC_SUBSCRIBE_EVENT, &sub);
        GIVES(0, a, VIDIOC_DQEVENT, &e);
        expect(e.type == V4L2_EVENT_CTRL && e.id == id && e.u.ctrl.type == own[id - OWN].type, "%u: an event at first", id);
        expect(e.u.ctrl.changes == (V4L2_EVENT_CTRL_CH_FLAGS | (id == TIMEOUT_IMAGE_IO ? 0 : V4L2_EVENT_CTRL_CH_VALUE)),
               "%u: changes 0x%x", id, e.u.ctrl.changes);
        expect(e.u.ctrl.maximum == own[id - OWN].maximum && e.u.ctrl.minimum == 0, "%u: its range", id);
        put(b, id, id == TIMEOUT ? 77 : 0);
        if (id == SUSTAIN_FRAMERATE)
            put(b, id, 1);
        GIVES(0, a, VIDIOC_DQEVENT, &e);
        expect(e.id == id && e.u.ctrl.value == (id == TIMEOUT ? 77 : id == SUSTAIN_FRAMERATE), "%u: %d", id, e.u.ctrl.value);
        GIVES(ENOENT, a, VIDIOC_DQEVENT, &e);
    }
    put(b, SUSTAIN_FRAMERATE, 0);
    put(b, TIMEOUT, 0);
}

/* V4L2 specification, Application Priority: changing controls is ranked. */
static void case_ranks(void)
{
    int a = open_node(O_RDWR), b = open_node(O_RDWR), c = other();
    struct v4l2_ext_control one = { .id = V4L2_CID_HUE, .value = 1 };
    struct v4l2_ext_controls l = list(V4L2_CTRL_WHICH_CUR_VAL, &one, 1);
    struct v4l2_control control = { .id = V4L2_CID_HUE, .value = 2 };
    uint32_t record = V4L2_PRIORITY_RECORD;
    GIVES(0, a, VIDIOC_S_PRIORITY, &record);
    GIVES(EBUSY, b, VIDIOC_S_CTRL, &control);
    GIVES(EBUSY, b, VIDIOC_S_EXT_CTRLS, &l);
    GIVES(0, b, VIDIOC_TRY_EXT_CTRLS, &l);
    expect(get(b, V4L2_CID_HUE) == 0x8000, "nothing was set");
    /* The other node is another device. */
    GIVES(0, c, VIDIOC_S_CTRL, &control);
    GIVES(0, a, VIDIOC_S_CTRL, &control);
    close(a);
    GIVES(0, b, VIDIOC_S_EXT_CTRLS, &l);
    expect(get(c, V4L2_CID_HUE) == 1, "set when nobody is above it any more");
}

int main(int argc, char **argv)
{
    static const struct a_case cases[] = {
        { "list", case_list }, { "values", case_values }, { "lists", case_lists }, { "ranks", case_ranks },
        { "loopback", case_loopback },
    };
    begin(argc, argv);
    return run_case(cases, sizeof cases / sizeof *cases);
}
