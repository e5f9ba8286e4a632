package aws_test

import (
	"testing"

	"mp3converter/shared/aws"
	"mp3converter/shared/library"
	"mp3converter/shared/library/librarytest"
)

func TestFilesKeepTheContractOfStores(t *testing.T) {
	t.Parallel()
	files := aws.NewFiles(connect(t), setting(t, "FILES_TABLE"))
	librarytest.Contract(t, func(*testing.T) library.Store { return files })
}
