#!/bin/sh
# Installs the C library: install.sh LIBRARY PREFIX
# LIBRARY is the libvloopback_sdk.so that `cargo build --release -p vloopback-sdk` made. DESTDIR is
# put before PREFIX, for packages. Paths go into the pkg-config file as they are given.
set -eu
if [ $# -ne 2 ]; then
	echo "usage: $0 path/to/libvloopback_sdk.so PREFIX" >&2
	exit 2
fi
library=$1
prefix=$2
here=$(cd "$(dirname "$0")" && pwd)
to=${DESTDIR:-}$prefix
abi=$(sed -n 's/^#define VLB_SOVERSION //p' "$here/include/vloopback.h")
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$here/../Cargo.toml")
# <linux/videodev.h> lies in a directory of its own: nothing but what asks for it finds it.
mkdir -p "$to/lib/pkgconfig" "$to/include/vloopback/linux"
install -m 644 "$here/include/vloopback.h" "$to/include/vloopback.h"
install -m 644 "$here/include/linux/videodev.h" "$to/include/vloopback/linux/videodev.h"
install -m 755 "$library" "$to/lib/libvloopback.so.$abi"
ln -sf "libvloopback.so.$abi" "$to/lib/libvloopback.so"
sed -e "s|@PREFIX@|$prefix|" -e "s|@VERSION@|$version|" "$here/vloopback.pc.in" \
	>"$to/lib/pkgconfig/vloopback.pc"
