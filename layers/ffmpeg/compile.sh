#!/usr/bin/env bash
# Compiles the layer: compile.sh ARCH SOURCES WORK leaves it in WORK/out. Called by build.sh, which
# sets CC and CROSS_PREFIX, and whose cache is keyed by this file among others.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
arch=$1
sources=$2
work=$3
started=$SECONDS

say() {
	printf 'ffmpeg layer: %s, %d s\n' "$1" "$((SECONDS - started))"
}

fail() {
	printf 'ffmpeg layer: %s\n' "$1" >&2
	exit 1
}

# Runs a step with its output in a log that is shown only if the step fails.
quietly() {
	local log=$work/$1.log
	shift
	"$@" >"$log" 2>&1 || {
		tail -n 40 "$log" >&2
		fail "failed: $* (in $PWD)"
	}
}

# Nothing of the day, the place or the builder's locale goes into the binaries: sources are compiled
# by relative paths, below.
export LC_ALL=C TZ=UTC SOURCE_DATE_EPOCH=1
unset CFLAGS CPPFLAGS LDFLAGS
jobs=$(nproc)
strip=${CROSS_PREFIX}strip
ar=${CROSS_PREFIX}ar
ranlib=${CROSS_PREFIX}ranlib

# LAME decides about bits by comparing floating-point sums. What would let the compiler round them in
# another way on each architecture is off: reordering (-ffast-math) and fused multiply-add. So an MP3
# is the same wherever it was made. The instructions are those that Lambda's processors have, which the
# engine checks when it starts; other code finds out for itself what there is.
case $arch in
x86_64) processor=-march=x86-64-v3 ;;
arm64) processor=-mcpu=neoverse-n1 ;;
esac
optimise="-O3 $processor -ffp-contract=off -fno-math-errno -fno-trapping-math ${FFMPEG_LAYER_CFLAGS:-}"

printf 'int main(void){return 0;}\n' >"$work/probe.c"
"$CC" -static -o "$work/probe" "$work/probe.c" 2>/dev/null ||
	fail "$CC cannot link a static program (Debian: apt-get install libc6-dev; Fedora: dnf install glibc-static)"

say "fetching the sources"
"$here/fetch.py" --unpack "$work" "$sources" ffmpeg lame zlib

for patch in "$here"/patches/*/*.patch; do
	[ -e "$patch" ] || continue
	tree=$work/$(basename "$(dirname "$patch")")
	if command -v patch >/dev/null; then
		quietly patch patch --batch --forward -d "$tree" -p1 -i "$patch"
	elif command -v git >/dev/null; then
		(cd "$tree" && GIT_CEILING_DIRECTORIES=$work quietly patch git apply "$patch")
	else
		fail "neither patch nor git is installed, and one is needed to apply $(basename "$patch")"
	fi
done
cp "$here/libavformat/ranged.c" "$work/ffmpeg/libavformat/"
cp "$here"/lame/*.[ch] "$work/lame/libmp3lame/"
mkdir "$work/ffmpeg/fftools/engine"
cp "$here"/engine/*.[ch] "$work/ffmpeg/fftools/engine/"

if [ "$arch" = x86_64 ] && ! command -v nasm >/dev/null; then
	# Without it ffmpeg would have no x86 assembly, and take half as long again to decode AAC.
	tools=$sources/nasm-2.16.01
	if [ ! -x "$tools/nasm" ]; then
		say "building nasm, which is not installed here"
		"$here/fetch.py" --unpack "$work" "$sources" nasm
		(
			cd "$work/nasm"
			quietly nasm-configure env CC="${HOSTCC:-cc}" ./configure
			quietly nasm make -j"$jobs" nasm
		)
		mkdir -p "$tools"
		cp "$work/nasm/nasm" "$tools/nasm.$$"
		mv "$tools/nasm.$$" "$tools/nasm"
	fi
	# Through PATH, as an option to configure would put the path into the binaries.
	PATH=$tools:$PATH
fi

mkdir -p "$work/deps/include" "$work/deps/lib"

say "compiling zlib"
(
	cd "$work/zlib"
	# All that ffmpeg's own check for zlib and its inflating need; there are no options to choose.
	for unit in adler32 crc32 inffast inflate inftrees zutil compress uncompr deflate trees; do
		quietly zlib "$CC" -O3 -DHAVE_UNISTD_H -D_LARGEFILE64_SOURCE=1 -c "$unit.c" -o "$unit.o"
	done
	quietly zlib "$ar" rcsD "$work/deps/lib/libz.a" ./*.o
	cp zlib.h zconf.h "$work/deps/include/"
)

say "compiling LAME"
(
	cd "$work/lame"
	host=()
	[ -z "$CROSS_PREFIX" ] || host=("--host=${CROSS_PREFIX%-}")
	quietly lame-configure ./configure "${host[@]}" --enable-static --disable-shared \
		--disable-frontend --disable-decoder --disable-gtktest --disable-dependency-tracking \
		CC="$CC" AR="$ar" RANLIB="$ranlib" CFLAGS="$optimise" ARFLAGS=crD
	quietly lame make -j"$jobs"
	mkdir -p "$work/deps/include/lame"
	cp include/lame.h libmp3lame/segment.h "$work/deps/include/lame/"
	cp libmp3lame/.libs/libmp3lame.a "$work/deps/lib/"
	# shellcheck disable=SC2086 # flags
	quietly segment "$CC" $optimise -Wall -DNDEBUG -DHAVE_CONFIG_H -I. -Iinclude -Ilibmp3lame \
		-c libmp3lame/segment.c -o libmp3lame/segment.o
	quietly segment "$ar" rcsD "$work/deps/lib/libmp3lame.a" libmp3lame/segment.o
)

say "configuring ffmpeg"
components=()
while read -r kind names; do
	[ -n "$names" ] || continue
	for name in $names; do
		components+=("--enable-$kind=$name")
	done
done < <(sed 's/#.*//' "$here/components.txt")

