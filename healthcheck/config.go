package healthcheck

import (
	"cmp"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/fault"
	"github.com/cantonlb/cantonlb/internal/limits"
	"github.com/cantonlb/cantonlb/internal/strictjson"
)

// The defaults of Config.
const (
	defaultInterval        = time.Second
	defaultSuspectInterval = 100 * time.Millisecond
	defaultSilence         = 300 * time.Millisecond
	defaultFall            = 2
	defaultRise            = 2
	defaultJitter          = 0.2
)

// NoJitter is the value of Config.Jitter that turns jitter off.
const NoJitter = -1

// The limits of Config.
const (
	// MaxSetting bounds every duration.
	MaxSetting = 24 * time.Hour
	// MaxService bounds Service, in bytes.
	MaxService = limits.MaxHealthService
)

const (
	maxThreshold = 1000 // of Fall and Rise
	maxHTTP      = 2048 // bytes
)

// OnUnimplemented says how a server without a health service is judged.
type OnUnimplemented string

// The values of OnUnimplemented.
const (
	// OnUnimplementedConnectivity judges the endpoint by its connection: being
	// connected is enough. It is the default.
	OnUnimplementedConnectivity OnUnimplemented = "connectivity"
	// OnUnimplementedUnhealthy makes the endpoint unhealthy.
	OnUnimplementedUnhealthy OnUnimplemented = "unhealthy"
)

// Config holds the settings of health checking. Its zero value means the defaults.
// The JSON key of a field is its name with a small first letter, except that
// NoWatch is "watch", with the opposite meaning, and HTTP and GRPCPort are "http"
// and "grpcPort".
type Config struct {
	// Disabled turns probing off: being connected is enough.
	Disabled bool
	// Service is the service name that gRPC health checks send, at most MaxService
	// bytes. Default "", which means the server as a whole.
	Service string
	// Interval is the time from one probe to the next, at least 10ms. Default 1s.
	Interval time.Duration
	// Timeout is a probe's deadline, at most Interval. Default 0: the deadline is
	// derived from the measured round trips as in RFC 6298, at least three of them, and
	// between 0.3s and 1s.
	Timeout time.Duration
	// SuspectInterval replaces Interval while a change of state is being decided. It
	// is at least 10ms and at most Interval. Default 0.1s, or Interval if that is shorter.
	SuspectInterval time.Duration
	// Silence is how long calls may be in flight on a connection on which nothing is
	// received before the endpoint is probed at once. Default 0.3s.
	Silence time.Duration
	// Fall is how many failures in a row make an endpoint unhealthy. Rise is how
	// many successes in a row make it healthy again. A single verdict is enough if
	// it is the first one, or the first on a new connection of an endpoint that was
	// not unhealthy. Both are at most 1000. Default 2 each.
	Fall, Rise int
	// Jitter is the fraction by which each interval is shortened or lengthened at
	// random, above 0 and below 1. Default 0.2; NoJitter turns it off.
	Jitter float64
	// NoWatch turns off the gRPC health Watch, by which the server pushes changes as
	// they happen. Only Check is used then. Default false.
	NoWatch bool
	// OnUnimplemented says how a server without a health service is judged. Default
	// OnUnimplementedConnectivity.
	OnUnimplemented OnUnimplemented
	// HTTP, if not empty, is the template of an http or https URL to GET in
	// place of the gRPC health check. "{host}" in it stands for the endpoint's
	// host. It holds no user name or password. At most 2048 bytes.
	HTTP string
	// GRPCPort, if not 0, is the port of the endpoint's host on which the gRPC
	// health service listens. It excludes HTTP.
	GRPCPort int
}

// WithDefaults returns c with the defaults filled in. It checks every field, even
// if Disabled is set. The error is a *configerr.Error, or several of them joined.
func (c Config) WithDefaults() (Config, error) {
	if err := c.check(); err != nil {
		return Config{}, err
	}
	c.Interval = cmp.Or(c.Interval, defaultInterval)
	c.SuspectInterval = cmp.Or(c.SuspectInterval, min(defaultSuspectInterval, c.Interval))
	c.Silence = cmp.Or(c.Silence, defaultSilence)
	c.Fall, c.Rise = cmp.Or(c.Fall, defaultFall), cmp.Or(c.Rise, defaultRise)
	c.Jitter = cmp.Or(c.Jitter, defaultJitter)
	c.OnUnimplemented = cmp.Or(c.OnUnimplemented, OnUnimplementedConnectivity)
	return c, nil
}

