#!/usr/bin/env bash
# emulated.sh ARCH DIR: builds the layer for another architecture and makes DIR look like it, with a bin/ffmpeg
# that runs it by qemu-user. So the tests of the layer and the engine can be run on what this machine is not.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
arch=$1
dir=$2
case $arch in
arm64) qemu="qemu-aarch64" ;;
x86_64) qemu="qemu-x86_64" ;;
*)
	echo "emulated.sh: unknown architecture '$arch': x86_64 or arm64" >&2
	exit 1
	;;
esac
qemu=$(command -v "$qemu")
layer=$("$here/build.sh" --arch "$arch")
mkdir -p "$dir/bin"
# The engine starts it without an environment and with little address space, of which qemu reserves as
# much as the program could have: hence the paths in full, and the bound. The command, whose threads want
# more, is started without limits.
cat >"$dir/bin/ffmpeg.new" <<EOF
#!/bin/sh
[ "\$1" = engine ] && exec $qemu -R 0x20000000 "$layer/bin/ffmpeg" "\$@"
exec $qemu "$layer/bin/ffmpeg" "\$@"
EOF
chmod +x "$dir/bin/ffmpeg.new"
mv "$dir/bin/ffmpeg.new" "$dir/bin/ffmpeg"
ln -sfn "$layer/licenses" "$dir/licenses"
