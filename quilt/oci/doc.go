// Package oci is quilt-oci: a runtime command as the runtime specification of
// the Open Container Initiative (version 1.3) defines one. It builds the container
// that a bundle's config.json asks for, with the kernel interfaces of quilt/sandbox:
// mounts by descriptor, paths resolved inside the root, one filter compiler.
//
// What a configuration asks for and this runtime cannot do is refused with one
// sentence, never left out. Where it is silent, the careful choice holds.
//
// The stages: check (config.go, check.go) reads and refuses; parent.go prepares
// the control group and starts a child in its namespaces; child.go builds the
// root, waits for `start` and becomes the container's process.
package oci
