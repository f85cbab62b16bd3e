package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/cantonlb/cantonlb/internal/bench/netns"
	"github.com/cantonlb/cantonlb/internal/sleep"
)

const (
	// soon is the time from the order to begin until the clients begin.
	soon = 100 * time.Millisecond
	// runSlack is how much longer than planned a run may last.
	runSlack = time.Minute
)

// stage is one run of a scenario: the servers, the peers that are measured
// concurrently, and the times of events.
type stage struct {
	scenario *scenario
	plan     plan

	hub      *child // nil without namespaces
	replicas []*replica
	victim   *replica
	virtual  *virtual // nil without
	actors   []*actor
	folder   string // for the proxies
	ports    ports
	marks    marks
	lock     lock    // that replicas share; not held if the servers are not replicas
	reigns   []reign // who held it
}

// actor is a running peer: its client, and its proxy if it has one.
type actor struct {
	peer   peer
	proxy  *process
	client *child
	result *result
}

// marks holds the times of events.
type marks struct {
	begin time.Time // of what is measured
	fault time.Time // when the first server was struck
	heals []heal
	end   time.Time // of the load
}

// heal is the time from which a server listens and answers again.
type heal struct {
	server string
	at     time.Time
}

// last returns when the last server was healed, or the end if none was.
func (m marks) last() time.Time {
	at := m.end
	for i, h := range m.heals {
		if i == 0 || h.at.After(at) {
			at = h.at
		}
	}
	return at
}

// perform runs a scenario once, with the available peers. Everything that it has
// started has ended when it returns.
func perform(ctx context.Context, s *scenario, p plan, rng *rand.Rand, here []peer) (_ *run, err error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, p.lasts()+s.deadline+runSlack)
	defer cancel()
	st := &stage{scenario: s, plan: p}
	if st.folder, err = os.MkdirTemp("", "cantonlb-bench-"); err != nil {
		return nil, err
	}
	defer os.RemoveAll(st.folder) //nolint:errcheck // a temporary folder
	defer st.close()
	for _, p := range here {
		if s.has(p.id) {
			st.actors = append(st.actors, &actor{peer: p})
		}
	}
	if err := st.startServers(ctx); err != nil {
		return nil, err
	}
	st.victim = st.replicas[rng.IntN(len(st.clientsList()))]
	if s.virtual {
		st.victim = st.replicas[0]
	}
	if s.standby != "" {
		if err := st.crown(ctx); err != nil {
			return nil, err
		}
	}
	if err := st.startPeers(ctx); err != nil {
		return nil, err
	}
	if err := st.beginLoad(ctx); err != nil {
		return nil, err
	}
	busy := startBusy()
	if err := s.script(ctx, st); err != nil {
		return nil, err
	}
	if err := sleep.Context(ctx, p.after); err != nil {
		return nil, err
	}
	st.marks.end = time.Now()
	share := busy.share()
	if err := st.collect(ctx); err != nil {
		return nil, err
	}
	made := st.outcome(share)
	st.close()
	made.ours = st.used().Seconds() / time.Since(began).Seconds() / float64(runtime.NumCPU())
	return made, nil
}

// used returns the processor time of all processes of the run, which have ended.
func (st *stage) used() (sum time.Duration) {
	for _, a := range st.actors {
		sum += a.client.used
		if a.proxy != nil {
			sum += a.proxy.used
		}
	}
	for _, r := range st.replicas {
		sum += r.used
	}
	return sum
}

// startServers starts all servers, and the network they are in.
func (st *stage) startServers(ctx context.Context) (err error) {
	if st.scenario.network {
		if st.hub, err = startHub(ctx); err != nil {
			return err
		}
	}
	for i := range st.scenario.servers {
		r, err := st.newReplica(i)
		if err != nil {
			return err
		}
		if err := r.launch(); err != nil {
			return err
		}
		st.replicas = append(st.replicas, r)
	}
	for i, r := range st.replicas {
		if _, err := r.listening(ctx); err != nil {
			return err
		}
		if st.hub != nil {
			if err := netns.Connect(ctx, st.hub.pid(), r.process.pid(), i); err != nil {
				return err
			}
		}
	}
	if st.scenario.virtual {
		first := st.replicas[0]
		if st.virtual, err = newVirtual(ctx, first.address, st.replicas[len(st.replicas)-1].address); err != nil {
			return err
		}
		first.address = st.virtual.address()
	}
	return nil
}

