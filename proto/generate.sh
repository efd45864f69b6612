#!/usr/bin/env bash
# Makes proto/gen anew from the .proto files. Needs protoc (Debian package
# protobuf-compiler); the three plugins are built from the pinned modules.
set -euo pipefail
cd "$(dirname "$0")"
bin=$(mktemp -d); trap 'rm -rf "$bin"' EXIT
GOBIN=$bin go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.11
GOBIN=$bin go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
GOBIN=$bin go install connectrpc.com/connect/cmd/protoc-gen-connect-go@v1.21.1
rm -rf gen && mkdir gen
module=github.com/ariacomputecompany/firmware/proto/gen
PATH=$bin:$PATH protoc -I . --go_out=gen --go_opt=module=$module \
	--connect-go_out=gen --connect-go_opt=module=$module aria/v1/aria.proto aria/v1/models.proto aria/v1/triggers.proto aria/v1/operation.proto
PATH=$bin:$PATH protoc -I . --go_out=gen --go_opt=module=$module \
	--go-grpc_out=gen --go-grpc_opt=module=$module quilt/v1/quilt.proto
