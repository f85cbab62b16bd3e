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

// NoJitter is the Config.Jitter that turns jitter off.
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

// OnUnimplemented says what it means that a server has no health service.
type OnUnimplemented string

// The values of OnUnimplemented.
const (
	// OnUnimplementedConnectivity: being connected is enough. The default.
	OnUnimplementedConnectivity OnUnimplemented = "connectivity"
	// OnUnimplementedUnhealthy: the endpoint does not serve.
	OnUnimplementedUnhealthy OnUnimplemented = "unhealthy"
)

// Config is the settings of health checking. Its zero value means the defaults.
// The JSON key of a field is its name with a small first letter, except that
// NoWatch is "watch", the other way round, and HTTP and GRPCPort are "http" and
// "grpcPort".
type Config struct {
	// Disabled turns probing off: being connected is enough.
	Disabled bool
	// Service is the name asked for in gRPC health checks, at most MaxService
	// bytes. Default "", which is the server as a whole.
	Service string
	// Interval is the time from one probe to the next. Default 1s.
	Interval time.Duration
	// Timeout is a probe's deadline, at most Interval. Default 0: the deadline
	// follows the measured round trips after RFC 6298, between 0.3s and 1s.
	Timeout time.Duration
	// SuspectInterval takes the place of Interval while a change of state is
	// being decided; it is at most Interval. Default 0.1s, or Interval if that
	// is shorter.
	SuspectInterval time.Duration
	// Silence is how long calls may be in flight on a connection with nothing
	// heard on it, before the endpoint is probed at once. Default 0.3s.
	Silence time.Duration
	// Fall is how many failures in a row make an endpoint unhealthy. Rise is how
	// many successes in a row make it healthy again; the first verdict of all, and
	// the first on a new connection of an endpoint that was not unhealthy, needs
	// just one. Both are at most 1000. Default 2 each.
	Fall, Rise int
	// Jitter is the share by which each interval is made shorter or longer at
	// random, above 0 and below 1. Default 0.2; NoJitter for none.
	Jitter float64
	// NoWatch leaves out the gRPC health Watch, which pushes changes the moment
	// they happen, so that only Check is used. Default false.
	NoWatch bool
	// OnUnimplemented says what it means that a server has no health service.
	// Default OnUnimplementedConnectivity.
	OnUnimplemented OnUnimplemented
	// HTTP, if not empty, is the template of an http or https URL to GET in
	// place of the gRPC health check. "{host}" in it stands for the endpoint's
	// host. It holds no user name or password. At most 2048 bytes.
	HTTP string
	// GRPCPort, if not 0, is another port of the endpoint's host, where the gRPC
	// health service is. It excludes HTTP.
	GRPCPort int
}

// WithDefaults fills in the defaults and checks every field, also where Disabled is
// set. Its error is a *configerr.Error, or several of them joined.
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

// check finds all that is wrong; zero values are right.
func (c Config) check() error {
	var f fault.List
	f.Check(len(c.Service) <= MaxService && cleantext.Printable(c.Service), "service", fault.Quote(c.Service), wantService)
	rightInterval := checkDuration(&f, "interval", c.Interval, strictjson.WantDuration)
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
	wantTimeout = `"auto" or ` + strictjson.WantDuration
	wantService = fmt.Sprintf("at most %d bytes of printable characters", MaxService)
	wantHTTP    = fmt.Sprintf(`a URL of at most %d bytes, such as "http://{host}:8080/health", without user name or password`, maxHTTP)
)

// Settings returns the part of c that schedules probes, for the policies of this
// module. c is one that WithDefaults returned.
func (c Config) Settings() checking.Settings {
	return checking.Settings{
		Thresholds: checking.Thresholds{Fall: c.Fall, Rise: c.Rise},
		Interval:   c.Interval, SuspectInterval: c.SuspectInterval, Jitter: max(c.Jitter, 0), Timeout: c.Timeout, NoWatch: c.NoWatch,
	}
}

// HTTPURL gives the URL to GET for an endpoint at host, which is an IP address
// or a host name; an IPv6 address is put in brackets, if it has none. It gives
// "" if HTTP is empty.
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

// redactURL hides what may be a secret in a URL, which need not be a valid one:
// whatever stands before an "@", and the query.
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
		f.Check(d <= MaxSetting, field, quoteDuration(d), "a duration of at most "+MaxSetting.String())
}

// checkNumber checks a setting from 1 to high that is 0 for its default.
func checkNumber(f *fault.List, field string, n, high int) bool {
	return f.Check(n >= 0 && n <= high, field, strconv.Itoa(n), fmt.Sprintf("a whole number from 1 to %d", high))
}
