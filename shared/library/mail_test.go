package library_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mp3converter/shared/library"
	"mp3converter/shared/library/librarytest"
)

// ready is a file whose outcome nobody has been told.
func (w world) ready(t *testing.T) library.File {
	t.Helper()
	f, err := w.Finish(t.Context(), w.claim(t, w.queued(t).ID), library.Outcome{MP3Bytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// losing is the library over the same store as a sender or a call sees it whose answers are lost that often; meanwhile may
// be nil.
func (w world) losing(times int, meanwhile func()) *library.Library {
	l := *w.Library
	l.Store = librarytest.LostAnswers{Store: w.store, Times: times, Meanwhile: meanwhile}
	return &l
}

func (w world) claimMail(t *testing.T, id string) library.File {
	t.Helper()
	f, err := w.ClaimMail(t.Context(), id, library.Ready)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestOneSenderAtATimeMayMail(t *testing.T) {
	t.Parallel()
	w := newWorld()
	ctx, id := t.Context(), w.ready(t).ID
	refused := func() {
		t.Helper()
		_, err := w.ClaimMail(ctx, id, library.Ready)
		wantErr(t, err, library.ErrConflict)
	}
	w.claimMail(t, id)
	refused()
	w.clock.pass(time.Minute)
	refused()
	w.clock.pass(time.Millisecond) // the first sender is dead by now
	f := w.claimMail(t, id)
	wantErr(t, w.ReleaseMail(ctx, f), nil)
	f = w.claimMail(t, id)
	wantErr(t, w.MarkMailed(ctx, f), nil)
	w.clock.pass(time.Hour)
	refused()
	if !w.get(t, id).Mailed {
		t.Error("the file does not say that it was mailed")
	}
}

func TestAClaimWhoseAnswerIsLostIsKnownAgain(t *testing.T) {
	t.Parallel()
	for _, times := range []int{1, 2} {
		t.Run(fmt.Sprintf("lost %d times", times), func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			ctx := t.Context()
			losing := w.losing(times, nil)

			j, err := losing.Claim(ctx, w.queued(t).ID)
			wantErr(t, err, nil)
			if j.File.Attempts != 1 {
				t.Errorf("attempt %d, want 1", j.File.Attempts)
			}
			wantErr(t, w.Renew(ctx, j, 50), nil)
			_, err = losing.Claim(ctx, j.File.ID)
			wantErr(t, err, library.ErrConflict)

			id := w.ready(t).ID
			f, err := losing.ClaimMail(ctx, id, library.Ready)
			wantErr(t, err, nil)
			_, err = losing.ClaimMail(ctx, id, library.Ready)
			wantErr(t, err, library.ErrConflict)
			wantErr(t, losing.ReleaseMail(ctx, f), nil)
			f, err = losing.ClaimMail(ctx, id, library.Ready)
			wantErr(t, err, nil)
			wantErr(t, losing.MarkMailed(ctx, f), nil)
			_, err = losing.ClaimMail(ctx, id, library.Ready)
			wantErr(t, err, library.ErrConflict)
		})
	}
}

func TestOfSendersWhoseAnswersAreLostOneMayMail(t *testing.T) {
	t.Parallel()
	for range 20 {
		w := newWorld()
		id := w.ready(t).ID
		var both, written sync.WaitGroup
		written.Add(2)
		losing := w.losing(1, func() { // neither repeats its claim before both have written one
			written.Done()
			written.Wait()
		})
		var won atomic.Int64
		for range 2 {
			both.Go(func() {
				switch _, err := losing.ClaimMail(t.Context(), id, library.Ready); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, library.ErrConflict):
					t.Errorf("the sender that lost gets %v, want %v", err, library.ErrConflict)
				}
			})
		}
		both.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d senders hold the claim, want exactly 1", won.Load())
		}
	}
}

func TestAClaimThatAnotherSenderHasTakenOverIsNotKnownAgain(t *testing.T) {
	t.Parallel()
	for name, meanwhile := range map[string]func(w world, id string){
		"and who is at it": func(w world, id string) { w.claimMail(t, id) },
		"and who is done":  func(w world, id string) { wantErr(t, w.MarkMailed(t.Context(), w.claimMail(t, id)), nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			id := w.ready(t).ID
			slow := w.losing(1, func() {
				w.clock.pass(time.Minute + time.Millisecond)
				meanwhile(w, id)
			})
			_, err := slow.ClaimMail(t.Context(), id, library.Ready)
			wantErr(t, err, library.ErrConflict)
		})
	}
}

func TestAMailSentByASlowSenderIsNotSentAgainByTheNext(t *testing.T) {
	t.Parallel()
	w := newWorld()
	slow := w.claimMail(t, w.ready(t).ID)
	w.clock.pass(time.Minute + time.Millisecond)
	next := w.losing(1, func() { wantErr(t, w.MarkMailed(t.Context(), slow), nil) })
	_, err := next.ClaimMail(t.Context(), slow.ID, library.Ready)
	wantErr(t, err, library.ErrConflict)
}

func TestASenderGivesBackOnlyItsOwnRight(t *testing.T) {
	t.Parallel()
	for name, release := range map[string]func(w world, mine library.File) error{
		"when its right had run out": func(w world, mine library.File) error {
			w.clock.pass(time.Minute + time.Millisecond)
			w.claimMail(t, mine.ID)
			return w.ReleaseMail(t.Context(), mine)
		},
		"when the answer was lost and another was quick": func(w world, mine library.File) error {
			return w.losing(1, func() { w.claimMail(t, mine.ID) }).ReleaseMail(t.Context(), mine)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			id := w.ready(t).ID
			wantErr(t, release(w, w.claimMail(t, id)), library.ErrConflict)
			_, err := w.ClaimMail(t.Context(), id, library.Ready)
			wantErr(t, err, library.ErrConflict)
		})
	}
}