// check reports every invalid field; zero values are valid.
func (c Config) check() error {
	var f fault.List
	f.Check(len(c.Service) <= MaxService && cleantext.Printable(c.Service), "service", fault.Quote(c.Service), wantService)
	rightInterval := checkDuration(&f, "interval", c.Interval, strictjson.WantDuration) &&
		f.Check(c.Interval == 0 || c.Interval >= limits.MinInterval, "interval", quoteDuration(c.Interval), wantInterval)
	shorter := []struct {
		field, want string
		d           time.Duration
	}{{"timeout", wantTimeout, c.Timeout}, {"suspectInterval", strictjson.WantDuration, c.SuspectInterval}}
	for _, s := range shorter {
		if checkDuration(&f, s.field, s.d, s.want) && rightInterval {
			interval := cmp.Or(c.Interval, defaultInterval)
			f.Check(s.d <= interval, s.field, quoteDuration(s.d),
				strings.TrimSuffix(s.want, strictjson.WantDuration)+"a duration up to the interval of "+strictjson.FormatDuration(interval))
		}
	}
	f.Check(c.SuspectInterval < limits.MinDuration || c.SuspectInterval >= limits.MinInterval, "suspectInterval",
		quoteDuration(c.SuspectInterval), wantInterval)
	checkDuration(&f, "silence", c.Silence, strictjson.WantDuration)
	checkNumber(&f, "fall", c.Fall, maxThreshold)
	checkNumber(&f, "rise", c.Rise, maxThreshold)
	f.Check(c.Jitter == NoJitter || (c.Jitter >= 0 && c.Jitter < 1), "jitter",
		strconv.FormatFloat(c.Jitter, 'g', -1, 64), "a number above 0 and below 1, or NoJitter")
	switch c.OnUnimplemented {
	case "", OnUnimplementedConnectivity, OnUnimplementedUnhealthy:
	default:
		f.Check(false, "onUnimplemented", fault.Quote(c.OnUnimplemented),
			strictjson.OneOf(OnUnimplementedConnectivity, OnUnimplementedUnhealthy))
	}
	f.Check(c.HTTP == "" || validTemplate(c), "http", fault.Quote(redactURL(c.HTTP)), wantHTTP)
	if checkNumber(&f, "grpcPort", c.GRPCPort, math.MaxUint16) {
		f.Check(c.HTTP == "" || c.GRPCPort == 0, "grpcPort", strconv.Itoa(c.GRPCPort),
			"0, since http is set: the health target is one or the other")
	}
	return f.Err()
}

var (
	wantInterval = "a duration of at least " + strconv.Quote(limits.MinInterval.String())
	wantTimeout  = `"auto" or ` + strictjson.WantDuration
	wantService  = fmt.Sprintf("at most %d bytes of printable characters", MaxService)
	wantHTTP     = fmt.Sprintf(`a URL of at most %d bytes, such as "http://{host}:8080/health", without user name or password`, maxHTTP)
)

// Settings returns the part of c that schedules probes, for the policies of this
// module. c is one that WithDefaults returned.
func (c Config) Settings() checking.Settings {
	return checking.Settings{
		Thresholds: checking.Thresholds{Fall: c.Fall, Rise: c.Rise},
		Interval:   c.Interval, SuspectInterval: c.SuspectInterval, Jitter: max(c.Jitter, 0), Timeout: c.Timeout, NoWatch: c.NoWatch,
	}
}

// HTTPURL returns the URL to GET for an endpoint at host, which is an IP address or
// a host name; an IPv6 address is put in brackets, if it has none. It returns "" if
// HTTP is empty.
func (c Config) HTTPURL(host string) string {
	if strings.Contains(host, ":") {
		host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
		host = "[" + strings.ReplaceAll(host, "%", "%25") + "]" // % begins a zone
	}
	return strings.ReplaceAll(c.HTTP, "{host}", host)
}

func validTemplate(c Config) bool {
	u, err := url.Parse(c.HTTPURL("127.0.0.1"))
	if err != nil || len(c.HTTP) > maxHTTP || !cleantext.Printable(c.HTTP) || u.User != nil || u.Hostname() == "" {
		return false
	}
	if u.Port() != "" {
		if port, err := strconv.Atoi(u.Port()); err != nil || port < 1 || port > math.MaxUint16 {
			return false
		}
	}
	return u.Scheme == "http" || u.Scheme == "https"
}

// redactURL removes possible secrets from a URL, which need not be valid:
// everything before an "@", and the query.
func redactURL(s string) string {
	s, _, hasQuery := strings.Cut(s, "?")
	if at := strings.LastIndex(s, "@"); at >= 0 {
		scheme, _, found := strings.Cut(s[:at], "//")
		if found {
			scheme += "//"
		} else {
			scheme = ""
		}
		s = scheme + "..." + s[at:]
	}
	if hasQuery {
		s += "?..."
	}
	return s
}

func quoteDuration(d time.Duration) string { return strconv.Quote(d.String()) }

func checkDuration(f *fault.List, field string, d time.Duration, want string) bool {
	return f.Check(d >= 0, field, quoteDuration(d), want) &&
		f.Check(d == 0 || d >= limits.MinDuration, field, quoteDuration(d), wantLonger(field)) &&
		f.Check(d <= MaxSetting, field, quoteDuration(d), "a duration of at most "+MaxSetting.String())
}

// wantLonger is the Want of an error about a duration that has probably no unit.
func wantLonger(field string) string {
	if field == "interval" || field == "suspectInterval" {
		return wantInterval + strictjson.WithoutUnit
	}
	return strictjson.WantLonger
}

// checkNumber checks a setting from 1 to high that is 0 for its default.
func checkNumber(f *fault.List, field string, n, high int) bool {
	return f.Check(n >= 0 && n <= high, field, strconv.Itoa(n), fmt.Sprintf("a whole number from 1 to %d", high))
}
