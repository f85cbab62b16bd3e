//go:build unix

package pgtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cantonlb/cantonlb/lease/leasetest/proctest"
)

// nobody is the user that runs the servers if the test runs as root, since they refuse
// to run as root.
const nobody = 65534

const (
	patience    = 2 * time.Minute
	defaultPort = 5432
)

// Server is a PostgreSQL server with a database of its own.
type Server struct {
	folder  string
	host    string // where it listens by TCP, too; empty means not at all
	port    int
	bin     string
	options []string
	program *proctest.Program
}

// Start makes a database in a temporary folder and starts a server of it, until the
// end of the test. options are settings such as "max_connections=50". Where PostgreSQL
// is not installed the test is skipped.
func Start(t testing.TB, options ...string) *Server {
	t.Helper()
	return StartOn(t, "", options...)
}

// StartOn is Start for a server that clients reach at the address host by TCP, instead
// of over a socket in the file system: those of all networks that it is in, without a
// password.
func StartOn(t testing.TB, host string, options ...string) *Server {
	t.Helper()
	bin, ok := binaries()
	if !ok {
		t.Skip("PostgreSQL is not installed: no initdb (Debian: apt-get install postgresql)")
	}
	folder, err := os.MkdirTemp("", "pgtest-") //nolint:usetesting // short, for the sockets
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{folder: folder, host: host, port: defaultPort, bin: bin, options: options}
	if host != "" {
		s.port = proctest.FreePort(t, host)
	}
	t.Cleanup(func() {
		s.Stop()
		if t.Failed() {
			s.logs(t)
		}
		_ = os.RemoveAll(folder) // a temporary folder
	})
	if err := chown(folder); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	initdb := s.command(ctx, filepath.Join(bin, "initdb"), "-D", s.data(), "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
	if output, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, output)
	}
	if host != "" {
		s.trust(t)
	}
	s.Run(t)
	return s
}

// binaries returns the folder of PostgreSQL's programs: that of initdb in the path, or
// Debian's newest.
func binaries() (string, bool) {
	if initdb, err := exec.LookPath("initdb"); err == nil {
		if resolved, err := filepath.EvalSymlinks(initdb); err == nil {
			return filepath.Dir(resolved), true
		}
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // the pattern is right
	if len(found) == 0 {
		return "", false
	}
	return filepath.Dir(slices.Max(found)), true
}

// chown makes the folder or file one of the user that runs the servers.
func chown(folder string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	return os.Chown(folder, nobody, nobody)
}

func (s *Server) data() string { return filepath.Join(s.folder, "data") }

// trust permits connections from the networks that the server is in.
func (s *Server) trust(t testing.TB) {
	t.Helper()
	const rule = "host all all samenet trust\n"
	if err := os.WriteFile(filepath.Join(s.data(), "pg_hba.conf"), []byte("local all all trust\n"+rule), 0o600); err != nil {
		t.Fatal(err)
	}
}

// command is a program that runs in a process group of its own, as a user that is not
// root, and ends with the test's process.
func (s *Server) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, program, args...) //nolint:gosec // the system's
	c.Dir = s.folder
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() == 0 {
		c.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	return c
}

// Run starts the server again after Stop or Kill, and waits until it answers.
func (s *Server) Run(t testing.TB) {
	t.Helper()
	args := []string{
		"-D", s.data(), "-c", "listen_addresses=" + s.host, "-c", fmt.Sprintf("port=%d", s.port),
		"-c", "unix_socket_directories=" + s.folder, "-c", "fsync=off",
	}
	for _, o := range s.options {
		args = append(args, "-c", o)
	}
	s.program = s.start(t, filepath.Join(s.bin, "postgres"), args...)
	s.await(t, s.DSN())
}

func (s *Server) start(t testing.TB, program string, args ...string) *proctest.Program {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(s.folder, filepath.Base(program)+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }() // the process has its own
	c := s.command(context.Background(), program, args...)
	c.Stdout, c.Stderr = log, log
	p, err := proctest.StartProgram(c, syscall.SIGQUIT) // at which PostgreSQL ends its processes
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// await waits until a connection can be made.
func (s *Server) await(t testing.TB, dsn string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, dsn)
		if err == nil {
			_ = conn.Close(ctx) // it has answered
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the server does not answer: %v", err)
		}
	}
}

// logs shows the end of what the programs have written.
func (s *Server) logs(t testing.TB) {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(s.folder, "*.log")) // the pattern is right
	for _, file := range files {
		const most = 4000
		text, _ := os.ReadFile(file) //nolint:gosec // its own
		t.Logf("%s:\n%s", filepath.Base(file), text[max(0, len(text)-most):])
	}
}

// DSN is how to connect to the server itself.
func (s *Server) DSN() string {
	return dsn(cmp.Or(s.host, s.folder), s.port)
}

func dsn(host string, port int) string {
	return fmt.Sprintf("host=%s port=%d user=postgres dbname=postgres sslmode=disable", host, port)
}

// Stop shuts the server down fast: connections are ended.
func (s *Server) Stop() { s.end(syscall.SIGINT) }

// Kill shuts it down immediately, as a crash would: it recovers when it is run again.
func (s *Server) Kill() { s.end(syscall.SIGQUIT) }

func (s *Server) end(signal syscall.Signal) {
	s.program.End(signal)
	s.program = nil
}

// Pgbouncer starts a pgbouncer in front of the server, in transaction mode, until the
// end of the test, and returns how to connect to it. Where it is not installed the
// test is skipped.
func (s *Server) Pgbouncer(t testing.TB) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer"
	}
	if _, err := os.Stat(program); err != nil {
		t.Skip("pgbouncer is not installed (Debian: apt-get install pgbouncer)")
	}
	host := cmp.Or(s.host, "127.0.0.1")
	port := proctest.FreePort(t, host)
	users := filepath.Join(s.folder, "users.txt")
	config := strings.Join([]string{
		"[databases]", fmt.Sprintf("postgres = host=%s port=%d dbname=postgres user=postgres", s.folder, s.port),
		"[pgbouncer]", "pool_mode = transaction", "listen_addr = " + host, fmt.Sprintf("listen_port = %d", port),
		"unix_socket_dir =", "auth_type = trust", "auth_file = " + users, "default_pool_size = 4", "max_client_conn = 100", "",
	}, "\n")
	file := filepath.Join(s.folder, "pgbouncer.ini")
	for name, text := range map[string]string{file: config, users: `"postgres" ""` + "\n"} {
		if err := errors.Join(os.WriteFile(name, []byte(text), 0o600), chown(name)); err != nil {
			t.Fatal(err)
		}
	}
	p := s.start(t, program, file)
	t.Cleanup(func() { p.End(syscall.SIGKILL) })
	address := dsn(host, port)
	s.await(t, address)
	return address
}

// Standby runs a server that was stopped as a standby without a primary: in recovery.
func (s *Server) Standby(t testing.TB) {
	t.Helper()
	signal := filepath.Join(s.data(), "standby.signal")
	if err := errors.Join(os.WriteFile(signal, nil, 0o600), chown(signal)); err != nil {
		t.Fatal(err)
	}
	s.Run(t)
}

// Promote makes a standby the primary, on a new timeline.
func (s *Server) Promote(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }() // it has answered
	var promoted bool
	if err := conn.QueryRow(ctx, "SELECT pg_promote(true, 60)").Scan(&promoted); err != nil || !promoted {
		t.Fatalf("promoting the standby: %v, %v", promoted, err)
	}
}
