package conversion_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"testing"
	"time"

	"mp3converter/shared/audio"
	"mp3converter/shared/conversion"
	"mp3converter/shared/conversion/conversiontest"
	"mp3converter/shared/engine"
	"mp3converter/shared/library"
	"mp3converter/shared/source"
)

func TestAVideoBecomesAnMP3AndItsOwnerIsTold(t *testing.T) {
	inTime(t, func(t *testing.T) {
		w := newWorld(t, library.AwaitingUpload, func(f *library.File) { f.Options = audio.Options{Normalize: true} })
		w.convert()
		f := w.wantEnd(library.Ready, 1)
		if f.Progress != 100 || f.MP3Bytes != 12 || f.Duration != time.Minute || f.Attempts != 1 || !w.engine.opts.Normalize {
			t.Errorf("the file is %+v", f)
		}
		if got, _ := w.mp3s.Object(w.key); string(got) != "MP3 of run 1" {
			t.Errorf("the MP3 is %q", got)
		}
	})
}

func TestProgressIsWrittenWhileItIsMade(t *testing.T) {
	inTime(t, func(t *testing.T) {
		w := newWorld(t, library.Queued)
		w.engine.script = works(60 * time.Second)
		go w.convert()
		last := 0
		for range 11 {
			time.Sleep(5 * time.Second)
			f := w.file()
			if f.State != library.Converting || f.Progress <= last || f.LeaseUntil.Before(time.Now().Add(20*time.Second)) {
				t.Errorf("after progress %d the file is %+v", last, f)
			}
			last = f.Progress
		}
		time.Sleep(10 * time.Second)
		w.wantEnd(library.Ready, 1)
	})
}

func TestFiveCallsAtOnceMakeOneRunAndOneOutcome(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script func(j job) (engine.Result, error)
		// within is how long the calls that have nothing to do may stay.
		within time.Duration
	}{
		"of a short video":                          {works(500 * time.Millisecond), time.Second},
		"of a long video":                           {works(100500 * time.Millisecond), 4 * time.Second},
		"of a long video that shows no progress":    {silent(100500 * time.Millisecond), 12 * time.Second},
		"of a video that cannot be converted":       {failsAfter(1500 * time.Millisecond), 3 * time.Second},
		"of a video that cannot, found at a glance": {failsAfter(0), time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(t *testing.T) {
				w := newWorld(t, library.AwaitingUpload)
				w.engine.script = c.script
				began, ended := time.Now(), make(chan time.Duration, 5)
				for range 5 {
					go func() {
						w.convert()
						ended <- time.Since(began)
					}()
				}
				for i := range 5 {
					if took := <-ended; i < 4 && took > c.within {
						t.Errorf("a call with nothing to do stayed for %s, want %s", took, c.within)
					}
				}
				f := w.file()
				w.wantEnd(f.State, 1)
				if !f.IsFinished() || f.Attempts != 1 {
					t.Errorf("the file is %+v", f)
				}
			})
		})
	}
}

func silent(d time.Duration) func(j job) (engine.Result, error) {
	return func(j job) (engine.Result, error) {
		if err := j.after(d); err != nil {
			return engine.Result{}, err
		}
		return j.write("MP3")
	}
}

var errNoAudio = &engine.Failure{Code: engine.CodeNoAudio, Detail: "The video has no sound.", Err: errors.New("stream map matches nothing")}

func failsAfter(d time.Duration) func(j job) (engine.Result, error) {
	return func(j job) (engine.Result, error) {
		if err := j.after(d); err != nil {
			return engine.Result{}, err
		}
		return engine.Result{Stats: engine.Stats{Requests: 2}}, fmt.Errorf("convert: %w", errNoAudio)
	}
}

func TestAnEventThatComesAgainAfterTheEndChangesNothing(t *testing.T) {
	inTime(t, func(t *testing.T) {
		w := newWorld(t, library.AwaitingUpload)
		w.convert()
		before := w.file()
		time.Sleep(time.Minute)
		w.convert()
		w.convert()
		w.wantEnd(library.Ready, 1)
		if f := w.file(); !reflect.DeepEqual(f, before) {
			t.Errorf("the file became %+v", f)
		}
	})
}

func TestAnEventAboutAFileThatIsNotThereIsNothingToDo(t *testing.T) {
	inTime(t, func(t *testing.T) {
		w := newWorld(t, library.AwaitingUpload)
		w.delete()
		w.convert()
		c, _ := w.call()
		wantErr(t, c.Abandon(t.Context(), w.id), nil)
		w.wantRuns(0)
		w.wantOutcomes()
	})
}

func TestWhatCannotBeConvertedFailsForGood(t *testing.T) {
	inTime(t, func(t *testing.T) {
		w := newWorld(t, library.Queued)
		w.engine.script = failsAfter(2 * time.Second)
		w.convert()
		w.convert()
		f := w.wantEnd(library.Failed, 1)
		if f.Failure != (library.Failure{Code: "no_audio", Detail: "The video has no sound."}) || f.Work.CostUSD <= 0 || f.Work.ReadRequests != 3 {
			t.Errorf("the file failed with %+v after %+v", f.Failure, f.Work)
		}
	})
}

