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

// What is added to grpc's module.
var (
	//go:embed patch/substitute.go.txt
	substituteSource []byte
	//go:embed patch/default.go.txt
	defaultSource []byte
)

// What is changed in grpc's module: a channel's policy if none is named.
const (
	defaultPolicyFile = "service_config.go"
	defaultPolicyOld  = "name := pickfirst.Name"
	defaultPolicyNew  = "name := defaultPolicyName(pickfirst.Name)"
)

// workspace is a copy of grpc's module that can run with this library's policies.
type workspace struct {
	dir     string
	version string // of grpc
	library string // the root of this library's checkout
}

// module is what `go list -m -json` and `go mod download -json` say of one.
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

// findGRPC returns the module of the version; an empty one is that in use.
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
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return out, nil
}

// inCopy is the environment of the go command in the copy, which no go.work of the
// checkout includes, and whose go.mod the build completes.
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
	if err := w.replace(defaultPolicyFile, defaultPolicyOld, defaultPolicyNew); err != nil {
		return nil, err
	}
	if err := w.write("default_policy.go", defaultSource); err != nil {
		return nil, err
	}
	if err := w.write("internal/cantonlbsubstitute/substitute.go", substituteSource); err != nil {
		return nil, err
	}
	for _, s := range chosen {
		if err := w.callSubstitute(s.dir); err != nil {
			return nil, fmt.Errorf("suite %s: %w", s.name, err)
		}
	}
	return w, nil
}

// sumFiles know the modules that the library and this command need.
var sumFiles = []string{"go.sum", "go.work.sum", "internal/conformance/go.sum"}

// requireLibrary has the copy's go.mod ask for the library, and its go.sum know what
// that needs.
func (w *workspace) requireLibrary(ctx context.Context) error {
	all, err := fs.ReadFile(os.DirFS(w.dir), "go.sum")
	if err != nil {
		return err
	}
	for _, file := range sumFiles {
		more, err := fs.ReadFile(os.DirFS(w.library), file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // there need not be a go.work
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

// replace changes the first place in a file that has this text.
func (w *workspace) replace(file, text, by string) error {
	source, err := fs.ReadFile(os.DirFS(w.dir), file)
	if err != nil {
		return err
	}
	if !bytes.Contains(source, []byte(text)) {
		return fmt.Errorf("%s of grpc %s has no %q: the patch must be brought up to date", file, w.version, text)
	}
	return w.write(file, bytes.Replace(source, []byte(text), []byte(by), 1))
}

// write writes a file of the copy, in a folder that there need not be.
func (w *workspace) write(file string, source []byte) error {
	path := filepath.Join(w.dir, filepath.FromSlash(file))
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	return os.WriteFile(path, source, 0o600)
}

var packageClause = regexp.MustCompile(`(?m)^package \w+`)

// callSubstitute adds a file to the package's tests which registers the policies. It
// does so where variables are initialized: after all imports, before all else.
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

// build makes the suite's test program and returns its path.
func (w *workspace) build(ctx context.Context, s suite, race bool) (string, error) {
	program := filepath.Join(w.dir, strings.ReplaceAll(s.dir, "/", "_")+".test.bin")
	args := []string{"test", "-c", "-o", program}
	if race {
		args = append(args, "-race")
	}
	_, err := goCommand(ctx, w.dir, inCopy, append(args, "./"+s.dir)...)
	return program, err
}
