package main

import "fmt"

// report prints which servers answered in which phase, the servers' own counts next
// to the client's, and the retries. Its last line is the total. All calls have
// ended and all servers have stopped by now, so the counts are complete.
func report(t *tally, c cluster, a *attempts) {
	t.mu.Lock()
	defer t.mu.Unlock()

	fmt.Print("\nCalls answered, by the phase in which the answer came:\n\n")
	row := func(title string, cell func(*server) any, last any) {
		fmt.Printf("%-36s", title)
		for _, s := range c {
			fmt.Printf("%8v", cell(s))
		}
		fmt.Printf("%8v\n", last)
	}
	row("phase", func(s *server) any { return s.name }, "failed")
	answered := make(map[string]int)
	for _, p := range t.phases {
		row(p.title, func(s *server) any { return p.answered[s.name] }, p.failed)
		for name, n := range p.answered {
			answered[name] += n
		}
	}
	arrived := func(s *server) int { return int(s.arrived.Load()) }
	row("answered, by the client's count", func(s *server) any { return answered[s.name] }, t.bad)
	row("arrived, by the servers' own count", func(s *server) any { return arrived(s) }, "")
	row("arrived, but the answer did not", func(s *server) any { return arrived(s) - answered[s.name] }, "")

	calls := t.ok + t.bad
	transparent := a.transparent.Load()
	retries := a.begun.Load() - int64(calls)
	fmt.Printf("\nretries: %d (attempts begun beyond each call's first: %d by the retryPolicy or by cantonlb's\n"+
		"rescue, %d transparent, where grpc knew that no server had begun to work on the call)\n",
		retries, retries-transparent, transparent)
	for _, f := range t.errors {
		fmt.Printf("failed after %.3fs: %v\n", f.at.Seconds(), f.err)
	}
	fmt.Printf("calls: %d ok, %d failed\n", t.ok, t.bad)
}
