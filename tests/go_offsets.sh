#!/usr/bin/env bash
# Prints where Go's runtime keeps what the agent reads, by version: what stands in
# exporter/src/runtimes/go/offsets.rs. Each version is downloaded, makes a program for x86-64 and for
# arm64, and the program's debug information is read.
# tests/go_offsets.sh [VERSION...], such as `tests/go_offsets.sh 1.26.8`; without any, the first and
# the last of each minor version that were measured.
set -euo pipefail

command -v go >/dev/null || {
    echo "SKIP: there is no Go" >&2
    exit 0
}
[ $# -gt 0 ] || set -- 1.22.0 1.22.12 1.23.0 1.23.12 1.24.0 1.24.13 1.25.0 1.25.5 1.26.0 1.26.8
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir "$work/offsets" "$work/program"
printf 'module offsets\n\ngo 1.22\n' >"$work/offsets/go.mod"
printf 'module program\n\ngo 1.22\n' >"$work/program/go.mod"
printf 'package main\n\nimport "net/http"\n\nfunc main() { http.Get("http://127.0.0.1:1/") }\n' >"$work/program/main.go"
cat >"$work/offsets/main.go" <<'GO'
package main

import (
	"debug/dwarf"
	"debug/elf"
	"fmt"
	"os"
)

var wanted = map[string][]string{
	"runtime.g": {"m", "goid", "parentGoid", "startpc"},
	"runtime.m": {"procid", "curg", "p", "oldp"},
	"runtime.p": {"id", "goidcache", "goidcacheend"},
}

func main() {
	file, err := elf.Open(os.Args[1])
	if err != nil {
		panic(err)
	}
	info, err := file.DWARF()
	if err != nil {
		panic(err)
	}
	entries := info.Reader()
	for {
		entry, err := entries.Next()
		if err != nil {
			panic(err)
		}
		if entry == nil {
			return
		}
		name, _ := entry.Val(dwarf.AttrName).(string)
		fields := wanted[name]
		if entry.Tag != dwarf.TagStructType || fields == nil {
			continue
		}
		for {
			field, err := entries.Next()
			if err != nil {
				panic(err)
			}
			if field.Tag == 0 {
				break
			}
			for _, it := range fields {
				if field.Val(dwarf.AttrName) == it {
					fmt.Printf(" %s.%s=%d", name, it, field.Val(dwarf.AttrDataMemberLoc))
				}
			}
		}
	}
}
GO
(cd "$work/offsets" && GOFLAGS=-buildvcs=false GOTOOLCHAIN=local go build -o "$work/read" .)
cd "$work/program"
for version in "$@"; do
    for machine in amd64 arm64; do
        GOFLAGS=-buildvcs=false GOARCH=$machine GOTOOLCHAIN="go$version" go build -o "$work/made" .
        printf '%s %s%s\n' "$version" "$machine" "$("$work/read" "$work/made")"
    done
done