func TestAnUploadThatIsGoneFailsForGood(t *testing.T) {
	inTime(t, func(t *testing.T) {
		w := newWorld(t, library.Queued)
		if err := w.uploads.Delete(t.Context(), w.videoKey); err != nil {
			t.Fatal(err)
		}
		w.convert()
		if f := w.wantEnd(library.Failed, 0); f.Failure.Code != "upload_missing" || f.Failure.Detail == "" {
			t.Errorf("the file failed with %+v", f.Failure)
		}
	})
}

func TestAVideoThatIsReplacedWhileItIsReadIsConvertedAnew(t *testing.T) {
	inTime(t, func(t *testing.T) {
		w := newWorld(t, library.Queued)
		w.engine.script = func(j job) (engine.Result, error) {
			if j.run == 1 {
				w.uploads.Put(w.videoKey, []byte("another video"))
			}
			body, err := j.src.OpenRange(j.ctx, 0, j.src.Size())
			if err != nil {
				return engine.Result{}, fmt.Errorf("convert: %w", err)
			}
			video, err := io.ReadAll(body)
			if err != nil {
				return engine.Result{}, err
			}
			return j.write("MP3 of " + string(video))
		}
		c, _ := w.call()
		wantErr(t, c.Convert(t.Context(), w.id), source.ErrChanged)
		w.convert()
		w.wantEnd(library.Ready, 2)
		if got, _ := w.mp3s.Object(w.key); string(got) != "MP3 of another video" {
			t.Errorf("the MP3 is %q", got)
		}
	})
}

func TestATransientErrorGivesTheFileBackAtOnce(t *testing.T) {
	inTime(t, func(t *testing.T) {
		w := newWorld(t, library.Queued)
		flaky := errors.New("the network had a hiccup")
		w.engine.script = func(j job) (engine.Result, error) {
			if j.run < 3 {
				return engine.Result{}, errors.Join(j.after(time.Second), flaky)
			}
			return works(time.Second)(j)
		}
		c, _ := w.call()
		for range 2 {
			wantErr(t, c.Convert(t.Context(), w.id), flaky)
			if f := w.file(); f.State != library.Queued || f.Lease != "" {
				t.Errorf("the file is %+v, want it queued", f)
			}
			w.wantOutcomes()
		}
		began := time.Now()
		w.convert()
		if took := time.Since(began); took > time.Second {
			t.Errorf("the third attempt took %s: it waited for a lease that nobody had", took)
		}
		if f := w.wantEnd(library.Ready, 3); f.Attempts != 3 {
			t.Errorf("it took %d attempts", f.Attempts)
		}
	})
}

func TestAnMP3ThatCannotBeStoredIsATransientError(t *testing.T) {
	inTime(t, func(t *testing.T) {
		w := newWorld(t, library.Queued)
		full := errors.New("storage says 503")
		c, _ := w.call()
		c.Results = unstorable{w.mp3s, full}
		wantErr(t, c.Convert(t.Context(), w.id), full)
		if f := w.file(); f.State != library.Queued {
			t.Errorf("the file is %s", f.State)
		}
		w.convert()
		w.wantEnd(library.Ready, 2)
	})
}

// unstorable is a bucket where no commit goes well.
type unstorable struct {
	*conversiontest.Bucket
	err error
}

func (u unstorable) Create(ctx context.Context, key string) conversion.Result {
	return uncommittable{u.Bucket.Create(ctx, key), u.err}
}

type uncommittable struct {
	conversion.Result
	err error
}

func (u uncommittable) Commit() (int, error) { return 0, u.err }

func TestAFileIsGivenUpAfterTooManyAttempts(t *testing.T) {
	inTime(t, func(t *testing.T) {
		w := newWorld(t, library.AwaitingUpload)
		flaky := errors.New("the network is down")
		w.engine.script = func(job) (engine.Result, error) { return engine.Result{}, flaky }
		c, _ := w.call()
		for range library.MaxAttempts {
			wantErr(t, c.Convert(t.Context(), w.id), flaky)
		}
		w.wantOutcomes()
		w.convert()
		if f := w.wantEnd(library.Failed, library.MaxAttempts); f.Failure.Code != "internal" || f.Failure.Detail == "" {
			t.Errorf("the file failed with %+v", f.Failure)
		}
	})
}

func TestTimeThatIsUpIsAFailureThatIsRecorded(t *testing.T) {
	inTime(t, func(t *testing.T) {
		w := newWorld(t, library.Queued)
		w.engine.script = works(time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
		defer cancel()
		c, _ := w.call()
		wantErr(t, c.Convert(ctx, w.id), nil)
		if ctx.Err() != nil {
			t.Error("no time was left to record the end")
		}
		f := w.wantEnd(library.Failed, 1)
		if f.Failure.Code != "time_limit" || f.Failure.Detail == "" || f.Work.CostUSD <= 0 {
			t.Errorf("the file failed with %+v after %+v", f.Failure, f.Work)
		}
	})
}

func TestACallThatIsCancelledGivesTheFileBack(t *testing.T) {
	inTime(t, func(t *testing.T) {
		w := newWorld(t, library.Queued)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(5*time.Second, cancel)
		c, _ := w.call()
		wantErr(t, c.Convert(ctx, w.id), context.Canceled)
		if f := w.file(); f.State != library.Queued || w.mp3s.Unfinished() != 0 {
			t.Errorf("the file is %s, MP3s begun and left: %d", f.State, w.mp3s.Unfinished())
		}
		w.convert()
		w.wantEnd(library.Ready, 2)
	})
}
