package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	sender    = "no-reply@example.com"
	demoEmail = "demo@example.com"
)

// up brings the stack up and leaves it running. What is there and unchanged is left as it is.
func (s *stack) up(ctx context.Context) error {
	release, err := s.lock(s.path("lock"))
	if err != nil {
		return err
	}
	defer release()
	r, err := s.loadRunning()
	if err != nil {
		return err
	}
	if err := s.settlePorts(ctx, &r); err != nil {
		return err
	}
	source, err := os.ReadFile(filepath.Join(s.root, "template.yaml"))
	if err != nil {
		return err
	}
	tpl, err := parseTemplate(source)
	if err != nil {
		return err
	}
	before := r.Emulator
	d, client, err := s.prepare(ctx, tpl, &r)
	if err != nil {
		return err
	}
	outputs, err := s.deploy(ctx, d, r.Ports)
	if err != nil {
		return err
	}
	if r.Emulator != before {
		if err := newCloud(emulatorURL(r.Ports)).redeliver(ctx, outputs["UploadsBucket"], outputs["ConvertFunction"]); err != nil {
			return err
		}
	}
	if err := writeFile(s.apiFile(), []byte(outputs["ApiId"]), 0o600); err != nil {
		return err
	}
	variables, err := s.writeEnv(r.Ports, outputs)
	if err != nil {
		return err
	}
	if err := s.addDemoUser(ctx, client, variables); err != nil {
		return err
	}
	return s.waitForPage(ctx, r.Ports)
}

// settlePorts keeps the ports of what is running if they are as wished, or stops it and chooses others.
func (s *stack) settlePorts(ctx context.Context, r *running) error {
	if (r.Emulator.alive() || r.Helper.alive()) && s.wantPorts.matches(r.Ports) {
		// What is still running holds its ports; a part that ended finds its own free or not when it starts.
		return nil
	}
	if err := s.stopAll(ctx, r); err != nil {
		return err
	}
	chosen, err := s.wantPorts.choose(ctx, r.Ports)
	if err != nil {
		return err
	}
	r.Ports = chosen
	return nil
}

// prepare does side by side what does not depend on each other: the emulator (and before it, its Python environment),
// the binaries and the layer.
func (s *stack) prepare(ctx context.Context, tpl *samTemplate, r *running) (d deployment, client string, err error) {
	release, err := s.lock(filepath.Join(s.shared, "build.lock"))
	if err != nil {
		return deployment{}, "", err
	}
	defer release()

	var bin, layer string
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		python, err := s.venv(ctx, "venv", "requirements.txt", "the emulator")
		if err != nil {
			return err
		}
		if err := s.startEmulator(ctx, python, r, r.Ports); err != nil {
			return err
		}
		return s.startHelper(ctx, r)
	})
	group.Go(func() (err error) {
		packages := []string{"./cmd/mp3converter"}
		for _, a := range tpl.artifacts {
			if a.isFunction() {
				packages = append(packages, a.goPackage())
			}
		}
		s.say("go: building the functions")
		bin, err = s.buildBinaries(ctx, packages)
		if err == nil {
			s.say("go: built")
		}
		return err
	})
	group.Go(func() (err error) {
		if layer, err = s.buildLayer(ctx); err != nil {
			return err
		}
		return s.linkLayer(layer)
	})
	if err := group.Wait(); err != nil {
		return deployment{}, "", err
	}

	d.parameters = s.parameters(r.Ports)
	if err := tpl.setDefaults(d.parameters); err != nil {
		return deployment{}, "", err
	}
	tpl.widenMail()
	keys := map[string]string{}
	for _, a := range tpl.artifacts {
		var packed archive
		if a.isFunction() {
			packed, err = zipFiles(map[string]string{"bootstrap": filepath.Join(bin, filepath.Base(a.Path))})
		} else {
			packed, err = zipFolder(layer)
		}
		if err != nil {
			return deployment{}, "", err
		}
		d.archives = append(d.archives, packed)
		keys[a.LogicalID] = packed.Key
	}
	d.template, err = tpl.pack(codeBucket, keys)
	return d, filepath.Join(bin, "mp3converter"), err
}

// parameters are those of the template that differ from a deployment to AWS, and what was set on the command line.
func (s *stack) parameters(p ports) map[string]string {
	parameters := map[string]string{
		"Architecture":     architecture(),
		"SenderAddress":    sender,
		"PageOrigin":       pageURL(p),
		"S3PublicEndpoint": emulatorURL(p),
	}
	for name, value := range s.overrides {
		parameters[name] = value
	}
	return parameters
}