cross=()
[ -z "$CROSS_PREFIX" ] || cross=(--enable-cross-compile --target-os=linux "--cross-prefix=$CROSS_PREFIX")
case $arch in
x86_64) isa=x86_64 ;;
arm64) isa=aarch64 ;;
esac

cd "$work/ffmpeg"
options=(
	--arch="$isa" --cc="$CC" "${cross[@]}"
	--disable-everything --disable-autodetect --disable-network
	--disable-doc --disable-debug --disable-ffplay --disable-avdevice
	--disable-swscale --disable-postproc --disable-iamf
	--enable-static --disable-shared --enable-pthreads
	--enable-libmp3lame --enable-zlib
	--extra-cflags="-I../deps/include -I../deps/include/lame -DENGINE_NEEDS=1 -ffunction-sections -fdata-sections"
	--extra-ldflags="-L../deps/lib -static -Wl,--gc-sections"
	--extra-libs="-lm"
)
quietly ffmpeg-configure ./configure "${options[@]}" "${components[@]}"
if grep -q 'did not match anything' "$work/ffmpeg-configure.log"; then
	grep 'did not match anything' "$work/ffmpeg-configure.log" >&2
	fail "components.txt names something this version of ffmpeg does not have"
fi

# make names each file as it compiles it; count them for the progress line.
all=$(make -n ffmpeg 2>/dev/null | grep -cE '^(printf|echo) .*"?(CC|AS|X86ASM)' || true)
make -j"$jobs" ffmpeg >"$work/make.log" 2>"$work/make.err" &
make_pid=$!
trap 'kill "$make_pid" 2>/dev/null || true' EXIT
last=$SECONDS
while kill -0 "$make_pid" 2>/dev/null; do
	sleep 0.5
	if [ $((SECONDS - last)) -ge 5 ]; then
		last=$SECONDS
		say "compiling $(grep -cE '^(CC|AS|X86ASM)\b' "$work/make.log" || true)/$all files"
	fi
done
wait "$make_pid" || {
	{ grep -A 3 -E "error:|Error " "$work/make.err" || cat "$work/make.err"; } | tail -n 40 >&2
	fail "ffmpeg did not compile"
}
trap - EXIT

out=$work/out
mkdir -p "$out/bin" "$out/licenses/changes"
"$strip" -o "$out/bin/ffmpeg" ffmpeg

cp COPYING.LGPLv2.1 "$out/licenses/ffmpeg-COPYING.LGPLv2.1"
cp LICENSE.md "$out/licenses/ffmpeg-LICENSE.md"
cp "$work/lame/COPYING" "$out/licenses/lame-COPYING"
cp "$work/lame/LICENSE" "$out/licenses/lame-LICENSE"
sed -n '1,/^\*\//p' "$work/zlib/zlib.h" >"$out/licenses/zlib-notice.txt"
cp -R "$here/libavformat" "$here/lame" "$here/engine" "$here/patches" "$out/licenses/changes/"
{
	cat <<NOTE
ffmpeg in this folder's neighbour bin/ is free software under the GNU Lesser General
Public License, version 2.1 or later; it contains LAME (GNU Library General Public License,
version 2 or later) and zlib (zlib licence). No part under the GPL is enabled.

It was made from the sources below, whose SHA-256 stands beside them, with what is in changes/:
libavformat/ranged.c goes into ffmpeg's libavformat, engine/ into its fftools, lame/ into LAME's
libmp3lame, and the patches are applied to the source their folder names.
Running layers/ffmpeg/build.sh of mp3converter makes them again, and with changed sources a changed version.

NOTE
	awk '$1 ~ /^(ffmpeg|lame|zlib)$/ && $4 ~ /^https:/ { print $1, $2; print "  " $4; print "  sha256 " $3 }' \
		"$here/sources.txt"
	printf '\nCompiler: %s\n\nLAME, CFLAGS: %s\n\nffmpeg, configure:\n' "$("$CC" --version | head -n 1)" "$optimise"
	printf '  %s\n' "${options[@]}" "${components[@]}"
} >"$out/licenses/BUILD.txt"

say "done"
