package library_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/audio"
	"mp3converter/shared/library"
	"mp3converter/shared/library/librarytest"
)

func TestAGoodLifeGoesFromAnnouncementToExpiry(t *testing.T) {
	t.Parallel()
	w := newWorld()
	ctx, start := t.Context(), w.clock.now()

	f := w.announce(t)
	wantState(t, f, library.AwaitingUpload)
	if !library.ValidID(f.ID) || f.Options != (audio.Options{}) {
		t.Errorf("announced as %+v", f)
	}
	wantTime(t, "the end of an upload that never comes", w.store.Forget(f.ID), start.Add(16*24*time.Hour))

	w.clock.pass(time.Minute)
	f, err := w.Arrive(ctx, f.ID)
	wantErr(t, err, nil)
	wantState(t, f, library.Queued)
	wantTime(t, "the end of a file nobody converts", w.store.Forget(f.ID), w.clock.now().Add(retention+memory))

	j := w.claim(t, f.ID)
	wantState(t, j.File, library.Converting)
	wantTime(t, "the lease's end", j.File.LeaseUntil, w.clock.now().Add(library.LeaseTTL))

	w.clock.pass(20 * time.Second)
	wantErr(t, w.Renew(ctx, j, 40), nil)
	f = w.get(t, f.ID)
	wantTime(t, "the renewed lease's end", f.LeaseUntil, w.clock.now().Add(library.LeaseTTL))
	if f.Progress != 40 || f.Attempts != 1 {
		t.Errorf("progress %d in attempt %d, want 40 in 1", f.Progress, f.Attempts)
	}

	w.clock.pass(20 * time.Second)
	f, err = w.Finish(ctx, j, library.Outcome{MP3Bytes: 1234, Duration: 61 * time.Second, Work: library.Work{BytesRead: 7, CostUSD: 0.001}})
	wantErr(t, err, nil)
	wantState(t, f, library.Ready)
	if f.Progress != 100 || f.MP3Bytes != 1234 || f.Duration != 61*time.Second || f.Work != (library.Work{BytesRead: 7, CostUSD: 0.001}) || f.Lease != "" || !f.IsFinished() {
		t.Errorf("finished as %+v", f)
	}
	wantTime(t, "finished", f.Finished, w.clock.now())
	wantTime(t, "the MP3's end", f.Expires, w.clock.now().Add(retention).Truncate(time.Second))
	wantTime(t, "the record's end", w.store.Forget(f.ID), f.Expires.Add(memory))

	if got := f.StateAt(f.Expires.Add(-time.Millisecond)); got != library.Ready {
		t.Errorf("just before its time is up the file is %s", got)
	}
	if got := f.StateAt(f.Expires); got != library.Expired {
		t.Errorf("when its time is up the file is %s", got)
	}
}

func TestAFailedFileSaysWhyAndExpiresToo(t *testing.T) {
	t.Parallel()
	w := newWorld()
	j := w.claim(t, w.queued(t).ID)
	why := library.Failure{Code: "no_audio", Detail: "The video has no sound."}
	f, err := w.Fail(t.Context(), j, why, library.Work{CostUSD: 0.5})
	wantErr(t, err, nil)
	wantState(t, f, library.Failed)
	if f.Failure != why || f.Work != (library.Work{CostUSD: 0.5}) || f.Lease != "" || !f.IsFinished() || !f.Finished.Equal(w.clock.now()) {
		t.Errorf("failed as %+v", f)
	}
	if got := f.StateAt(w.clock.now().Add(retention)); got != library.Expired {
		t.Errorf("after its time the failed file is %s", got)
	}
}

func TestAnUnfinishedFileDoesNotExpire(t *testing.T) {
	t.Parallel()
	w := newWorld()
	f := w.queued(t)
	if got := f.StateAt(w.clock.now().Add(10 * retention)); got != library.Queued {
		t.Errorf("a file that waits for long is %s", got)
	}
}

