//go:build unix && !linux

package process

import "syscall"

func dieWithParent(*syscall.SysProcAttr) {}

func adoptOrphans() {}

func onlyZombies(int) bool { return false }

func killAdopted() bool { return false }

func killBelow(int) {}
