# Compares a coverage profile with limits; exits with 1 where one is missed.
#
#   awk -v module=MODULE -f coverage.awk LIMITS PROFILE
#
# A line of LIMITS is a package's folder ("." for the root) or a file, and the
# least per cent of statements. In the profile a block stands once for each test
# binary: it counts as covered if any of them ran it.
FNR == NR {
	if (NF == 2) {
		order[++n] = $1
		limit[$1] = $2
	}
	next
}
/^mode:/ { next }
{
	size[$1] = $2
	if ($3 > 0) ran[$1] = 1
}
END {
	for (block in size) {
		file = block
		sub(/:[^:]*$/, "", file)
		file = substr(file, length(module) + 2)
		folder = file
		if (!sub(/\/[^\/]*$/, "", folder)) folder = "."
		all[file] += size[block]
		all[folder] += size[block]
		if (block in ran) {
			hit[file] += size[block]
			hit[folder] += size[block]
		}
	}
	for (i = 1; i <= n; i++) {
		name = order[i]
		if (!all[name]) {
			printf "%-32s not measured\n", name
			missed = 1
			continue
		}
		per = 100 * hit[name] / all[name]
		note = ""
		if (per < limit[name]) {
			note = "  TOO LOW"
			missed = 1
		}
		printf "%-32s %5.1f %% of %4d statements, at least %d %%%s\n", name, per, all[name], limit[name], note
	}
	exit missed
}