// TestEveryStepLeavesOnlyItsStates is the table of the package comment: each step from each state.
func TestEveryStepLeavesOnlyItsStates(t *testing.T) {
	t.Parallel()
	const (
		conflict = library.State("conflict")
		gone     = library.State("gone")
	)
	type state struct {
		name string
		make func(f *library.File, now time.Time)
	}
	finished := func(s library.State) func(f *library.File, now time.Time) {
		return func(f *library.File, now time.Time) {
			f.State, f.Lease, f.Finished, f.Expires = s, "", now, now.Add(retention)
		}
	}
	states := []state{
		{"awaiting_upload", func(f *library.File, _ time.Time) {
			f.State, f.Lease, f.LeaseUntil = library.AwaitingUpload, "", time.Time{}
		}},
		{"queued", func(f *library.File, _ time.Time) { f.State, f.Lease = library.Queued, "" }},
		{"converting with my lease", func(*library.File, time.Time) {}},
		{"converting with my lease run out", func(f *library.File, now time.Time) { f.LeaseUntil = now.Add(-time.Millisecond) }},
		{"converting with another's lease", func(f *library.File, _ time.Time) { f.Lease = "theirs" }},
		{"converting with another's lease run out", func(f *library.File, now time.Time) {
			f.Lease, f.LeaseUntil = "theirs", now.Add(-time.Millisecond)
		}},
		{"ready", finished(library.Ready)},
		{"failed", finished(library.Failed)},
	}
	why := library.Failure{Code: "internal", Detail: "Our fault."}
	ignore := func(_ any, err error) error { return err }
	steps := []struct {
		name string
		do   func(ctx context.Context, w world, j library.Job) error
		// want is the state after the step, or conflict, in the order of states.
		want [8]library.State
	}{
		{"Arrive", func(ctx context.Context, w world, j library.Job) error { return ignore(w.Arrive(ctx, j.File.ID)) },
			[8]library.State{library.Queued, conflict, conflict, conflict, conflict, conflict, conflict, conflict}},
		{"Claim", func(ctx context.Context, w world, j library.Job) error { return ignore(w.Claim(ctx, j.File.ID)) },
			[8]library.State{conflict, library.Converting, conflict, library.Converting, conflict, library.Converting, conflict, conflict}},
		{"Renew", func(ctx context.Context, w world, j library.Job) error { return w.Renew(ctx, j, 50) },
			[8]library.State{conflict, conflict, library.Converting, library.Converting, conflict, conflict, conflict, conflict}},
		{"Release", func(ctx context.Context, w world, j library.Job) error { return w.Release(ctx, j, library.Work{}) },
			[8]library.State{conflict, conflict, library.Queued, library.Queued, conflict, conflict, conflict, conflict}},
		{"Finish", func(ctx context.Context, w world, j library.Job) error {
			return ignore(w.Finish(ctx, j, library.Outcome{MP3Bytes: 1}))
		},
			[8]library.State{conflict, conflict, library.Ready, library.Ready, conflict, conflict, conflict, conflict}},
		{"Fail", func(ctx context.Context, w world, j library.Job) error {
			return ignore(w.Fail(ctx, j, why, library.Work{CostUSD: 1}))
		},
			[8]library.State{conflict, conflict, library.Failed, library.Failed, conflict, conflict, conflict, conflict}},
		{"Abandon", func(ctx context.Context, w world, j library.Job) error { return ignore(w.Abandon(ctx, j.File.ID, why)) },
			[8]library.State{library.Failed, library.Failed, conflict, library.Failed, conflict, library.Failed, conflict, conflict}},
		{"MarkAnnounced", func(ctx context.Context, w world, j library.Job) error { return w.MarkAnnounced(ctx, j.File.ID) },
			[8]library.State{conflict, conflict, conflict, conflict, conflict, conflict, library.Ready, library.Failed}},
		{"ClaimMail about ready", func(ctx context.Context, w world, j library.Job) error {
			return ignore(w.ClaimMail(ctx, j.File.ID, library.Ready))
		}, [8]library.State{conflict, conflict, conflict, conflict, conflict, conflict, library.Ready, conflict}},
		{"ClaimMail about failed", func(ctx context.Context, w world, j library.Job) error {
			return ignore(w.ClaimMail(ctx, j.File.ID, library.Failed))
		}, [8]library.State{conflict, conflict, conflict, conflict, conflict, conflict, conflict, library.Failed}},
		{"AbortUpload", func(ctx context.Context, w world, j library.Job) error { return w.AbortUpload(ctx, j.File.ID, "anna") },
			[8]library.State{gone, conflict, conflict, conflict, conflict, conflict, conflict, conflict}},
		{"Delete", func(ctx context.Context, w world, j library.Job) error {
			return ignore(w.Delete(ctx, j.File.ID, "anna"))
		},
			[8]library.State{gone, gone, gone, gone, gone, gone, gone, gone}},
	}
	for _, step := range steps {
		for i, from := range states {
			t.Run(step.name+" from "+from.name, func(t *testing.T) {
				t.Parallel()
				w := newWorld()
				j := w.claim(t, w.queued(t).ID)
				f := w.get(t, j.File.ID)
				from.make(&f, w.clock.now())
				w.store.Put(f)
				before := w.get(t, f.ID)

				err := step.do(t.Context(), w, j)

				after, getErr := w.Get(t.Context(), f.ID)
				switch step.want[i] {
				case conflict:
					wantErr(t, err, library.ErrConflict)
					if after != before {
						t.Errorf("a step that was refused made %+v of %+v", after, before)
					}
				case gone:
					wantErr(t, err, nil)
					wantErr(t, getErr, library.ErrNotFound)
				default:
					wantErr(t, err, nil)
					wantState(t, after, step.want[i])
				}
			})
		}
		t.Run(step.name+" of a file that is gone", func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			j := w.claim(t, w.queued(t).ID)
			if _, err := w.Delete(t.Context(), j.File.ID, "anna"); err != nil {
				t.Fatal(err)
			}
			wantErr(t, step.do(t.Context(), w, j), library.ErrNotFound)
			_, err := w.Get(t.Context(), j.File.ID)
			wantErr(t, err, library.ErrNotFound)
		})
	}
}

