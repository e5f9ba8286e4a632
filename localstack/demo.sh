#!/usr/bin/env bash
# From login to MP3 through the public API, with the command-line client. VIDEO is the video, else a sample is made; OUT is the
# MP3 or a folder for it, else it goes to .local. An MP3 that is there is replaced, no other file is.
# Exits 0 only if the MP3 arrived and the e-mail about it too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

video=${VIDEO:-}
out=${OUT:-}
if [ ! -r .local/env ]; then
	echo "demo: nothing is running; start it with: make up" >&2
	exit 1
fi
set -a
# shellcheck source=/dev/null
. .local/env
set +a

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -z "$video" ]; then
	video=$work/sample.mp4
	echo "making a sample: ten seconds of a test picture and a tone"
	"$MEDIA_FFMPEG" -nostdin -v error -f lavfi -i testsrc2=size=640x360:rate=25:duration=10 \
		-f lavfi -i sine=frequency=440:sample_rate=44100:duration=10 -c:v libx264 -preset ultrafast -c:a aac \
		-metadata title="A sample" -movflags +faststart "$video"
	out=${out:-.local/sample.mp3}
fi
name=$(basename "$video")
out=${out:-.local/${name%.*}.mp3}
if [ -d "$out" ]; then
	out=${out%/}/${name%.*}.mp3
fi

go build -o .local/build/mp3converter ./cmd/mp3converter
client=$PWD/.local/build/mp3converter
export MP3CONVERTER_API=$API_URL MP3CONVERTER_PASSWORD=$USER_PASSWORD MP3CONVERTER_CONFIG_DIR=$work/config NO_COLOR=1

echo "signing in at $API_URL as $USER_EMAIL"
"$client" login "$USER_EMAIL"
echo "converting $video"
"$client" convert --force --json --output "$out" "$video" >"$work/result.json" || {
	status=$?
	python3 - "$work/result.json" >&2 2>/dev/null <<'EOF' || echo "demo: the conversion failed, and the client did not say why" >&2
import json, sys
error = json.loads(open(sys.argv[1]).read().splitlines()[-1])["error"]
print(f"demo: no MP3 was made: {error['detail']} ({error['code']})")
EOF
	exit "$status"
}
fid=$(python3 -c 'import json,sys; print(json.loads(open(sys.argv[1]).read().splitlines()[-1])["fid"])' "$work/result.json")
echo "waiting for the e-mail about $fid"
for _ in $(seq 60); do
	if messages=$(curl -sS "$MAILBOX_URL/api/messages") && grep -q "$fid" <<<"$messages"; then
		echo "the e-mail is in the mailbox: $MAILBOX_URL"
		echo "the MP3 is here: $out ($(wc -c <"$out") bytes)"
		exit 0
	fi
	sleep 1
done
echo "demo: the MP3 arrived, but no e-mail about it" >&2
exit 1
