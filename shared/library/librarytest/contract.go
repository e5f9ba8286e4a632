package librarytest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mp3converter/shared/audio"
	"mp3converter/shared/library"
)

// Contract holds a Store to everything that library.Store promises. The store may be shared with others and hold other
// files: only files of owners made up here are touched. open is called once for each part.
func Contract(t *testing.T, open func(t *testing.T) library.Store) {
	for name, part := range map[string]func(*testing.T, library.Store){
		"every field survives":                               fieldsSurvive,
		"creating an ID twice is refused":                    createTwice,
		"an unknown file is not found and stays unknown":     unknownFile,
		"a change needs a guard that holds":                  guards,
		"a change sets what the patch names and leaves rest": patches,
		"of concurrent claims exactly one wins":              concurrentClaims,
		"a claim that is repeated shows itself":              repeatedClaims,
		"concurrent changes are all counted":                 concurrentChanges,
		"delete asks for the owner and the state":            deletes,
		"of concurrent deletes exactly one wins":             concurrentDeletes,
		"the list is newest first, in pages":                 lists,
		"a bad cursor is refused":                            badCursors,
		"another's cursor shows nothing of theirs":           foreignCursor,
		"files are counted from a point in time":             counts,
		"a cancelled context is an error":                    cancelled,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part(t, open(t))
		})
	}
}

// epoch is a time that DynamoDB's TTL leaves alone for long, whole to the millisecond.
var epoch = time.Now().UTC().Truncate(time.Second).Add(123 * time.Millisecond)

// NewFile returns a fresh file of that owner as library announces it, created at that time.
func NewFile(owner string, created time.Time) library.File {
	return library.File{
		ID: NewID(), Owner: owner, Email: owner + "@example.com", Filename: "holiday.mp4", Size: 1000,
		Created: created, State: library.AwaitingUpload,
		Expires: created.Add(24 * time.Hour).Truncate(time.Second),
	}
}

func create(t *testing.T, s library.Store, f library.File) library.File {
	t.Helper()
	if err := s.Create(t.Context(), f, epoch.Add(48*time.Hour)); err != nil {
		t.Fatalf("Create: %v", err)
	}
	return f
}

func fresh(t *testing.T, s library.Store) library.File {
	t.Helper()
	return create(t, s, NewFile(NewID(), epoch))
}

func wantFile(t *testing.T, got, want library.File) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("file is\n%s\nwant\n%s", show(got), show(want))
	}
}

func show(f library.File) string {
	b, err := json.Marshal(f)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func wantErr(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("error is %v, want %v", got, want)
	}
}

func wantStored(t *testing.T, s library.Store, want library.File) {
	t.Helper()
	got, err := s.Get(t.Context(), want.ID)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	wantFile(t, got, want)
}

func change(t *testing.T, s library.Store, id string, from library.State, p library.Patch) library.File {
	t.Helper()
	f, err := s.Change(t.Context(), id, []library.Guard{{State: from}}, p)
	if err != nil {
		t.Fatalf("Change: %v", err)
	}
	return f
}

func ptr[T any](v T) *T { return &v }

func fieldsSurvive(t *testing.T, s library.Store) {
	for _, options := range []audio.Options{
		{},
		{Mode: audio.VBR, Quality: ptr(0)},
		{Mode: audio.CBR, Bitrate: ptr(320), Channels: ptr(1), Track: ptr(0), Start: ptr(0.0), End: ptr(604800.0), Normalize: true},
		{Track: ptr(63), Start: ptr(0.1), End: ptr(1.0 / 3)},
	} {
		for _, name := range []string{
			"plain.mp4", "a", "日本語 のビデオ.mkv", "e\u0301 und é.mp4", "🎬👩‍👩‍👧‍👦.mov", `quotes " ' \ % + &.mp4`, "שלום.webm",
		} {
			f := NewFile(NewID(), epoch)
			f.Filename, f.Options, f.Size = name, options, 5<<30
			f.ContentType, f.SHA256 = "video/mp4; codecs=\"avc1\"", fmt.Sprintf("%064x", 1)
			wantStored(t, s, create(t, s, f))
		}
	}
}

