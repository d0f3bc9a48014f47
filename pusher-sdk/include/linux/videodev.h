/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The V4L1 interface, for building programs that were written against it.
 *
 * Kernels before 2.6.38 shipped a header of this name; today's do not. This one was written anew
 * for vloopback from the interface's numbers and layouts. Put the directory above this one first
 * in the include path:  cc -I pusher-sdk/include old-program.c
 *
 * It includes <linux/videodev2.h>, as that of 2.6 did: sources of that time count on it. That one may be
 * included by itself as well, in either order.
 */
/* The old header's guard, so that a second copy inside a program's own tree does no harm. */
#ifndef __LINUX_VIDEODEV_H
#define __LINUX_VIDEODEV_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* The guard that V4L2's header had then: a copy of it inside a program's own tree has it still. */
#ifndef __LINUX_VIDEODEV2_H
#include <linux/videodev2.h>
#define __LINUX_VIDEODEV2_H
#endif

/* ------------------------------------------------------------------ devices and channels ---- */

/* VIDIOCGCAP: what the device is. */
struct video_capability {
	char name[32];
	int type; /* set of VID_TYPE_* */
	int channels;
	int audios;
	int maxwidth; /* sizes in pixels */
	int maxheight;
	int minwidth;
	int minheight;
};

#define VID_TYPE_CAPTURE 1       /* captures to memory */
#define VID_TYPE_TUNER 2         /* has a tuner */
#define VID_TYPE_TELETEXT 4      /* has teletext */
#define VID_TYPE_OVERLAY 8       /* writes to screen memory */
#define VID_TYPE_CHROMAKEY 16    /* overlays where a colour is */
#define VID_TYPE_CLIPPING 32     /* overlay leaves out rectangles */
#define VID_TYPE_FRAMERAM 64     /* overlay spoils the screen memory */
#define VID_TYPE_SCALES 128      /* scales */
#define VID_TYPE_MONOCHROME 256  /* black and white */
#define VID_TYPE_SUBCAPTURE 512  /* captures a part of the picture */
#define VID_TYPE_MPEG_DECODER 1024
#define VID_TYPE_MPEG_ENCODER 2048
#define VID_TYPE_MJPEG_DECODER 4096
#define VID_TYPE_MJPEG_ENCODER 8192

/* VIDIOCGCHAN, VIDIOCSCHAN: a source of pictures. */
struct video_channel {
	int channel; /* in: which one */
	char name[32];
	int tuners;
	__u32 flags; /* set of VIDEO_VC_* */
	__u16 type;  /* VIDEO_TYPE_* */
	__u16 norm;  /* VIDEO_MODE_* */
};

#define VIDEO_VC_TUNER 1
#define VIDEO_VC_AUDIO 2

#define VIDEO_TYPE_TV 1
#define VIDEO_TYPE_CAMERA 2

/* VIDIOCGTUNER, VIDIOCSTUNER. */
struct video_tuner {
	int tuner; /* in: which one */
	char name[32];
	unsigned long rangelow; /* in 1/16 MHz, or 1/16 kHz with VIDEO_TUNER_LOW */
	unsigned long rangehigh;
	__u32 flags;  /* set of VIDEO_TUNER_* */
	__u16 mode;   /* VIDEO_MODE_* */
	__u16 signal; /* 0 to 65535 */
};

#define VIDEO_TUNER_PAL 1
#define VIDEO_TUNER_NTSC 2
#define VIDEO_TUNER_SECAM 4
#define VIDEO_TUNER_LOW 8        /* ranges count kHz */
#define VIDEO_TUNER_NORM 16      /* the norm can be set */
#define VIDEO_TUNER_STEREO_ON 128
#define VIDEO_TUNER_RDS_ON 256
#define VIDEO_TUNER_MBS_ON 512

#define VIDEO_MODE_PAL 0
#define VIDEO_MODE_NTSC 1
#define VIDEO_MODE_SECAM 2
#define VIDEO_MODE_AUTO 3

/* VIDIOCGUNIT: minor numbers of the nodes that belong together. */
struct video_unit {
	int video;
	int vbi;
	int radio;
	int audio;
	int teletext;
};

#define VIDEO_NO_UNIT (-1)

/* ------------------------------------------------------------------------------ pictures ---- */

/* VIDIOCGPICT, VIDIOCSPICT: settings from 0 to 65535, and the pixel format. */
struct video_picture {
	__u16 brightness;
	__u16 hue;
	__u16 colour;
	__u16 contrast;
	__u16 whiteness; /* for black and white */
	__u16 depth;     /* bits a pixel */
	__u16 palette;   /* VIDEO_PALETTE_* */
};

