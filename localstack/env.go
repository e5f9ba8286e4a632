package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// variable is one line of the env file.
type variable struct{ name, value string }

func value(variables []variable, name string) string {
	for _, v := range variables {
		if v.name == name {
			return v.value
		}
	}
	return ""
}

func pageURL(p ports) string    { return "http://" + loopback(p.Page) }
func mailboxURL(p ports) string { return "http://" + loopback(p.Mailbox) }

// writeEnv writes the env file, which people source and tests read. The demo user's password is made once.
func (s *stack) writeEnv(p ports, outputs map[string]string) ([]variable, error) {
	before, err := s.readEnv()
	if err != nil {
		return nil, err
	}
	mediaFFmpeg, err := s.mediaFFmpeg()
	if err != nil {
		return nil, err
	}
	password := value(before, "USER_PASSWORD")
	if password == "" {
		password = strings.ToLower(rand.Text())
	}
	queue := func(output string) string {
		// The emulator makes the addresses of queues of its own port, where nobody else goes.
		at, err := url.Parse(outputs[output])
		if err != nil {
			return ""
		}
		return emulatorURL(p) + at.Path
	}
	variables := []variable{
		{"API_URL", pageURL(p)},
		{"USER_EMAIL", demoEmail},
		{"USER_PASSWORD", password},
		{"MAILBOX_URL", mailboxURL(p)},
		{"S3_ENDPOINT", emulatorURL(p)},
		{"USERS_TABLE", outputs["UsersTable"]},
		{"FILES_TABLE", outputs["FilesTable"]},
		{"UPLOADS_BUCKET", outputs["UploadsBucket"]},
		{"RESULTS_BUCKET", outputs["ResultsBucket"]},
		{"OUTCOMES_QUEUE_URL", queue("OutcomesQueueUrl")},
		{"OUTCOMES_DLQ_URL", queue("OutcomesDeadLettersUrl")},
		{"CONVERT_FAILURES_QUEUE_URL", queue("ConvertFailuresUrl")},
		{"CONVERT_DLQ_URL", queue("ConvertDeadLettersUrl")},
		{"CONVERT_FUNCTION", outputs["ConvertFunction"]},
		{"NOTIFY_FUNCTION", outputs["NotifyFunction"]},
		{"TOKEN_SECRET_ID", outputs["TokenSecretArn"]},
		{"LAYER_DIR", filepath.Join(s.shared, "layer")},
		{"MEDIA_FFMPEG", mediaFFmpeg},
		{"AWS_ENDPOINT_URL", emulatorURL(p)},
		{"AWS_REGION", region},
		{"AWS_ACCESS_KEY_ID", accessKey},
		{"AWS_SECRET_ACCESS_KEY", secretKey},
	}
	var text bytes.Buffer
	fmt.Fprintln(&text, "# Written by localstack; read it into a shell with: set -a; . "+s.relative(s.path("env"))+"; set +a")
	for _, v := range variables {
		if v.value == "" {
			return nil, fmt.Errorf("the stack has no output for %s", v.name)
		}
		fmt.Fprintf(&text, "%s=%s\n", v.name, v.value)
	}
	return variables, writeFile(s.path("env"), text.Bytes(), 0o600)
}

// mediaFFmpeg is a complete ffmpeg, which makes videos for tests and the demo; the layer's own could not.
func (s *stack) mediaFFmpeg() (string, error) {
	found, err := filepath.Glob(filepath.Join(s.shared, "venv", "lib", "python3*", "site-packages", "imageio_ffmpeg", "binaries", "ffmpeg-*"))
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", fmt.Errorf("imageio-ffmpeg brought %d ffmpeg binaries; remove %s to have it installed anew", len(found), s.relative(filepath.Join(s.shared, "venv")))
	}
	return found[0], nil
}

func (s *stack) readEnv() ([]variable, error) {
	data, err := os.ReadFile(s.path("env"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var variables []variable
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), "="); ok && !strings.HasPrefix(name, "#") {
			variables = append(variables, variable{name, value})
		}
	}
	return variables, nil
}

// info prints how to use what is running.
func (s *stack) info(out io.Writer) error {
	r, err := s.loadRunning()
	if err != nil {
		return err
	}
	v, err := s.readEnv()
	if err != nil {
		return err
	}
	if v == nil || !r.Emulator.alive() || !r.Helper.alive() {
		return errors.New("nothing is running here; start it with: make up")
	}
	api, user, password := value(v, "API_URL"), value(v, "USER_EMAIL"), value(v, "USER_PASSWORD")
	_, err = fmt.Fprintf(out, `
  page      %[1]s/
  sign in   %[2]s
  password  %[3]s
  mailbox   %[4]s/

  Or with curl:

  TOKEN=$(curl -sS -X POST %[1]s/login -u %[2]s:%[3]s)
  curl -X POST -F 'file=@./video.mp4' -H "Authorization: Bearer $TOKEN" %[1]s/upload
  curl --output out.mp3 -X GET -H "Authorization: Bearer $TOKEN" "%[1]s/download?fid=<fid from the e-mail>"

`, api, user, password, value(v, "MAILBOX_URL"))
	return err
}