func TestALeaseRunsOutAndAnotherConversionTakesOver(t *testing.T) {
	t.Parallel()
	w := newWorld()
	ctx := t.Context()
	first := w.claim(t, w.queued(t).ID)
	id := first.File.ID

	w.clock.pass(library.LeaseTTL)
	lost, err := w.Claim(ctx, id)
	wantErr(t, err, library.ErrConflict)
	if lost.File.ID != id || lost.File.State != library.Converting {
		t.Errorf("a claim that is refused shows %+v, want the file as it is", lost.File)
	}
	wantErr(t, w.Renew(ctx, lost, 99), library.ErrConflict)

	w.clock.pass(time.Millisecond)
	second := w.claim(t, id)
	if second.File.Attempts != 2 || second.File.Lease == first.File.Lease {
		t.Errorf("taken over as attempt %d, with another lease: %v", second.File.Attempts, second.File.Lease != first.File.Lease)
	}

	// The first one was not dead but slow, and comes back.
	_, err = w.Finish(ctx, first, library.Outcome{MP3Bytes: 666})
	wantErr(t, err, library.ErrConflict)
	_, err = w.Fail(ctx, first, library.Failure{Code: "corrupt"}, library.Work{})
	wantErr(t, err, library.ErrConflict)
	wantErr(t, w.Renew(ctx, first, 99), library.ErrConflict)
	wantErr(t, w.Release(ctx, first, library.Work{}), library.ErrConflict)

	f, err := w.Finish(ctx, second, library.Outcome{MP3Bytes: 5})
	wantErr(t, err, nil)
	if f.MP3Bytes != 5 {
		t.Errorf("the MP3 has %d bytes, want the second conversion's 5", f.MP3Bytes)
	}
	_, err = w.Finish(ctx, second, library.Outcome{MP3Bytes: 7})
	wantErr(t, err, library.ErrConflict)
}

func TestAReleasedFileIsClaimedAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld()
	j := w.claim(t, w.queued(t).ID)
	wantErr(t, w.Release(t.Context(), j, library.Work{}), nil)
	if f := w.get(t, j.File.ID); f.Lease != "" || f.State != library.Queued || f.Attempts != 1 {
		t.Errorf("released as %+v", f)
	}
	if again := w.claim(t, j.File.ID); again.File.Attempts != 2 {
		t.Errorf("attempt %d, want 2", again.File.Attempts)
	}
	wantErr(t, w.Renew(t.Context(), j, 1), library.ErrConflict)
}

func TestTheWorkOfAllAttemptsIsAddedUp(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(w world, j library.Job) (library.File, error){
		"to an MP3": func(w world, j library.Job) (library.File, error) {
			return w.Finish(t.Context(), j, library.Outcome{MP3Bytes: 1, Work: library.Work{BytesRead: 30, Encode: 3, PeakMemory: 5, Copied: true}})
		},
		"to a failure": func(w world, j library.Job) (library.File, error) {
			return w.Fail(t.Context(), j, library.Failure{Code: "corrupt"}, library.Work{BytesRead: 30, Encode: 3, PeakMemory: 5, Copied: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			j := w.claim(t, w.queued(t).ID)
			wantErr(t, w.Release(t.Context(), j, library.Work{BytesRead: 10, ReadRequests: 1, PeakMemory: 7, Workers: 2, CostUSD: 0.25}), nil)
			j = w.claim(t, j.File.ID)
			wantErr(t, w.Release(t.Context(), j, library.Work{BytesRead: 2, Wall: time.Second, PeakMemory: 6, Workers: 2, CostUSD: 0.5}), nil)
			f, err := end(w, w.claim(t, j.File.ID))
			wantErr(t, err, nil)
			want := library.Work{
				BytesRead: 42, ReadRequests: 1, Wall: time.Second, Encode: 3, PeakMemory: 7, Copied: true, Workers: 2, CostUSD: 0.75,
			}
			if f.Work != want {
				t.Errorf("the work is %+v, want %+v", f.Work, want)
			}
		})
	}
}

func TestAFileIsAbandonedOnlyWhenNobodyIsAtIt(t *testing.T) {
	t.Parallel()
	w := newWorld()
	why := library.Failure{Code: "internal", Detail: "Our fault."}
	id := w.claim(t, w.queued(t).ID).File.ID
	f, err := w.Abandon(t.Context(), id, why)
	wantErr(t, err, library.ErrConflict)
	wantState(t, f, library.Converting)
	w.clock.pass(library.LeaseTTL + time.Millisecond)
	f, err = w.Abandon(t.Context(), id, why)
	wantErr(t, err, nil)
	if f.State != library.Failed || f.Failure != why || !f.Finished.Equal(w.clock.now()) {
		t.Errorf("abandoned as %+v", f)
	}
	f, err = w.Abandon(t.Context(), id, library.Failure{Code: "other"})
	wantErr(t, err, library.ErrConflict)
	if f.Failure != why {
		t.Errorf("a second abandonment changed the reason to %v", f.Failure)
	}
}

func TestTheQuotaCountsOneOwnersDayAndWhatIsDeletedToo(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.clock.pass(w.Now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour).Sub(w.Now())) // to the beginning of a day
	announce := func(owner string) error {
		f, err := w.Announce(t.Context(), library.NewFile{Owner: owner, Filename: "a.mp4", Size: 1})
		if err == nil {
			_, err = w.Delete(t.Context(), f.ID, owner)
		}
		return err
	}
	wantErr(t, announce("anna"), nil)
	w.clock.pass(time.Hour)
	wantErr(t, announce("anna"), nil)
	wantErr(t, announce("anna"), nil)
	wantErr(t, announce("anna"), library.ErrQuota)
	wantErr(t, announce("bert"), nil)
	w.clock.pass(23*time.Hour - time.Millisecond)
	wantErr(t, announce("anna"), library.ErrQuota)
	w.clock.pass(time.Millisecond)
	wantErr(t, announce("anna"), nil)
}

