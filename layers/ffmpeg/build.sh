#!/usr/bin/env bash
# Builds the ffmpeg layer, or finds the one built before from the same inputs, and prints its folder
# (bin/ffmpeg, licenses/).
#
#   build.sh [--arch x86_64|arm64] [--print-dir]
#
# --print-dir only says where the result is or would be. Everything is kept below
# $MP3CONVERTER_CACHE (default: ~/.cache/mp3converter).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
arch=x86_64
print_only=

fail() {
	printf 'ffmpeg layer: %s\n' "$*" >&2
	exit 1
}

while [ $# -gt 0 ]; do
	case $1 in
	--arch) arch=${2:-} && shift ;;
	--arch=*) arch=${1#*=} ;;
	--print-dir) print_only=1 ;;
	*) fail "unknown argument $1 (usage: build.sh [--arch x86_64|arm64] [--print-dir])" ;;
	esac
	shift || fail "--arch wants x86_64 or arm64"
done

machine=$(uname -m)
case $arch in
x86_64) prefix=x86_64-linux-gnu- ;;
arm64) prefix=aarch64-linux-gnu- ;;
*) fail "unknown architecture '$arch': x86_64 or arm64" ;;
esac
case $arch/$machine in
x86_64/x86_64 | arm64/aarch64 | arm64/arm64) prefix= ;;
esac
[ "$(uname -s)" = Linux ] || fail "builds on Linux only (the result is for Lambda, which is Linux)"

export CROSS_PREFIX=$prefix
export CC=${FFMPEG_LAYER_CC:-${prefix}gcc}
command -v "$CC" >/dev/null || fail "no compiler '$CC' (Debian: apt-get install gcc${prefix:+-${prefix%-}} libc6-dev)"
for tool in make python3 flock sha256sum; do
	command -v "$tool" >/dev/null || fail "'$tool' is missing (Debian: make, python3, util-linux, coreutils)"
done

# Whatever changes the binaries is part of the key; what only finds or words things is not, comments
# included.
compiler=$("$CC" --version)
key=$(
	cd "$here"
	{
		echo "$arch" "${compiler%%$'\n'*}" "${FFMPEG_LAYER_CFLAGS:-}"
		grep -hv '^[[:space:]]*#' compile.sh sources.txt components.txt
		cat libavformat/ranged.c lame/*.[ch] engine/*.[ch]
		for patch in patches/*/*.patch; do
			[ ! -e "$patch" ] || cat "$patch"
		done
	} | sha256sum
)
key=${key:0:16}

cache=${MP3CONVERTER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mp3converter}/ffmpeg
result=$cache/$key
if [ -n "$print_only" ] || [ -e "$result/bin/ffmpeg" ]; then
	printf '%s\n' "$result"
	exit
fi

# Two builds of the same thing at once would only take each other's time: the second waits for the
# first and takes its result. The lock goes with its holder, however that ends.
mkdir -p "$cache/sources"
exec 9>"$cache/$key.lock"
if ! flock -n 9; then
	echo "ffmpeg layer: waiting for another build of the same" >&2
	flock 9
fi
if [ ! -e "$result/bin/ffmpeg" ]; then
	rm -rf "$cache/$key.work"
	mkdir -p "$cache/$key.work"
	"$here/compile.sh" "$arch" "$cache/sources" "$cache/$key.work" 9>&- >&2
	rm -rf "$result"
	mv "$cache/$key.work/out" "$result"
	rm -rf "$cache/$key.work"
fi
printf '%s\n' "$result"
