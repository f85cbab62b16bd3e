package otelmetrics

import (
	"iter"

	"github.com/cantonlb/cantonlb/metric"
	"github.com/cantonlb/cantonlb/report"
)

// routerSamples returns the samples of a router of shards.
func routerSamples(s report.RouterStatus) iter.Seq[sample] {
	return func(yield func(sample) bool) {
		emit := func(d metric.Desc, value float64, labels ...string) bool {
			return yield(sample{metric: d, value: value, labels: append([]string{s.Name}, labels...)})
		}
		for _, x := range s.Shards {
			if !shardSamples(x, emit) {
				return
			}
		}
		more := emit(metric.RouterHits, float64(s.Hits)) &&
			emit(metric.RouterMisses, float64(s.Misses)) &&
			emit(metric.RouterParties, float64(s.Parties)) &&
			emit(metric.RouterUsers, float64(s.Users)) &&
			emit(metric.RouterLookUps, float64(s.LookUps))
		for reason, n := range s.Refused {
			more = more && emit(metric.RouterRefused, float64(n), string(reason.Bounded()))
		}
		for _, e := range s.Events {
			more = more && emit(metric.ShardEvents, float64(e.Count), e.Shard, string(e.Kind))
		}
		if f := s.File; f != nil {
			_ = more && emit(metric.RouterReloads, float64(f.Reloads), "accepted") &&
				emit(metric.RouterReloads, float64(f.Failures), "refused")
		}
	}
}

func shardSamples(x report.ShardStatus, emit emitter) bool {
	more := emit(metric.ShardIs, 1, x.Name, string(x.State)) &&
		emit(metric.ShardRequests, float64(x.Requests), x.Name) &&
		emit(metric.ShardParties, float64(x.Parties), x.Name) &&
		emit(metric.ShardUsers, float64(x.Users), x.Name) &&
		emit(metric.ShardDiscoveryFailing, oneIf(x.LastError != ""), x.Name)
	for standing, n := range x.Answers {
		more = more && emit(metric.ShardLookUps, float64(n), x.Name, string(standing))
	}
	return more
}
