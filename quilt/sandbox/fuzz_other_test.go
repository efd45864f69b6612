//go:build !amd64

package sandbox

var seldomHere []uintptr
