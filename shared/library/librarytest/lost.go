package librarytest

import (
	"context"

	"mp3converter/shared/library"
)

// LostAnswers is a library.Store behind a network that loses answers: every Change is applied, its answer is lost as often
// as Times says, and it is repeated each time, as adapters do.
type LostAnswers struct {
	library.Store
	Times int
	// Meanwhile, if set, runs before each repetition.
	Meanwhile func()
}

// Change implements library.Store.
func (s LostAnswers) Change(ctx context.Context, id string, guards []library.Guard, p library.Patch) (library.File, error) {
	for range s.Times {
		_, _ = s.Store.Change(ctx, id, guards, p) // the answer that is lost
		if s.Meanwhile != nil {
			s.Meanwhile()
		}
	}
	return s.Store.Change(ctx, id, guards, p)
}