func createTwice(t *testing.T, s library.Store) {
	f := fresh(t, s)
	again := f
	again.Owner, again.Filename = NewID(), "another.mp4"
	if err := s.Create(t.Context(), again, epoch.Add(time.Hour)); err == nil {
		t.Error("creating a second file with the same ID went well")
	}
	wantStored(t, s, f)
}

func unknownFile(t *testing.T, s library.Store) {
	id := NewID()
	_, err := s.Change(t.Context(), id, []library.Guard{{State: library.Queued}, {State: library.Converting, Lease: "x"}},
		library.Patch{State: library.Ready})
	wantErr(t, err, library.ErrNotFound)
	_, err = s.Delete(t.Context(), id, NewID())
	wantErr(t, err, library.ErrNotFound)
	_, err = s.Delete(t.Context(), id, NewID(), library.Ready)
	wantErr(t, err, library.ErrNotFound)
	_, err = s.Get(t.Context(), id)
	wantErr(t, err, library.ErrNotFound)
}

func guards(t *testing.T, s library.Store) {
	type guards = []library.Guard
	const later, sooner = time.Millisecond, -time.Millisecond
	at := epoch.Add
	leased := library.Patch{State: library.Converting, Lease: ptr("mine"), LeaseUntil: epoch}
	ready := library.Patch{State: library.Ready}
	mailing := library.Patch{State: library.Ready, MailUntil: epoch, MailLease: "mine"}
	for _, c := range []struct {
		name   string
		before library.Patch
		guards guards
		ok     bool
	}{
		{"the state it is in", library.Patch{}, guards{{State: library.AwaitingUpload}}, true},
		{"another state", library.Patch{}, guards{{State: library.Queued}}, false},
		{"no guard at all but other states", library.Patch{}, guards{{State: library.Queued}, {State: library.Ready}, {State: library.Failed}}, false},
		{"the second of three", library.Patch{}, guards{{State: library.Queued}, {State: library.AwaitingUpload}, {State: library.Failed}}, true},
		{"the last of four", library.Patch{}, guards{{State: library.Queued}, {State: library.Ready}, {State: library.Failed}, {State: library.AwaitingUpload}}, true},
		{"its lease", leased, guards{{State: library.Converting, Lease: "mine"}}, true},
		{"another's lease", leased, guards{{State: library.Converting, Lease: "theirs"}}, false},
		{"its lease in another state", leased, guards{{State: library.Queued, Lease: "mine"}}, false},
		{"a lease it never had", library.Patch{}, guards{{State: library.AwaitingUpload, Lease: "mine"}}, false},
		{"a lease that ran out", leased, guards{{State: library.Converting, LeaseBefore: at(later)}}, true},
		{"a lease that runs out this very moment", leased, guards{{State: library.Converting, LeaseBefore: at(0)}}, false},
		{"a lease that still runs", leased, guards{{State: library.Converting, LeaseBefore: at(sooner)}}, false},
		{"a lease that never was cannot have run out", library.Patch{}, guards{{State: library.AwaitingUpload, LeaseBefore: at(later)}}, false},
		{"its lease, and that it ran out", leased, guards{{State: library.Converting, Lease: "mine", LeaseBefore: at(later)}}, true},
		{"another's lease, and that it ran out", leased, guards{{State: library.Converting, Lease: "theirs", LeaseBefore: at(later)}}, false},
		{"that nobody has mailed", ready, guards{{State: library.Ready, UnmailedBefore: at(0)}}, true},
		{"that nobody has mailed, in another state", ready, guards{{State: library.Failed, UnmailedBefore: at(0)}}, false},
		{"that a sender's right has run out", mailing, guards{{State: library.Ready, UnmailedBefore: at(later)}}, true},
		{"that a sender's right runs out this very moment", mailing, guards{{State: library.Ready, UnmailedBefore: at(0)}}, false},
		{"that a sender's right still holds", mailing, guards{{State: library.Ready, UnmailedBefore: at(sooner)}}, false},
		{"that nobody has mailed what was mailed", library.Patch{State: library.Ready, Mailed: true, MailUntil: epoch},
			guards{{State: library.Ready, UnmailedBefore: at(time.Hour)}}, false},
		{"its mail lease", mailing, guards{{State: library.Ready, MailLease: "mine"}}, true},
		{"another's mail lease", mailing, guards{{State: library.Ready, MailLease: "theirs"}}, false},
		{"its mail lease in another state", mailing, guards{{State: library.Failed, MailLease: "mine"}}, false},
		{"a mail lease it never had", ready, guards{{State: library.Ready, MailLease: "mine"}}, false},
		{"its lease for a mail lease", leased, guards{{State: library.Converting, MailLease: "mine"}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := fresh(t, s)
			if c.before != (library.Patch{}) {
				f = change(t, s, f.ID, library.AwaitingUpload, c.before)
			}
			want := f
			if c.ok {
				want.Progress = 42
			}
			got, err := s.Change(t.Context(), f.ID, c.guards, library.Patch{Progress: ptr(42)})
			if c.ok {
				wantErr(t, err, nil)
			} else {
				wantErr(t, err, library.ErrConflict)
			}
			wantFile(t, got, want)
			wantStored(t, s, want)
		})
	}
}

