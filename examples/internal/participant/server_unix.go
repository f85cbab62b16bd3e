//go:build unix

package participant

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// nobody is the user that runs PostgreSQL if this program runs as root, since
// PostgreSQL refuses to run as root.
const nobody = 65534

const (
	// initLimit is how long initdb may take. It takes half a second, but 20 times that on
	// a machine that is very busy.
	initLimit = 2 * time.Minute
	// shutdownLimit is how long PostgreSQL may take to shut down.
	shutdownLimit = 10 * time.Second
)

// postgresServer is a PostgreSQL process with a database and a socket in a
// temporary folder. It ends when this program does.
type postgresServer struct {
	folder  string
	command *exec.Cmd
	stdin   io.WriteCloser
	ended   chan struct{}
}

// startPostgresServer creates a database and starts its server. The error is
// ErrNotInstalled if there are no binaries.
func startPostgresServer(ctx context.Context) (*postgresServer, error) {
	bin, err := postgresBinaries()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "participant-failover-")
	if err != nil {
		return nil, err
	}
	s := &postgresServer{folder: folder, ended: make(chan struct{})}
	if err := s.start(ctx, bin); err != nil {
		return nil, errors.Join(fmt.Errorf("PostgreSQL: %w", err), os.RemoveAll(folder))
	}
	return s, nil
}

// postgresBinaries returns the folder of initdb and postgres: the one in the path,
// or the newest one of Debian.
func postgresBinaries() (string, error) {
	if initdb, err := exec.LookPath("initdb"); err == nil {
		if resolved, err := filepath.EvalSymlinks(initdb); err == nil {
			return filepath.Dir(resolved), nil
		}
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // the pattern is valid
	if len(found) == 0 {
		return "", ErrNotInstalled
	}
	return filepath.Dir(slices.Max(found)), nil
}

func (s *postgresServer) start(ctx context.Context, bin string) error {
	attributes := new(syscall.SysProcAttr)
	attributes.Setpgid = true // Ctrl-C is for this program alone
	if os.Geteuid() == 0 {
		attributes.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		if err := os.Chown(s.folder, nobody, nobody); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, initLimit, fmt.Errorf("it did not end within %v", initLimit))
	defer cancel()
	data := filepath.Join(s.folder, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), //nolint:gosec // a program of the system's
		"-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
	initdb.SysProcAttr, initdb.Dir = attributes, s.folder
	if output, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", cmp.Or(context.Cause(ctx), err), output)
	}
	// The shell ends the server when its standard input ends, so that the server
	// does not outlive this program, however it ends.
	const script = `"$@" >"$LOG" 2>&1 & pid=$!; read _; kill -INT $pid; wait $pid`
	s.command = exec.Command("sh", "-c", script, "sh", filepath.Join(bin, "postgres"), //nolint:gosec,noctx // as above; close ends it
		"-D", data, "-c", "listen_addresses=", "-c", "unix_socket_directories="+s.folder, "-c", "fsync=off")
	s.command.Env = append(os.Environ(), "LOG="+filepath.Join(s.folder, "log"))
	s.command.SysProcAttr, s.command.Dir = attributes, s.folder
	stdin, err := s.command.StdinPipe()
	if err != nil {
		return err
	}
	s.stdin = stdin
	if err := s.command.Start(); err != nil {
		return err
	}
	go func() {
		defer close(s.ended)
		_ = s.command.Wait() // the shell's exit code is of no use
	}()
	return nil
}

// connString returns the connection string for pgx.
func (s *postgresServer) connString() string {
	return fmt.Sprintf("host=%s user=postgres dbname=postgres sslmode=disable", s.folder)
}

// close ends the server and removes the database.
func (s *postgresServer) close() error {
	_ = s.stdin.Close()
	select {
	case <-s.ended:
	case <-time.After(shutdownLimit):
		_ = syscall.Kill(-s.command.Process.Pid, syscall.SIGKILL) // its group
		<-s.ended
	}
	return os.RemoveAll(s.folder)
}