func (st *stage) newReplica(i int) (*replica, error) {
	r := &replica{
		name: "s" + strconv.Itoa(i+1),
		config: serverConfig{
			Name: "s" + strconv.Itoa(i+1), Service: st.scenario.service, MaxAge: st.scenario.maxAge, Streams: st.scenario.streams,
			Standby: st.scenario.standby, Reports: st.scenario.reports,
		},
	}
	if st.hub != nil {
		r.private = true
		r.config.Address, r.config.Health = fmt.Sprintf(":%d", privatePort), fmt.Sprintf(":%d", privateHealthPort)
		r.address = net.JoinHostPort(netns.FarHost(i), strconv.Itoa(privatePort))
		r.health = net.JoinHostPort(netns.FarHost(i), strconv.Itoa(privateHealthPort))
		return r, nil
	}
	var err error
	if r.address, err = st.ports.free(); err != nil {
		return nil, err
	}
	if r.health, err = st.ports.free(); err != nil {
		return nil, err
	}
	r.config.Address, r.config.Health = r.address, r.health
	return r, nil
}

// clientsList returns the servers in the clients' first list: all servers, the first
// half if the list is to be replaced, or all but the one that only a virtual address
// leads to.
func (st *stage) clientsList() []*replica {
	switch {
	case st.scenario.halves:
		return st.replicas[:len(st.replicas)/2]
	case st.scenario.virtual:
		return st.replicas[:len(st.replicas)-1]
	default:
		return st.replicas
	}
}

// startPeers starts the proxies and the clients concurrently, and waits for each
// client's first answer.
func (st *stage) startPeers(ctx context.Context) error {
	var hub *process
	if st.hub != nil {
		hub = st.hub.process
	}
	for _, a := range st.actors {
		list := addressesOf(st.clientsList())
		if a.peer.single {
			list = list[:1]
		}
		if a.peer.proxy != "" {
			address, err := st.ports.free()
			if err != nil {
				return err
			}
			folder := filepath.Join(st.folder, a.peer.id)
			if err := os.Mkdir(folder, 0o700); err != nil {
				return err
			}
			if a.proxy, err = startProxy(a.peer, address, folder, st.clientsList(), hub); err != nil {
				return err
			}
			list = []string{address}
		}
		c := &clientConfig{
			Peer: a.peer.id, Servers: list,
			Rate: st.scenario.rate, Deadline: st.scenario.deadlineOf(a.peer), Payload: st.scenario.payload,
		}
		var err error
		if a.client, err = startChild("client "+a.peer.id, childConfig{Client: c}, hub, false, func(message) {}); err != nil {
			return err
		}
	}
	for _, a := range st.actors {
		if _, err := a.client.ready(ctx); err != nil {
			return errors.Join(err, a.proxyTrouble())
		}
	}
	return nil
}

func addressesOf(list []*replica) []string {
	out := make([]string, len(list))
	for i, r := range list {
		out[i] = r.address
	}
	return out
}

// proxyTrouble returns the proxy's error output as an error, if there is any.
func (a *actor) proxyTrouble() error {
	if a.proxy == nil || a.proxy.errors.String() == "" {
		return nil
	}
	return errors.New(a.proxy.name + " said: " + a.proxy.errors.String())
}

// beginLoad starts the load of all clients, evenly out of step so that their
// calls do not come in bursts, and waits until the fault is due.
func (st *stage) beginLoad(ctx context.Context) error {
	at := time.Now().Add(soon)
	step := time.Second / time.Duration(st.scenario.rate*len(st.actors))
	for i, a := range st.actors {
		if _, err := a.client.tell(ctx, order{Op: opBegin, At: at.Add(time.Duration(i) * step)}); err != nil {
			return err
		}
	}
	st.marks.begin = at.Add(st.plan.warmUp)
	return sleep.Context(ctx, time.Until(st.marks.begin.Add(st.plan.lead)))
}

// collect ends the load and collects its results.
func (st *stage) collect(ctx context.Context) error {
	for _, a := range st.actors {
		if err := a.client.send(order{Op: opFinish}); err != nil {
			return err
		}
	}
	for _, a := range st.actors {
		m, err := a.client.answer(ctx, answerLimit+st.scenario.deadline)
		if err != nil {
			return err
		}
		if m.Result == nil {
			return fmt.Errorf("client %s gave no result", a.peer.id)
		}
		a.result = m.Result
		if a.proxy != nil {
			a.proxy.kill()
		}
	}
	return nil
}

// close ends all processes. It may be called more than once.
func (st *stage) close() {
	for _, a := range st.actors {
		if a.client != nil {
			a.client.close()
		}
		if a.proxy != nil {
			a.proxy.kill()
		}
	}
	st.virtual.close()
	for _, r := range st.replicas {
		r.close()
	}
	if st.hub != nil {
		st.hub.close()
	}
}
