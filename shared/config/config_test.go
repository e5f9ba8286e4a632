package config_test

import (
	"log/slog"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/config"
)

// These tests change the environment of the whole process and so cannot be parallel.

type settings = map[string]string

// only makes the environment hold these of our variables and no others, until the test ends.
func only(t *testing.T, s settings) {
	t.Helper()
	for _, name := range []string{
		"USERS_TABLE", "TOKEN_TTL", "TOKEN_SECRET_ID", "TOKEN_ISSUER", "FILES_TABLE", "RETENTION_DAYS", "UPLOADS_PER_DAY",
		"UPLOADS_BUCKET", "RESULTS_BUCKET", "MAX_UPLOAD_BYTES", "S3_PUBLIC_ENDPOINT", "OUTCOMES_QUEUE_URL", "MAX_DURATION",
		"FFMPEG", "CONVERT_WORKERS", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME", "AWS_REGION",
		"PRICE_GB_SECOND", "PRICE_READ_REQUEST", "PRICE_WRITE_REQUEST", "SENDER", "PAGE_URL", "STORAGE_ORIGINS", "LOG_LEVEL",
	} {
		t.Setenv(name, "") // remembers what it was
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range s {
		t.Setenv(name, value)
	}
}

func load[T any]() error {
	_, err := config.Load[T]()
	return err
}

var functions = map[string]struct {
	load     func() error
	required settings
	// invalid has values that are refused, by variable.
	invalid map[string][]string
}{
	"login": {load[config.Login], settings{"USERS_TABLE": "users", "TOKEN_SECRET_ID": "token"}, map[string][]string{
		"TOKEN_TTL": {"1", "an hour", "59s", "25h", "-1h"},
	}},
	"upload": {load[config.Upload], settings{"FILES_TABLE": "files", "UPLOADS_BUCKET": "uploads", "TOKEN_SECRET_ID": "token"}, map[string][]string{
		"RETENTION_DAYS": {"0", "-1", "3651", "1.5", "a week"}, "UPLOADS_PER_DAY": {"0", "1000001", "many"},
		"MAX_UPLOAD_BYTES":   {"0", "-1", "5368709121", "5GB", "99999999999999999999"},
		"S3_PUBLIC_ENDPOINT": {"localhost:4566", "ftp://x", "/path", "http://", "://"},
	}},
	"convert": {load[config.Convert], settings{
		"FILES_TABLE": "files", "UPLOADS_BUCKET": "uploads", "RESULTS_BUCKET": "results", "OUTCOMES_QUEUE_URL": "https://queue.test/1",
	}, map[string][]string{
		"MAX_DURATION": {"0", "500ms", "169h", "long"}, "RETENTION_DAYS": {"0"}, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": {"much", "1.5"},
		"CONVERT_WORKERS": {"-1", "257", "all"}, "PRICE_GB_SECOND": {"-0.1", "1.5", "NaN", "cheap"}, "PRICE_READ_REQUEST": {"-1", "Inf"},
		"PRICE_WRITE_REQUEST": {"2", "$0.000005"},
	}},
	"notify": {load[config.Notify], settings{"FILES_TABLE": "files", "SENDER": "a@example.com", "PAGE_URL": "https://page.test/"}, map[string][]string{
		"PAGE_URL": {"page.test", "javascript:alert(1)", "https://"}, "RETENTION_DAYS": {"0"},
	}},
	"download": {load[config.Download], settings{"FILES_TABLE": "files", "RESULTS_BUCKET": "results", "TOKEN_SECRET_ID": "token"}, map[string][]string{
		"S3_PUBLIC_ENDPOINT": {"nowhere"}, "RETENTION_DAYS": {"0"},
	}},
	"files": {load[config.Manage], settings{
		"FILES_TABLE": "files", "UPLOADS_BUCKET": "uploads", "RESULTS_BUCKET": "results", "TOKEN_SECRET_ID": "token",
	}, map[string][]string{"RETENTION_DAYS": {"0"}, "UPLOADS_PER_DAY": {"0"}}},
	"web": {load[config.Web], settings{}, map[string][]string{
		"STORAGE_ORIGINS": {
			"storage.test", "https://a.test nonsense", "https://a.test/path", "https://a.test; script-src *", "https://a.test?x", "https://a.test,b",
		},
	}},
	"every function": {load[config.Log], settings{}, map[string][]string{"LOG_LEVEL": {"loud", "5"}}},
}

func TestAFunctionStartsWithWhatItRequires(t *testing.T) {
	for name, f := range functions {
		t.Run(name, func(t *testing.T) {
			only(t, f.required)
			if err := f.load(); err != nil {
				t.Errorf("with all it requires it does not start: %v", err)
			}
		})
	}
}

func TestAVariableThatIsMissingIsNamed(t *testing.T) {
	for name, f := range functions {
		for variable := range f.required {
			t.Run(name+" without "+variable, func(t *testing.T) {
				only(t, f.required)
				t.Setenv(variable, "")
				wantNamed(t, f.load(), variable, f.required)
				if err := os.Unsetenv(variable); err != nil {
					t.Fatal(err)
				}
				wantNamed(t, f.load(), variable, f.required)
			})
		}
	}
}

func TestAVariableThatMakesNoSenseIsNamed(t *testing.T) {
	for name, f := range functions {
		for variable, values := range f.invalid {
			for _, value := range values {
				t.Run(name+" with "+variable+"="+value, func(t *testing.T) {
					only(t, f.required)
					t.Setenv(variable, value)
					wantNamed(t, f.load(), variable, f.required)
				})
			}
		}
	}
}

var variablePattern = regexp.MustCompile(`[A-Z][A-Z0-9]*(_[A-Z0-9]+)+|SENDER`)

// wantNamed wants an error that names the variable, and no other of those that are well.
func wantNamed(t *testing.T, err error, variable string, well settings) {
	t.Helper()
	if err == nil {
		t.Fatalf("it starts although %s is no good", variable)
	}
	named := variablePattern.FindAllString(err.Error(), -1)
	if !slices.Contains(named, variable) {
		t.Errorf("the error does not name %s: %v", variable, err)
	}
	for other := range well {
		if other != variable && slices.Contains(named, other) {
			t.Errorf("the error names %s, which is well: %v", other, err)
		}
	}
	if !strings.HasPrefix(err.Error(), "configuration: ") {
		t.Errorf("the error does not say what it is about: %v", err)
	}
}

func TestEverythingThatIsMissingIsNamedAtOnce(t *testing.T) {
	only(t, settings{"MAX_DURATION": "x"})
	err := load[config.Convert]()
	for _, variable := range []string{"FILES_TABLE", "UPLOADS_BUCKET", "RESULTS_BUCKET", "OUTCOMES_QUEUE_URL", "MAX_DURATION"} {
		if err == nil || !strings.Contains(err.Error(), variable) {
			t.Errorf("the error does not name %s: %v", variable, err)
		}
	}
}

func TestDefaultsAndValues(t *testing.T) {
	only(t, functions["upload"].required)
	upload, err := config.Load[config.Upload]()
	want := config.Upload{
		Files:         config.Files{FilesTable: "files", RetentionDays: 7, UploadsPerDay: 200},
		Tokens:        config.Tokens{TokenSecretID: "token", TokenIssuer: "mp3converter"},
		UploadsBucket: "uploads", MaxUploadBytes: 5 << 30,
	}
	if err != nil || upload != want {
		t.Errorf("loaded %+v (%v), want %+v", upload, err, want)
	}
	if upload.Retention() != 7*24*time.Hour {
		t.Errorf("retention is %s", upload.Retention())
	}

	only(t, settings{"STORAGE_ORIGINS": "https://a.test http://127.0.0.1:4566 https://*.s3.eu-north-1.amazonaws.com", "LOG_LEVEL": "debug"})
	web, err := config.Load[config.Web]()
	if origins := []string{"https://a.test", "http://127.0.0.1:4566", "https://*.s3.eu-north-1.amazonaws.com"}; err != nil || !reflect.DeepEqual(web.StorageOrigins, origins) {
		t.Errorf("loaded %q (%v), want %q", web.StorageOrigins, err, origins)
	}
	log, err := config.Load[config.Log]()
	if err != nil || log.Level != slog.LevelDebug {
		t.Errorf("log level is %s (%v)", log.Level, err)
	}

	only(t, functions["convert"].required)
	t.Setenv("MAX_DURATION", "90m")
	t.Setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769")
	t.Setenv("PRICE_GB_SECOND", "0.00002")
	t.Setenv("PRICE_READ_REQUEST", "1e-7")
	convert, err := config.Load[config.Convert]()
	if err != nil || convert.MaxDuration != 90*time.Minute || convert.MemoryMB != 1769 || convert.Prices != (config.Prices{GBSecond: 0.00002, Read: 1e-7}) {
		t.Errorf("loaded %+v (%v)", convert, err)
	}
}
