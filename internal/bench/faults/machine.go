package faults

import (
	"strconv"
	"strings"
)

// parseMachineTime reads the first line of Linux's /proc/stat: "cpu", then the
// ticks spent as user, nice, system, idle, iowait and so on.
func parseMachineTime(text string) (all, idle float64) {
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	if len(fields) < 6 || fields[0] != "cpu" {
		return 0, 0
	}
	for i, field := range fields[1:min(len(fields), 9)] { // what follows is counted in user and nice already
		ticks, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return 0, 0
		}
		all += ticks
		if i == 3 || i == 4 {
			idle += ticks
		}
	}
	return all, idle
}
