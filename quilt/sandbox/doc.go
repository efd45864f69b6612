// Package sandbox starts one hardened, ephemeral container per execution.
//
// It has two sides. The launcher (RunLauncher) is the only part of Quilt that
// stays root: it takes a request over an inherited socket, computes the Plan
// itself, applies it with one clone and a list of raw system calls, and hands
// back a pidfd. The engine side (Dial, Client) is unprivileged and holds the
// container's pipes and its control socket.
//
// What never happens: the launcher reads no byte that a container wrote; a
// plan that differs from the one the launcher computes is refused; a process
// with a missing wall never reaches exec. There is no runtime process, no shim
// and no cgo.
//
// Lifetimes. The engine and each container carry the parent-death signal of a
// launcher thread that lives as long as the launcher. The launcher exits when
// the engine's end of the socket closes, after it has killed and removed every
// container. Cgroups that a killed launcher left behind are removed by the
// next start (sweep.go).
package sandbox
