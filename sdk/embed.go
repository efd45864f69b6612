// Package sdk carries the TypeScript SDK: its types, the code that is bundled
// into units, and the harness that runs a unit inside a container. The sources
// are in src; the JavaScript in dist is built from them by this package's test
// (`go test ./sdk -update`), so that building Aria needs no JavaScript tool. The
// .d.ts files in dist are written by hand and src is checked against them.
// Nothing here runs TypeScript or talks to a container.
package sdk

import _ "embed"

//go:embed dist/index.d.ts
var types string

//go:embed dist/aria-runtime.d.ts
var ambient string

//go:embed dist/testing.d.ts
var testingTypes string

//go:embed dist/index.js
var runtime string

//go:embed dist/testing.js
var testingRuntime string

//go:embed dist/harness.js
var harness []byte

// Types is index.d.ts: the types of the module @aria/sdk, complete in one file.
func Types() string { return types }

// Ambient is aria-runtime.d.ts: the globals of the container that TypeScript's
// own lib es2024 does not declare.
func Ambient() string { return ambient }

// Runtime is the code of @aria/sdk: one ES module without imports.
func Runtime() string { return runtime }

// TestingTypes and Testing are the types and the code of @aria/sdk/testing: a
// host in memory for unit tests, one ES module without imports.
func TestingTypes() string { return testingTypes }

// Testing is the code of @aria/sdk/testing.
func Testing() string { return testingRuntime }

// Harness is harness.js, which the container's Bun is started with. The bytes
// are the package's own: do not change them.
func Harness() []byte { return harness }
