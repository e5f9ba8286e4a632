package ffmpeg_test

import (
	"cmp"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sound is a sound track as an encoder of the complete ffmpeg makes it.
type sound struct {
	encoder string
	rate    string   // of the tone; 44100 if empty
	args    []string // for the encoder
	decoder string   // what the layer must call the codec, if not by the encoder's name
	slack   float64  // seconds by which the codec may lengthen the clip beyond what is allowed to all
}

var (
	aac       = sound{encoder: "aac"}
	ac3       = sound{encoder: "ac3", args: []string{"-b:a", "128k"}}
	eac3      = sound{encoder: "eac3", args: []string{"-b:a", "128k"}}
	dts       = sound{encoder: "dca", args: []string{"-strict", "-2", "-ac", "2"}, rate: "48000", decoder: "dts"}
	trueHD    = sound{encoder: "truehd", args: []string{"-strict", "-2"}, rate: "48000"}
	mlp       = sound{encoder: "mlp", args: []string{"-strict", "-2"}, rate: "48000"}
	alac      = sound{encoder: "alac"}
	flac      = sound{encoder: "flac", args: []string{"-strict", "-2"}}
	opus      = sound{encoder: "libopus", rate: "48000", args: []string{"-strict", "-2"}, decoder: "opus"}
	vorbis    = sound{encoder: "libvorbis", decoder: "vorbis"}
	mp3       = sound{encoder: "libmp3lame", decoder: "mp3"}
	mp2       = sound{encoder: "mp2"}
	mp2InMP4  = sound{encoder: "mp2", decoder: "mp3"} // MP4 has one number for both, and one decoder does for both
	wma1      = sound{encoder: "wmav1", args: []string{"-b:a", "128k"}}
	wma2      = sound{encoder: "wmav2", args: []string{"-b:a", "128k"}}
	amrNB     = sound{encoder: "libopencore_amrnb", rate: "8000", decoder: "amr_nb"}
	tta       = sound{encoder: "tta"}
	wavpack   = sound{encoder: "wavpack"}
	nelly     = sound{encoder: "nellymoser", rate: "22050"}
	real144   = sound{encoder: "real_144", rate: "8000", decoder: "ra_144"}
	g722      = sound{encoder: "g722", rate: "16000", decoder: "adpcm_g722"}
	g726      = sound{encoder: "g726", rate: "8000", decoder: "adpcm_g726"}
	g723      = sound{encoder: "g723_1", rate: "8000", args: []string{"-b:a", "6300"}}
	s302m     = sound{encoder: "s302m", rate: "48000", args: []string{"-strict", "-2", "-ac", "2"}}
	pcmDVD    = sound{encoder: "pcm_dvd", rate: "48000", args: []string{"-ac", "2"}}
	pcmBluRay = sound{encoder: "pcm_bluray", rate: "48000", args: []string{"-ac", "2"}}
	mulaw     = sound{encoder: "pcm_mulaw", rate: "8000"}
	alaw      = sound{encoder: "pcm_alaw", rate: "8000"}
)

func plain(encoders string) []sound {
	var all []sound
	for encoder := range strings.FieldsSeq(encoders) {
		all = append(all, sound{encoder: encoder})
	}
	return all
}

func with(sounds []sound, args ...string) []sound {
	for i := range sounds {
		sounds[i].args = append(sounds[i].args, args...)
	}
	return sounds
}

// formats are the containers with what can be in them. A video track is in all that can have one.
var formats = []struct {
	name   string // of the file, which gives the muxer
	video  []string
	muxer  []string
	sounds [][]sound
}{
	{"clip.mp4", []string{"mpeg4"}, nil, [][]sound{
		{aac, ac3, eac3, dts, trueHD, alac, flac, opus, vorbis, mp3, mp2InMP4},
		plain("pcm_s16le pcm_s24be pcm_f32le"),
	}},
	{"fragmented.mp4", []string{"mpeg4"}, []string{"-movflags", "frag_keyframe+empty_moov+delay_moov"}, [][]sound{{aac, ac3, opus}}},
	{"clip.mov", []string{"mpeg4"}, nil, [][]sound{
		{aac, ac3, alac, mp3, mulaw, alaw},
		plain("adpcm_ima_qt adpcm_ms adpcm_ima_wav pcm_u8 pcm_s8 pcm_s16le pcm_s16be pcm_s24le pcm_s24be"),
		plain("pcm_s32le pcm_s32be pcm_f32le pcm_f32be pcm_f64le pcm_f64be"),
	}},
	{"clip.3gp", []string{"mpeg4"}, nil, [][]sound{{aac, amrNB}}},
	{"clip.m4a", nil, nil, [][]sound{{aac, alac}}},
	{"clip.mkv", []string{"mpeg4"}, nil, [][]sound{
		{aac, ac3, eac3, dts, trueHD, mlp, alac, flac, opus, vorbis, mp3, mp2, tta, wavpack, real144, wma1, wma2, mulaw, alaw},
		plain("adpcm_ms adpcm_ima_wav pcm_u8 pcm_s16le pcm_s16be pcm_s24le pcm_s24be pcm_s32le pcm_f32le pcm_f64le"),
	}},
	{"clip.webm", []string{"libvpx"}, nil, [][]sound{{opus, vorbis}}},
	{"clip.avi", []string{"mpeg4"}, nil, [][]sound{
		{aac, ac3, dts, mp3, mp2, wma1, wma2, mulaw, alaw, g726, g723},
		plain("adpcm_ms adpcm_ima_wav adpcm_yamaha pcm_u8 pcm_s16le pcm_s24le pcm_s32le pcm_f32le pcm_f64le"),
	}},
	{"clip.flv", []string{"flv1"}, nil, [][]sound{{aac, mp3, nelly, mulaw, alaw}, plain("adpcm_swf pcm_s16le pcm_u8")}},
	{"clip.wmv", []string{"wmv2"}, nil, [][]sound{{wma1, wma2, mp3, ac3, aac}, plain("pcm_s16le adpcm_ms")}},
	{"clip.ts", []string{"mpeg2video"}, nil, [][]sound{{aac, ac3, eac3, dts, trueHD, opus, mp3, mp2, s302m}}},
	{"latm.ts", []string{"mpeg2video"}, []string{"-mpegts_flags", "latm"}, [][]sound{{{encoder: "aac", decoder: "aac_latm"}}}},
	{"clip.m2ts", []string{"mpeg2video"}, nil, [][]sound{{pcmBluRay, ac3, dts, trueHD}}},
	{"clip.mpg", []string{"mpeg1video"}, nil, [][]sound{{mp2, mp3, ac3}}},
	{"clip.vob", []string{"mpeg2video"}, nil, [][]sound{{mp2, ac3, dts, pcmDVD}}},
	{"clip.ogv", []string{"libtheora"}, nil, [][]sound{{vorbis, opus, flac}}},
	{"clip.ogg", nil, nil, [][]sound{{vorbis, opus, flac}}},
	{"clip.mxf", []string{"mpeg2video"}, nil, [][]sound{with(plain("pcm_s16le pcm_s24le"), "-ar", "48000")}},
	// GXF fills its last packet of 65,536 bytes up with silence.
	{"clip.gxf", []string{"mpeg2video", "-s", "720x576", "-r", "25"}, nil, [][]sound{{{encoder: "pcm_s16le", rate: "48000", slack: 0.37}}}},
	{"clip.dv", []string{"dvvideo", "-s", "720x576", "-r", "25", "-pix_fmt", "yuv420p"}, nil, [][]sound{with(plain("pcm_s16le"), "-ar", "48000", "-ac", "2")}},
	{"clip.wtv", []string{"mpeg2video"}, nil, [][]sound{{mp2, ac3}}},
	{"clip.rm", []string{"rv10", "-s", "176x144"}, nil, [][]sound{{ac3, real144}}},
	{"clip.nut", []string{"mpeg4"}, nil, [][]sound{
		{vorbis},
		plain("pcm_s8 pcm_u16le pcm_u16be pcm_u24le pcm_u24be pcm_u32le pcm_u32be pcm_s64le pcm_s64be"),
		plain("pcm_s16le_planar pcm_s24le_planar pcm_s32le_planar pcm_s16be_planar pcm_s8_planar pcm_f32be pcm_f64be pcm_s32be"),
	}},
	{"clip.wav", nil, nil, [][]sound{
		{mp3, mp2, ac3, wma2, g722, g726, g723, mulaw, alaw},
		plain("pcm_u8 pcm_s16le pcm_s24le pcm_s32le pcm_f32le pcm_f64le adpcm_ms adpcm_ima_wav adpcm_yamaha adpcm_swf"),
	}},
	{"rf64.wav", nil, []string{"-rf64", "always"}, [][]sound{plain("pcm_s16le")}},
	{"clip.w64", nil, nil, [][]sound{plain("pcm_s16le pcm_f32le")}},
	{"clip.aiff", nil, nil, [][]sound{{mulaw, alaw}, plain("pcm_s8 pcm_s16be pcm_s24be pcm_s32be pcm_f32be pcm_f64be adpcm_ima_qt")}},
	{"clip.caf", nil, nil, [][]sound{{alac, amrNB, mulaw}, plain("pcm_s16le pcm_s24be pcm_f32le")}},
	{"clip.au", nil, nil, [][]sound{{mulaw, alaw}, plain("pcm_s8 pcm_s16be pcm_s24be pcm_s32be pcm_f32be pcm_f64be")}},
	{"clip.voc", nil, nil, [][]sound{{{encoder: "pcm_u8", rate: "8000"}, {encoder: "pcm_s16le"}}}},
	{"clip.aac", nil, nil, [][]sound{{aac}}},
	{"clip.latm", nil, nil, [][]sound{{{encoder: "aac", decoder: "aac_latm"}}}},
	{"clip.amr", nil, nil, [][]sound{{amrNB}}},
	{"clip.ac3", nil, nil, [][]sound{{ac3}}},
	{"clip.eac3", nil, nil, [][]sound{{eac3}}},
	{"clip.dts", nil, nil, [][]sound{{dts}}},
	{"clip.thd", nil, nil, [][]sound{{trueHD}}},
	{"clip.mlp", nil, nil, [][]sound{{mlp}}},
	{"clip.flac", nil, nil, [][]sound{{flac}}},
	{"clip.mp3", nil, nil, [][]sound{{mp3}}},
	{"clip.mp2", nil, nil, [][]sound{{mp2}}},
	{"clip.wv", nil, nil, [][]sound{{wavpack}}},
	{"clip.tta", nil, nil, [][]sound{{tta}}},
	{"clip.adx", nil, nil, [][]sound{plain("adpcm_adx")}},
}

// muxers are named where a file's name does not give the wanted one.
var muxers = map[string]string{".thd": "truehd", ".latm": "latm", ".m2ts": "mpegts"}

func TestEverySoundTrackInEveryContainerBecomesAnMP3(t *testing.T) {
	t.Parallel()
	for _, format := range formats {
		for _, sound := range slices.Concat(format.sounds...) {
			t.Run(sound.encoder+" in "+format.name, func(t *testing.T) {
				t.Parallel()
				args := tone(cmp.Or(sound.rate, "44100"))
				if format.video != nil {
					args = append(args, "-f", "lavfi", "-i", "testsrc=size=128x96:rate=25:duration=1", "-map", "1:v", "-map", "0:a", "-c:v")
					args = append(args, format.video...)
				}
				args = append(append(append(args, "-c:a", sound.encoder), sound.args...), format.muxer...)
				if muxer := muxers[filepath.Ext(format.name)]; muxer != "" {
					args = append(args, "-f", muxer)
				}
				clip := generate(t, format.name, args...)
				checkConversion(t, clip, sound)
			})
		}
	}
}

// checkConversion converts a clip of one second of tone with the engine, looks at the decoded sound, and compares the
// MP3 with the one that the program makes of the same file.
func checkConversion(t *testing.T, clip string, sound sound) {
	t.Helper()
	wantDecoder := cmp.Or(sound.decoder, sound.encoder)
	byEngine := mustEnd(t, &rangedInput{data: readFile(t, clip)}, encodeFirst)

	byProgram := filepath.Join(t.TempDir(), "out.mp3")
	pcm, words, err := run(t, layerProgram(t, "ffmpeg"), "-v", "info", "-nostdin", "-i", clip,
		"-map", "0:a:0", "-q:a", "4", "-write_xing", "0", "-id3v2_version", "0", "-f", "mp3", byProgram,
		"-map", "0:a:0", "-ac", "1", "-ar", "8000", "-f", "s16le", "pipe:1")
	if err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, words)
	}
	if !strings.Contains(words, "Audio: "+wantDecoder) {
		t.Errorf("the track is not recognised as %s:\n%s", wantDecoder, words)
	}
	if share := toneShare(pcm[:min(len(pcm), 2*8000)]); share < 0.85 {
		t.Errorf("only %.0f %% of the decoded sound is the tone that was encoded", 100*share)
	}
	if d := firstDifference(byEngine.mp3, readFile(t, byProgram)); d != "" {
		t.Errorf("the engine's MP3 is not the one that the program makes: %s", d)
	}
	got, err := parseMP3(byEngine.mp3)
	if err != nil {
		t.Fatal(err)
	}
	if off := math.Abs(float64(byEngine.end.Samples)/float64(got.rate) - 1); off > 0.06+sound.slack {
		t.Errorf("%.3f s were encoded, want 1", float64(byEngine.end.Samples)/float64(got.rate))
	}
}

