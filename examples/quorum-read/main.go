// Command quorum-read asks seven servers of seven organisations, of which two lie,
// one hangs and one lags, and accepts only an answer that three of them agree on.
//
//	go run ./examples/quorum-read
//	go run ./examples/quorum-read -reads 100
//
// It starts the servers itself, on loopback. An application uses its members' URLs
// instead, and keeps its http.Client.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/cantonlb/cantonlb/examples/internal/cli"
	"github.com/cantonlb/cantonlb/quorum"
)

func main() { os.Exit(cli.Main(run)) }

// settings holds the flags.
type settings struct {
	reads   int
	timeout time.Duration
}

func parse(args []string, stderr io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("quorum-read", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&s.reads, "reads", 20, "how many reads to make")
	flags.DurationVar(&s.timeout, "timeout", 10*time.Second, "how long each read may take")
	if err := cli.Parse(flags, args); err != nil {
		return s, err
	}
	switch {
	case s.reads < 1:
		return s, fmt.Errorf("-reads %d: want 1 or more", s.reads)
	case s.timeout <= 0:
		return s, fmt.Errorf("-timeout %v: want a duration above zero", s.timeout)
	}
	return s, nil
}

func run(ctx context.Context, args []string) error {
	s, err := parse(args, os.Stderr)
	if err != nil {
		return err
	}
	list, stop, err := startServers(ctx)
	if err != nil {
		return err
	}
	defer stop()
	members, err := quorum.NewMembers(list, quorum.Options{
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		OnRead: func(v quorum.Verdict, err error) {
			if err == nil {
				agreed := strings.Join(v.Names(quorum.OutcomeAgreed), ", ")
				fmt.Printf("  %d requests, %v: %s agree\n", v.Asked, v.Took.Round(time.Millisecond), agreed)
			}
		},
	})
	if err != nil {
		return err
	}
	defer members.Close()

	if err := readContract(ctx, members, s); err != nil {
		return stopped(ctx, err)
	}
	if err := readBalance(ctx, members, s); err != nil {
		return stopped(ctx, err)
	}
	show(members.Status())
	return nil
}

// stopped returns err, or nil if Ctrl-C is the cause.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

// readContract reads a value that does not change, with an http.Client that is not
// aware of the members.
func readContract(ctx context.Context, members *quorum.Members, s settings) error {
	transport, err := quorum.NewTransport(members, quorum.TransportConfig{})
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: s.timeout}
	for range s.reads {
		body, err := fetch(ctx, client, "http://network/v0/contract")
		if err != nil {
			if none, ok := errors.AsType[*quorum.NoQuorumError](err); ok {
				return fmt.Errorf("too few members agree: %w", none)
			}
			return err
		}
		fmt.Printf("contract: %s\n", body)
	}
	return nil
}

// answer is a member's answer about a value that changes.
type answer struct {
	Amount int   `json:"amount"`
	At     int64 `json:"at"`
}

// readBalance reads a value that changes. It first reads the position of the
// network, then the value as of that position. An answer that is older is an
// error of that member.
func readBalance(ctx context.Context, members *quorum.Members, s settings) error {
	client := &http.Client{Timeout: s.timeout}
	defer client.CloseIdleConnections()
	get := func(ctx context.Context, m quorum.Member, path string) (a answer, err error) {
		body, err := fetch(ctx, client, m.URL+path)
		if err != nil {
			return a, err
		}
		return a, json.Unmarshal(body, &a)
	}
	at, _, err := quorum.ReadPosition(ctx, members, quorum.Config{Timeout: s.timeout}, func(ctx context.Context, m quorum.Member) (int64, error) {
		a, err := get(ctx, m, "/v0/balance")
		return a.At, err
	})
	if err != nil {
		return err
	}
	fmt.Printf("position: %d\n", at)
	balance, v, err := quorum.ReadAt(ctx, members, quorum.Config{Timeout: s.timeout}, at,
		func(ctx context.Context, m quorum.Member, at int64) (answer, error) {
			a, err := get(ctx, m, fmt.Sprintf("/v0/balance?at=%d", at))
			if err == nil && a.At < at {
				return a, &quorum.BehindError{Member: m.Name, At: fmt.Sprint(a.At), Want: fmt.Sprint(at)}
			}
			return a, err
		},
		func(a answer) string { return fmt.Sprint(a.Amount) })
	if err != nil {
		return err
	}
	fmt.Printf("balance: %d (%s %d)\n", balance.Amount, v.Freshness, at)
	return nil
}

// fetch gets a small body.
func fetch(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("HTTP status %d", resp.StatusCode)
	}
	return body, err
}

// show prints the status of each member.
func show(s quorum.Status) {
	for _, m := range s.Members {
		what := "well"
		switch {
		case m.Dissenting:
			what = "dissenting: " + string(m.Reason)
		case m.Failing:
			what = "failing: " + m.LastError
		}
		fmt.Printf("%s asked %d, agreed %d, %s\n", m.Name, m.Counts.Asked, m.Counts.Agreed, what)
	}
	fmt.Printf("reads: %d agreed, %d without a quorum, %d requests\n", s.Totals.Agreed, s.Totals.NoQuorum, s.Totals.Asked)
}