func (s *stack) deploy(ctx context.Context, d deployment, p ports) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	aws := newCloud(emulatorURL(p))
	outputs, changed, err := aws.deploy(ctx, d)
	if err != nil {
		return nil, err
	}
	if changed {
		s.say("cloudformation: deployed template.yaml")
	} else {
		s.say("cloudformation: template and code are unchanged")
	}
	if err := aws.repairAPIs(ctx, d.parameters); err != nil {
		return nil, err
	}
	return outputs, aws.verifySender(ctx, sender)
}

// helperGrace is how long the helper may take to fetch the last e-mails.
const helperGrace = 3 * time.Second

// apiFile is where the helper learns which API it stands in front of.
func (s *stack) apiFile() string { return s.path("state", "api") }

// startHelper makes sure that the proxies and the mailbox run, as this very program in the background.
func (s *stack) startHelper(ctx context.Context, r *running) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	data, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	args := helperArgs(r.Ports, s.apiFile(), s.path("state", "mails.jsonl"))
	sum := sha256.Sum256(data)
	config := hex.EncodeToString(sum[:]) + " " + strings.Join(args, " ")
	if r.Helper.alive() && r.HelperConfig == config {
		return nil
	}
	if err := r.Helper.stop(ctx, helperGrace); err != nil {
		return err
	}
	// `go run` deletes the program when it ends, so the background process is started from a copy.
	copied := s.path("bin", "localstack")
	if err := writeFile(copied, data, 0o755); err != nil {
		return err
	}
	logFile := s.path("log", "helper.log")
	if r.Helper, err = startDetached(copied, args, []string{"LANG=C.UTF-8"}, s.dir, logFile); err != nil {
		return fmt.Errorf("start the proxy: %w", err)
	}
	r.HelperConfig = config
	if err := s.saveRunning(*r); err != nil {
		return err
	}
	waitCtx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	err = poll(waitCtx, func() bool { return !r.Helper.alive() || healthy(waitCtx, emulatorURL(r.Ports)) == nil })
	if err != nil || !r.Helper.alive() {
		return fmt.Errorf("the proxy does not answer: %s", lastLines(logFile, 5))
	}
	return nil
}

// addDemoUser makes the user that info prints, with the client that people use, unless it is there.
func (s *stack) addDemoUser(ctx context.Context, client string, variables []variable) error {
	cmd := exec.CommandContext(ctx, client, "admin", "user", "add", demoEmail)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.path("tmp"), "NO_COLOR=1"}
	for _, v := range variables {
		cmd.Env = append(cmd.Env, v.name+"="+v.value)
	}
	cmd.Env = append(cmd.Env, "MP3CONVERTER_PASSWORD="+value(variables, "USER_PASSWORD"))
	output, err := cmd.CombinedOutput()
	const userExists = 8 // the client's documented exit code
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == userExists {
		return nil
	}
	if err != nil {
		return fmt.Errorf("add the demo user: %w\n%s", err, output)
	}
	return nil
}

// waitForPage returns once the page answers through the proxy: from here on everything works.
func (s *stack) waitForPage(ctx context.Context, p ports) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var failure error
	err := poll(ctx, func() bool {
		failure = get(ctx, pageURL(p)+"/healthz")
		return failure == nil
	})
	if err != nil {
		return fmt.Errorf("the page does not answer: %w; see %s", failure, s.relative(s.path("log")))
	}
	s.say("healthy")
	return nil
}

func get(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", address, resp.Status)
	}
	return nil
}

// down stops what up started. The emulator writes its state first, so that the next up finds everything again.
func (s *stack) down(ctx context.Context) error {
	release, err := s.lock(s.path("lock"))
	if err != nil {
		return err
	}
	defer release()
	r, err := s.loadRunning()
	if err != nil {
		return err
	}
	if !r.Emulator.alive() && !r.Helper.alive() {
		s.say("nothing is running")
		return nil
	}
	if err := s.stopAll(ctx, &r); err != nil {
		return err
	}
	s.say("stopped; the data is kept in %s", s.relative(s.path("state")))
	return nil
}

func (s *stack) stopAll(ctx context.Context, r *running) error {
	if err := errors.Join(r.Helper.stop(ctx, helperGrace), r.Emulator.stop(ctx, emulatorGrace)); err != nil {
		return err
	}
	if err := os.RemoveAll(s.path("tmp")); err != nil {
		return err
	}
	if r.Emulator.PID == 0 && r.Helper.PID == 0 {
		return nil
	}
	*r = running{Ports: r.Ports}
	return s.saveRunning(*r)
}
