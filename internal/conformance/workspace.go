package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

const (
	libraryModule = "github.com/cantonlb/cantonlb"
	grpcModule    = "google.golang.org/grpc"
)

// The files that are added to grpc's module.
var (
	//go:embed patch/substitute.go.txt
	substituteSource []byte
	//go:embed patch/default.go.txt
	defaultSource []byte
	//go:embed patch/health.go.txt
	healthSource []byte
)

const (
	fakesFile = "internal/testutils/balancer.go"
	healthOld = `	if state.ConnectivityState == connectivity.Ready && tsc.healthListener != nil {
		tsc.healthListener(balancer.SubConnState{ConnectivityState: connectivity.Ready})
	}
`
)

// The changes to grpc's module: a channel's policy if none is named, and when a fake
// SubConn reports its health.
var changes = []struct{ file, old, by string }{
	{"service_config.go", "name := pickfirst.Name", "name := defaultPolicyName(pickfirst.Name)"},
	{fakesFile, "	healthListener func(balancer.SubConnState)\n", "	health fakeHealth\n"},
	{fakesFile, "	if tsc.stateListener != nil {\n", "	tsc.health.begin(state)\n	if tsc.stateListener != nil {\n"},
	{fakesFile, healthOld, "	tsc.health.end()\n"},
	{fakesFile, "	tsc.healthListener = lis\n", "	tsc.health.register(lis)\n"},
}

// workspace is a copy of grpc's module that can run with this library's policies.
type workspace struct {
	dir     string
	version string // of grpc
	library string // the root of this library's checkout
}

// module is the output of `go list -m -json` and `go mod download -json` for a
// module.
type module struct {
	Dir     string `json:"Dir"`     //nolint:tagliatelle // as go writes it
	Version string `json:"Version"` //nolint:tagliatelle // the same
}

// findLibrary returns the root of the checkout.
func findLibrary(ctx context.Context) (string, error) {
	m, err := goModule(ctx, ".", "list", "-m", "-json", libraryModule)
	if err != nil {
		return "", fmt.Errorf("the checkout of %s: %w", libraryModule, err)
	}
	return m.Dir, nil
}

// findGRPC returns the module of the version; an empty version means the one in
// use.
func findGRPC(ctx context.Context, library, version string) (module, error) {
	dir := filepath.Join(library, "internal", "conformance")
	args := []string{"list", "-m", "-json", grpcModule}
	if version != "" {
		args = []string{"mod", "download", "-json", grpcModule + "@" + version}
	}
	m, err := goModule(ctx, dir, args...)
	if err == nil && m.Dir == "" {
		err = errors.New("it is not in the module cache: run go mod download")
	}
	if err != nil {
		return module{}, fmt.Errorf("%s %s: %w", grpcModule, version, err)
	}
	return m, nil
}

func goModule(ctx context.Context, dir string, args ...string) (module, error) {
	var m module
	out, err := goCommand(ctx, dir, nil, args...)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(out, &m); err != nil {
		return m, fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return m, nil
}

// goCommand runs the go command in dir and returns its standard output.
func goCommand(ctx context.Context, dir string, env []string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // made by this program
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return out, nil
}

// inCopy is the environment of the go command in the copy. No go.work of the
// checkout includes the copy, and the build completes its go.mod.
var inCopy = []string{"GOWORK=off", "GOFLAGS=-mod=mod"}

// newWorkspace copies grpc's module into dir and patches it.
func newWorkspace(ctx context.Context, dir, library string, grpc module, chosen []suite) (*workspace, error) {
	w := &workspace{dir: dir, version: grpc.Version, library: library}
	if err := os.CopyFS(dir, os.DirFS(grpc.Dir)); err != nil {
		return nil, err
	}
	if err := w.requireLibrary(ctx); err != nil {
		return nil, err
	}
	for _, c := range changes {
		if err := w.replace(c.file, c.old, c.by); err != nil {
			return nil, err
		}
	}
	for file, source := range map[string][]byte{
		"default_policy.go":                         defaultSource,
		"internal/testutils/cantonlb_health.go":     healthSource,
		"internal/cantonlbsubstitute/substitute.go": substituteSource,
	} {
		if err := w.write(file, source); err != nil {
			return nil, err
		}
	}
	for _, s := range chosen {
		if err := w.callSubstitute(s.dir); err != nil {
			return nil, fmt.Errorf("suite %s: %w", s.name, err)
		}
	}
	return w, nil
}

// sumFiles hold the sums of the modules that the library and this command need.
var sumFiles = []string{"go.sum", "go.work.sum", "internal/conformance/go.sum"}

// requireLibrary adds the library to the copy's go.mod, and what the library needs
// to its go.sum.
func (w *workspace) requireLibrary(ctx context.Context) error {
	all, err := fs.ReadFile(os.DirFS(w.dir), "go.sum")
	if err != nil {
		return err
	}
	for _, file := range sumFiles {
		more, err := fs.ReadFile(os.DirFS(w.library), file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // a go.work is optional
			return err
		}
		all = append(all, more...)
	}
	if err := w.write("go.sum", all); err != nil {
		return err
	}
	_, err = goCommand(ctx, w.dir, inCopy, "mod", "edit",
		"-require="+libraryModule+"@v0.0.0", "-replace="+libraryModule+"="+w.library)
	return err
}

// replace replaces the first occurrence of this text in a file.
func (w *workspace) replace(file, text, by string) error {
	source, err := fs.ReadFile(os.DirFS(w.dir), file)
	if err != nil {
		return err
	}
	if !bytes.Contains(source, []byte(text)) {
		return fmt.Errorf("%s of grpc %s has no %q: the patch must be updated", file, w.version, text)
	}
	return w.write(file, bytes.Replace(source, []byte(text), []byte(by), 1))
}

// write writes a file of the copy, and makes its folder if necessary.
func (w *workspace) write(file string, source []byte) error {
	path := filepath.Join(w.dir, filepath.FromSlash(file))
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	return os.WriteFile(path, source, 0o600)
}

var packageClause = regexp.MustCompile(`(?m)^package \w+`)

// callSubstitute adds a file to the package's tests that registers the policies. It
// does so during the initialization of variables: after all imports, before
// everything else.
func (w *workspace) callSubstitute(dir string) error {
	files, err := fs.Glob(os.DirFS(w.dir), dir+"/*_test.go")
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("grpc %s has no tests in %s", w.version, dir)
	}
	source, err := fs.ReadFile(os.DirFS(w.dir), files[0])
	if err != nil {
		return err
	}
	return w.write(dir+"/a_cantonlb_substitute_test.go", fmt.Appendf(nil,
		"%s\n\nimport %q\n\nvar _ = cantonlbsubstitute.Register()\n",
		packageClause.Find(source), grpcModule+"/internal/cantonlbsubstitute"))
}

// build builds the suite's test program and returns its path.
func (w *workspace) build(ctx context.Context, s suite, race bool) (string, error) {
	program := filepath.Join(w.dir, strings.ReplaceAll(s.dir, "/", "_")+".test.bin")
	args := []string{"test", "-c", "-o", program}
	if race {
		args = append(args, "-race")
	}
	_, err := goCommand(ctx, w.dir, inCopy, append(args, "./"+s.dir)...)
	return program, err
}
