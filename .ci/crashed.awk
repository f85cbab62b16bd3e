# Reads what go test -race wrote and prints the packages in which the race detector
# itself crashed, and no test failed; exits with 1 if a package failed otherwise.
#
#   awk -f crashed.awk LOG
#
# go test writes the output of one package after the other, each with the result last.
/DATA RACE/ || /^ *--- FAIL/ || /^panic:/ { failed = 1 }
/ThreadSanitizer:? CHECK failed/ { crashed = 1 }
/SIGSEGV: segmentation violation/ { segv = 1 }
/^runtime\.(race|\(\*timer\)\.modify)/ && segv { crashed = 1 }
/^(ok|\?|---)?  *\t/ || /^ok *\t/ { failed = crashed = segv = 0 }
/^FAIL\t/ {
	if (crashed && !failed) print $2
	else other = 1
	failed = crashed = segv = 0
}
END { exit other }
