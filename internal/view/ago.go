package view

import (
	"fmt"
	"time"
)

// Unknown is shown for an unknown value.
const Unknown = "-"

// Ago returns how long before now something was, or Unknown if then is zero.
func Ago(then, now time.Time) string {
	if then.IsZero() {
		return Unknown
	}
	return Span(now.Sub(then))
}

// Span formats a duration in a few characters, such as "0.4s", "12s", "3m05s",
// "2h10m" or "5d3h". A negative duration counts as zero.
func Span(d time.Duration) string {
	d = max(d, 0).Round(100 * time.Millisecond)
	if d < 10*time.Second {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	switch d = d.Round(time.Second); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	}
}

// RoundTrip formats a round trip time in three digits. It returns Unknown if d is
// 0.
func RoundTrip(d time.Duration) string {
	const second = 999.5 // ms, which would be rounded to 1000
	switch ms := float64(d) / float64(time.Millisecond); {
	case d <= 0:
		return Unknown
	case ms < second:
		return threeDigits(ms) + "ms"
	default:
		return threeDigits(d.Seconds()) + "s"
	}
}

func threeDigits(x float64) string {
	switch {
	case x < 9.995:
		return fmt.Sprintf("%.2f", x)
	case x < 99.95:
		return fmt.Sprintf("%.1f", x)
	default:
		return fmt.Sprintf("%.0f", x)
	}
}