// encodeFirst is the command for the first sound track, as it is.
func encodeFirst(info engineInfo) string {
	for _, s := range info.Streams {
		if s.Type == "audio" {
			return fmt.Sprintf("encode stream=%d channels=%d rate=%d vbr=4 workers=2", s.Index, s.Channels, s.Rate)
		}
	}
	return ""
}

// The ranged protocol has no file names, and these formats nothing to know them by.
func TestAFormatWithoutASignatureIsReadWhenItIsNamed(t *testing.T) {
	t.Parallel()
	for name, clip := range map[string]sound{
		"sbc":  {encoder: "sbc"},
		"g722": {encoder: "g722", rate: "16000"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := generate(t, "clip."+name, append(tone(cmp.Or(clip.rate, "44100")), "-c:a", clip.encoder)...)
			mp3 := filepath.Join(t.TempDir(), "out.mp3")
			words, err := runRanged(t, &rangedInput{data: readFile(t, path)}, "-f", name, "-i", rangedURL, mp3)
			if err != nil {
				t.Fatalf("ffmpeg: %v\n%s", err, words)
			}
			if got, err := parseMP3(readFile(t, mp3)); err != nil || math.Abs(got.seconds()-1) > 0.06 {
				t.Errorf("an MP3 of %.3f s, %v", got.seconds(), err)
			}
		})
	}
}