// fullWork has every field set, each to another value.
var fullWork = library.Work{
	BytesRead: 12_345_678_901, BytesWritten: 23_456_789_012, ReadRequests: 3, WriteRequests: 4,
	Wall: 5*time.Hour + 1, Probe: 6, Measure: 7, Encode: 8, CPU: 9*time.Hour + 1, DecodeCPU: 10, EncodeCPU: 11, JoinCPU: 12,
	PeakMemory: 13 << 30, Copied: true, Segments: 14, Requantised: 15, Workers: 16, CostUSD: 0.000123456789,
}

func patches(t *testing.T, s library.Store) {
	f := fresh(t, s)
	full := library.Patch{
		State: library.Failed, Progress: ptr(77), AddAttempt: true, Lease: ptr("mine"), LeaseUntil: epoch.Add(time.Second),
		Finished: epoch.Add(2 * time.Second), Expires: epoch.Add(3 * time.Second), Forget: epoch.Add(72 * time.Hour),
		MP3Bytes: 12_345_678_901, Duration: 90*time.Minute + 123456789, Work: fullWork,
		Failure: library.Failure{Code: "no_audio", Detail: "Der Film ist stumm: “…” 🙉"}, Announced: true, Mailed: true,
		MailUntil: epoch, MailLease: "my mail",
	}
	want := f
	want.State, want.Progress, want.Attempts, want.Lease, want.LeaseUntil = library.Failed, 77, 1, "mine", full.LeaseUntil
	want.Finished, want.Expires, want.MP3Bytes, want.Duration = full.Finished, full.Expires, full.MP3Bytes, full.Duration
	want.Work, want.Failure, want.Announced, want.Mailed, want.MailLease = fullWork, full.Failure, true, true, "my mail"
	got := change(t, s, f.ID, library.AwaitingUpload, full)
	wantFile(t, got, want)
	wantStored(t, s, want)

	for _, c := range []struct {
		patch library.Patch
		then  func()
	}{
		{library.Patch{State: library.Ready}, func() { want.State = library.Ready }},
		{library.Patch{Progress: ptr(0)}, func() { want.Progress = 0 }},
		{library.Patch{Lease: ptr("")}, func() { want.Lease = "" }},
		{library.Patch{AddAttempt: true}, func() { want.Attempts++ }},
		{library.Patch{AddAttempt: true}, func() { want.Attempts++ }},
		{library.Patch{Expires: epoch}, func() { want.Expires = epoch }},
		{library.Patch{Work: library.Work{CPU: 1}}, func() { want.Work = library.Work{CPU: 1} }},
		{library.Patch{Failure: library.Failure{Code: "corrupt", Detail: "Broken."}}, func() {
			want.Failure = library.Failure{Code: "corrupt", Detail: "Broken."}
		}},
	} {
		state := want.State
		c.then()
		wantFile(t, change(t, s, f.ID, state, c.patch), want)
	}
	wantStored(t, s, want)
}

