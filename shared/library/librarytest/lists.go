package librarytest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"mp3converter/shared/library"
)

// until waits for something that an index may show late.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain until %s", what)
		case <-again.C:
		}
	}
}

// several creates n files of one owner, three in each millisecond, and returns them newest first as far as time tells,
// once the list shows all of them.
func several(t *testing.T, s library.Store, owner string, n int) map[string]library.File {
	t.Helper()
	files := map[string]library.File{}
	for i := range n {
		f := create(t, s, NewFile(owner, epoch.Add(time.Duration(i/3)*time.Millisecond)))
		files[f.ID] = f
	}
	until(t, "the list shows every file", func() bool {
		got, _, err := s.List(t.Context(), owner, n+1, "")
		return err == nil && len(got) == n
	})
	return files
}

func lists(t *testing.T, s library.Store) {
	owner, n := NewID(), 11
	files := several(t, s, owner, n)
	several(t, s, NewID(), 2)
	whole, _, err := s.List(t.Context(), owner, n, "")
	wantErr(t, err, nil)
	for i := range len(whole) - 1 {
		if whole[i].Created.Before(whole[i+1].Created) {
			t.Errorf("file %d of the list is older than file %d", i, i+1)
		}
	}
	for _, limit := range []int{1, 3, 10, 11, 12, 100} {
		t.Run(fmt.Sprintf("pages of %d", limit), func(t *testing.T) {
			t.Parallel()
			var all []library.File
			cursor := ""
			for page := 1; ; page++ {
				got, next, err := s.List(t.Context(), owner, limit, cursor)
				if err != nil {
					t.Fatalf("List: %v", err)
				}
				all = append(all, got...)
				if last := page*limit >= n; last != (next == "") {
					t.Fatalf("page %d has the next cursor %q; is it the last: %v", page, next, last)
				}
				if want := min(limit, n-(page-1)*limit); len(got) != want {
					t.Fatalf("page %d has %d files, want %d", page, len(got), want)
				}
				if cursor = next; next == "" {
					break
				}
			}
			if !reflect.DeepEqual(all, whole) {
				t.Error("the pages together are not the whole list")
			}
		})
	}
	for _, f := range whole {
		wantFile(t, f, files[f.ID])
	}
	t.Run("nobody's list is empty and the last page", func(t *testing.T) {
		t.Parallel()
		got, next, err := s.List(t.Context(), NewID(), 20, "")
		if len(got) != 0 || next != "" || err != nil {
			t.Errorf("the list of a stranger is %v, %q, %v", got, next, err)
		}
	})
	t.Run("a cursor still works when the file it stands on is gone", func(t *testing.T) {
		t.Parallel()
		owner := NewID()
		several(t, s, owner, 5)
		first, next, err := s.List(t.Context(), owner, 2, "")
		wantErr(t, err, nil)
		_, err = s.Delete(t.Context(), first[1].ID, owner)
		wantErr(t, err, nil)
		rest, next, err := s.List(t.Context(), owner, 20, next)
		if len(rest) != 3 || next != "" || err != nil {
			t.Errorf("after the cursor come %d files, next %q, %v; want the 3 others", len(rest), next, err)
		}
	})
	t.Run("a deleted file leaves the list", func(t *testing.T) {
		t.Parallel()
		owner := NewID()
		f := create(t, s, NewFile(owner, epoch))
		_, err := s.Delete(t.Context(), f.ID, owner)
		wantErr(t, err, nil)
		until(t, "the list is empty", func() bool {
			got, _, err := s.List(t.Context(), owner, 20, "")
			return err == nil && len(got) == 0
		})
	})
}

func badCursors(t *testing.T, s library.Store) {
	owner := NewID()
	several(t, s, owner, 3)
	_, good, err := s.List(t.Context(), owner, 1, "")
	wantErr(t, err, nil)
	for _, bad := range []string{
		"x", "null", "e30", "bnVsbA", "W10", "!!!!", good + "!", good[1:], good[:len(good)-3], good + good, "%00", "\x00", "日本",
		"eyJmIjoiYSIsImMiOiJiIn0", // {"f":"a","c":"b"}
		"eyJmIjp7fX0",             // {"f":{}}
	} {
		got, next, err := s.List(t.Context(), owner, 1, bad)
		if !errors.Is(err, library.ErrBadCursor) || len(got) != 0 || next != "" {
			t.Errorf("the cursor %q gives %d files, next %q and error %v, want ErrBadCursor alone", bad, len(got), next, err)
		}
	}
}

func foreignCursor(t *testing.T, s library.Store) {
	mine, theirs := NewID(), NewID()
	several(t, s, mine, 4)
	several(t, s, theirs, 4)
	_, cursor, err := s.List(t.Context(), theirs, 2, "")
	wantErr(t, err, nil)
	got, _, err := s.List(t.Context(), mine, 20, cursor)
	if err != nil && !errors.Is(err, library.ErrBadCursor) {
		t.Errorf("another's cursor is the error %v", err)
	}
	for _, f := range got {
		if f.Owner != mine {
			t.Errorf("with another's cursor I see their file %s", f.ID)
		}
	}
}

func counts(t *testing.T, s library.Store) {
	owner, day := NewID(), time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	const together = 10
	sums := make(chan int, together)
	for range together {
		go func() {
			n, err := s.CountUpload(t.Context(), owner, day.Add(time.Hour))
			if err != nil {
				t.Error(err)
			}
			sums <- n
		}()
	}
	seen := map[int]bool{}
	for range together {
		seen[<-sums] = true
	}
	if len(seen) != together || !seen[1] || !seen[together] {
		t.Errorf("of %d uploads counted at once the sums are %v", together, seen)
	}
	for _, c := range []struct {
		who  string
		when time.Time
		want int
	}{
		{owner, day.Add(24*time.Hour - 1), together + 1},
		{owner, day.Add(24 * time.Hour), 1},
		{owner, day.Add(-1), 1},
		{NewID(), day, 1},
	} {
		got, err := s.CountUpload(t.Context(), c.who, c.when)
		if got != c.want || err != nil {
			t.Errorf("at %s the sum is %d (%v), want %d", c.when, got, err, c.want)
		}
	}
	if files, _, err := s.List(t.Context(), owner, 10, ""); len(files) != 0 || err != nil {
		t.Errorf("what is counted shows up as files: %v, %v", files, err)
	}
}