func TestAnothersFileIsNotFound(t *testing.T) {
	t.Parallel()
	w := newWorld()
	f := w.queued(t)
	_, unknown := w.GetOwned(t.Context(), librarytest.NewID(), "bert")
	for name, err := range map[string]error{
		"GetOwned":    func() error { _, err := w.GetOwned(t.Context(), f.ID, "bert"); return err }(),
		"Delete":      func() error { _, err := w.Delete(t.Context(), f.ID, "bert"); return err }(),
		"AbortUpload": w.AbortUpload(t.Context(), f.ID, "bert"),
		"nobody":      func() error { _, err := w.GetOwned(t.Context(), f.ID, ""); return err }(),
		"unknown":     unknown,
	} {
		if !errors.Is(err, library.ErrNotFound) {
			t.Errorf("%s gives %v, want %v", name, err, library.ErrNotFound)
		}
	}
	got, err := w.GetOwned(t.Context(), f.ID, "anna")
	if err != nil || got.ID != f.ID {
		t.Errorf("the owner gets %v, %v", got, err)
	}
	files, _, err := w.List(t.Context(), "bert", 10, "")
	if err != nil || len(files) != 0 {
		t.Errorf("another's list has %d files (%v)", len(files), err)
	}
}

func TestErrorsSayWhatWasBeingDoneToWhich(t *testing.T) {
	t.Parallel()
	w := newWorld()
	id := librarytest.NewID()
	_, err := w.Claim(t.Context(), id)
	if want := "claim file " + id; !strings.Contains(err.Error(), want) {
		t.Errorf("error is %q, want it to contain %q", err, want)
	}
	_, _, err = w.List(t.Context(), "anna", 1, "nonsense")
	wantErr(t, err, library.ErrBadCursor)
}

func TestValidIDTakesWhatLibraryMakesAndNothingElse(t *testing.T) {
	t.Parallel()
	good := strings.Repeat("a2", 13)
	for id, want := range map[string]bool{
		good: true, librarytest.NewID(): true, "": false, good[1:]: false, good + "a": false, strings.ToUpper(good): false,
		good[1:] + "1": false, good[1:] + "-": false, good + "\n": false, "\n" + good[1:]: false, good[:25] + "ä": false,
		"../" + good[3:]: false, good[:22] + ".mp3": false, good[2:] + "%2e": false,
	} {
		if got := library.ValidID(id); got != want {
			t.Errorf("ValidID(%q) is %v", id, got)
		}
	}
}

func TestMP3NameReplacesTheExtension(t *testing.T) {
	t.Parallel()
	for video, want := range map[string]string{
		"a.mp4": "a.mp3", "a.tar.gz": "a.tar.mp3", "noextension": "noextension.mp3", ".hidden": ".hidden.mp3",
		"ünï.MOV": "ünï.mp3", "a.": "a.mp3", "already.mp3": "already.mp3", "日本.語.mkv": "日本.語.mp3",
	} {
		if got := (library.File{Filename: video}).MP3Name(); got != want {
			t.Errorf("the MP3 of %q is called %q, want %q", video, got, want)
		}
	}
}
