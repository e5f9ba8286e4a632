package conversion_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/conversion"
	"mp3converter/shared/engine"
	"mp3converter/shared/library"
)

// These tests take away from a call what it needs, at every point where it could die, and then call again as the
// platform would.

func TestACallThatDiesIsTakenOverWhenItsLeaseHasRunOut(t *testing.T) {
	inTime(t, func(t *testing.T) {
		w := newWorld(t, library.AwaitingUpload)
		w.engine.script = func(j job) (engine.Result, error) {
			if j.run == 1 {
				if err := j.after(5 * time.Second); err != nil {
					return engine.Result{}, err
				}
				panic("the function dies")
			}
			return works(time.Second)(j)
		}
		died := make(chan any)
		go func() {
			defer func() { died <- recover() }()
			c, _ := w.call()
			_ = c.Convert(t.Context(), w.id)
		}()
		if cause := <-died; cause != "the function dies" {
			t.Fatalf("the call did not die but %v", cause)
		}
		if f := w.file(); f.State != library.Converting {
			t.Fatalf("the dead call left the file %s", f.State)
		}
		began := time.Now()
		w.convert() // the platform's retry comes at once
		if took := time.Since(began); took < 20*time.Second || took > library.LeaseTTL+3*time.Second {
			t.Errorf("taking over took %s", took)
		}
		if f := w.wantEnd(library.Ready, 2); f.Attempts != 2 {
			t.Errorf("it took %d attempts", f.Attempts)
		}
	})
}

func TestACallThatLosesTheStoreBeforeItCanFinishIsRepeated(t *testing.T) {
	inTime(t, func(t *testing.T) {
		w := newWorld(t, library.Queued)
		c, s := w.call()
		w.engine.script = func(j job) (engine.Result, error) {
			if j.run == 1 {
				s.lose(everything)
			}
			return works(3 * time.Second)(j)
		}
		wantErr(t, c.Convert(t.Context(), w.id), errStore)
		w.wantOutcomes()
		w.convert()
		w.wantEnd(library.Ready, 2)
		if got, _ := w.mp3s.Object(w.key); string(got) != "MP3 of run 2" {
			t.Errorf("the MP3 is %q", got)
		}
	})
}

func TestACallThatCannotRenewItsLeaseStopsAndIsRepeated(t *testing.T) {
	inTime(t, func(t *testing.T) {
		w := newWorld(t, library.Queued)
		c, s := w.call()
		w.engine.script = func(j job) (engine.Result, error) {
			if j.run == 1 {
				s.lose(everything)
				return works(time.Hour)(j)
			}
			return works(time.Second)(j)
		}
		began := time.Now()
		err := c.Convert(t.Context(), w.id)
		wantErr(t, err, errStore)
		if took := time.Since(began); took < library.LeaseTTL || took > library.LeaseTTL+5*time.Second {
			t.Errorf("it went on without a lease for %s", took)
		}
		w.convert()
		w.wantEnd(library.Ready, 2)
	})
}

func TestAShortLossOfTheStoreDoesNoHarm(t *testing.T) {
	inTime(t, func(t *testing.T) {
		w := newWorld(t, library.Queued)
		w.engine.script = works(time.Minute)
		c, s := w.call()
		time.AfterFunc(5*time.Second, func() { s.lose(everything) })
		time.AfterFunc(25*time.Second, func() { s.lose(nil) })
		wantErr(t, c.Convert(t.Context(), w.id), nil)
		w.wantEnd(library.Ready, 1)
	})
}

func TestACallThatDiesBeforeTheOutcomeIsSentHasItSentByTheNext(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]func(j job) (engine.Result, error){"ready": works(time.Second), "failed": failsAfter(time.Second)} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(t *testing.T) {
				w := newWorld(t, library.Queued)
				w.engine.script = script
				w.outbox.err = errors.New("no route to queue")
				c, _ := w.call()
				for range 2 {
					wantErr(t, c.Convert(t.Context(), w.id), w.outbox.err)
				}
				if f := w.file(); string(f.State) != name || f.Announced {
					t.Errorf("the file is %s, announced %v", f.State, f.Announced)
				}
				w.outbox.err = nil
				w.convert()
				w.convert()
				w.wantEnd(library.State(name), 1)
			})
		})
	}
}

