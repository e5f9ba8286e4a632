// Package config is what each function is told by its environment: read once at start, checked, and typed. A value that
// is missing or makes no sense stops the start with a sentence that names the variable.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"mp3converter/web"
)

// Login is the configuration of the login function.
type Login struct {
	UsersTable string        `env:"USERS_TABLE,required,notEmpty"`
	TokenTTL   time.Duration `env:"TOKEN_TTL" envDefault:"1h"`
	Tokens
}

// Tokens is what functions need that issue or check tokens.
type Tokens struct {
	// TokenSecretID names the secret that holds the signing key.
	TokenSecretID string `env:"TOKEN_SECRET_ID,required,notEmpty"`
	TokenIssuer   string `env:"TOKEN_ISSUER,notEmpty" envDefault:"mp3converter"`
}

// Files is what functions need that change files.
type Files struct {
	FilesTable string `env:"FILES_TABLE,required,notEmpty"`
	// RetentionDays is how long an MP3 stays.
	RetentionDays int `env:"RETENTION_DAYS" envDefault:"7"`
	// UploadsPerDay is what one person may upload in 24 hours.
	UploadsPerDay int `env:"UPLOADS_PER_DAY" envDefault:"200"`
}

// Retention is how long a finished file stays.
func (f Files) Retention() time.Duration { return time.Duration(f.RetentionDays) * 24 * time.Hour }

// Upload is the configuration of the upload function.
type Upload struct {
	Files
	Tokens
	UploadsBucket  string `env:"UPLOADS_BUCKET,required,notEmpty"`
	MaxUploadBytes int64  `env:"MAX_UPLOAD_BYTES" envDefault:"5368709120"`
	// PublicEndpoint is where browsers reach the storage, if not where the functions do.
	PublicEndpoint string `env:"S3_PUBLIC_ENDPOINT"`
}

// Convert is the configuration of the convert function.
type Convert struct {
	Files
	UploadsBucket    string        `env:"UPLOADS_BUCKET,required,notEmpty"`
	ResultsBucket    string        `env:"RESULTS_BUCKET,required,notEmpty"`
	OutcomesQueueURL string        `env:"OUTCOMES_QUEUE_URL,required,notEmpty"`
	MaxDuration      time.Duration `env:"MAX_DURATION" envDefault:"6h"`
	// FFmpeg is the program's path; empty means the one on PATH.
	FFmpeg string `env:"FFMPEG"`
	// Workers is how many encoders run at once; 0 means as many as there are processors.
	Workers int `env:"CONVERT_WORKERS" envDefault:"0"`
	// FunctionName, Region and MemoryMB are set by the platform; the first names the metrics, the others price the work.
	FunctionName string `env:"AWS_LAMBDA_FUNCTION_NAME" envDefault:"convert"`
	Region       string `env:"AWS_REGION"`
	MemoryMB     int    `env:"AWS_LAMBDA_FUNCTION_MEMORY_SIZE" envDefault:"3538"`
	Prices
}

// Prices are in US dollars; 0 means what is known of the region's list prices.
type Prices struct {
	// GBSecond is one GB of memory for one second.
	GBSecond float64 `env:"PRICE_GB_SECOND" envDefault:"0"`
	// Read and Write are one request to storage: GET and HEAD; PUT and POST.
	Read  float64 `env:"PRICE_READ_REQUEST" envDefault:"0"`
	Write float64 `env:"PRICE_WRITE_REQUEST" envDefault:"0"`
}

// Notify is the configuration of the notify function.
type Notify struct {
	Files
	// Sender is the address e-mails come from.
	Sender string `env:"SENDER,required,notEmpty"`
	// PageURL is the web page's address.
	PageURL string `env:"PAGE_URL,required,notEmpty"`
}

// Download is the configuration of the download function.
type Download struct {
	Files
	Tokens
	ResultsBucket  string `env:"RESULTS_BUCKET,required,notEmpty"`
	PublicEndpoint string `env:"S3_PUBLIC_ENDPOINT"`
}

// Manage is the configuration of the files function.
type Manage struct {
	Files
	Tokens
	UploadsBucket string `env:"UPLOADS_BUCKET,required,notEmpty"`
	ResultsBucket string `env:"RESULTS_BUCKET,required,notEmpty"`
}

