package librarytest

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"mp3converter/shared/library"
)

func concurrentClaims(t *testing.T, s library.Store) {
	f := fresh(t, s)
	change(t, s, f.ID, library.AwaitingUpload, library.Patch{State: library.Queued})
	var won atomic.Int64
	leases := make([]string, crowd)
	inParallel(crowd, func(i int) {
		lease := fmt.Sprintf("lease %d", i)
		got, err := s.Change(t.Context(), f.ID,
			[]library.Guard{{State: library.Queued}, {State: library.Converting, LeaseBefore: epoch}},
			library.Patch{State: library.Converting, Lease: &lease, LeaseUntil: epoch.Add(time.Minute), AddAttempt: true})
		switch {
		case err == nil:
			won.Add(1)
		case !errors.Is(err, library.ErrConflict):
			t.Errorf("a claim that lost got %v, want %v", err, library.ErrConflict)
		}
		leases[i] = got.Lease
	})
	if won.Load() != 1 {
		t.Errorf("%d claims won, want exactly 1", won.Load())
	}
	if all := slices.Compact(slices.Clone(leases)); len(all) != 1 {
		t.Errorf("the claims saw different holders of the lease: %q", all)
	}
	got, err := s.Get(t.Context(), f.ID)
	if err != nil || got.Attempts != 1 || got.Lease != leases[0] {
		t.Errorf("the file has %d attempts and lease %q (%v), want 1 and %q", got.Attempts, got.Lease, err, leases[0])
	}
}

// repeatedClaims are what makes a caller whose answer was lost know its own write again.
func repeatedClaims(t *testing.T, s library.Store) {
	for name, c := range map[string]struct {
		from   library.State
		guards []library.Guard
		claim  library.Patch
	}{
		"of a conversion": {
			library.Queued, []library.Guard{{State: library.Queued}, {State: library.Converting, LeaseBefore: epoch}},
			library.Patch{State: library.Converting, Lease: ptr("mine"), LeaseUntil: epoch.Add(time.Minute), AddAttempt: true},
		},
		"of an e-mail": {
			library.Ready, []library.Guard{{State: library.Ready, UnmailedBefore: epoch}},
			library.Patch{MailUntil: epoch.Add(time.Minute), MailLease: "mine"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := fresh(t, s)
			change(t, s, f.ID, library.AwaitingUpload, library.Patch{State: c.from})
			claimed, err := s.Change(t.Context(), f.ID, c.guards, c.claim)
			wantErr(t, err, nil)
			if claimed.Lease+claimed.MailLease != "mine" {
				t.Errorf("claimed as %s", show(claimed))
			}
			for range 2 {
				got, err := s.Change(t.Context(), f.ID, c.guards, c.claim)
				wantErr(t, err, library.ErrConflict)
				wantFile(t, got, claimed)
			}
			wantStored(t, s, claimed)
		})
	}
}
