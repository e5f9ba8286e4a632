package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The emulator's only account and region, and the credentials it takes for it.
const (
	account   = "000000000000"
	region    = "us-east-1"
	accessKey = "test"
	secretKey = "test"
)

// emulatorEnv is the whole environment of the emulator. Functions inherit it, because they are its child processes, so
// nothing of this shell's (least of all real AWS credentials) may be in it.
func (s *stack) emulatorEnv(p ports) []string {
	state := s.path("state")
	return []string{
		// Layers are not unpacked to /opt, so what would be /opt/bin is put on the path instead.
		"PATH=" + filepath.Join(s.shared, "layer", "bin") + string(os.PathListSeparator) + os.Getenv("PATH"),
		"HOME=" + s.path("tmp"),
		"TMPDIR=" + s.path("tmp"),
		"LANG=C.UTF-8",
		"PYTHONUNBUFFERED=1",

		"GATEWAY_PORT=" + strconv.Itoa(p.Internal),
		"BIND_HOST=127.0.0.1",
		"IOT_MTLS_ENABLED=0", // otherwise an MQTT listener opens a fixed port
		"SFTP_ENABLED=0",
		// Functions get their roles' credentials, and policies decide, as on AWS; so do the buckets' CORS rules.
		"AUTH=true",
		"MINISTACK_ACCOUNT_ID=" + account,
		"MINISTACK_REGION=" + region,
		"PERSIST_STATE=1",
		"STATE_DIR=" + filepath.Join(state, "services"),
		"S3_PERSIST=1",
		"S3_DATA_DIR=" + filepath.Join(state, "objects"),
		"LAMBDA_ASYNC_RETRY_BASE_SECONDS=" + s.retrySeconds,

		// For the functions: where AWS is, and that nothing else is AWS.
		"AWS_ENDPOINT_URL=" + emulatorURL(p),
		"AWS_REGION=" + region,
		"AWS_DEFAULT_REGION=" + region,
		"AWS_ACCESS_KEY_ID=" + accessKey,
		"AWS_SECRET_ACCESS_KEY=" + secretKey,
		"AWS_CONFIG_FILE=/dev/null",
		"AWS_SHARED_CREDENTIALS_FILE=/dev/null",
		"AWS_EC2_METADATA_DISABLED=true",
	}
}

// emulatorURL is where clients and functions reach the emulated services: the helper, which passes requests on to
// internalURL, the emulator itself.
func emulatorURL(p ports) string { return "http://" + loopback(p.Emulator) }
func internalURL(p ports) string { return "http://" + loopback(p.Internal) }

// startEmulator makes sure that the emulator runs with the present settings, and waits until it answers.
func (s *stack) startEmulator(ctx context.Context, bin string, r *running, p ports) error {
	env := s.emulatorEnv(p)
	stamp, err := os.ReadFile(filepath.Join(filepath.Dir(bin), "requirements.sha256"))
	if err != nil {
		return err
	}
	program, err := os.ReadFile(filepath.Join(s.root, "localstack", "emulator.py"))
	if err != nil {
		return err
	}
	config := strings.Join(append(env, string(stamp), string(program)), "\n")
	if r.Emulator.alive() {
		if r.EmulatorConfig == config && healthy(ctx, internalURL(p)) == nil {
			return nil
		}
		s.say("emulator: restarting, its settings have changed")
		if err := r.Emulator.stop(ctx, emulatorGrace); err != nil {
			return err
		}
	}
	for _, dir := range []string{s.path("tmp"), s.path("state")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	logFile := s.path("log", "emulator.log")
	if err := rotate(logFile); err != nil {
		return err
	}
	s.say("emulator: starting")
	r.EmulatorConfig = config
	if r.Emulator, err = startDetached(filepath.Join(bin, "python"), []string{filepath.Join(s.root, "localstack", "emulator.py")}, env, s.dir, logFile); err != nil {
		return fmt.Errorf("start the emulator: %w", err)
	}
	// Written down at once, so that down finds it even if this program ends here.
	if err := s.saveRunning(*r); err != nil {
		return err
	}
	waitCtx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	err = poll(waitCtx, func() bool { return !r.Emulator.alive() || healthy(waitCtx, internalURL(p)) == nil })
	if err != nil || !r.Emulator.alive() {
		return fmt.Errorf("the emulator does not answer; the end of %s:\n%s", s.relative(logFile), lastLines(logFile, 15))
	}
	s.say("emulator: healthy")
	return nil
}

// emulatorGrace is how long the emulator may take to write its state to disk.
const emulatorGrace = 20 * time.Second

// healthy asks the emulator at a URL whether it works.
func healthy(ctx context.Context, base string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/_ministack/health", http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("health: %s", resp.Status)
	}
	return nil
}

// rotate keeps one older log beside the present one, once it has grown.
func rotate(path string) error {
	const limit = 8 << 20
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || info.Size() < limit {
		return err
	}
	return os.Rename(path, path+".1")
}

func lastLines(path string, n int) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err == nil && info.Size() > 16<<10 {
		_, _ = f.Seek(-16<<10, io.SeekEnd)
	}
	data, err := io.ReadAll(f)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