#define VIDEO_PALETTE_GREY 1     /* 8 bits of luma */
#define VIDEO_PALETTE_HI240 2    /* 8 bits, indexed */
#define VIDEO_PALETTE_RGB565 3
#define VIDEO_PALETTE_RGB24 4    /* in memory: blue, green, red */
#define VIDEO_PALETTE_RGB32 5    /* in memory: blue, green, red, unused */
#define VIDEO_PALETTE_RGB555 6
#define VIDEO_PALETTE_YUV422 7   /* the same bytes as YUYV */
#define VIDEO_PALETTE_YUYV 8
#define VIDEO_PALETTE_UYVY 9
#define VIDEO_PALETTE_YUV420 10
#define VIDEO_PALETTE_YUV411 11
#define VIDEO_PALETTE_RAW 12     /* as the chip gives it */
#define VIDEO_PALETTE_YUV422P 13 /* from here on a plane for each component */
#define VIDEO_PALETTE_YUV411P 14
#define VIDEO_PALETTE_YUV420P 15
#define VIDEO_PALETTE_YUV410P 16

#define VIDEO_PALETTE_PLANAR 13   /* the first with planes */
#define VIDEO_PALETTE_COMPONENT 7 /* the first with luma and chroma */

/* A rectangle, or a bit map, that overlay leaves out. */
struct video_clip {
	__s32 x;
	__s32 y;
	__s32 width;
	__s32 height;
	struct video_clip *next;
};

/* VIDIOCGWIN, VIDIOCSWIN: the size of the picture, and where overlay puts it. */
struct video_window {
	__u32 x;
	__u32 y;
	__u32 width;
	__u32 height;
	__u32 chromakey;
	__u32 flags; /* set of VIDEO_WINDOW_* */
	struct video_clip *clips;
	int clipcount; /* number of clips, or VIDEO_CLIP_BITMAP */
};

#define VIDEO_WINDOW_INTERLACE 1
#define VIDEO_WINDOW_CHROMAKEY 16

#define VIDEO_CLIP_BITMAP (-1)
#define VIDEO_CLIPMAP_SIZE (128 * 625) /* bytes of the bit map */

/* VIDIOCGCAPTURE, VIDIOCSCAPTURE: a part of the picture. */
struct video_capture {
	__u32 x;
	__u32 y;
	__u32 width;
	__u32 height;
	__u16 decimation;
	__u16 flags; /* VIDEO_CAPTURE_* */
};

#define VIDEO_CAPTURE_ODD 0
#define VIDEO_CAPTURE_EVEN 1

/* VIDIOCGFBUF, VIDIOCSFBUF: screen memory. */
struct video_buffer {
	void *base;
	int height;
	int width;
	int depth;
	int bytesperline;
};

/* -------------------------------------------------------------------------------- frames ---- */

#ifndef VIDEO_MAX_FRAME /* V4L2 has the same one */
#define VIDEO_MAX_FRAME 32
#endif

/* VIDIOCGMBUF: what mmap() at offset 0 gives. */
struct video_mbuf {
	int size;   /* bytes in all */
	int frames; /* frames in it */
	int offsets[VIDEO_MAX_FRAME];
};

/* VIDIOCMCAPTURE: an order for one frame; VIDIOCSYNC with its number waits for it. */
struct video_mmap {
	unsigned int frame;
	int height;
	int width;
	unsigned int format; /* VIDEO_PALETTE_* */
};

/* --------------------------------------------------------------------------------- sound ---- */

/* VIDIOCGAUDIO, VIDIOCSAUDIO. */
struct video_audio {
	int audio; /* in: which one */
	__u16 volume;
	__u16 bass;
	__u16 treble;
	__u32 flags; /* set of VIDEO_AUDIO_* */
	char name[16];
	__u16 mode; /* VIDEO_SOUND_* */
	__u16 balance;
	__u16 step;
};

#define VIDEO_AUDIO_MUTE 1
#define VIDEO_AUDIO_MUTABLE 2
#define VIDEO_AUDIO_VOLUME 4
#define VIDEO_AUDIO_BASS 8
#define VIDEO_AUDIO_TREBLE 16
#define VIDEO_AUDIO_BALANCE 32

#define VIDEO_SOUND_MONO 1
#define VIDEO_SOUND_STEREO 2
#define VIDEO_SOUND_LANG1 4
#define VIDEO_SOUND_LANG2 8

/* ---------------------------------------------------- decoders, encryption, blanking data ---- */

struct video_key {
	__u8 key[8];
	__u32 flags;
};

struct vbi_format {
	__u32 sampling_rate;
	__u32 samples_per_line;
	__u32 sample_format; /* VIDEO_PALETTE_RAW */
	__s32 start[2];      /* a field each */
	__u32 count[2];
	__u32 flags; /* set of VBI_* */
};

