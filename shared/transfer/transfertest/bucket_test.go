package transfertest_test

import (
	"testing"

	"mp3converter/shared/transfer/transfertest"
)

func TestBucketKeepsTheContractOfBuckets(t *testing.T) {
	t.Parallel()
	transfertest.Contract(t, func(*testing.T) transfertest.Store { return &transfertest.Bucket{} })
}