// inParallel runs do n times at once and returns when all have ended.
func inParallel(n int, do func(i int)) {
	var start, end sync.WaitGroup
	start.Add(n)
	for i := range n {
		end.Go(func() {
			start.Done()
			start.Wait()
			do(i)
		})
	}
	end.Wait()
}

const crowd = 20

func concurrentChanges(t *testing.T, s library.Store) {
	f := fresh(t, s)
	inParallel(crowd, func(int) {
		_, err := s.Change(t.Context(), f.ID, []library.Guard{{State: library.AwaitingUpload}}, library.Patch{AddAttempt: true})
		wantErr(t, err, nil)
	})
	f.Attempts = crowd
	wantStored(t, s, f)
}

func deletes(t *testing.T, s library.Store) {
	t.Run("the owner's file goes, and its last form comes back", func(t *testing.T) {
		t.Parallel()
		f := fresh(t, s)
		f = change(t, s, f.ID, library.AwaitingUpload, library.Patch{State: library.Ready, MP3Bytes: 5})
		got, err := s.Delete(t.Context(), f.ID, f.Owner)
		wantErr(t, err, nil)
		wantFile(t, got, f)
		_, err = s.Get(t.Context(), f.ID)
		wantErr(t, err, library.ErrNotFound)
		_, err = s.Delete(t.Context(), f.ID, f.Owner)
		wantErr(t, err, library.ErrNotFound)
		_, err = s.Change(t.Context(), f.ID, []library.Guard{{State: library.Ready}}, library.Patch{Mailed: true})
		wantErr(t, err, library.ErrNotFound)
		_, err = s.Get(t.Context(), f.ID)
		wantErr(t, err, library.ErrNotFound)
	})
	t.Run("another's file is not found, whatever its state, and stays", func(t *testing.T) {
		t.Parallel()
		f := fresh(t, s)
		for _, states := range [][]library.State{nil, {f.State}, {library.Ready}} {
			got, err := s.Delete(t.Context(), f.ID, NewID(), states...)
			wantErr(t, err, library.ErrNotFound)
			wantFile(t, got, library.File{})
		}
		wantStored(t, s, f)
	})
	t.Run("a file in another state is a conflict, comes back and stays", func(t *testing.T) {
		t.Parallel()
		f := fresh(t, s)
		got, err := s.Delete(t.Context(), f.ID, f.Owner, library.Queued, library.Ready)
		wantErr(t, err, library.ErrConflict)
		wantFile(t, got, f)
		wantStored(t, s, f)
	})
	t.Run("a file in one of several states goes", func(t *testing.T) {
		t.Parallel()
		f := fresh(t, s)
		_, err := s.Delete(t.Context(), f.ID, f.Owner, library.Ready, library.AwaitingUpload, library.Failed)
		wantErr(t, err, nil)
	})
}

func concurrentDeletes(t *testing.T, s library.Store) {
	f := fresh(t, s)
	var won atomic.Int64
	inParallel(crowd, func(int) {
		switch _, err := s.Delete(t.Context(), f.ID, f.Owner); {
		case err == nil:
			won.Add(1)
		case !errors.Is(err, library.ErrNotFound):
			t.Errorf("a delete that lost got %v, want %v", err, library.ErrNotFound)
		}
	})
	if won.Load() != 1 {
		t.Errorf("%d deletes won, want exactly 1", won.Load())
	}
}

func cancelled(t *testing.T, s library.Store) {
	f := fresh(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, getErr := s.Get(ctx, f.ID)
	_, changeErr := s.Change(ctx, f.ID, []library.Guard{{State: f.State}}, library.Patch{State: library.Ready})
	_, deleteErr := s.Delete(ctx, f.ID, f.Owner)
	_, _, listErr := s.List(ctx, f.Owner, 1, "")
	_, countErr := s.CountUpload(ctx, f.Owner, epoch)
	for call, err := range map[string]error{
		"Create": s.Create(ctx, NewFile(f.Owner, epoch), epoch), "Get": getErr, "Change": changeErr, "Delete": deleteErr,
		"List": listErr, "CountUpload": countErr,
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context gives %v", call, err)
		}
	}
	wantStored(t, s, f)
}
