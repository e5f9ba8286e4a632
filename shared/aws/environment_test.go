package aws_test

import (
	"os"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"

	"mp3converter/shared/aws"
)

// setting returns an environment variable of the running stack. These tests are worth nothing without one, so its
// absence is a failure and not a reason to skip them.
func setting(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set: this test needs a running stack; run `make test`, which starts one", name)
	}
	return value
}

// connect returns the configuration of the stack's services.
func connect(t *testing.T) awssdk.Config {
	t.Helper()
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		setting(t, name)
	}
	cfg, err := aws.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}
