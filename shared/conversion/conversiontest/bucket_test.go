package conversiontest_test

import (
	"testing"

	"mp3converter/shared/conversion/conversiontest"
)

func TestBucketKeepsTheContractOfBuckets(t *testing.T) {
	t.Parallel()
	conversiontest.Contract(t, func(*testing.T) conversiontest.Store { return &conversiontest.Bucket{} })
}