func TestWhatCanBeStreamedIsReadFromAPipe(t *testing.T) {
	t.Parallel()
	for name, codec := range map[string]string{
		"clip.mkv": "aac", "clip.webm": "libopus", "clip.ts": "ac3", "clip.flv": "libmp3lame", "clip.ogg": "libvorbis",
		"clip.aac": "aac", "clip.mp3": "libmp3lame", "clip.flac": "flac", "clip.wav": "pcm_s16le", "clip.avi": "libmp3lame",
		"clip.wmv": "wmav2", "clip.mpg": "mp2", "clip.mp4": "aac",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clip := generate(t, name, append(tone("48000"), "-c:a", codec, "-movflags", "+faststart")...)
			// The shell is the shortest way to a pipe whose other end is a plain file.
			mp3 := mustRun(t, "/bin/sh", "-c", `cat "$1" | "$0" -v error -nostdin -i pipe:0 -map 0:a:0 -f mp3 pipe:1`, layerProgram(t, "ffmpeg"), clip)
			got, err := parseMP3(mp3)
			if err != nil {
				t.Fatal(err)
			}
			// An MP3 that cannot be gone back over has no header with the delay in it.
			if off := got.seconds() - 1; off < -0.06 || off > 0.12 {
				t.Errorf("the MP3 lasts %.3f s, want 1", got.seconds())
			}
		})
	}
}
