// Package bundle reads and writes .aria files: a ZIP in one fixed form whose
// first entry, manifest.json, lists the sha256 of all others. The form is
// specified in docs/spec/bundle.md. Reading trusts nothing: whatever is not in
// that form is refused with the reason. The package runs no code and knows no
// network.
package bundle
