// Package proto holds the wire contracts: aria/v1 is public, quilt/v1 is the
// Unix socket between the two daemons. The generated Go is committed, so that
// building needs no protoc; `make generate` makes it anew and CI compares.
package proto
