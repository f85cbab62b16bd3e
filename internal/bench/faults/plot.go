package faults

import (
	"math"
	"slices"

	"github.com/cantonlb/cantonlb/internal/bench/stats"
)

// plotted returns the scenarios of the plot that were run, with short titles.
func (s Suite) plotted() []struct{ id, title string } {
	if s == Failover {
		return []struct{ id, title string }{
			{idPlanned, "The active steps down"},
			{idKillActive, "The active is killed (SIGKILL)"},
			{idStopActive, "The active hangs (SIGSTOP)"},
			{idBoth, "Both say that they are active"},
			{idFlapActive, "The active flaps every second"},
			{idKills, "Alternating kills"},
		}
	}
	if s == Slow {
		return []struct{ id, title string }{
			{idLinkerd, "One of eleven takes 2 s, for 30 s"},
			{idMiddle, "One of five is ten times slower"},
			{"cold-start", "One of five is slow after its start"},
			{"failure-temporary", "One of five fails at once for a while"},
			{"failure-permanent", "One of five fails at once for good"},
			{idStorm, "All are ten times slower"},
		}
	}
	return plottedFaults
}

var plottedFaults = []struct{ id, title string }{
	{idSIGSTOP, "One of three hangs (SIGSTOP)"},
	{"drop", "Packets to and from one of three dropped"},
	{idNoReply, "Health passes, calls are not answered"},
	{idFail, "Health passes, calls fail at once"},
	{idSIGKILL, "One of three is killed (SIGKILL)"},
	{idRolling, "Rolling restart"},
}

// panel is one diagram: failed calls so far, over the seconds since the fault.
type panel struct {
	title string
	lines []line
	// from and to are the seconds shown. healed is when the server was healed; NaN
	// if it never was.
	from, to, healed float64
	most             float64 // the most failed calls of a peer
}

// line is the line of one peer: x and y of its points, and its style.
type line struct {
	label  string
	style  style
	points [][2]float64
}

// style is how a line is drawn.
type style struct {
	color string
	width float64
	dash  string
}

// Colours that can be distinguished on white and on black.
var familyColor = map[family]string{ours: "#2f81f7", grpcGo: "#e8590c", haproxy: "#2f9e44", nginx: "#ae3ec9"}

// dashes distinguish the peers of one family, in their order.
var dashes = []string{
	"", "7 4", "2 3", "8 3 2 3", "14 4", "1 5", "14 3 2 3", "4 8", "8 3 2 3 2 3", "2 8", "12 2 2 2", "3 6", "6 2", "1 2", "10 6 4 6",
}

func styleOf(id string) style {
	p, _ := peerByID(id)
	n := 0
	for _, other := range peers {
		if other.id == id {
			break
		}
		if other.family == p.family {
			n++
		}
	}
	st := style{color: familyColor[p.family], width: 1.6, dash: dashes[n%len(dashes)]}
	if p.family == ours {
		st.width = 3
	}
	return st
}

// plot draws the report as SVG.
func (r *Report) plot() string {
	var panels []panel
	for _, one := range r.options.Suite.plotted() {
		if len(r.of(one.id)) > 0 {
			panels = append(panels, r.panel(one.id, one.title))
		}
	}
	if len(panels) == 0 { // show everything that was run
		id := r.runs[0].scenario.id
		panels = append(panels, r.panel(id, id))
	}
	return drawSVG(panels)
}

// briefPeers are the peers of the small plot, which the README shows.
var briefPeers = []string{idOurs, idRRHealth, "rr-outlier", idHAProxy, "haproxy-tuned", "nginx"}

// brief draws the hang of one server alone, with the peers that most programs
// have; empty if that was not measured.
func (r *Report) brief() string {
	if r.options.Suite == Failover || r.options.Suite == Slow || len(r.of(idSIGSTOP)) == 0 {
		return ""
	}
	p := r.panel(idSIGSTOP, "One of three servers hangs: failed calls")
	p.lines = slices.DeleteFunc(p.lines, func(l line) bool { return !slices.Contains(briefPeers, l.label) })
	return drawSVG([]panel{p})
}

// panel returns the diagram of one scenario, of its runs' mean.
func (r *Report) panel(scenario, title string) panel {
	runs := r.of(scenario)
	p := panel{title: title, from: -runs[0].plan.lead.Seconds(), healed: math.NaN()}
	var to, healed []float64
	for _, one := range runs {
		to = append(to, one.marks.end.Sub(one.marks.fault).Seconds())
		if len(one.marks.heals) > 0 {
			healed = append(healed, one.marks.last().Sub(one.marks.fault).Seconds())
		}
	}
	p.to = stats.Summarize(to).Min
	if len(healed) > 0 {
		p.healed = stats.Summarize(healed).Median
	}
	for _, id := range r.measuredPeers(scenario) {
		points := meanSoFar(runs, id)
		p.lines = append(p.lines, line{label: id, style: styleOf(id), points: points})
		p.most = max(p.most, points[len(points)-1][1])
	}
	slices.Reverse(p.lines) // ours are drawn last, above the others
	return p
}

// meanSoFar returns the failed calls of a peer so far, the mean of the runs, at
// the end of each bucket that all runs have.
func meanSoFar(runs []*run, peer string) [][2]float64 {
	buckets := math.MaxInt
	for _, one := range runs {
		buckets = min(buckets, len(one.peers[peer].failures))
	}
	before := runs[0].marks.fault.Sub(runs[0].marks.begin).Seconds()
	points := [][2]float64{{-before, 0}}
	sum := 0.0
	for i := range buckets {
		for _, one := range runs {
			sum += float64(one.peers[peer].failures[i])
		}
		points = append(points, [2]float64{float64(i+1)*bucket.Seconds() - before, sum / float64(len(runs))})
	}
	return points
}

// ticks returns about n round numbers from low to high.
func ticks(low, high float64, n int) []float64 {
	if high <= low || n < 1 {
		return nil
	}
	raw := (high - low) / float64(n)
	size := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, factor := range []float64{1, 2, 5, 10} {
		if size*factor >= raw {
			size *= factor
			break
		}
	}
	var out []float64
	for k := math.Ceil(low / size); k*size <= high+size/1e9; k++ {
		out = append(out, k*size)
	}
	return out
}