// Web is the configuration of the web function.
type Web struct {
	// StorageOrigins are the origins of presigned URLs, which the page's Content-Security-Policy must let through.
	StorageOrigins []string `env:"STORAGE_ORIGINS" envSeparator:" "`
}

// Log is the configuration that every function has.
type Log struct {
	Level slog.Level `env:"LOG_LEVEL" envDefault:"info"`
}

type checker interface{ check() error }

// Load reads a configuration from the environment.
func Load[T any]() (T, error) {
	cfg, err := env.ParseAs[T]()
	if err != nil {
		return cfg, fmt.Errorf("configuration: %w", nameVariables[T](err))
	}
	if c, ok := any(cfg).(checker); ok {
		if err := c.check(); err != nil {
			return cfg, fmt.Errorf("configuration: %w", err)
		}
	}
	return cfg, nil
}

// nameVariables says which variable could not be read where the env package names the struct's field.
func nameVariables[T any](err error) error {
	var all env.AggregateError
	if !errors.As(err, &all) {
		return err
	}
	errs := make([]error, len(all.Errors))
	for i, err := range all.Errors {
		errs[i] = err
		var parse env.ParseError
		if !errors.As(err, &parse) {
			continue
		}
		if field, ok := reflect.TypeFor[T]().FieldByName(parse.Name); ok {
			variable, _, _ := strings.Cut(field.Tag.Get("env"), ",")
			errs[i] = fmt.Errorf("%s cannot be read: %w", variable, parse.Err)
		}
	}
	return errors.Join(errs...)
}

func between[N int | int64 | float64 | time.Duration](name string, v, lo, hi N) error {
	if v >= lo && v <= hi {
		return nil
	}
	return fmt.Errorf("%s is %v; it must be from %v to %v", name, v, lo, hi) // NaN too
}

func absoluteURL(name, v string) error {
	if u, err := url.Parse(v); err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return fmt.Errorf("%s is %q; it must be an http or https URL", name, v)
	}
	return nil
}

func (c Login) check() error { return between("TOKEN_TTL", c.TokenTTL, time.Minute, 24*time.Hour) }

func (f Files) checkFiles() error {
	if err := between("RETENTION_DAYS", f.RetentionDays, 1, 3650); err != nil {
		return err
	}
	return between("UPLOADS_PER_DAY", f.UploadsPerDay, 1, 1_000_000)
}

// maxSinglePut is the most that S3 takes in one PUT.
const maxSinglePut = 5 << 30

func (c Upload) check() error {
	if err := c.checkFiles(); err != nil {
		return err
	}
	if err := between("MAX_UPLOAD_BYTES", c.MaxUploadBytes, 1, maxSinglePut); err != nil {
		return err
	}
	return optionalURL("S3_PUBLIC_ENDPOINT", c.PublicEndpoint)
}

func optionalURL(name, v string) error {
	if v == "" {
		return nil
	}
	return absoluteURL(name, v)
}

func (c Convert) check() error {
	if err := c.checkFiles(); err != nil {
		return err
	}
	if err := between("CONVERT_WORKERS", c.Workers, 0, 256); err != nil {
		return err
	}
	return errors.Join(
		between("MAX_DURATION", c.MaxDuration, time.Second, 7*24*time.Hour),
		between("PRICE_GB_SECOND", c.GBSecond, 0, 1), between("PRICE_READ_REQUEST", c.Read, 0, 1), between("PRICE_WRITE_REQUEST", c.Write, 0, 1),
	)
}

func (c Notify) check() error {
	if err := c.checkFiles(); err != nil {
		return err
	}
	return absoluteURL("PAGE_URL", c.PageURL)
}

func (c Download) check() error {
	if err := c.checkFiles(); err != nil {
		return err
	}
	return optionalURL("S3_PUBLIC_ENDPOINT", c.PublicEndpoint)
}

func (c Manage) check() error { return c.checkFiles() }

func (c Web) check() error {
	if err := (web.Config{StorageOrigins: c.StorageOrigins}).Validate(); err != nil {
		return fmt.Errorf("STORAGE_ORIGINS: %w", err)
	}
	return nil
}
