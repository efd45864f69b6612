// Package version holds the one version that arc, ariad, quiltd and the bundles
// that arc builds call themselves. It holds nothing else.
package version

// Version is the semantic version of this source.
const Version = "0.1.0"
