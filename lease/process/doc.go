// Package process runs a program only while this machine holds a lease.
//
// # Why
//
// A program that may run only once, and was not written for several machines, needs a
// supervisor that starts it, probes its health, and ensures that it is gone before
// another machine starts its own. The supervisor itself may be stopped or killed, so
// there is a guard between the two:
//
//	supervisor (this program)  -- lives until T -->  guard  -->  the program's process group
//
// The guard starts the program in a process group of its own. A pipe from the
// supervisor carries the time at which the lease ends, by the clock that all processes of a machine share. At
// that time, and when the pipe ends because the supervisor did, it kills the group. The
// supervisor does the same if the guard ends or does not. [Run] does all of this; the
// program that calls it must begin with [Guard], which is the guard if it was started as
// one:
//
//	func main() {
//		process.Guard()
//		...
//		err := process.Run(ctx, process.Config{
//			Lease: lease.Config{Store: store, Name: "pink"}, Command: []string{"trigger-service", "--port", "8088"},
//			Health: "http://127.0.0.1:8088/livez",
//		})
//
// # What happens when
//
//	the program ends with 0        the lease is released; Run returns nil
//	the program fails              it is started again, up to Restart times within Within
//	its health fails               SIGTERM, Grace, SIGKILL of the group; then as when it fails
//	restarting does not help       the lease is released; Run returns ErrNotHelped
//	ctx ends                       SIGTERM, Grace, SIGKILL of the group; the lease is released
//	the lease is lost              SIGKILL of the group, before the lease can pass on; then a candidate again
//	the supervisor is killed       the guard kills the group at once
//	the supervisor is stopped      the guard kills the group when the lease ends
//	the guard is killed            the supervisor kills the group at once, and it counts as a failure
//	the guard is stopped           the supervisor kills the group when the lease ends, or ctx does
//	both are killed                Linux kills the program itself at once (parent-death signal)
//
// "Kills" means that it waits until the group is gone, as long as that takes: the lease is
// not released before. What has ended and is not reaped by its parent counts as gone.
//
// # Limits
//
// If both are stopped, the program continues until one of them does. If the supervisor is
// killed while the guard is stopped, the system continues the guard, unless a process of
// the same session adopts it; then the program continues until the guard does. If both are killed, or the guard is killed while the supervisor
// is stopped, Linux kills the program itself, but not the processes that it has started.
// What leaves the process group (setsid) is out of reach, but on Linux the guard adopts it
// and kills it before it ends; if the guard is killed, a cgroup has to do that, as
// systemd's KillMode=control-group does. On other systems than Unix Run returns
// errors.ErrUnsupported.
//
// # Defaults
//
//	Restart    3 within 10 m      Grace      10 s
//	StartTime  60 s               Pause      1 s
package process
