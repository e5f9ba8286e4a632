package audio_test

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"

	"mp3converter/shared/audio"
)

func ptr[T any](v T) *T { return &v }

// fields lists the fields that an error is about.
func fields(err error) []string {
	var out []string
	var one audio.FieldError
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			out = append(out, fields(e)...)
		}
	} else if errors.As(err, &one) {
		out = append(out, one.Field)
	}
	return out
}

func TestParseTakesWhatTheContractAllows(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]audio.Options{
		`{}`:                          {},
		"\tnull\n":                    {},
		`{"mode":"vbr"}`:              {Mode: audio.VBR},
		`{"quality":0}`:               {Quality: ptr(0)},
		`{"mode":"vbr","quality":9}`:  {Mode: audio.VBR, Quality: ptr(9)},
		`{"mode":"cbr","bitrate":32}`: {Mode: audio.CBR, Bitrate: ptr(32)},
		`{"channels":1}`:              {Channels: ptr(1)},
		`{"channels":2}`:              {Channels: ptr(2)},
		`{"track":0}`:                 {Track: ptr(0)},
		`{"track":63}`:                {Track: ptr(63)},
		`{"start":0}`:                 {Start: ptr(0.0)},
		`{"start":604800}`:            {Start: ptr(604800.0)},
		`{"end":604800}`:              {End: ptr(604800.0)},
		`{"end":1e-9}`:                {End: ptr(1e-9)},
		`{"start":1.25,"end":1.5}`:    {Start: ptr(1.25), End: ptr(1.5)},
		`{"normalize":true}`:          {Normalize: true},
		`{"mode":"cbr","bitrate":320,"channels":1,"track":1,"start":1,"end":2,"normalize":true}`: {
			Mode: audio.CBR, Bitrate: ptr(320), Channels: ptr(1), Track: ptr(1), Start: ptr(1.0), End: ptr(2.0), Normalize: true,
		},
	} {
		got, err := audio.Parse([]byte(in))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Parse(%s) = %+v, %v", in, got, err)
		}
	}
	for _, rate := range audio.Bitrates {
		if err := (audio.Options{Mode: audio.CBR, Bitrate: &rate}).Validate(); err != nil {
			t.Errorf("%d kbit/s: %v", rate, err)
		}
	}
}

func TestParseNamesEveryOptionThatIsOutOfRange(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][]string{
		`{"mode":"abr"}`:                               {"audio.mode"},
		`{"mode":"VBR"}`:                               {"audio.mode"},
		`{"quality":-1}`:                               {"audio.quality"},
		`{"quality":10}`:                               {"audio.quality"},
		`{"bitrate":128}`:                              {"audio.bitrate"},
		`{"mode":"vbr","bitrate":128}`:                 {"audio.bitrate"},
		`{"mode":"cbr"}`:                               {"audio.bitrate"},
		`{"mode":"cbr","bitrate":null}`:                {"audio.bitrate"},
		`{"mode":"cbr","bitrate":31}`:                  {"audio.bitrate"},
		`{"mode":"cbr","bitrate":100}`:                 {"audio.bitrate"},
		`{"mode":"cbr","bitrate":321}`:                 {"audio.bitrate"},
		`{"mode":"cbr","bitrate":0}`:                   {"audio.bitrate"},
		`{"mode":"cbr","bitrate":128,"quality":2}`:     {"audio.quality"},
		`{"channels":0}`:                               {"audio.channels"},
		`{"channels":3}`:                               {"audio.channels"},
		`{"track":-1}`:                                 {"audio.track"},
		`{"track":64}`:                                 {"audio.track"},
		`{"start":-0.001}`:                             {"audio.start"},
		`{"start":604800.1}`:                           {"audio.start"},
		`{"end":0}`:                                    {"audio.end"},
		`{"end":-1}`:                                   {"audio.end"},
		`{"end":604801}`:                               {"audio.end"},
		`{"start":2,"end":2}`:                          {"audio.end"},
		`{"start":2,"end":1}`:                          {"audio.end"},
		`{"start":1e308,"end":1}`:                      {"audio.start", "audio.end"},
		`{"mode":"x","channels":9,"track":99,"end":0}`: {"audio.mode", "audio.channels", "audio.track", "audio.end"},
	} {
		_, err := audio.Parse([]byte(in))
		if got := fields(err); !slices.Equal(got, want) {
			t.Errorf("Parse(%s) complains about %v (%v), want %v", in, got, err, want)
		}
	}
}

func TestParseRefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		``, ` `, `{`, `[]`, `"vbr"`, `1`, `true`, `{}{}`, `{} x`, `{"quality":"2"}`, `{"quality":2.5}`, `{"quality":1e400}`,
		`{"quality":99999999999999999999}`, `{"start":"0"}`, `{"start":NaN}`, `{"start":Infinity}`, `{"start":1e400}`,
		`{"normalize":1}`, `{"mode":1}`, `{"speed":2}`, `{"mode":"vbr","x":null}`, "{\"mode\":\"vbr\xff\"}",
	} {
		if got, err := audio.Parse([]byte(in)); err == nil {
			t.Errorf("Parse(%q) = %+v, want an error", in, got)
		}
	}
}

func TestValidateRefusesNumbersThatAreNone(t *testing.T) {
	t.Parallel()
	for _, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if got := fields(audio.Options{Start: &x}.Validate()); !slices.Equal(got, []string{"audio.start"}) {
			t.Errorf("start %v: %v", x, got)
		}
		if got := fields(audio.Options{End: &x}.Validate()); !slices.Equal(got, []string{"audio.end"}) {
			t.Errorf("end %v: %v", x, got)
		}
	}
}

func TestWithDefaultsFillsInTheModeAndItsMeasure(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want audio.Options }{
		{audio.Options{}, audio.Options{Mode: audio.VBR, Quality: ptr(2)}},
		{audio.Options{Quality: ptr(0)}, audio.Options{Mode: audio.VBR, Quality: ptr(0)}},
		{audio.Options{Mode: audio.CBR, Bitrate: ptr(128)}, audio.Options{Mode: audio.CBR, Bitrate: ptr(128)}},
		{audio.Options{Start: ptr(1.0)}, audio.Options{Mode: audio.VBR, Quality: ptr(2), Start: ptr(1.0)}},
	} {
		before := c.in
		if got := c.in.WithDefaults(); !reflect.DeepEqual(got, c.want) || !reflect.DeepEqual(c.in, before) {
			t.Errorf("WithDefaults of %+v is %+v, want %+v", c.in, got, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"mode":"cbr","bitrate":128}`, `{"quality":0,"start":0.5,"end":1e5,"normalize":true}`, `{"track":63,"channels":1}`, `null`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := audio.Parse(data)
		if err != nil {
			return
		}
		if err := o.WithDefaults().Validate(); err != nil {
			t.Errorf("Parse(%q) with defaults is not valid: %v", data, err)
		}
		written, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := audio.Parse(written); err != nil || !reflect.DeepEqual(again, o) {
			t.Errorf("Parse(%q) = %+v, written and read again %+v (%v)", data, o, again, err)
		}
	})
}
