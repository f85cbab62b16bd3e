# Reads what go test wrote and prints what may run once more, a line each:
#
#   crashed PACKAGE      the race detector itself has crashed, and no test failed
#   failed PACKAGE TEST  a test failed, and nothing else happened in its package
#
# It exits with 1 if something failed that must not: a data race, a panic, a leak, a
# package that does not build.
#
#   awk -f failed.awk LOG
#
# go test writes the output of one package after the other, each with the result last.
function begin() { fatal = crashed = segv = dead = 0; delete tests; count = 0 }

/DATA RACE/ || /^panic:/ || /^goleak: / { fatal = 1 }
/^fatal error:/ { dead = 1 }
/^--- FAIL: / { tests[++count] = $3 }
/ThreadSanitizer:? CHECK failed/ { crashed = 1 }
/SIGSEGV: segmentation violation/ { segv = 1 }
/^runtime\.(race|\(\*timer\)\.modify)/ && segv { crashed = 1 }
/^(ok|\?) *\t/ { begin() }
/^FAIL\t/ {
	if (crashed && !fatal && !count) print "crashed", $2
	else if (count && !fatal && !crashed && !segv && !dead)
		for (i = 1; i <= count; i++) print "failed", $2, tests[i]
	else other = 1
	begin()
}
END { exit other }