func TestACallThatDiesBeforeItNotesTheOutcomeAsSentHasItSentAgain(t *testing.T) {
	inTime(t, func(t *testing.T) {
		w := newWorld(t, library.Queued)
		c, s := w.call()
		s.lose(func(p library.Patch) bool { return p.Announced })
		wantErr(t, c.Convert(t.Context(), w.id), errStore)
		w.wantOutcomes(library.Ready)
		w.convert()
		// Better twice on the queue than never; the e-mail goes out once all the same.
		w.wantOutcomes(library.Ready, library.Ready)
		w.wantRuns(1)
	})
}

func TestACallThatWaitsForADeadOneEndsWithItsOwnTime(t *testing.T) {
	inTime(t, func(t *testing.T) {
		w := newWorld(t, library.Converting, func(f *library.File) {
			f.Lease, f.LeaseUntil = "of a dead call", time.Now().Add(library.LeaseTTL)
		})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		c, _ := w.call()
		wantErr(t, c.Convert(ctx, w.id), context.DeadlineExceeded)
		w.wantRuns(0)
	})
}

func TestACallThatWaitsGoesOnWhenTheFileIsGivenBack(t *testing.T) {
	inTime(t, func(t *testing.T) {
		w := newWorld(t, library.Queued)
		flaky := errors.New("the network had a hiccup")
		w.engine.script = func(j job) (engine.Result, error) {
			if j.run == 1 {
				return engine.Result{}, errors.Join(j.after(700*time.Millisecond), flaky)
			}
			return works(time.Second)(j)
		}
		first := make(chan error)
		go func() {
			c, _ := w.call()
			first <- c.Convert(t.Context(), w.id)
		}()
		time.Sleep(10 * time.Millisecond)
		w.convert()
		wantErr(t, <-first, flaky)
		w.wantEnd(library.Ready, 2)
	})
}

func TestAFileDeletedWhileItIsConvertedLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]func(w *world) func(j job) (engine.Result, error){
		"in the middle": func(w *world) func(j job) (engine.Result, error) {
			return func(j job) (engine.Result, error) {
				time.AfterFunc(5*time.Second, w.delete)
				return works(time.Hour)(j)
			}
		},
		"in the middle, with no progress": func(w *world) func(j job) (engine.Result, error) {
			return func(j job) (engine.Result, error) {
				time.AfterFunc(5*time.Second, w.delete)
				return silent(time.Hour)(j)
			}
		},
		"at the end": func(w *world) func(j job) (engine.Result, error) {
			return func(j job) (engine.Result, error) {
				w.delete()
				return j.write("MP3")
			}
		},
		"just before it fails": func(w *world) func(j job) (engine.Result, error) {
			return func(j job) (engine.Result, error) {
				w.delete()
				return failsAfter(0)(j)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(t *testing.T) {
				w := newWorld(t, library.Queued)
				w.engine.script = script(w)
				began := time.Now()
				w.convert()
				if took := time.Since(began); took > 20*time.Second {
					t.Errorf("the engine went on for %s", took)
				}
				w.wantRuns(1)
				w.wantOutcomes()
				if _, there := w.mp3s.Object(w.key); there || w.mp3s.Unfinished() != 0 {
					t.Errorf("there is an MP3: %v; begun and left: %d", there, w.mp3s.Unfinished())
				}
				if _, err := w.memory.Get(t.Context(), w.id); !errors.Is(err, library.ErrNotFound) {
					t.Errorf("the file came back: %v", err)
				}
			})
		})
	}
}

func TestAFileDeletedDuringATransientErrorIsLeftAlone(t *testing.T) {
	inTime(t, func(t *testing.T) {
		w := newWorld(t, library.Queued)
		flaky := errors.New("the network had a hiccup")
		w.engine.script = func(job) (engine.Result, error) {
			w.delete()
			return engine.Result{}, flaky
		}
		c, _ := w.call()
		if err := c.Convert(t.Context(), w.id); errors.Is(err, library.ErrNotFound) {
			t.Errorf("error is %v", err)
		}
		w.convert()
		w.wantOutcomes()
		w.wantRuns(1)
	})
}

// takeOver makes another call hold the file's lease.
func (w *world) takeOver() {
	f := w.file()
	f.Lease, f.LeaseUntil = "of another call", time.Now().Add(library.LeaseTTL)
	w.memory.Put(f)
}

