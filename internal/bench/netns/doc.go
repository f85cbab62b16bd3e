// Package netns connects processes by networks of their own, in which packets can be
// lost.
//
// # Why
//
// A partition is lost packets: no connection ends, and nobody is told. The suites lose
// real packets, in network namespaces that processes of this program have for
// themselves, so that the machine's own network is not touched. One process, the hub,
// has a cable to each of the others:
//
//	hub  10.77.i.1/30, cable i  <->  eth0, 10.77.i.2/30  process i
//
// The namespaces end with their processes. It works on Linux, as root, with the
// programs nsenter, unshare, ip and nft.
package netns