#define VBI_UNSYNC 1
#define VBI_INTERLACED 2

struct video_info {
	__u32 frame_count;
	__u32 h_size;
	__u32 v_size;
	__u32 smpte_timecode;
	__u32 picture_type;
	__u32 temporal_reference;
	__u8 user_data[256];
};

struct video_play_mode {
	int mode; /* VID_PLAY_* */
	int p1;
	int p2;
};

#define VID_PLAY_VID_OUT_MODE 0
#define VID_PLAY_GENLOCK 1
#define VID_PLAY_NORMAL 2
#define VID_PLAY_PAUSE 3
#define VID_PLAY_SINGLE_FRAME 4
#define VID_PLAY_FAST_FORWARD 5
#define VID_PLAY_SLOW_MOTION 6
#define VID_PLAY_IMMEDIATE_NORMAL 7
#define VID_PLAY_SWITCH_CHANNELS 8
#define VID_PLAY_FREEZE_FRAME 9
#define VID_PLAY_STILL_MODE 10
#define VID_PLAY_MASTER_MODE 11
#define VID_PLAY_ACTIVE_SCANLINES 12
#define VID_PLAY_RESET 13
#define VID_PLAY_END_MARK 14

/* p1 of VID_PLAY_MASTER_MODE */
#define VID_PLAY_MASTER_NONE 1
#define VID_PLAY_MASTER_VIDEO 2
#define VID_PLAY_MASTER_AUDIO 3

struct video_code {
	char loadwhat[16];
	int datasize;
	__u8 *data;
};

/* Argument of VIDIOCSWRITEMODE. */
#define VID_WRITE_MPEG_AUD 0
#define VID_WRITE_MPEG_VID 1
#define VID_WRITE_OSD 2
#define VID_WRITE_TTX 3
#define VID_WRITE_CC 4
#define VID_WRITE_MJPEG 5

/* ------------------------------------------------------------------------------ requests ---- */

#define VIDIOCGCAP _IOR('v', 1, struct video_capability)
#define VIDIOCGCHAN _IOWR('v', 2, struct video_channel)
#define VIDIOCSCHAN _IOW('v', 3, struct video_channel)
#define VIDIOCGTUNER _IOWR('v', 4, struct video_tuner)
#define VIDIOCSTUNER _IOW('v', 5, struct video_tuner)
#define VIDIOCGPICT _IOR('v', 6, struct video_picture)
#define VIDIOCSPICT _IOW('v', 7, struct video_picture)
#define VIDIOCCAPTURE _IOW('v', 8, int)
#define VIDIOCGWIN _IOR('v', 9, struct video_window)
#define VIDIOCSWIN _IOW('v', 10, struct video_window)
#define VIDIOCGFBUF _IOR('v', 11, struct video_buffer)
#define VIDIOCSFBUF _IOW('v', 12, struct video_buffer)
#define VIDIOCKEY _IOR('v', 13, struct video_key)
#define VIDIOCGFREQ _IOR('v', 14, unsigned long)
#define VIDIOCSFREQ _IOW('v', 15, unsigned long)
#define VIDIOCGAUDIO _IOR('v', 16, struct video_audio)
#define VIDIOCSAUDIO _IOW('v', 17, struct video_audio)
#define VIDIOCSYNC _IOW('v', 18, int)
#define VIDIOCMCAPTURE _IOW('v', 19, struct video_mmap)
#define VIDIOCGMBUF _IOR('v', 20, struct video_mbuf)
#define VIDIOCGUNIT _IOR('v', 21, struct video_unit)
#define VIDIOCGCAPTURE _IOR('v', 22, struct video_capture)
#define VIDIOCSCAPTURE _IOW('v', 23, struct video_capture)
#define VIDIOCSPLAYMODE _IOW('v', 24, struct video_play_mode)
#define VIDIOCSWRITEMODE _IOW('v', 25, int)
#define VIDIOCGPLAYINFO _IOR('v', 26, struct video_info)
#define VIDIOCSMICROCODE _IOW('v', 27, struct video_code)
#define VIDIOCGVBIFMT _IOR('v', 28, struct vbi_format)
#define VIDIOCSVBIFMT _IOW('v', 29, struct vbi_format)

/* Numbers from here to 255 belong to single drivers. */
#define BASE_VIDIOCPRIVATE 192

/* vloopback: a zero-copy pusher refuses the request that it was sent. */
#define VIDIOCSINVALID _IO('v',BASE_VIDIOCPRIVATE+1)

#endif /* __LINUX_VIDEODEV_H */
