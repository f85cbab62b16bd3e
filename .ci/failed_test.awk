# Runs failed.awk over the logs of testdata/failed.txt and says where it printed
# something other than the lines that begin with >>> there.
#
#   awk -f failed_test.awk testdata/failed.txt
function check(  command, got, line) {
	if (name == "") return
	close(input)
	command = "awk -f .ci/failed.awk " input "; echo exit $?"
	while ((command | getline line) > 0) got = got line "\n"
	close(command)
	if (got != want) {
		printf "%s: got\n%swant\n%s", name, got, want
		bad = 1
	}
	printf "" >input
	want = ""
}
BEGIN { input = ".ci/.build/failed_test.input" }
/^=== / { check(); name = substr($0, 5); next }
/^>>> / { want = want substr($0, 5) "\n"; next }
{ print >input }
END { check(); exit bad }
