# SPDX-License-Identifier: MIT OR Apache-2.0
"""Sends one picture again and again by pyvirtualcam, until standard input ends:

    pyvirtualcam_send.py FORMAT DEVICE|auto FILE

Prints the device that it got. FILE gets the bytes that clients should see: the picture itself, or I420 where pyvirtualcam
converts to that.
"""
import select
import sys

import numpy as np
import pyvirtualcam
from pyvirtualcam import PixelFormat

WIDTH, HEIGHT = 64, 48
word, device, path = sys.argv[1:]


def yuv(red, green, blue):
    """BT.601, limited range, as a video camera has it."""
    return (
        round(16 + (65.738 * red + 129.057 * green + 25.064 * blue) / 256),
        round(128 + (-37.945 * red - 74.494 * green + 112.439 * blue) / 256),
        round(128 + (112.439 * red - 94.154 * green - 18.285 * blue) / 256),
    )


def coloured(order):
    """Four fields of one colour each, so that it does not matter how chroma is averaged."""
    colours = [(200, 30, 40), (20, 180, 60), (10, 40, 220), (240, 240, 230)]
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    planes = [np.zeros((HEIGHT, WIDTH), np.uint8) for _ in range(3)]
    for k, colour in enumerate(colours):
        rows = slice(HEIGHT // 2 * (k // 2), HEIGHT // 2 * (k // 2 + 1))
        columns = slice(WIDTH // 2 * (k % 2), WIDTH // 2 * (k % 2 + 1))
        picture[rows, columns] = [colour["RGB".index(c)] for c in order]
        for plane, value in zip(planes, yuv(*colour)):
            plane[rows, columns] = value
    seen = planes[0].tobytes() + b"".join(plane[::2, ::2].tobytes() for plane in planes[1:])
    return picture, seen


def noise(shape):
    picture = np.random.default_rng(7).integers(0, 256, shape, np.uint8)
    return picture, picture.tobytes()


if word in ("RGB", "BGR"):
    frame, seen = coloured(word)
elif word == "GRAY":
    frame, seen = noise((HEIGHT, WIDTH))
    # Sent as I420 without colour, or as it is.
else:
    count = WIDTH * HEIGHT * (3 if word in ("I420", "NV12") else 4) // 2
    frame, seen = noise((count,))

kwargs = {} if device == "auto" else {"device": device}
with pyvirtualcam.Camera(WIDTH, HEIGHT, 30, fmt=getattr(PixelFormat, word), backend="v4l2loopback", **kwargs) as camera:
    native = str(camera.native_fmt)
    if word == "GRAY" and "I420" in native:
        seen += bytes([128]) * (WIDTH * HEIGHT // 2)
    with open(path, "wb") as file:
        file.write(seen)
    camera.send(frame)
    print(camera.device, flush=True)
    while not select.select([0], [], [], 0.03)[0]:
        camera.send(frame)
