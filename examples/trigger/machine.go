package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cantonlb/cantonlb/examples/internal/link"
	"github.com/cantonlb/cantonlb/examples/internal/participant"
)

// rules are the names of the leases.
var rules = []string{"pink", "green"}

// machine is what would be one machine: a process for each rule, and a network link to the
// database with the leases.
type machine struct {
	name        string
	link        *link.Link
	folder      string // of the link's socket
	environment []string
	processes   map[string]*process // by rule
	diary       *diary
}

// newMachine returns a machine without processes.
func newMachine(name string, store participant.Store, replicas participant.Replicas, ttl time.Duration, d *diary) (*machine, error) {
	database, err := pgx.ParseConfig(strings.TrimPrefix(store.Address(), participant.Postgres+":"))
	if err != nil {
		return nil, err
	}
	socket := fmt.Sprintf(".s.PGSQL.%d", database.Port)
	folder, err := os.MkdirTemp("", "trigger-")
	if err != nil {
		return nil, err
	}
	m := &machine{name: name, folder: folder, processes: map[string]*process{}, diary: d}
	if m.link, err = link.New("unix", filepath.Join(folder, socket), filepath.Join(database.Host, socket)); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	var endpoints []string
	for _, e := range replicas.Endpoints() {
		endpoints = append(endpoints, e.Name+"="+e.Address)
	}
	m.environment = []string{
		machineEnv + "=" + name, ttlEnv + "=" + ttl.String(), endpointsEnv + "=" + strings.Join(endpoints, ","),
		databaseEnv + "=" + fmt.Sprintf("host=%s port=%d user=%s dbname=%s sslmode=disable", folder, database.Port, database.User, database.Database),
	}
	return m, nil
}

// each does the same with all processes of the machine.
func (m *machine) each(do func(*process) error) error {
	var errs []error
	for _, rule := range rules {
		errs = append(errs, do(m.processes[rule]))
	}
	return errors.Join(errs...)
}

// kill kills all processes of the machine, and waits until they are gone.
func (m *machine) kill() error {
	err := m.each(func(p *process) error { return p.Kill() })
	if err != nil {
		return err
	}
	return m.each(func(p *process) error { <-p.Ended(); return nil })
}

// startAll starts a process for each rule.
func (m *machine) startAll(ctx context.Context) error {
	for _, rule := range rules {
		if err := m.start(ctx, rule); err != nil {
			return err
		}
	}
	return nil
}

// close ends all processes and removes the link.
func (m *machine) close() error {
	for _, p := range m.processes {
		p.Close()
	}
	m.link.Close()
	return os.RemoveAll(m.folder)
}