func TestACallThatHasLostItsLeaseLeavesTheFileToTheOther(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]func(w *world) func(j job) (engine.Result, error){
		"noticed in the middle": func(w *world) func(j job) (engine.Result, error) {
			return func(j job) (engine.Result, error) {
				time.AfterFunc(5*time.Second, w.takeOver)
				return works(time.Hour)(j)
			}
		},
		"noticed when it is done": func(w *world) func(j job) (engine.Result, error) {
			return func(j job) (engine.Result, error) {
				w.takeOver()
				return j.write("MP3")
			}
		},
		"noticed when it has failed": func(w *world) func(j job) (engine.Result, error) {
			return func(j job) (engine.Result, error) {
				w.takeOver()
				return failsAfter(0)(j)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(t *testing.T) {
				w := newWorld(t, library.Queued)
				w.engine.script = script(w)
				began := time.Now()
				w.convert()
				if took := time.Since(began); took > 10*time.Second {
					t.Errorf("the engine went on for %s", took)
				}
				w.wantOutcomes()
				if f := w.file(); f.State != library.Converting || f.Lease != "of another call" || w.mp3s.Unfinished() != 0 {
					t.Errorf("the file is %+v, MP3s begun and left: %d", f, w.mp3s.Unfinished())
				}
			})
		})
	}
}

func TestWhatNobodyTriesAgainIsAbandoned(t *testing.T) {
	t.Parallel()
	lease := func(until time.Duration) func(f *library.File) {
		return func(f *library.File) { f.Lease, f.LeaseUntil = "of a call", time.Now().Add(until) }
	}
	for name, c := range map[string]struct {
		state  library.State
		change func(f *library.File)
		want   library.State
		told   bool
	}{
		"awaiting upload":              {library.AwaitingUpload, func(*library.File) {}, library.Failed, true},
		"queued":                       {library.Queued, func(*library.File) {}, library.Failed, true},
		"converting, by a dead call":   {library.Converting, lease(-time.Second), library.Failed, true},
		"ready, and nobody knows":      {library.Ready, func(*library.File) {}, library.Ready, true},
		"failed, and nobody knows":     {library.Failed, func(*library.File) {}, library.Failed, true},
		"ready, and the owner is told": {library.Ready, func(f *library.File) { f.Announced = true }, library.Ready, false},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(t *testing.T) {
				w := newWorld(t, c.state, func(f *library.File) { c.change(f) })
				converter, _ := w.call()
				for range 2 {
					wantErr(t, converter.Abandon(t.Context(), w.id), nil)
				}
				f := w.file()
				if f.State != c.want || !f.Announced || c.state != c.want && f.Failure.Code != "internal" {
					t.Errorf("the file is %+v, want it %s", f, c.want)
				}
				if c.told {
					w.wantOutcomes(c.want)
				} else {
					w.wantOutcomes()
				}
				w.wantRuns(0)
			})
		})
	}
	t.Run("converting, by a call that lives", func(t *testing.T) {
		inTime(t, func(t *testing.T) {
			w := newWorld(t, library.Converting, lease(5*time.Second))
			c, _ := w.call()
			go func() { // it renews its lease once more, and dies
				time.Sleep(2 * time.Second)
				f, err := w.memory.Get(context.Background(), w.id)
				if err != nil {
					t.Error(err)
				}
				f.LeaseUntil = f.LeaseUntil.Add(5 * time.Second)
				w.memory.Put(f)
			}()
			wantErr(t, c.Abandon(t.Context(), w.id), library.ErrConflict)
			w.wantOutcomes()
			wantErr(t, c.Abandon(t.Context(), w.id), nil) // waits for the lease to run out
			w.wantOutcomes(library.Failed)
		})
	})
	t.Run("with no way to the queue", func(t *testing.T) {
		inTime(t, func(t *testing.T) {
			w := newWorld(t, library.Queued)
			w.outbox.err = errors.New("no route to queue")
			c, _ := w.call()
			wantErr(t, c.Abandon(t.Context(), w.id), w.outbox.err)
			w.outbox.err = nil
			wantErr(t, c.Abandon(t.Context(), w.id), nil)
			w.wantOutcomes(library.Failed)
			if want := []conversion.Run{{Outcome: conversion.Failed}}; !reflect.DeepEqual(w.meter.runs, want) {
				t.Errorf("the meter was told %+v, want %+v", w.meter.runs, want)
			}
			if log := w.log.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, `"outcome":"failed","code":"internal"`) {
				t.Errorf("the log is %s", log)
			}
		})
	})
}
