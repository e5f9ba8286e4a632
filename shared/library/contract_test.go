package library_test

import (
	"testing"

	"mp3converter/shared/library"
	"mp3converter/shared/library/librarytest"
)

func TestMemoryKeepsTheContractOfStores(t *testing.T) {
	t.Parallel()
	librarytest.Contract(t, func(*testing.T) library.Store { return &librarytest.Memory{} })
}
